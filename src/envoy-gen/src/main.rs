//! `kt-envoy-gen policy-config.yaml`: the configuration of Envoy, on standard output.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks on its standard streams"
)]

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use kt_envoy_gen::{Options, Shape, bootstrap_yaml};

/// Translates a policy file into Envoy configuration.
///
/// Exit codes: 0 fine, 1 problems in the file (or, with --check, a stale file), 2 wrong usage or I/O.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The policy file.
    policy_config: PathBuf,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Compare with this file; exit 1 when it is stale.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// The filter module, as Envoy finds it.
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/etc/envoy/keeptrusts.wasm"
    )]
    wasm: String,
    /// Shape of the output.
    #[arg(long, value_enum, default_value_t = Format::Bootstrap)]
    format: Format,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A stand-alone file.
    Bootstrap,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let Format::Bootstrap = arguments.format;
    if arguments.wasm.contains("://") {
        return Err("--wasm takes a path; modules from oci:// and https:// are not supported by --format bootstrap".into());
    }
    let file = arguments.policy_config.display().to_string();
    let source = fs::read_to_string(&arguments.policy_config)
        .map_err(|error| format!("cannot read {file}: {error}"))?;
    let (gateway, warnings) = match kt_config::load(&source) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprint!("{}", report.render(&file, &source));
            return Ok(ExitCode::from(1));
        }
    };
    eprint!("{}", warnings.render(&file, &source));
    let options = arguments.shape.options(Options {
        wasm: arguments.wasm.clone(),
        ..Options::default()
    });
    emit(arguments, &bootstrap_yaml(&gateway, &options))
}

fn emit(arguments: &Arguments, yaml: &str) -> Result<ExitCode, String> {
    if let Some(path) = &arguments.check {
        let current = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if current != yaml {
            eprintln!("{} is stale; write it again with -o", path.display());
            return Ok(ExitCode::from(1));
        }
    } else if let Some(path) = &arguments.output {
        fs::write(path, yaml)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    } else {
        print!("{yaml}");
    }
    Ok(ExitCode::SUCCESS)
}
