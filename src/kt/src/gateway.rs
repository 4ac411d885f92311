//! `kt gateway run`: generate the configuration, start Envoy with it and look after it.

mod ability;
mod admin;
mod folder;
mod health;
mod memory;
mod reload;
mod sealer;
mod supervise;

use std::{
    env, fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use kt_config::{Gateway, KeySource};
use kt_envoy_gen::{Address, BOOTSTRAP, DASHBOARD, Options, Shape};

use crate::Failure;
use folder::Folder;
use reload::Reload;
pub(crate) use sealer::seals_of;
use supervise::{Envoy, supervise};

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
    /// Ask a running gateway whether it serves. Exit 0 when it does, 1 when not.
    Health(health::Health),
}

/// Arguments of `kt gateway run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    policy_config: PathBuf,
    /// The Envoy binary [default: $`ENVOY_BIN`, else `envoy` beside this program, else on the PATH].
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The filter module [default: `keeptrusts.wasm` beside this program].
    #[arg(long, value_name = "PATH")]
    wasm: Option<PathBuf>,
    /// How long running exchanges may take to end on SIGTERM, in seconds; a second signal ends them at once.
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    drain_seconds: u64,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(run) => run_gateway(run),
        Command::Health(health) => health::run(health),
    }
}

fn run_gateway(run: &Run) -> Result<ExitCode, Failure> {
    let folder = Folder::create()?;
    let pipe = admin::pipe(folder.path())?;
    let dashboard = folder.path().join("dashboard.html");
    fs::write(&dashboard, DASHBOARD).map_err(|error| {
        Failure::usage(format!(
            "error: cannot write {}: {error}",
            dashboard.display()
        ))
    })?;
    let options = Options {
        folder: folder.path().display().to_string(),
        dashboard: Some(dashboard.display().to_string()),
        generation: Some(1),
        admin_pipe: Some(pipe.display().to_string()),
        ..options(run)?
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| Failure::usage(format!("error: cannot start: {error}")))?;
    runtime.block_on(async {
        let (asks, asked) = admin::asks();
        let mut reload = Reload::begin(&run.policy_config, folder.path(), options.clone(), asked)?;
        drop(bind(&run.shape.listen, "--listen")?);
        admin::serve(bind(&run.shape.admin, "--admin")?, pipe.clone(), asks)?;
        // Ends, with a last seal, after Envoy has.
        let _sealing = sealer::start(&options.event_log, &run.policy_config)?;
        let envoy = envoy(run, &options, &folder.path().join(BOOTSTRAP), pipe)?;
        supervise(&envoy, &mut reload, |gateway, after| {
            announce(run, gateway, after);
        })
        .await
    })
}

/// Reads the policy file and prints its warnings.
pub(crate) fn load(path: &Path) -> Result<Gateway, Failure> {
    let source = fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("error: cannot read {}: {error}", path.display()))
    })?;
    load_text(path, &source)
}

/// Reads the text of the policy file at `path` and prints its warnings.
fn load_text(path: &Path, source: &str) -> Result<Gateway, Failure> {
    let file = path.display().to_string();
    match kt_config::load(source) {
        Ok((gateway, warnings)) => {
            eprint!("{}", warnings.render(&file, source));
            Ok(gateway)
        }
        Err(report) => Err(Failure::problem(report.render(&file, source))),
    }
}

/// Takes the hashes of consumers' keys from the environment, and sets the targets aside whose key is not where it should be.
fn available(gateway: Gateway) -> Result<Gateway, Failure> {
    let variable = |name: &str| env::var(name).ok();
    let mut gateway = gateway.with_keys(variable).map_err(Failure::problem)?;
    gateway.set_aside(|target| target.key.as_ref().is_none_or(has_key));
    // Where a key could be put, by what is to be done there.
    let mut places = [("export", Vec::new()), ("write", Vec::new())];
    for target in &gateway.without_key {
        let Some(key) = &target.key else { continue };
        let (missing, place, todo) = match key {
            KeySource::Env(name) => (format!("{name} is not set"), name, 0),
            KeySource::File(path) => (format!("there is no key in {path}"), path, 1),
        };
        eprintln!("warning: target `{}` is unavailable: {missing}", target.id);
        if let Some((_, places)) = places.get_mut(todo)
            && !places.contains(&place.as_str())
        {
            places.push(place);
        }
    }
    if gateway.targets.is_empty() {
        let told = places.iter().filter(|(_, places)| !places.is_empty());
        let remedies: Vec<String> = told
            .map(|(verb, places)| format!("{verb} {}", places.join(" or ")))
            .collect();
        let message = format!(
            "error: no target is available\nhint: {} with the key of its provider",
            remedies.join(", or ")
        );
        return Err(Failure::problem(message));
    }
    Ok(gateway)
}

/// Whether there is anything where the key should be.
fn has_key(key: &KeySource) -> bool {
    match key {
        KeySource::Env(name) => env::var_os(name).is_some_and(|value| !value.is_empty()),
        KeySource::File(path) => fs::read(path).is_ok_and(|bytes| !bytes.trim_ascii().is_empty()),
    }
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
    let event_log = absolute(Path::new(&run.shape.event_log))?;
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
    let cores =
        thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(1));
    let defaults = Options::default();
    let ca_file = CA_FILES.iter().find(|path| Path::new(path).is_file());
    let options = run.shape.options(Options {
        wasm: absolute(&wasm)?.display().to_string(),
        ca_file: ca_file.map_or(defaults.ca_file, |path| (*path).to_owned()),
        memory_bytes: memory::budget(),
        workers: cores,
        token_sha256: run
            .shape
            .token_sha256()
            .map_err(|reason| Failure::usage(format!("error: {reason}")))?,
        ..Options::default()
    });
    Ok(Options {
        event_log: event_log.display().to_string(),
        ..options
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

/// How long an Envoy that was killed may still hold its address: its threads end one by one.
const GOES_AWAY: Duration = Duration::from_secs(2);

/// Takes an address: for good, or before Envoy does, to say plainly that somebody else has it.
fn bind(address: &Address, flag: &str) -> Result<TcpListener, Failure> {
    let socket: SocketAddr = address
        .to_string()
        .parse()
        .map_err(|_| Failure::usage(format!("error: {flag}: `{address}` is not ADDR:PORT")))?;
    let deadline = Instant::now() + GOES_AWAY;
    let bound = loop {
        match TcpListener::bind(socket) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(50));
            }
            bound => break bound,
        }
    };
    bound.map_err(|error| {
        Failure::usage(format!(
            "error: cannot listen on {address}: {error}\nhint: choose another address with {flag}"
        ))
    })
}

/// What Envoy is started with.
fn envoy(run: &Run, options: &Options, bootstrap: &Path, admin: PathBuf) -> Result<Envoy, Failure> {
    let workers = options.workers.to_string();
    let bootstrap = bootstrap.display().to_string();
    let drain = run.drain_seconds.to_string();
    let arguments = [
        "-c",
        &bootstrap,
        "--concurrency",
        &workers,
        // Every event is in the file when its exchange ends; Envoy's default keeps ten seconds of them in memory.
        "--file-flush-min-size-kb",
        "0",
        "--log-level",
        "warning",
        "--component-log-level",
        "main:error",
        "--disable-hot-restart",
        // Whoever is connected at the end is told at once that this connection ends.
        "--drain-strategy",
        "immediate",
        "--drain-time-s",
        &drain,
    ];
    let binary = envoy_binary(run)?;
    ability::check_version(&binary)?;
    Ok(Envoy {
        binary,
        arguments: arguments.map(str::to_owned).into(),
        admin,
        event_log: options.event_log.clone(),
        drain: Duration::from_secs(run.drain_seconds),
    })
}

fn announce(run: &Run, gateway: &Gateway, after: Duration) {
    println!(
        "Loaded declarative config {}@{}",
        gateway.pack.name, gateway.pack.version
    );
    println!(
        "Keeptrusts gateway ready on http://{} after {:.1} s: {}",
        run.shape.listen,
        after.as_secs_f64(),
        describe(gateway)
    );
    supervise::flush();
}

/// What a gateway does, in a line.
fn describe(gateway: &Gateway) -> String {
    let targets: Vec<&str> = gateway
        .targets
        .iter()
        .map(|target| target.id.as_str())
        .collect();
    format!(
        "{} policies, strategy {}, targets {}",
        gateway.policies.chain.len(),
        gateway.routing.strategy.name(),
        targets.join(", ")
    )
}
