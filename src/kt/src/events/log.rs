//! Reading event logs, line by line: they can be larger than memory.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal as _},
    path::{Path, PathBuf},
};

use kt_policy::Usd;
use serde::{Deserialize, Deserializer};

use crate::Failure;

/// Lines after which a person is told how far the reading is.
const PROGRESS: usize = 500_000;

/// The members of an event that are looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) timestamp: String,
    pub(super) request_id: String,
    pub(super) verdict: String,
    pub(super) reason_code: String,
    pub(super) target_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) user_id: Option<String>,
    #[serde(default)]
    pub(super) status: u16,
    #[serde(default)]
    pub(super) stream: bool,
    #[serde(default)]
    pub(super) redaction_count: u64,
    pub(super) latency_ms: Option<f64>,
    pub(super) time_to_first_token_ms: Option<f64>,
    #[serde(default)]
    pub(super) usage: Usage,
    #[serde(default, deserialize_with = "amount")]
    pub(super) cost_usd: Option<Usd>,
    #[serde(default)]
    pub(super) policy_results: Vec<PolicyResult>,
}

/// Token counts; absent where the provider reported none.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Usage {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PolicyResult {
    pub(super) kind: String,
    pub(super) verdict: String,
}

impl Event {
    /// The policies that did something.
    pub(super) fn acted(&self) -> impl Iterator<Item = &str> {
        let acted = self.policy_results.iter();
        acted
            .filter(|result| result.verdict != "allow")
            .map(|result| result.kind.as_str())
    }

    /// The day of the request, in UTC.
    pub(super) fn day(&self) -> &str {
        self.timestamp.get(..10).unwrap_or("unknown")
    }
}

/// An exact amount is a string; a binary fraction, as older events have it, is unknown rather than nearly right.
fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usd>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(|text| text.parse().ok()))
}

/// One line with its place.
pub(super) struct Line<'l> {
    /// `file:number`
    pub(super) place: &'l dyn Fn() -> String,
    pub(super) text: &'l [u8],
    /// Whether a line feed ended it: a line without one was cut off.
    pub(super) is_whole: bool,
}

/// Hands every line of all files to `take`, in order.
pub(super) fn lines(
    files: &[PathBuf],
    mut take: impl FnMut(&Line<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for file in files {
        let mut reader = open(file)?;
        let (mut text, mut number) = (Vec::new(), 0_usize);
        loop {
            text.clear();
            let read = reader.read_until(b'\n', &mut text);
            if read.map_err(|error| unreadable(file, &error))? == 0 {
                break;
            }
            number += 1;
            let is_whole = text.pop_if(|last| *last == b'\n').is_some();
            let place = || format!("{}:{number}", file.display());
            take(&Line {
                place: &place,
                text: &text,
                is_whole,
            })?;
            if number.is_multiple_of(PROGRESS) && io::stderr().is_terminal() {
                eprintln!("{}: {number} lines read", file.display());
            }
        }
    }
    Ok(())
}

/// Hands every event of all files to `take`. A line that is no event is named on standard error; their number is returned.
pub(super) fn events(
    files: &[PathBuf],
    mut take: impl FnMut(Event, &[u8]) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let mut unknown = 0;
    lines(files, |line| match serde_json::from_slice(line.text) {
        Ok(event) => take(event, line.text),
        Err(error) => {
            unknown += 1;
            eprintln!("warning: {}: no event: {}", (line.place)(), kind(&error));
            Ok(())
        }
    })?;
    Ok(unknown)
}

/// What is wrong with a line, without quoting it.
fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "members are missing or have the wrong type",
        serde_json::error::Category::Eof => "it was cut off",
        _ => "it is no JSON",
    }
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
    Ok(Box::new(BufReader::with_capacity(1 << 16, opened)))
}

pub(super) fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("error: cannot read {}: {error}", file.display()))
}
