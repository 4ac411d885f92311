//! `kt events export`: the log for other programs.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, ValueEnum};

use super::{
    Files, Filter,
    log::{Event, events},
};
use crate::{Failure, PROBLEM};

/// Arguments of `kt events export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    files: Files,
    /// Lines of JSON as they are, or a table.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Where to write; standard output if it is not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

/// Columns of the table.
const COLUMNS: [&str; 15] = [
    "timestamp",
    "request_id",
    "verdict",
    "reason_code",
    "policies",
    "target_id",
    "model",
    "user_id",
    "status",
    "stream",
    "redaction_count",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "latency_ms",
];

pub(super) fn export(arguments: &Export) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::usage(format!("error: cannot write: {error}"));
    let out: Box<dyn Write> = match &arguments.output {
        Some(path) => Box::new(File::create(path).map_err(failed)?),
        None => Box::new(io::stdout().lock()),
    };
    let mut out = BufWriter::new(out);
    if arguments.format == Format::Csv {
        out.write_all(row(COLUMNS.map(str::to_owned)).as_bytes())
            .map_err(failed)?;
    }
    let unknown = events(&arguments.files.files, |event, text| {
        if !arguments.filter.takes(&event) {
            return Ok(());
        }
        let written = match arguments.format {
            Format::Csv => out.write_all(row(cells(&event)).as_bytes()),
            Format::Jsonl => out.write_all(text).and_then(|()| out.write_all(b"\n")),
        };
        written.map_err(failed)
    })?;
    out.flush().map_err(failed)?;
    Ok(if unknown == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(PROBLEM)
    })
}

fn cells(event: &Event) -> [String; COLUMNS.len()] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let count = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    [
        event.timestamp.clone(),
        event.request_id.clone(),
        event.verdict.clone(),
        event.reason_code.clone(),
        event.acted().collect::<Vec<_>>().join(" "),
        text(&event.target_id),
        text(&event.model),
        text(&event.user_id),
        event.status.to_string(),
        event.stream.to_string(),
        event.redaction_count.to_string(),
        count(event.usage.prompt_tokens),
        count(event.usage.completion_tokens),
        event
            .cost_usd
            .map(|cost| cost.to_string())
            .unwrap_or_default(),
        event
            .latency_ms
            .map(|ms| ms.to_string())
            .unwrap_or_default(),
    ]
}

/// One line of CSV (RFC 4180). A cell that a spreadsheet would take for a formula gets an apostrophe in front.
fn row(cells: [String; COLUMNS.len()]) -> String {
    let cell = |cell: String| {
        let cell = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            format!("'{cell}")
        } else {
            cell
        };
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    };
    cells.map(cell).join(",") + "\r\n"
}
