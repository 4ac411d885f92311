//! `kt events verify`: whether the log is what was written, and what was sealed.

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{
    Files,
    chain::{Chains, Head, Problem},
    log::{lines, unreadable},
    seals::{REMEMBERED, Seals},
};
use crate::{Failure, PROBLEM, gateway::seals_of};

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
    /// The file of seals that `kt gateway run` writes where it has a key [default: that of the last log, if there is one]. The secret
    /// that the key was made of is read from `KEEPTRUSTS_AUDIT_KEY`.
    #[arg(long, value_name = "FILE")]
    seals: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(arguments: &Verify) -> Result<ExitCode, Failure> {
    let heads = arguments.since.as_ref().map(checkpoint).transpose()?;
    let heads = heads.unwrap_or_default();
    let mut chains = Chains::since(&heads);
    let mut seals = seals(arguments, heads.get(REMEMBERED))?;
    lines(&arguments.files.files, |line| {
        chains.take(line.text, line.is_whole, line.place);
        if let Some(seals) = &mut seals {
            seals.take(line.text, line.is_whole, line.place);
        }
        Ok(())
    })?;
    chains.end();
    if let Some(seals) = &mut seals {
        seals.end();
        chains.problems.append(&mut seals.problems);
        if seals.unsealed > 0 {
            eprintln!("note: {} lines are not sealed yet", seals.unsealed);
        }
    }
    let is_whole = chains.problems.is_empty();
    report(arguments, &chains);
    if let Some(file) = arguments.checkpoint.as_ref().filter(|_| is_whole) {
        let mut heads = chains.heads();
        if let Some(last) = seals.and_then(|seals| seals.last) {
            heads.insert(REMEMBERED.to_owned(), last);
        }
        let text = format!("{}\n", json!(heads));
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

/// The seals of the log. A log that is sealed is not called whole without looking at them.
fn seals(arguments: &Verify, remembered: Option<&Head>) -> Result<Option<Seals>, Failure> {
    let beside = || arguments.files.files.last().map(|log| seals_of(log));
    let stated = arguments.seals.clone();
    let Some(file) = stated.or_else(|| beside().filter(|file| file.is_file())) else {
        return match remembered {
            Some(_) => Err(Failure::problem(
                "error: the checkpoint remembers seals, and there are none\nhint: name their file with --seals",
            )),
            None => Ok(None),
        };
    };
    let secret = env::var_os("KEEPTRUSTS_AUDIT_KEY").filter(|secret| !secret.is_empty());
    let Some(secret) = secret else {
        return Err(Failure::usage(
            "error: the log is sealed, and its key is not here\nhint: set KEEPTRUSTS_AUDIT_KEY to the secret that the gateway was started with",
        ));
    };
    let read = Seals::read(&file, secret.as_encoded_bytes(), remembered);
    read.map(Some).map_err(|error| unreadable(&file, &error))
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
