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
use kt_envoy_gen::{
    Attach, Dynamic, File, MeshOptions, Options, Refusal, Shape, bootstrap_yaml,
    envoy_gateway_yaml, istio_yaml, place, snippet_yaml,
};

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
    /// The filter module, as Envoy finds it: a path, `https://…` with --sha256, or for a mesh `oci://…`.
    #[arg(
        long,
        value_name = "PATH|URL",
        default_value = "/etc/envoy/keeptrusts.wasm"
    )]
    wasm: String,
    /// Digest of a module from elsewhere: of the file behind https, of the image's manifest behind oci.
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    sha256: Option<String>,
    /// For `--format istio`: its version.
    #[arg(long, value_name = "X.Y", default_value = "1.30", value_parser = version)]
    istio_version: (u32, u32),
    /// For a mesh, where the filter goes: `gateway:LABEL=VALUE`, `sidecar:LABEL=VALUE` or `waypoint:NAME` of Istio,
    /// `gateway:NAME` of Envoy Gateway [default: gateway:istio=ingressgateway, gateway:keeptrusts].
    #[arg(long, value_name = "KIND:WHAT")]
    attach: Option<Attach>,
    /// The `Gateway` object of Istio that the route belongs to.
    #[arg(long, value_name = "NAME", default_value = "keeptrusts")]
    gateway: String,
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
    /// Pieces for an Envoy that has a configuration of its own.
    Snippet,
    /// Objects for an Istio mesh.
    Istio,
    /// Objects for Envoy Gateway.
    EnvoyGateway,
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
    check_module(arguments)?;
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
    let gateway = match gateway.with_keys(|name| std::env::var(name).ok()) {
        Ok(gateway) => gateway,
        Err(problem) => {
            eprintln!("{problem}");
            return Ok(ExitCode::from(1));
        }
    };
    let options = arguments.shape.options(Options {
        wasm: arguments.wasm.clone(),
        sha256: arguments.sha256.clone(),
        folder: arguments.folder.clone(),
        token_sha256: arguments.shape.token_sha256()?,
        ..Options::default()
    });
    check_form(arguments.format, &options)?;
    match arguments.format {
        Format::Bootstrap => emit(arguments, &bootstrap_yaml(&gateway, &options)),
        Format::Dynamic => emit_folder(arguments, &Dynamic::new(&gateway, &options).files()),
        Format::Snippet => emit(arguments, &snippet_yaml(&gateway, &options)),
        Format::Istio => emit_if(
            arguments,
            istio_yaml(&gateway, &options, &mesh(arguments, "istio=ingressgateway")),
        ),
        Format::EnvoyGateway => emit_if(
            arguments,
            envoy_gateway_yaml(&gateway, &options, &mesh(arguments, "keeptrusts")),
        ),
    }
}

/// Envoy itself pulls no images, and takes nothing from afar that could be anything.
fn check_module(arguments: &Arguments) -> Result<(), String> {
    if matches!(arguments.format, Format::Istio | Format::EnvoyGateway) {
        return Ok(());
    }
    let module = &arguments.wasm;
    if module.starts_with("https://") {
        return match arguments.sha256 {
            Some(_) => Ok(()),
            None => {
                Err("a module behind https:// needs --sha256 HEX, the digest of the file".into())
            }
        };
    }
    if module.starts_with("oci://") {
        return Err("Envoy pulls no images: take the module out of it and name it by its path or https://, or use --format istio or envoy-gateway, whose control planes pull it".into());
    }
    if module.contains("://") {
        return Err("--wasm is a path, https://… or oci://…".into());
    }
    Ok(())
}

fn mesh(arguments: &Arguments, gateway: &str) -> MeshOptions {
    MeshOptions {
        istio_version: arguments.istio_version,
        attach: arguments
            .attach
            .clone()
            .unwrap_or_else(|| Attach::Gateway(gateway.to_owned())),
        gateway: arguments.gateway.clone(),
    }
}

/// Writes what a form could make, or says why it could not.
fn emit_if(arguments: &Arguments, made: Result<String, Vec<Refusal>>) -> Result<ExitCode, String> {
    match made {
        Ok(yaml) => emit(arguments, &yaml),
        Err(refusals) => {
            for refusal in refusals {
                eprintln!("error: {refusal}");
            }
            Ok(ExitCode::from(1))
        }
    }
}

fn sha256(text: &str) -> Result<String, String> {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("a SHA-256 has 64 hexadecimal digits".into())
    }
}

fn version(text: &str) -> Result<(u32, u32), String> {
    let mut numbers = text.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if numbers.all(|number| number.is_ok()) => {
            Ok((major, minor))
        }
        _ => Err("a version of Istio is like 1.30".into()),
    }
}

/// Refuses what a form cannot do, rather than leaving it out.
fn check_form(format: Format, options: &Options) -> Result<(), String> {
    let is_mesh = matches!(format, Format::Istio | Format::EnvoyGateway);
    if is_mesh && options.token_sha256.is_some() {
        return Err("this --format has no token of the gateway's own: let the mesh ask who its clients are, and unset KEEPTRUSTS_GATEWAY_TOKEN".into());
    }
    if (is_mesh || matches!(format, Format::Snippet)) && options.tls.is_some() {
        return Err("this --format has no listener of the gateway's own: --tls-cert and --tls-key belong to the listener in front of it".into());
    }
    Ok(())
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
