//! `kt gateway run`: generate the configuration, start Envoy, wait until it serves, pass signals on.

use std::{
    env, fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand, ValueEnum};
use kt_config::Gateway;
use kt_envoy_gen::{Address, Options, bootstrap_yaml};
use kt_policy::FailMode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command as Process},
    signal::unix::{SignalKind, signal},
};

use crate::Failure;

/// Envoy answers well within this, or something is wrong.
const START_LIMIT: Duration = Duration::from_mins(1);
/// What Envoy gets to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Where certificate bundles lie on common systems.
const CA_FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Subcommands of `kt gateway`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway in the foreground until SIGTERM or SIGINT.
    Run(Box<Run>),
}

/// Arguments of `kt gateway run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    policy_config: PathBuf,
    /// Where clients connect.
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:41002")]
    listen: Address,
    /// What happens when the policy engine fails.
    #[arg(long, value_enum, default_value_t = FailModeArgument::Block)]
    fail_mode: FailModeArgument,
    /// What happens to images, audio, files and remote content, which cannot be inspected. Either way the event's
    /// `coverage` lists them.
    #[arg(long, value_enum, default_value_t = FailModeArgument::Allow)]
    unreadable: FailModeArgument,
    /// Where events are written, one JSON object per line.
    #[arg(long, value_name = "PATH", default_value = "keeptrusts-events.jsonl")]
    event_log: PathBuf,
    /// Where Envoy's admin interface listens.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9901")]
    admin: Address,
    /// Worker threads [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// The Envoy binary [default: $`ENVOY_BIN`, else `envoy` beside this program, else on the PATH].
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The filter module [default: `keeptrusts.wasm` beside this program].
    #[arg(long, value_name = "PATH")]
    wasm: Option<PathBuf>,
    /// Leave the filters out: the yardstick of the benchmarks. Nothing is inspected.
    #[arg(long, hide = true)]
    without_filter: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailModeArgument {
    /// Refuse what cannot be inspected.
    Block,
    /// Let it go on, marked in its event.
    Allow,
}

impl From<FailModeArgument> for FailMode {
    fn from(argument: FailModeArgument) -> Self {
        match argument {
            FailModeArgument::Block => Self::Block,
            FailModeArgument::Allow => Self::Allow,
        }
    }
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Command::Run(run) = command;
    let gateway = available(load(&run.policy_config)?)?;
    let options = options(run)?;
    check_free(&run.listen, "--listen")?;
    check_free(&run.admin, "--admin")?;
    let envoy = envoy_binary(run)?;
    let folder = Folder::create()?;
    let bootstrap = folder.write("envoy.yaml", &bootstrap_yaml(&gateway, &options))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| Failure::usage(format!("error: cannot start: {error}")))?;
    runtime.block_on(supervise(run, &gateway, &envoy, &bootstrap))
}

/// Reads the policy file and prints its warnings.
pub(crate) fn load(path: &Path) -> Result<Gateway, Failure> {
    let file = path.display().to_string();
    let source = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("error: cannot read {file}: {error}")))?;
    match kt_config::load(&source) {
        Ok((gateway, warnings)) => {
            eprint!("{}", warnings.render(&file, &source));
            Ok(gateway)
        }
        Err(report) => Err(Failure::problem(report.render(&file, &source))),
    }
}

/// Sets the targets aside whose key is not in the environment.
fn available(mut gateway: Gateway) -> Result<Gateway, Failure> {
    let has_key = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let (with_key, without_key) = gateway
        .targets
        .into_iter()
        .partition(|target| target.key_env.as_deref().is_none_or(has_key));
    (gateway.targets, gateway.without_key) = (with_key, without_key);
    let mut missing: Vec<&str> = Vec::new();
    for target in &gateway.without_key {
        let name = target.key_env.as_deref().unwrap_or_default();
        eprintln!(
            "warning: target `{}` is unavailable: {name} is not set",
            target.id
        );
        if !missing.contains(&name) {
            missing.push(name);
        }
    }
    if gateway.targets.is_empty() {
        let message = format!(
            "error: no target is available\nhint: export {} with the key of its provider",
            missing.join(" or ")
        );
        return Err(Failure::problem(message));
    }
    Ok(gateway)
}

fn options(run: &Run) -> Result<Options, Failure> {
    let wasm = run
        .wasm
        .clone()
        .or_else(|| beside_program("keeptrusts.wasm"))
        .filter(|path| path.is_file());
    let Some(wasm) = wasm else {
        return Err(Failure::usage(
            "error: the filter module keeptrusts.wasm was not found\nhint: run `make build`, or name it with --wasm PATH",
        ));
    };
    let event_log = absolute(&run.event_log)?;
    let opened = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&event_log);
    opened.map_err(|error| {
        Failure::usage(format!(
            "error: cannot write the event log {}: {error}",
            event_log.display()
        ))
    })?;
    let ca_file = env::var("SSL_CERT_FILE")
        .ok()
        .filter(|path| !path.is_empty());
    let ca_file = ca_file.or_else(|| {
        CA_FILES
            .iter()
            .find(|path| Path::new(path).is_file())
            .map(|path| (*path).to_owned())
    });
    Ok(Options {
        listen: run.listen.clone(),
        admin: run.admin.clone(),
        wasm: absolute(&wasm)?.display().to_string(),
        event_log: event_log.display().to_string(),
        ca_file: ca_file.unwrap_or_else(|| Options::default().ca_file),
        fail_mode: run.fail_mode.into(),
        unreadable: run.unreadable.into(),
        without_filter: run.without_filter,
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::usage(format!("error: {}: {error}", path.display())))
}

fn beside_program(name: &str) -> Option<PathBuf> {
    Some(env::current_exe().ok()?.parent()?.join(name))
}

fn envoy_binary(run: &Run) -> Result<PathBuf, Failure> {
    let named = run.envoy.clone().or_else(|| {
        env::var_os("ENVOY_BIN")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    });
    if let Some(path) = named {
        let message = format!("error: there is no Envoy at {}", path.display());
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Failure::usage(message))
        };
    }
    let on_path = env::var_os("PATH").and_then(|paths| {
        env::split_paths(&paths)
            .map(|folder| folder.join("envoy"))
            .find(|path| path.is_file())
    });
    let found = beside_program("envoy")
        .filter(|path| path.is_file())
        .or(on_path);
    found.ok_or_else(|| Failure::usage("error: Envoy was not found\nhint: run `make build`, set ENVOY_BIN, or name it with --envoy PATH"))
}

/// Asks for an address before Envoy does, to say plainly that it is taken.
fn check_free(address: &Address, flag: &str) -> Result<(), Failure> {
    let socket: SocketAddr = address
        .to_string()
        .parse()
        .map_err(|_| Failure::usage(format!("error: {flag}: `{address}` is not ADDR:PORT")))?;
    let bound = TcpListener::bind(socket).map(drop);
    bound.map_err(|error| {
        Failure::usage(format!(
            "error: cannot listen on {address}: {error}\nhint: choose another address with {flag}"
        ))
    })
}

/// A private folder for generated files, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = env::temp_dir().join(format!("keeptrusts-{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| {
            Failure::usage(format!("error: cannot make {}: {error}", path.display()))
        })?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        let written = fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| {
            Failure::usage(format!("error: cannot write {}: {error}", path.display()))
        })?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Runs Envoy until it ends or a signal asks it to.
async fn supervise(
    run: &Run,
    gateway: &Gateway,
    envoy: &Path,
    bootstrap: &Path,
) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let mut child = start(run, envoy, bootstrap)?;
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return Err(Failure::usage("error: cannot listen for signals"));
    };
    let admin = run.admin.clone();
    let mut ready = Box::pin(wait_until_ready(&admin));
    let mut announced = false;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(Failure::problem(format!("error: Envoy ended by itself ({status}); its messages are above")));
            }
            _ = terminate.recv() => return stop(child).await,
            _ = interrupt.recv() => return stop(child).await,
            is_ready = &mut ready, if !announced => {
                announced = true;
                if !is_ready {
                    let _ = stop(child).await;
                    return Err(Failure::problem(format!("error: Envoy was not ready after {} s; its messages are above", START_LIMIT.as_secs())));
                }
                announce(run, gateway, started.elapsed());
            }
        }
    }
}

fn start(run: &Run, envoy: &Path, bootstrap: &Path) -> Result<Child, Failure> {
    let cores = std::thread::available_parallelism()
        .map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(1));
    let mut process = Process::new(envoy);
    process
        .arg("-c")
        .arg(bootstrap)
        .arg("--concurrency")
        .arg(run.concurrency.unwrap_or(cores).to_string())
        // Every event is in the file when its exchange ends; Envoy's default keeps ten seconds of them in memory.
        .args(["--file-flush-min-size-kb", "0"])
        .args([
            "--log-level",
            "warning",
            "--component-log-level",
            "main:error",
            "--disable-hot-restart",
        ])
        .kill_on_drop(true);
    process.spawn().map_err(|error| {
        Failure::usage(format!("error: cannot start {}: {error}", envoy.display()))
    })
}

fn announce(run: &Run, gateway: &Gateway, after: Duration) {
    let targets: Vec<&str> = gateway
        .targets
        .iter()
        .map(|target| target.id.as_str())
        .collect();
    println!(
        "Loaded declarative config {}@{}",
        gateway.pack.name, gateway.pack.version
    );
    println!(
        "Keeptrusts gateway ready on http://{} after {:.1} s: {} policies, strategy {}, targets {}",
        run.listen,
        after.as_secs_f64(),
        gateway.policies.len(),
        gateway.routing.strategy.name(),
        targets.join(", ")
    );
    // Whoever waits for the line reads from a pipe.
    let _ = std::io::stdout().flush();
}

async fn wait_until_ready(admin: &Address) -> bool {
    let deadline = Instant::now() + START_LIMIT;
    while Instant::now() < deadline {
        if is_ready(admin).await.unwrap_or(false) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

async fn is_ready(admin: &Address) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(admin.to_string()).await?;
    stream
        .write_all(b"GET /ready HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

/// Asks Envoy to end, and makes it.
async fn stop(mut child: Child) -> Result<ExitCode, Failure> {
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        // Fails only for a process that is gone, which the wait below sees.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(STOP_LIMIT, child.wait())
        .await
        .is_err()
    {
        let killed = child.kill().await;
        killed.map_err(|error| Failure::problem(format!("error: Envoy does not end: {error}")))?;
    }
    Ok(ExitCode::SUCCESS)
}
