//! `kt launch`: becomes another program that ends when its parent does.
//!
//! Only a process itself can ask the kernel for a signal at its parent's death, and the wish survives becoming another
//! program (`PR_SET_PDEATHSIG`, prctl(2)). Between fork and exec only unsafe code could do it, so we start ourselves.

use std::{
    ffi::OsString,
    os::unix::process::{CommandExt as _, parent_id},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use clap::Args;

use crate::Failure;

/// Arguments of `kt launch`.
#[derive(Debug, Args)]
pub(crate) struct Launch {
    /// The process that starts it.
    #[arg(long)]
    parent: u32,
    /// The program to become.
    program: PathBuf,
    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// What to start ourselves with to become `program`.
pub(crate) fn arguments(program: &Path) -> Vec<OsString> {
    let parent = std::process::id().to_string();
    let words: [OsString; 5] = [
        "launch".into(),
        "--parent".into(),
        parent.into(),
        "--".into(),
        program.into(),
    ];
    words.into()
}

pub(crate) fn run(launch: &Launch) -> Result<ExitCode, Failure> {
    let program = launch.program.display();
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| {
            Failure::usage(format!(
                "error: cannot bind {program} to its parent: {error}"
            ))
        })?;
    }
    // A parent that died before the wish was heard.
    if parent_id() != launch.parent {
        return Err(Failure::problem(format!(
            "error: {program} has lost its parent"
        )));
    }
    let error = Command::new(&launch.program).args(&launch.arguments).exec();
    Err(Failure::usage(format!(
        "error: cannot start {program}: {error}"
    )))
}
