//! `kt events`: the event log for people and programs. It holds no text, so nothing here can show any.

mod chain;
mod export;
mod log;
mod seals;
mod stats;
mod tail;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use crate::Failure;

/// Subcommands of `kt events`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the last events, and those that come.
    Tail(tail::Tail),
    /// Add up verdicts, tokens, cost and latency: in total, per target, model, policy, user and day.
    Stats(stats::Stats),
    /// Check the hash chains of the events. Exit 0 when they are whole, 1 when not.
    Verify(verify::Verify),
    /// Write the events as CSV or JSON lines.
    Export(export::Export),
}

/// The files of one event log.
#[derive(Debug, Args)]
struct Files {
    /// Event logs, oldest first; `-` reads standard input.
    #[arg(default_value = "keeptrusts-events.jsonl")]
    files: Vec<PathBuf>,
}

/// Which events are meant.
#[derive(Debug, Args)]
struct Filter {
    /// Only events with this verdict: `allow`, `redact`, `escalate` or `block`.
    #[arg(long)]
    verdict: Option<String>,
    /// Only events of this target.
    #[arg(long)]
    target: Option<String>,
    /// Only events in which this policy did something.
    #[arg(long)]
    policy: Option<String>,
    /// Only events of this user.
    #[arg(long)]
    user: Option<String>,
}

impl Filter {
    fn takes(&self, event: &log::Event) -> bool {
        let is = |wanted: &Option<String>, actual: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == actual
        };
        let acted = |policy: &String| event.acted().any(|kind| kind == policy);
        is(&self.verdict, Some(&event.verdict))
            && is(&self.target, event.target_id.as_deref())
            && is(&self.user, event.user_id.as_deref())
            && self.policy.as_ref().is_none_or(acted)
    }
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Tail(arguments) => tail::tail(arguments),
        Command::Stats(arguments) => stats::stats(arguments),
        Command::Verify(arguments) => verify::verify(arguments),
        Command::Export(arguments) => export::export(arguments),
    }
}
