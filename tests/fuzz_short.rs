//! A short run of the fuzz targets: every kept seed, and mutations of the seeds that are the same in every run.

use std::{fs, path::Path};

/// Mutations per seed.
const MUTATIONS: usize = 150;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).unwrap_or(0)
    }
}

fn mutate(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes.insert(at, u8::try_from(random.below(256)).unwrap_or(0)),
            1 if !bytes.is_empty() => drop(bytes.remove(at)),
            2 if !bytes.is_empty() => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            3 => bytes.truncate(at),
            _ => {
                let from = random.below(other.len());
                let piece = other
                    .get(from..(from + random.below(40)).min(other.len()))
                    .unwrap_or_default();
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

fn run(name: &str, law: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files
        .iter()
        .filter_map(|file| fs::read(file).ok())
        .collect();
    assert!(seeds.len() >= 3, "{} has no seeds", folder.display());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for seed in &seeds {
        law(seed);
        for _ in 0..MUTATIONS {
            let place = random.below(seeds.len());
            let other = seeds.get(place).map(Vec::as_slice).unwrap_or_default();
            law(&mutate(seed, other, &mut random));
        }
    }
}

#[test]
fn sse() {
    run("sse", kt_tests::sse);
}

#[test]
fn json() {
    run("json", kt_tests::json);
}

#[test]
fn stream() {
    run("stream", kt_tests::stream);
}

#[test]
fn routing() {
    run("routing", kt_tests::routing);
}

#[test]
fn config() {
    run("config", kt_tests::config);
}

#[test]
fn pattern() {
    run("pattern", kt_tests::pattern);
}

#[test]
fn bounds() {
    run("bounds", kt_tests::bounds);
}
