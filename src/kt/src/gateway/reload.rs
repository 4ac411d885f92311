//! A running gateway follows its policy file: new exchanges are judged by the new text, running ones end under the old.
//!
//! The file is read four times a second and compared. Notifications of the kernel would save those reads, which cost
//! nothing for a file of this size, and would miss changes where policy files lie: on network mounts, behind the links of
//! a mounted `ConfigMap`, after a rename over the file. A text counts once it is read twice alike, so that one that is
//! written in pieces is not taken half. SIGHUP asks at once.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use kt_config::Gateway;
use kt_envoy_gen::{Dynamic, Options, exchange_seconds, place};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{available, describe, load_text, supervise::flush};
use crate::Failure;

/// How often the file is read.
const LOOK_PERIOD: Duration = Duration::from_millis(250);

/// What came of asking for a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The file says what it said.
    Unchanged,
    /// New exchanges follow the file.
    Applied,
    /// The file is refused; what was served goes on.
    Refused,
}

/// What is served.
struct Served {
    gateway: Gateway,
    files: Dynamic,
    source: String,
}

/// Follows one policy file.
pub(super) struct Reload {
    file: PathBuf,
    folder: PathBuf,
    options: Options,
    served: Served,
    /// What exchanges that still run may need of earlier files, and until when.
    earlier: Vec<(Dynamic, Instant)>,
    /// The text that was read last, and the one that was refused.
    read: Option<String>,
    refused: Option<String>,
    hangup: Signal,
    /// Who asks over the admin address.
    asked: mpsc::Receiver<Ask>,
    is_readable: bool,
}

/// Somebody asks for a reload, and waits for what came of it.
pub(super) type Ask = oneshot::Sender<Report>;

/// What came of an ask.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) outcome: Outcome,
    /// Which configuration is served now.
    pub(super) generation: u64,
    /// Why the file is refused.
    pub(super) message: String,
}

impl Reload {
    /// Reads the file for the first time. Needs the runtime, for the signal.
    pub(super) fn begin(
        file: &Path,
        folder: &Path,
        options: Options,
        asked: mpsc::Receiver<Ask>,
    ) -> Result<Self, Failure> {
        let source = read(file)?;
        let gateway = available(load_text(file, &source)?)?;
        let hangup = signal(SignalKind::hangup())
            .map_err(|_| Failure::usage("error: cannot listen for signals"))?;
        let files = Dynamic::new(&gateway, &options);
        let reload = Self {
            file: file.to_owned(),
            folder: folder.to_owned(),
            options,
            served: Served {
                gateway,
                files,
                source,
            },
            earlier: Vec::new(),
            read: None,
            refused: None,
            hangup,
            asked,
            is_readable: true,
        };
        reload.write(&reload.served.files)?;
        Ok(reload)
    }

    /// What is served.
    pub(super) fn gateway(&self) -> &Gateway {
        &self.served.gateway
    }

    /// Before Envoy is started again: no exchange runs that would need anything of earlier files.
    pub(super) fn restore(&mut self) -> Result<(), Failure> {
        self.earlier.clear();
        self.write(&self.served.files)
    }

    /// Follows the file until it is dropped.
    pub(super) async fn follow(&mut self) {
        loop {
            tokio::select! {
                () = sleep(LOOK_PERIOD) => self.look(),
                _ = self.hangup.recv() => {
                    if self.reload().0 == Outcome::Unchanged {
                        eprintln!("{}: nothing has changed", self.file.display());
                    }
                }
                Some(ask) = self.asked.recv() => {
                    let (outcome, message) = self.reload();
                    let generation = self.options.generation.unwrap_or_default();
                    // Whoever asked may be gone.
                    let _ = ask.send(Report { outcome, generation, message });
                }
            }
        }
    }

    /// Reloads once the file has another text twice in a row, and forgets what nobody needs any more.
    fn look(&mut self) {
        self.forget();
        let source = match read(&self.file) {
            Ok(source) => source,
            Err(failure) => {
                if std::mem::take(&mut self.is_readable) {
                    eprintln!("{}; what was served goes on", failure.message);
                }
                return;
            }
        };
        self.is_readable = true;
        let is_new = source != self.served.source && self.refused.as_ref() != Some(&source);
        let is_settled = self.read.as_ref() == Some(&source);
        self.read = Some(source);
        if is_new && is_settled {
            self.reload();
        }
    }

    /// Reads the file and follows it, unless it is bad: then also says why.
    fn reload(&mut self) -> (Outcome, String) {
        let source = read(&self.file);
        let done = source.and_then(|source| {
            self.refused = Some(source.clone());
            let outcome = self.apply(source)?;
            self.refused = None;
            Ok((outcome, String::new()))
        });
        done.unwrap_or_else(|failure| {
            let file = self.file.display();
            eprintln!("{}", failure.message.trim_end());
            eprintln!("error: {file} is refused; what was served goes on");
            (Outcome::Refused, failure.message)
        })
    }

    fn apply(&mut self, source: String) -> Result<Outcome, Failure> {
        let gateway = available(load_text(&self.file, &source)?)?;
        if Dynamic::new(&gateway, &self.options) == self.served.files {
            self.served.source = source;
            return Ok(Outcome::Unchanged);
        }
        let generation = self.options.generation.unwrap_or_default() + 1;
        let options = Options {
            generation: Some(generation),
            ..self.options.clone()
        };
        let files = Dynamic::new(&gateway, &options);
        if files.needs_restart_after(&self.served.files) {
            return Err(Failure::problem(
                "error: this change stands in Envoy's start-up configuration and needs a restart of the gateway",
            ));
        }
        if files.replaces_listener_of(&self.served.files) {
            eprintln!(
                "warning: this change needs a new listener; streams of the old one end after the drain time"
            );
        }
        let until =
            Instant::now() + Duration::from_secs(exchange_seconds(&self.served.gateway).into());
        let served = Served {
            gateway,
            files,
            source,
        };
        let earlier = kept(&self.earlier, self.served.files.clone(), until);
        if let Err(failure) = self.write(&with_earlier(&served.files, &earlier)) {
            // What was written of it is taken back, as far as that goes, and it is tried again.
            (self.refused, self.read) = (None, None);
            self.write(&with_earlier(&self.served.files, &self.earlier))?;
            return Err(failure);
        }
        (self.served, self.options, self.earlier) = (served, options, earlier);
        println!("Generation {generation}: {}", describe(self.gateway()));
        flush();
        Ok(Outcome::Applied)
    }

    fn forget(&mut self) {
        let now = Instant::now();
        let before = self.earlier.len();
        self.earlier.retain(|(_, until)| *until > now);
        if self.earlier.len() != before
            && let Err(failure) = self.write(&with_earlier(&self.served.files, &self.earlier))
        {
            eprintln!("{}", failure.message);
        }
    }

    /// Stops accepting: connections that are there end when what they carry is over.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        self.write(&with_earlier(&self.served.files, &self.earlier).without_listener())
    }

    fn write(&self, files: &Dynamic) -> Result<(), Failure> {
        place(&self.folder, &files.files()).map_err(|error| {
            Failure::usage(format!(
                "error: cannot write {}: {error}",
                self.folder.display()
            ))
        })
    }
}

/// What running exchanges may need, with `files` among it; the same files once, for the longer time.
fn kept(earlier: &[(Dynamic, Instant)], files: Dynamic, until: Instant) -> Vec<(Dynamic, Instant)> {
    let others = earlier.iter();
    let mut kept: Vec<_> = others
        .filter(|(earlier, _)| !earlier.has_clusters_of(&files))
        .cloned()
        .collect();
    kept.push((files, until));
    kept
}

/// The files that are served, with what running exchanges may need.
fn with_earlier(served: &Dynamic, earlier: &[(Dynamic, Instant)]) -> Dynamic {
    let newest_first = earlier.iter().rev();
    newest_first.fold(served.clone(), |files, (earlier, _)| {
        files.with_clusters_of(earlier)
    })
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("error: cannot read {}: {error}", file.display())))
}
