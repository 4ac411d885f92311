//! `kt events verify`: whether the log is what was written.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{
    Files,
    chain::{Chains, Head, Problem},
    log::{lines, unreadable},
};
use crate::{Failure, PROBLEM};

/// Arguments of `kt events verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    files: Files,
    /// Go on from a checkpoint: entries up to it need not be in the files any more, and none may be missing behind it.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Write the last entry of every chain. Keep it where the log's writer cannot change it: it shows later what was cut off or
    /// rewritten.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(arguments: &Verify) -> Result<ExitCode, Failure> {
    let heads = arguments.since.as_ref().map(checkpoint).transpose()?;
    let heads = heads.unwrap_or_default();
    let mut chains = Chains::since(&heads);
    lines(&arguments.files.files, |line| {
        chains.take(line.text, line.is_whole, line.place);
        Ok(())
    })?;
    let is_whole = chains.problems.is_empty();
    report(arguments, &chains);
    if let Some(file) = arguments.checkpoint.as_ref().filter(|_| is_whole) {
        let text = format!("{}\n", json!(chains.heads()));
        fs::write(file, text).map_err(|error| {
            Failure::usage(format!("error: cannot write {}: {error}", file.display()))
        })?;
    }
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(PROBLEM)
    })
}

fn checkpoint(file: &PathBuf) -> Result<BTreeMap<String, Head>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        let hint = "use a file that `kt events verify --checkpoint` wrote";
        Failure::problem(format!("error: {}: {error}\nhint: {hint}", file.display()))
    })
}

fn report(arguments: &Verify, chains: &Chains) {
    let Chains {
        entries, problems, ..
    } = chains;
    let count = chains.heads().len();
    if arguments.json {
        println!(
            "{}",
            json!({"ok": problems.is_empty(), "entries": entries, "chains": count, "problems": problems})
        );
        return;
    }
    for Problem {
        place,
        kind,
        message,
    } in problems
    {
        println!("{}: {kind}: {message}", place.as_deref().unwrap_or("-"));
    }
    println!(
        "{entries} entries in {count} chains, {} problems",
        problems.len()
    );
}
