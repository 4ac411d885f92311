//! The provider and the gateways under test, as the programs that `make build` leaves in `dist`, and what they use.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) fn root() -> PathBuf {
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

/// A gateway in front of the provider.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    /// From the start of the command to the first answer.
    pub(crate) ready: Duration,
    envoy: u32,
    events: PathBuf,
    _process: Running,
}

impl Gateway {
    /// A gateway with this policy file, with the filters or without them.
    pub(crate) fn start(policy: &str, with_filter: bool) -> Result<Self, String> {
        let (port, admin) = (free_port()?, free_port()?);
        let config = env::temp_dir().join(format!("kt-bench-{port}.yaml"));
        let events = env::temp_dir().join(format!("kt-bench-{port}.jsonl"));
        fs::write(&config, policy).map_err(|error| error.to_string())?;
        let mut command = Command::new(root().join("dist/kt"));
        command.env("OFFLINE_PROVIDER_KEY", "offline");
        command.args([
            "gateway",
            "run",
            "--concurrency",
            "2",
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--admin",
            &format!("127.0.0.1:{admin}"),
        ]);
        command.arg("--event-log").arg(&events);
        command.arg("--policy-config").arg(&config);
        if !with_filter {
            command.arg("--without-filter");
        }
        let begin = Instant::now();
        let process = Running::start(&mut command, "ready on")?;
        let ready = begin.elapsed();
        let _ = fs::remove_file(&config);
        let envoy = child_of(process.0.id()).ok_or("the gateway has no Envoy")?;
        Ok(Self {
            port,
            ready,
            envoy,
            events,
            _process: process,
        })
    }

    /// What Envoy's threads have run so far.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.envoy));
        let threads = tasks.into_iter().flatten().filter_map(Result::ok);
        threads
            .filter_map(|thread| {
                let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
                text.split(' ')
                    .next()?
                    .parse()
                    .ok()
                    .map(Duration::from_nanos)
            })
            .sum()
    }

    /// Envoy's anonymous memory, in MiB.
    pub(crate) fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.envoy));
        let kib = status.ok().and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("RssAnon:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        });
        kib.map_or(f64::NAN, |kib| kib / 1024.0)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.events);
    }
}

fn child_of(process: u32) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    tasks.filter_map(Result::ok).find_map(|task| {
        let children = fs::read_to_string(task.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}
