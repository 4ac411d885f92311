//! The provider and the gateways under test, as the programs that `make build` leaves in `dist`.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener
        .local_addr()
        .map_err(|error| error.to_string())?
        .port())
}

/// A child process that ends with its owner.
struct Running(Child);

impl Running {
    /// Starts a program and waits until it prints a line with `sign`.
    fn start(command: &mut Command, sign: &str) -> Result<Self, String> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let running = Self(child);
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains(sign) {
                return Ok(running);
            }
        }
        Err(format!("{command:?} did not start"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM, so that the gateway takes its Envoy along.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        if asked.is_ok() {
            let _ = self.0.wait();
        }
    }
}

/// The offline provider with one script.
pub(crate) struct Provider {
    pub(crate) port: u16,
    _process: Running,
}

impl Provider {
    pub(crate) fn start(script: &str) -> Result<Self, String> {
        let port = free_port()?;
        let file = env::temp_dir().join(format!("kt-bench-{port}.json"));
        fs::write(&file, script).map_err(|error| error.to_string())?;
        let mut command = Command::new(root().join("dist/kt"));
        command
            .args([
                "mock-provider",
                "--remember",
                "0",
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--script",
            ])
            .arg(&file);
        let process = Running::start(&mut command, "Offline provider")?;
        let _ = fs::remove_file(&file);
        Ok(Self {
            port,
            _process: process,
        })
    }
}

/// A gateway in front of the provider, with or without the filters.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    _process: Running,
}

impl Gateway {
    pub(crate) fn start(provider: u16, with_filter: bool) -> Result<Self, String> {
        let (port, admin) = (free_port()?, free_port()?);
        let demo = fs::read_to_string(root().join("policy-configs/demo.yaml"))
            .map_err(|error| error.to_string())?;
        let config = env::temp_dir().join(format!("kt-bench-{port}.yaml"));
        fs::write(
            &config,
            demo.replace("127.0.0.1:41003", &format!("127.0.0.1:{provider}")),
        )
        .map_err(|error| error.to_string())?;
        let mut command = Command::new(root().join("dist/kt"));
        command.env("OFFLINE_PROVIDER_KEY", "offline");
        command.args([
            "gateway",
            "run",
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--admin",
            &format!("127.0.0.1:{admin}"),
        ]);
        command
            .args(["--event-log", "/dev/null", "--policy-config"])
            .arg(&config);
        if !with_filter {
            command.arg("--without-filter");
        }
        let process = Running::start(&mut command, "ready on")?;
        let _ = fs::remove_file(&config);
        Ok(Self {
            port,
            _process: process,
        })
    }
}
