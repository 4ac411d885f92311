//! `kt events tail`: the last events, and those that come.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::Args;

use super::{
    Filter,
    log::{Event, unreadable},
};
use crate::Failure;

/// How long a new line may wait.
const PAUSE: Duration = Duration::from_millis(200);

/// Arguments of `kt events tail`.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// The event log.
    #[arg(default_value = "keeptrusts-events.jsonl")]
    file: PathBuf,
    /// How many of the events that are there are printed.
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: usize,
    /// End with the last event that is there.
    #[arg(long)]
    no_follow: bool,
    /// Print the lines as they are.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: Filter,
}

pub(super) fn tail(arguments: &Tail) -> Result<ExitCode, Failure> {
    let mut reader = Reader::open(&arguments.file)?;
    let mut last = VecDeque::new();
    while let Some(text) = reader.line(&arguments.file)? {
        if let Some(shown) = shown(arguments, &text) {
            last.push_back(shown);
            if last.len() > arguments.lines {
                last.pop_front();
            }
        }
    }
    for line in last {
        println!("{line}");
    }
    if arguments.no_follow {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        if let Some(text) = reader.line(&arguments.file)? {
            if let Some(shown) = shown(arguments, &text) {
                println!("{shown}");
            }
        } else {
            thread::sleep(PAUSE);
            reader.follow_rotation(&arguments.file)?;
        }
    }
}

/// A log that grows, and is replaced when it is rotated.
struct Reader {
    file: BufReader<File>,
    /// A line that is not complete yet.
    pending: String,
    inode: u64,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let inode = file
            .metadata()
            .map_err(|error| unreadable(path, &error))?
            .ino();
        Ok(Self {
            file: BufReader::new(file),
            pending: String::new(),
            inode,
        })
    }

    /// The next line, once it is complete.
    fn line(&mut self, path: &Path) -> Result<Option<String>, Failure> {
        let read = self.file.read_line(&mut self.pending);
        read.map_err(|error| unreadable(path, &error))?;
        let is_complete = self.pending.ends_with('\n');
        Ok(is_complete.then(|| {
            self.pending.pop();
            std::mem::take(&mut self.pending)
        }))
    }

    /// Goes on with the new file when the log was rotated, or from its start when it was emptied.
    fn follow_rotation(&mut self, path: &Path) -> Result<(), Failure> {
        // Between the two steps of a rotation there is no file; the old one may still grow.
        let Ok(now) = path.metadata() else {
            return Ok(());
        };
        if now.ino() != self.inode {
            *self = Self::open(path)?;
            return Ok(());
        }
        let place = self.file.stream_position();
        if place.is_ok_and(|place| place > now.len()) {
            self.pending.clear();
            let moved = self.file.seek(SeekFrom::Start(0));
            moved.map_err(|error| unreadable(path, &error))?;
        }
        Ok(())
    }
}

/// What is printed of a line, if it is asked for.
fn shown(arguments: &Tail, text: &str) -> Option<String> {
    let event: Event = serde_json::from_str(text).ok()?;
    if !arguments.filter.takes(&event) {
        return None;
    }
    if arguments.json {
        return Some(text.to_owned());
    }
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    Some(line(&event, colours))
}

/// One event for a person.
fn line(event: &Event, colours: bool) -> String {
    let number = match event.verdict.as_str() {
        "allow" => 32,
        "redact" => 33,
        _ => 31,
    };
    let verdict = if colours {
        format!("\x1b[{number}m{:<8}\x1b[0m", event.verdict)
    } else {
        format!("{:<8}", event.verdict)
    };
    let latency = event
        .latency_ms
        .map_or("-".to_owned(), |ms| format!("{ms:.0} ms"));
    format!(
        "{} {verdict} {} {} {latency} {} {}",
        event.timestamp,
        event.status,
        event.target_id.as_deref().unwrap_or("-"),
        event.reason_code,
        event.request_id
    )
}
