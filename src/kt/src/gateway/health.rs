//! `kt gateway health`: asks a running gateway whether it serves, for containers without a shell.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use crate::Failure;

/// A gateway that serves answers within this.
const LIMIT: Duration = Duration::from_secs(4);

/// Arguments of `kt gateway health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Where the gateway listens.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:41002")]
    address: SocketAddr,
}

pub(super) fn run(health: &Health) -> Result<ExitCode, Failure> {
    match ask(health.address) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
            println!("healthy");
            Ok(ExitCode::SUCCESS)
        }
        Ok(answer) => {
            let status = answer.lines().next().unwrap_or_default();
            Err(Failure::problem(format!(
                "error: the gateway answers `{status}`"
            )))
        }
        Err(error) => Err(Failure::problem(format!(
            "error: no gateway at {}: {error}",
            health.address
        ))),
    }
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
