//! `kt`: the command a person types.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks on its standard streams"
)]

mod events;
mod gateway;
mod import;
mod keys;
mod launch;
mod mock_provider;
mod policy;
mod seal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeptrusts: a policy gateway for language models on Envoy.
#[derive(Debug, Parser)]
#[command(name = "kt", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// Work with policy files.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Make keys for consumers of the gateway.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Read the event log.
    #[command(subcommand)]
    Events(events::Command),
    /// Make a policy file from another gateway's configuration.
    #[command(subcommand)]
    Import(import::Command),
    /// Run an offline provider that speaks the OpenAI format.
    MockProvider(mock_provider::Arguments),
    /// Become another program that ends when its parent does.
    #[command(hide = true)]
    Launch(launch::Launch),
}

/// A problem that ends a command: the message for standard error and the exit code.
struct Failure {
    message: String,
    code: u8,
}

/// Problems in the policy file, or a gateway that could not keep running.
const PROBLEM: u8 = 1;
/// Wrong usage or I/O.
const USAGE: u8 = 2;

impl Failure {
    fn problem(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: PROBLEM,
        }
    }

    fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: USAGE,
        }
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Gateway(command) => gateway::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Events(command) => events::run(&command),
        Command::Import(command) => import::run(&command),
        Command::MockProvider(arguments) => mock_provider::run(&arguments),
        Command::Launch(arguments) => launch::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{}", failure.message.trim_end());
            ExitCode::from(failure.code)
        }
    }
}
