//! Checks the seals of an event log: see [`crate::seal`].

use std::{fs, io, path::Path};

use sha2::{Digest as _, Sha256};

use super::chain::{Head, Problem};
use crate::seal::{Key, NONE, Seal, hex};

/// The name under which a checkpoint remembers the last seal.
pub(super) const REMEMBERED: &str = "seals";

/// All seals of a log, and how far the log was compared with them.
pub(super) struct Seals {
    seals: Vec<Seal>,
    /// The seal whose bytes come next.
    at: usize,
    digest: Sha256,
    bytes: u64,
    first_line: Option<String>,
    /// A range did not fit, so those behind it cannot be found.
    is_lost: bool,
    /// Lines behind the last seal.
    pub(super) unsealed: u64,
    pub(super) last: Option<Head>,
    pub(super) problems: Vec<Problem>,
}

impl Seals {
    /// Reads the file of seals and checks it by itself.
    pub(super) fn read(file: &Path, secret: &[u8], remembered: Option<&Head>) -> io::Result<Self> {
        let text = fs::read_to_string(file)?;
        let mut seals = Self {
            seals: Vec::new(),
            at: 0,
            digest: Sha256::new(),
            bytes: 0,
            first_line: None,
            is_lost: false,
            unsealed: 0,
            last: None,
            problems: Vec::new(),
        };
        let newest = text
            .lines()
            .filter_map(Seal::read)
            .map(|(seal, _)| seal.epoch)
            .max();
        let mut key = Key::of_secret(secret.trim_ascii());
        let mut is_remembered = remembered.is_none();
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!("{}:{number}", file.display());
            let Some((seal, mac)) = Seal::read(line) else {
                seals.report(
                    Some(place),
                    "seal-unreadable",
                    "the line is no seal".to_owned(),
                );
                continue;
            };
            seals.check(&seal, line, &place, &mut key, newest.unwrap_or(0));
            let head = Head {
                seq: seal.epoch,
                hash: mac,
            };
            is_remembered |= remembered == Some(&head);
            seals.last = Some(head);
            seals.seals.push(seal);
        }
        if !is_remembered {
            let words = "the seal that the checkpoint remembers is not there: the past was sealed anew, or cut off";
            seals.report(None, "forked", words.to_owned());
        }
        Ok(seals)
    }

    fn report(&mut self, place: Option<String>, kind: &'static str, message: String) {
        self.problems.push(Problem {
            place,
            kind,
            message,
        });
    }

    /// Checks the next seal; `key` is the one that should come.
    fn check(&mut self, seal: &Seal, line: &str, place: &str, key: &mut Key, newest: u64) {
        let (expected, prev) = match &self.last {
            Some(last) => (last.seq + 1, last.hash.as_str()),
            None => (0, NONE),
        };
        let follows = seal.prev == prev;
        let epoch = seal.epoch;
        let mut report = |kind, message| self.report(Some(place.to_owned()), kind, message);
        if epoch > expected {
            report(
                "epoch-missing",
                format!("epochs {expected} to {} are missing", epoch - 1),
            );
        } else if epoch < expected {
            report(
                "seal-reordered",
                format!("epoch {epoch} stands behind epoch {}", expected - 1),
            );
            return;
        } else if !follows {
            report(
                "seal-relinked",
                format!("epoch {epoch} does not follow the seal before it"),
            );
        }
        // No forger makes us count further than there are seals.
        *key = key.after((epoch - expected).min(1 << 24));
        if !Seal::is_by(line, key) {
            let mut later = key.clone();
            let is_newer = (epoch..newest.min(epoch + (1 << 16))).any(|_| {
                later = later.next();
                Seal::is_by(line, &later)
            });
            let (kind, by) = if is_newer {
                ("newer-key", "by the key of a later epoch")
            } else {
                ("seal-forged", "by no key of this log, or was changed")
            };
            report(kind, format!("epoch {epoch} is sealed {by}"));
        }
        *key = key.next();
    }

    /// Takes the next line of the log, without its line feed.
    pub(super) fn take(&mut self, text: &[u8], is_whole: bool, place: &dyn Fn() -> String) {
        self.pass_empty();
        let Some(seal) = self.seals.get(self.at).filter(|_| !self.is_lost) else {
            self.unsealed += 1;
            return;
        };
        let first = self.first_line.get_or_insert_with(place).clone();
        self.digest.update(text);
        if is_whole {
            self.digest.update(b"\n");
        }
        self.bytes += text.len() as u64 + u64::from(is_whole);
        if self.bytes < seal.bytes {
            return;
        }
        let (epoch, digest) = (seal.epoch, seal.digest.clone());
        let is_same = self.bytes == seal.bytes && hex(&self.digest.finalize_reset()) == digest;
        if !is_same {
            self.is_lost = true;
            let words = format!(
                "from here to {} the log is not what epoch {epoch} sealed",
                place()
            );
            self.report(Some(first), "sealed-otherwise", words);
        }
        (self.bytes, self.first_line) = (0, None);
        self.at += 1;
    }

    /// Epochs in which nothing happened.
    fn pass_empty(&mut self) {
        while self.bytes == 0 && self.seals.get(self.at).is_some_and(|seal| seal.bytes == 0) {
            self.at += 1;
        }
    }

    /// Says what is sealed and not there any more.
    pub(super) fn end(&mut self) {
        self.pass_empty();
        if let Some(seal) = self.seals.get(self.at).filter(|_| !self.is_lost) {
            let words = format!(
                "the log ends before the {} lines that epoch {} sealed",
                seal.lines, seal.epoch
            );
            self.report(None, "cut-off", words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret";

    fn ended(lines: &[String]) -> String {
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }

    /// Lines of a log, and the seals of epochs with so many of them.
    fn sealed(epochs: &[usize]) -> (Vec<String>, Vec<String>) {
        let mut key = Key::of_secret(SECRET);
        let (mut log, mut seals, mut prev) = (Vec::new(), Vec::new(), NONE.to_owned());
        for (epoch, count) in (0..).zip(epochs) {
            let lines: Vec<String> = (0..*count)
                .map(|at| format!("{{\"n\":\"{epoch}.{at}\"}}"))
                .collect();
            let bytes: String = ended(&lines);
            let seal = Seal {
                epoch,
                at: 7,
                instance: "i".into(),
                config: "c".into(),
                bytes: bytes.len() as u64,
                lines: *count as u64,
                digest: hex(&Sha256::digest(bytes.as_bytes())),
                file: [1, 2],
                prev,
            };
            let (line, mac) = seal.line(&key).unwrap();
            (prev, key) = (mac, key.next());
            seals.push(line);
            log.extend(lines);
        }
        (log, seals)
    }

    fn checked(
        log: &[String],
        seals: &[String],
        secret: &[u8],
        remembered: Option<&Head>,
    ) -> (Vec<(Option<String>, &'static str)>, Seals) {
        let folder =
            std::env::temp_dir().join(format!("kt-seals-{:?}", std::thread::current().id()));
        fs::write(&folder, ended(seals)).unwrap();
        let mut read = Seals::read(&folder, secret, remembered).unwrap();
        for (at, line) in log.iter().enumerate() {
            read.take(line.as_bytes(), true, &|| format!("log:{}", at + 1));
        }
        read.end();
        let name = folder.display().to_string();
        fs::remove_file(&folder).unwrap();
        let problems = read.problems.iter();
        let problems = problems.map(|problem| {
            (
                problem
                    .place
                    .clone()
                    .map(|place| place.replace(&name, "seals")),
                problem.kind,
            )
        });
        (problems.collect(), read)
    }

    fn kinds(log: &[String], seals: &[String]) -> Vec<(Option<String>, &'static str)> {
        checked(log, seals, SECRET, None).0
    }

    fn at(place: &str, kind: &'static str) -> (Option<String>, &'static str) {
        (Some(place.to_owned()), kind)
    }

    #[test]
    fn what_was_sealed_and_what_came_since_is_fine() {
        let (mut log, seals) = sealed(&[3, 0, 2, 0, 0, 4, 0]);
        assert_eq!(kinds(&log, &seals), []);
        log.push("{}".to_owned());
        let (problems, read) = checked(&log, &seals, SECRET, None);
        assert_eq!((problems, read.unsealed), (vec![], 1));
        assert_eq!(kinds(&[], &[]), []);
    }

    #[test]
    fn every_change_of_the_log_names_its_lines() {
        let (log, seals) = sealed(&[3, 0, 2, 4]);
        let changed = |change: &dyn Fn(&mut Vec<String>)| {
            let mut log = log.clone();
            change(&mut log);
            kinds(&log, &seals)
        };
        assert_eq!(
            changed(&|log| log[3] = log[3].replace('0', "1")),
            [at("log:4", "sealed-otherwise")]
        );
        assert_eq!(
            changed(&|log| log.swap(1, 2)),
            [at("log:1", "sealed-otherwise")]
        );
        assert_eq!(
            changed(&|log| drop(log.remove(0))),
            [at("log:1", "sealed-otherwise")]
        );
        assert_eq!(
            changed(&|log| log.insert(4, log[4].clone()))[0],
            at("log:6", "sealed-otherwise")
        );
        assert_eq!(
            changed(&|log| log.insert(0, "x".to_owned())),
            [at("log:1", "sealed-otherwise")]
        );
        assert_eq!(changed(&|log| log.truncate(7)), [(None, "cut-off")]);
        assert_eq!(changed(&|log| log.clear()), [(None, "cut-off")]);
    }

    #[test]
    fn every_change_of_the_seals_is_named() {
        let (log, seals) = sealed(&[3, 0, 2, 4]);
        let changed = |change: &dyn Fn(&mut Vec<String>)| {
            let mut seals = seals.clone();
            change(&mut seals);
            kinds(&log, &seals)
        };
        assert_eq!(
            changed(&|seals| seals[1] = seals[1].replace("\"at\":7", "\"at\":8")),
            [at("seals:2", "seal-forged")]
        );
        assert_eq!(
            changed(&|seals| drop(seals.remove(1))),
            [at("seals:2", "epoch-missing")]
        );
        assert_eq!(
            changed(&|seals| seals.insert(2, seals[1].clone())),
            [at("seals:3", "seal-reordered")]
        );
        assert_eq!(
            changed(&|seals| seals[2] = "{}".into())[0],
            at("seals:3", "seal-unreadable")
        );
        // A thief of the newest key seals an old epoch anew.
        let (mut seal, _) = Seal::read(&seals[0]).unwrap();
        seal.digest = "0".repeat(64);
        let (stolen, _) = seal.line(&Key::of_secret(SECRET).after(3)).unwrap();
        let seen = changed(&|seals| seals[0] = stolen.clone());
        assert_eq!(seen[0], at("seals:1", "newer-key"));
        assert_eq!(seen[1], at("seals:2", "seal-relinked"));
        // The last epochs cut off leave lines that are not sealed; only a checkpoint tells.
        let (_, read) = checked(&log, &seals[..3], SECRET, None);
        assert_eq!(read.unsealed, 4);
    }

    #[test]
    fn a_checkpoint_shows_a_past_that_was_sealed_anew() {
        let (log, seals) = sealed(&[3, 0, 2, 4]);
        let (_, read) = checked(&log, &seals[..2], SECRET, None);
        let remembered = read.last.unwrap();
        assert_eq!(checked(&log, &seals, SECRET, Some(&remembered)).0, []);
        let (other_log, other_seals) = sealed(&[2, 1, 2, 4]);
        assert_eq!(kinds(&other_log, &other_seals), []);
        assert_eq!(
            checked(&other_log, &other_seals, SECRET, Some(&remembered)).0,
            [(None, "forked")]
        );
        assert_eq!(
            checked(&log, &seals[..1], SECRET, Some(&remembered)).0,
            [(None, "forked")]
        );
    }

    #[test]
    fn another_secret_fits_nothing() {
        let (log, seals) = sealed(&[1, 1]);
        let problems = checked(&log, &seals, b"another", None).0;
        assert_eq!(
            problems,
            [at("seals:1", "seal-forged"), at("seals:2", "seal-forged")]
        );
    }
}
