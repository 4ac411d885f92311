//! `kt import`: a policy file from another gateway's configuration.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use kt_config::import::litellm;

use crate::Failure;

/// Subcommands of `kt import`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a policy file for one model group of a `LiteLLM` `config.yaml`; what it cannot hold is listed on standard error.
    Litellm(Litellm),
}

/// Arguments of `kt import litellm`.
#[derive(Debug, Args)]
pub(crate) struct Litellm {
    /// The configuration of `LiteLLM`'s proxy.
    file: PathBuf,
    /// The model group [default: the first].
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Command::Litellm(arguments) = command;
    let file = arguments.file.display().to_string();
    let source = fs::read_to_string(&arguments.file)
        .map_err(|error| Failure::usage(format!("error: cannot read {file}: {error}")))?;
    let imported = litellm::import(&source, arguments.model.as_deref())
        .map_err(|report| Failure::problem(report.render(&file, &source)))?;
    print!("{}", imported.policy);
    if !imported.left_out.is_empty() {
        eprintln!("not carried over:");
    }
    for left in &imported.left_out {
        eprintln!("  {left}");
    }
    Ok(ExitCode::SUCCESS)
}
