//! What shapes Envoy's configuration beyond the policy file, as `kt gateway run` and `kt-envoy-gen` take it.

use std::{env, fs};

use clap::{Args, ValueEnum};
use kt_policy::{FailMode, token_sha256};

use crate::{Address, Options, Tls};

/// Where the gateway's token comes from.
const TOKEN: &str = "KEEPTRUSTS_GATEWAY_TOKEN";
const TOKEN_FILE: &str = "KEEPTRUSTS_GATEWAY_TOKEN_FILE";

/// Options that two commands share.
#[derive(Debug, Args)]
pub struct Shape {
    /// Where clients connect.
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:41002")]
    pub listen: Address,
    /// Where the admin interface listens.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9901")]
    pub admin: Address,
    /// What happens when the policy engine fails.
    #[arg(long, value_enum, default_value_t = FailModeArgument::Block)]
    fail_mode: FailModeArgument,
    /// What happens to images, audio, files and remote content, which cannot be inspected. Either way the event's
    /// `coverage` lists them.
    #[arg(long, value_enum, default_value_t = FailModeArgument::Allow)]
    unreadable: FailModeArgument,
    /// Where events are written, one JSON object per line.
    #[arg(long, value_name = "PATH", default_value = "keeptrusts-events.jsonl")]
    pub event_log: String,
    /// Certificate authorities that providers are verified against [default: $`SSL_CERT_FILE`, else the system's].
    #[arg(long, value_name = "PATH")]
    ca_file: Option<String>,
    /// Worker threads of Envoy [default: one per core for `kt`, 2 for `kt-envoy-gen`].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// Memory that Envoy and the filter may use together, in MiB [default: for `kt` nine tenths of the container's
    /// limit; 2048 without one].
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(256..=1_048_576))]
    memory: Option<u64>,
    /// Memory in which each worker keeps what it judged, in MiB, so that a conversation is not judged again with every turn; 0 keeps
    /// nothing.
    #[arg(long, value_name = "MIB", default_value_t = kt_policy::HISTORY_BYTES >> 20, value_parser = clap::value_parser!(u32).range(0..=64))]
    history: u32,
    /// Certificate of the listener and its chain, a PEM file. With `kt gateway run` a new file is taken without a restart.
    #[arg(long, value_name = "PATH", requires = "tls_key")]
    tls_cert: Option<String>,
    /// Private key of the listener's certificate, a PEM file.
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<String>,
    /// Token that clients must send as their API key [default: $`KEEPTRUSTS_GATEWAY_TOKEN`, else the first line of
    /// $`KEEPTRUSTS_GATEWAY_TOKEN_FILE`, else nobody is asked]. Other users of the machine can read arguments: prefer the
    /// variables.
    #[arg(long, value_name = "TOKEN")]
    api_token: Option<String>,
    /// Leave the filters out: the yardstick of the benchmarks. Nothing is inspected.
    #[arg(long, hide = true)]
    without_filter: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailModeArgument {
    /// Refuse what cannot be inspected.
    Block,
    /// Let it go on, marked in its event.
    Allow,
}

impl From<FailModeArgument> for FailMode {
    fn from(argument: FailModeArgument) -> Self {
        match argument {
            FailModeArgument::Block => Self::Block,
            FailModeArgument::Allow => Self::Allow,
        }
    }
}

/// The shortest token that nobody guesses.
const LEAST_TOKEN: usize = 16;

impl Shape {
    /// Hash of the token that clients must send, from the argument or the environment. The error says what is wrong with it.
    pub fn token_sha256(&self) -> Result<Option<String>, String> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let (token, place) = match (&self.api_token, variable(TOKEN), variable(TOKEN_FILE)) {
            (Some(token), _, _) => (token.clone(), "--api-token".to_owned()),
            (None, Some(token), _) => (token, TOKEN.to_owned()),
            (None, None, Some(path)) => {
                let text = fs::read_to_string(&path)
                    .map_err(|error| format!("cannot read {path} of {TOKEN_FILE}: {error}"))?;
                (text.lines().next().unwrap_or_default().to_owned(), path)
            }
            (None, None, None) => return Ok(None),
        };
        if token.len() < LEAST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "the token of {place} must have at least {LEAST_TOKEN} characters, all of them visible ASCII; `openssl rand -hex 32` makes one"
            ));
        }
        Ok(Some(token_sha256(&token)))
    }

    /// The options, with `defaults` for what was not said.
    pub fn options(&self, defaults: Options) -> Options {
        let of_environment = || {
            env::var("SSL_CERT_FILE")
                .ok()
                .filter(|path| !path.is_empty())
        };
        Options {
            listen: self.listen.clone(),
            admin: self.admin.clone(),
            admin_pipe: defaults.admin_pipe,
            wasm: defaults.wasm,
            sha256: defaults.sha256,
            folder: defaults.folder,
            event_log: self.event_log.clone(),
            ca_file: self
                .ca_file
                .clone()
                .or_else(of_environment)
                .unwrap_or(defaults.ca_file),
            fail_mode: self.fail_mode.into(),
            unreadable: self.unreadable.into(),
            memory_bytes: self.memory.map_or(defaults.memory_bytes, |mib| mib << 20),
            history_bytes: self.history << 20,
            workers: self.concurrency.unwrap_or(defaults.workers),
            dashboard: defaults.dashboard,
            generation: defaults.generation,
            token_sha256: defaults.token_sha256,
            tls: self
                .tls_cert
                .clone()
                .zip(self.tls_key.clone())
                .map(|(cert, key)| Tls { cert, key }),
            without_filter: self.without_filter,
        }
    }
}
