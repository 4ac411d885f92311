//! `kt-envoy-gen policy-config.yaml`: the configuration of Envoy, on standard output.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks on its standard streams"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use kt_envoy_gen::{Dynamic, File, Options, Shape, bootstrap_yaml, place};

/// Translates a policy file into Envoy configuration.
///
/// Exit codes: 0 fine, 1 problems in the file (or, with --check, a stale file), 2 wrong usage or I/O.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The policy file.
    policy_config: PathBuf,
    /// Write to this file instead of standard output; the folder of `--format dynamic`.
    #[arg(short, long, value_name = "PATH", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Compare with this file or folder; exit 1 when it is stale.
    #[arg(long, value_name = "PATH")]
    check: Option<PathBuf>,
    /// Where Envoy finds the folder of `--format dynamic`.
    #[arg(long, value_name = "PATH", default_value = "/etc/envoy/keeptrusts")]
    folder: String,
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
    /// A folder of files that Envoy watches, for changes without a restart.
    Dynamic,
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
    if arguments.wasm.contains("://") {
        return Err("--wasm takes a path; modules from oci:// and https:// are not supported by this --format".into());
    }
    let file = arguments.policy_config.display().to_string();
    let source = read(&arguments.policy_config)?;
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
        folder: arguments.folder.clone(),
        ..Options::default()
    });
    match arguments.format {
        Format::Bootstrap => emit(arguments, &bootstrap_yaml(&gateway, &options)),
        Format::Dynamic => emit_folder(arguments, &Dynamic::new(&gateway, &options).files()),
    }
}

/// Writes one file, or compares with it.
fn emit(arguments: &Arguments, yaml: &str) -> Result<ExitCode, String> {
    if let Some(path) = &arguments.check {
        return Ok(verdict(path, read(path)? == yaml));
    }
    if let Some(path) = &arguments.output {
        fs::write(path, yaml)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    } else {
        print!("{yaml}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a folder, or compares with it.
fn emit_folder(arguments: &Arguments, files: &[File]) -> Result<ExitCode, String> {
    if let Some(folder) = &arguments.check {
        let is_fresh = |file: &File| {
            fs::read_to_string(folder.join(&file.name)).is_ok_and(|text| text == file.text)
        };
        return Ok(verdict(folder, files.iter().all(is_fresh)));
    }
    let Some(folder) = &arguments.output else {
        return Err("this --format writes a folder: name it with -o".into());
    };
    place(folder, files).map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn verdict(path: &Path, is_fresh: bool) -> ExitCode {
    if is_fresh {
        return ExitCode::SUCCESS;
    }
    eprintln!("{} is stale; write it again with -o", path.display());
    ExitCode::from(1)
}
