//! The hash chains of an event log, checked line by line.
//!
//! Each worker writes a chain of its own: `seq` counts from 0, `prev_hash` is the `hash` of the entry before, and `hash` the
//! SHA-256 of the line up to and including `prev_hash` (see `EventChain` of `kt-policy`). A plain hash shows every change that
//! does not rewrite all that follows; who can rewrite the whole log can also rewrite its hashes, unless a checkpoint of its
//! heads is kept elsewhere.

use std::collections::BTreeMap;

use kt_policy::event::hash_of;
use serde::{Deserialize, Serialize};

/// Where a chain is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// Of the last entry.
    pub(super) seq: u64,
    /// Of the last entry.
    pub(super) hash: String,
}

/// What is wrong with a line, or with the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    /// `file:line`; nothing where a line is missing.
    pub(super) place: Option<String>,
    /// One word for programs.
    pub(super) kind: &'static str,
    /// For people.
    pub(super) message: String,
}

/// The links of a line.
#[derive(Debug, Deserialize)]
struct Links {
    chain_id: Option<String>,
    seq: Option<u64>,
    prev_hash: Option<String>,
    hash: Option<String>,
}

/// All chains of a log.
#[derive(Debug, Default)]
pub(super) struct Chains {
    known: BTreeMap<String, Chain>,
    pub(super) entries: usize,
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug)]
struct Chain {
    /// First sequence number that is expected next.
    next: u64,
    hash: String,
    /// Hashes by sequence number, to tell a duplicate from a fork.
    seen: Vec<[u8; 8]>,
    /// Sequence number of the first of `seen`.
    first: u64,
    /// Where a checkpoint says that the chain was, until an entry from there on was met.
    remembered: Option<Head>,
}

impl Chains {
    /// Continues the chains of a checkpoint: their earlier entries may have been deleted since.
    pub(super) fn since(heads: &BTreeMap<String, Head>) -> Self {
        let chain = |head: &Head| Chain {
            next: head.seq + 1,
            hash: head.hash.clone(),
            seen: vec![short(&head.hash)],
            first: head.seq,
            remembered: Some(head.clone()),
        };
        Self {
            known: heads
                .iter()
                .map(|(id, head)| (id.clone(), chain(head)))
                .collect(),
            ..Self::default()
        }
    }

    /// The last entry of every chain.
    pub(super) fn heads(&self) -> BTreeMap<String, Head> {
        let head = |chain: &Chain| Head {
            seq: chain.next.saturating_sub(1),
            hash: chain.hash.clone(),
        };
        self.known
            .iter()
            .map(|(id, chain)| (id.clone(), head(chain)))
            .collect()
    }

    /// Takes the next line.
    pub(super) fn take(&mut self, text: &[u8], is_whole: bool, place: &dyn Fn() -> String) {
        self.entries += 1;
        let mut report = |kind, message: String| {
            self.problems.push(Problem {
                place: Some(place()),
                kind,
                message,
            });
        };
        let Ok(links) = serde_json::from_slice::<Links>(text) else {
            let (kind, what) = if is_whole {
                ("inserted", "the line is no event")
            } else {
                ("truncated", "the line was cut off")
            };
            return report(kind, what.to_owned());
        };
        let Links {
            chain_id: Some(id),
            seq: Some(seq),
            prev_hash: Some(prev_hash),
            hash: Some(hash),
        } = links
        else {
            return report("inserted", "the event belongs to no chain".to_owned());
        };
        if hash_of(text).as_deref() != Some(hash.as_str()) {
            report(
                "edited",
                format!("entry {seq} of chain {id} does not have the content that its hash says"),
            );
        }
        let chain = self.known.entry(id.clone()).or_insert_with(|| Chain {
            next: 0,
            hash: "0".repeat(64),
            seen: Vec::new(),
            first: 0,
            remembered: None,
        });
        if let Some((kind, message)) = chain.place(seq, &prev_hash, &hash) {
            report(kind, format!("{message} (chain {id})"));
        }
    }
}

impl Chain {
    /// Takes an entry; says what is wrong with its place.
    fn place(&mut self, seq: u64, prev_hash: &str, hash: &str) -> Option<(&'static str, String)> {
        if let Some(head) = self.remembered.clone() {
            if seq <= head.seq && self.next > head.seq {
                // Entries from before the checkpoint are still there: they have to lead to it.
                (self.next, self.first) = (seq, seq);
                self.seen.clear();
                prev_hash.clone_into(&mut self.hash);
            }
            if seq >= head.seq {
                self.remembered = None;
            }
            if seq == head.seq && hash != head.hash {
                self.next = seq.saturating_add(1);
                self.seen.push(short(hash));
                hash.clone_into(&mut self.hash);
                let words = format!("entry {seq} is not the one that the checkpoint remembers");
                return Some(("forked", words));
            }
        }
        if seq < self.next {
            let known = seq
                .checked_sub(self.first)
                .and_then(|at| self.seen.get(usize::try_from(at).ok()?));
            return Some(match known {
                Some(known) if *known == short(hash) => {
                    ("duplicated", format!("entry {seq} was there before"))
                }
                Some(known) if *known == [0; 8] => (
                    "reordered",
                    format!("entry {seq} stands behind entry {}", self.next - 1),
                ),
                _ => ("forked", format!("there is another entry {seq}")),
            });
        }
        let expected = self.next;
        let missing = seq - expected;
        let follows = missing > 0 || prev_hash == self.hash;
        // A gap in the numbers can be as long as a forger likes; what is remembered of it cannot.
        let gap = usize::try_from(missing.min(1 << 20)).unwrap_or_default();
        self.seen.extend(std::iter::repeat_n([0; 8], gap));
        self.seen.push(short(hash));
        self.next = seq.saturating_add(1);
        hash.clone_into(&mut self.hash);
        match (missing, follows) {
            (0, true) => None,
            (0, false) => Some((
                "relinked",
                format!("entry {seq} does not follow the entry before it"),
            )),
            (1, _) => Some(("missing", format!("entry {expected} is missing"))),
            _ => Some((
                "missing",
                format!("entries {expected} to {} are missing", seq - 1),
            )),
        }
    }
}

/// Enough of a hash to tell entries apart.
fn short(hash: &str) -> [u8; 8] {
    let mut short = [1; 8];
    for (to, from) in short.iter_mut().zip(hash.bytes()) {
        *to = from;
    }
    short
}

impl Chains {
    /// Says which chains end before the checkpoint.
    pub(super) fn end(&mut self) {
        for (id, chain) in &self.known {
            let Some(head) = &chain.remembered else {
                continue;
            };
            if chain.next <= head.seq {
                self.problems.push(Problem {
                    place: None,
                    kind: "cut-off",
                    message: format!(
                        "the chain ends with entry {}, before entry {} that the checkpoint remembers (chain {id})",
                        chain.next - 1,
                        head.seq
                    ),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> String {
        hash_of(format!("{text},\"hash\":\"").as_bytes()).unwrap()
    }

    /// A chain of `count` entries.
    fn log(id: &str, count: u64) -> Vec<String> {
        let mut prev = "0".repeat(64);
        let entry = |seq| {
            let line = format!(
                "{{\"verdict\":\"allow\",\"n\":{seq},\"chain_id\":\"{id}\",\"seq\":{seq},\"prev_hash\":\"{prev}\""
            );
            prev = hash(&line);
            format!("{line},\"hash\":\"{prev}\"}}")
        };
        (0..count).map(entry).collect()
    }

    fn check(lines: &[String]) -> Vec<(usize, &'static str)> {
        checked(Chains::default(), lines)
    }

    fn checked(mut chains: Chains, lines: &[String]) -> Vec<(usize, &'static str)> {
        for (at, line) in lines.iter().enumerate() {
            chains.take(line.as_bytes(), true, &|| at.to_string());
        }
        let problems = chains.problems.into_iter();
        problems
            .map(|problem| (problem.place.unwrap().parse().unwrap(), problem.kind))
            .collect()
    }

    #[test]
    fn whole_chains_side_by_side_are_fine() {
        let (a, b) = (log("a", 5), log("b", 5));
        let mixed: Vec<String> = a.into_iter().zip(b).flat_map(|(a, b)| [a, b]).collect();
        assert_eq!(check(&mixed), []);
    }

    #[test]
    fn every_kind_of_tampering_is_named_with_its_line() {
        let whole = log("a", 6);
        let changed = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = whole.clone();
            change(&mut lines);
            check(&lines)
        };
        assert_eq!(
            changed(&|lines| lines[2] = lines[2].replace("allow", "block")),
            [(2, "edited")]
        );
        assert_eq!(changed(&|lines| drop(lines.remove(2))), [(2, "missing")]);
        assert_eq!(changed(&|lines| drop(lines.remove(0))), [(0, "missing")]);
        assert_eq!(
            changed(&|lines| lines.swap(2, 3)),
            [(2, "missing"), (3, "reordered")]
        );
        assert_eq!(
            changed(&|lines| lines.insert(3, lines[2].clone())),
            [(3, "duplicated")]
        );
        assert_eq!(
            changed(&|lines| lines.insert(3, "{\"verdict\":\"allow\"}".to_owned())),
            [(3, "inserted")]
        );
        assert_eq!(
            changed(&|lines| lines.insert(3, "hello".to_owned())),
            [(3, "inserted")]
        );
        let forged = {
            let line = format!(
                "{{\"chain_id\":\"a\",\"seq\":2,\"prev_hash\":\"{}\"",
                "0".repeat(64)
            );
            format!("{line},\"hash\":\"{}\"}}", hash(&line))
        };
        assert_eq!(
            changed(&|lines| lines.insert(3, forged.clone())),
            [(3, "forked")]
        );
        assert_eq!(
            changed(&|lines| lines[2] = forged.clone()),
            [(2, "relinked"), (3, "relinked")]
        );
    }

    #[test]
    fn a_line_that_was_cut_off_is_named() {
        let mut chains = Chains::default();
        chains.take(b"{\"verdict\":", false, &|| "1".to_owned());
        assert_eq!(chains.problems[0].kind, "truncated");
    }

    #[test]
    fn entries_before_a_checkpoint_lead_to_it() {
        let lines = log("a", 6);
        let mut first = Chains::default();
        for line in &lines[..4] {
            first.take(line.as_bytes(), true, &String::new);
        }
        let heads = first.heads();
        for start in 0..=4 {
            assert_eq!(
                checked(Chains::since(&heads), &lines[start..]),
                [],
                "{start}"
            );
        }
        let mut cut = Chains::since(&heads);
        cut.take(lines[0].as_bytes(), true, &String::new);
        cut.take(lines[1].as_bytes(), true, &String::new);
        cut.end();
        assert_eq!(cut.problems[0].kind, "cut-off");
        let mut deleted = Chains::since(&heads);
        deleted.end();
        assert_eq!(deleted.problems, []);
    }

    #[test]
    fn a_checkpoint_is_continued_and_shows_another_past() {
        let lines = log("a", 6);
        let mut first = Chains::default();
        for line in &lines[..3] {
            first.take(line.as_bytes(), true, &String::new);
        }
        let heads = first.heads();
        assert_eq!(heads["a"].seq, 2);
        assert_eq!(checked(Chains::since(&heads), &lines[3..]), []);
        assert_eq!(
            checked(Chains::since(&heads), &lines[4..]),
            [(0, "missing")]
        );
        // Somebody rewrote everything, with hashes that fit.
        let other: Vec<String> = {
            let mut prev = "0".repeat(64);
            let entry = |seq| {
                let line = format!("{{\"chain_id\":\"a\",\"seq\":{seq},\"prev_hash\":\"{prev}\"");
                prev = hash(&line);
                format!("{line},\"hash\":\"{prev}\"}}")
            };
            (0..6).map(entry).collect()
        };
        assert_eq!(check(&other), []);
        assert_eq!(
            checked(Chains::since(&heads), &other[3..]),
            [(0, "relinked")]
        );
    }
}
