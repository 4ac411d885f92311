//! Seals the event log while the gateway runs: see [`crate::seal`].

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use sha2::{Digest as _, Sha256};

use crate::{
    Failure,
    seal::{Key, NONE, Seal, hex},
};

/// How long an epoch is.
const EPOCH: Duration = Duration::from_secs(10);
/// What a file holds whose secret was used: the key of the next epoch.
const EVOLVED: &str = "keeptrusts-epoch-key";

/// Ends with a last seal when it is dropped.
pub(super) struct Sealing {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where the file of seals of a log lies.
pub(crate) fn seals_of(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".seals");
    name.into()
}

/// Starts to seal, if there is a key.
pub(super) fn start(log: &str, policy: &Path) -> Result<Option<Sealing>, Failure> {
    let Some(source) = source() else {
        return Ok(None);
    };
    let failed = |what: &str, error: io::Error| {
        Failure::usage(format!(
            "error: the event log cannot be sealed: {what}: {error}"
        ))
    };
    let config = fs::read(policy).map_err(|error| failed("the policy file", error))?;
    let mut sealer = Sealer::open(Path::new(log), source, &config)
        .map_err(|error| failed("its key or its file of seals", error))?;
    let (end, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        loop {
            let is_over = ended.recv_timeout(EPOCH) != Err(RecvTimeoutError::Timeout);
            if let Err(error) = sealer.seal() {
                eprintln!("error: the event log could not be sealed: {error}");
            }
            if is_over {
                return;
            }
        }
    });
    Ok(Some(Sealing {
        end: Some(end),
        thread: Some(thread),
    }))
}

/// Where the key comes from.
enum Source {
    /// A secret in the environment.
    Secret(Vec<u8>),
    /// A file, which gets the key of the next epoch in place of what was in it.
    File(PathBuf),
}

fn source() -> Option<Source> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let file = set("KEEPTRUSTS_AUDIT_KEY_FILE").map(|path| Source::File(path.into()));
    file.or_else(|| {
        set("KEEPTRUSTS_AUDIT_KEY").map(|secret| Source::Secret(secret.into_encoded_bytes()))
    })
}

/// The key of `epoch`, the next one to be sealed.
fn key(source: &Source, epoch: u64) -> io::Result<Key> {
    let first = |secret: &[u8]| Key::of_secret(secret.trim_ascii()).after(epoch);
    match source {
        Source::Secret(secret) => Ok(first(secret)),
        Source::File(path) => {
            let text = fs::read(path)?;
            let words = String::from_utf8_lossy(&text).into_owned();
            let mut words = words.split_whitespace();
            if words.next() != Some(EVOLVED) {
                return Ok(first(&text));
            }
            let of = words.next().and_then(|number| number.parse::<u64>().ok());
            let key = words.next().and_then(Key::from_hex);
            let ahead = of.and_then(|of| epoch.checked_sub(of));
            match (key, ahead) {
                (Some(key), Some(ahead)) => Ok(key.after(ahead)),
                _ => Err(io::Error::other(
                    "the key is of a later epoch than the last seal",
                )),
            }
        }
    }
}

struct Sealer {
    source: Source,
    key: Key,
    path: PathBuf,
    log: File,
    inode: u64,
    place: u64,
    seals: File,
    next: Seal,
}

impl Sealer {
    fn open(path: &Path, source: Source, config: &[u8]) -> io::Result<Self> {
        let seals_path = seals_of(path);
        let last = last_seal(&seals_path)?;
        let log = File::open(path)?;
        let inode = log.metadata()?.ino();
        let (epoch, prev) = match &last {
            Some((seal, mac)) => (seal.epoch + 1, mac.clone()),
            None => (0, NONE.to_owned()),
        };
        let place = last.filter(|(seal, _)| seal.file[0] == inode);
        let seals = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(seals_path)?;
        let key = key(&source, epoch)?;
        Ok(Self {
            source,
            key,
            path: path.to_owned(),
            log,
            inode,
            place: place.map_or(0, |(seal, _)| seal.file[1]),
            seals,
            next: Seal {
                epoch,
                at: 0,
                instance: instance()?,
                config: hex(&Sha256::digest(config)),
                bytes: 0,
                lines: 0,
                digest: String::new(),
                file: [inode, 0],
                prev,
            },
        })
    }

    /// Seals what the log got since the last time.
    fn seal(&mut self) -> io::Result<()> {
        let mut digest = Sha256::new();
        let (mut bytes, mut lines) = (0, 0);
        self.read(&mut digest, &mut bytes, &mut lines)?;
        // A log that was rotated has a new file; nothing more comes to the old one once Envoy has turned to the new.
        let now = fs::metadata(&self.path).map(|now| now.ino());
        if let Some(inode) = now.ok().filter(|inode| *inode != self.inode) {
            (self.log, self.inode, self.place) = (File::open(&self.path)?, inode, 0);
            self.read(&mut digest, &mut bytes, &mut lines)?;
        }
        (self.next.bytes, self.next.lines) = (bytes, lines);
        self.next.digest = hex(&digest.finalize());
        self.next.file = [self.inode, self.place];
        self.next.at = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_secs());
        let sealed = self.next.line(&self.key);
        let (line, mac) = sealed.ok_or_else(|| io::Error::other("no MAC"))?;
        self.seals.write_all(format!("{line}\n").as_bytes())?;
        self.seals.sync_data()?;
        self.next.epoch += 1;
        self.next.prev = mac;
        self.key = self.key.next();
        self.keep_key()
    }

    /// Reads the lines that are complete.
    fn read(&mut self, digest: &mut Sha256, bytes: &mut u64, lines: &mut u64) -> io::Result<()> {
        self.log.seek(SeekFrom::Start(self.place))?;
        let mut reader = io::BufReader::new((&self.log).take(u64::MAX));
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                return Ok(());
            }
            digest.update(&line);
            *lines += 1;
            *bytes += line.len() as u64;
            self.place += line.len() as u64;
        }
    }

    /// Puts the key of the next epoch in place of the last one.
    fn keep_key(&self) -> io::Result<()> {
        let Source::File(path) = &self.source else {
            return Ok(());
        };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".next");
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        writeln!(file, "{EVOLVED} {} {}", self.next.epoch, self.key.to_hex())?;
        file.sync_data()?;
        fs::rename(beside, path)
    }
}

fn last_seal(path: &Path) -> io::Result<Option<(Seal, String)>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    match text.lines().next_back() {
        None => Ok(None),
        Some(line) => Seal::read(line)
            .map(Some)
            .ok_or_else(|| io::Error::other("its last line is no seal")),
    }
}

fn instance() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn what_came_is_sealed_once_through_rotation_and_restart() {
        let folder = env::temp_dir().join(format!("kt-sealer-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let (log, key) = (folder.join("log"), folder.join("key"));
        append(&log, "one\ntwo\nhal");
        fs::write(&key, "secret\n").unwrap();
        let open = || Sealer::open(&log, Source::File(key.clone()), b"policy").unwrap();
        let mut sealer = open();
        sealer.seal().unwrap();
        append(&log, "f\n");
        fs::rename(&log, folder.join("log.1")).unwrap();
        append(&log, "new\n");
        sealer.seal().unwrap();
        drop(sealer);
        assert!(
            fs::read_to_string(&key)
                .unwrap()
                .starts_with("keeptrusts-epoch-key 2 ")
        );
        let mut sealer = open();
        append(&log, "last\n");
        sealer.seal().unwrap();
        let seals = fs::read_to_string(seals_of(&log)).unwrap();
        let expected = ["one\ntwo\n", "half\nnew\n", "last\n"];
        assert_eq!(seals.lines().count(), expected.len());
        let mut prev = NONE.to_owned();
        for ((epoch, line), text) in (0..).zip(seals.lines()).zip(expected) {
            let (seal, mac) = Seal::read(line).unwrap();
            assert!(Seal::is_by(line, &Key::of_secret(b"secret").after(epoch)));
            assert_eq!((seal.epoch, &seal.prev), (epoch, &prev));
            assert_eq!(seal.digest, hex(&Sha256::digest(text)));
            assert_eq!(
                (seal.bytes, seal.lines),
                (text.len() as u64, text.lines().count() as u64)
            );
            prev = mac;
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
