//! `kt keys`: keys of the gateway for its consumers.

use std::{fs::File, io::Read as _, process::ExitCode};

use clap::{Args, Subcommand};
use kt_policy::access::key_sha256;

use crate::Failure;

/// Subcommands of `kt keys`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key: it is printed once and kept nowhere. The policy file gets its hash.
    New(New),
}

/// Arguments of `kt keys new`.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// `id` of the consumer that gets the key.
    #[arg(long, value_name = "ID")]
    consumer: String,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::New(new) => make(new),
    }
}

/// 256 random bits: nobody tries them out, so a plain hash of them tells nothing.
fn make(new: &New) -> Result<ExitCode, Failure> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte);
    if new.consumer.is_empty() || new.consumer.len() > 64 || !new.consumer.bytes().all(is_name) {
        return Err(Failure::usage(
            "error: the id of a consumer has 1 to 64 letters, digits, `_`, `-`, `.` and `@`",
        ));
    }
    let mut random = [0_u8; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .map_err(|error| Failure::usage(format!("error: no random numbers: {error}")))?;
    let digits = |half: &[u8]| half.try_into().map_or(0, u128::from_be_bytes);
    let (first, second) = random.split_at(16);
    let key = format!("kt-{:032x}{:032x}", digits(first), digits(second));
    eprintln!("The key of `{}`; it is shown this once:", new.consumer);
    println!("{key}");
    eprintln!("Put this into the policy file:");
    println!(
        "consumers:\n  - id: {}\n    key_sha256: {}",
        new.consumer,
        key_sha256(&key)
    );
    Ok(ExitCode::SUCCESS)
}
