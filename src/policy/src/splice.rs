//! Byte-range edits on a body: what is not edited leaves exactly as it came.

use std::{collections::BTreeMap, ops::Range};

/// Replacements for byte ranges of one body, in order.
#[derive(Debug, Default)]
pub struct Edits {
    /// By where they start: where they end, and what stands there then.
    edits: BTreeMap<usize, (usize, Vec<u8>)>,
}

impl Edits {
    /// Replaces `range` by `with`. Ranges never overlap; they may arrive in any order.
    pub fn replace(&mut self, range: Range<usize>, with: Vec<u8>) {
        self.edits.insert(range.start, (range.end, with));
    }

    /// Replaces all of `range`, whatever was to be changed inside it.
    pub fn replace_whole(&mut self, range: Range<usize>, with: Vec<u8>) {
        while let Some(other) = self.overlapping(&range) {
            self.edits.remove(&other.start);
        }
        self.replace(range, with);
    }

    /// The last edit that changes something of `range`.
    pub fn overlapping(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let (start, (end, _)) = self.edits.range(..range.end).next_back()?;
        (*end > range.start).then_some(*start..*end)
    }

    /// What the edit that begins at `start` puts there.
    pub fn at(&self, start: usize) -> Option<&[u8]> {
        self.edits.get(&start).map(|(_, with)| with.as_slice())
    }

    /// From the first byte that is changed in `range` to the last.
    pub fn within(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let last = self.overlapping(range)?;
        let before = self.edits.range(..range.start).next_back();
        let first = before.filter(|(_, (end, _))| *end > range.start);
        let first = first.or_else(|| self.edits.range(range.start..).next());
        Some(*first?.0..last.end)
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The start of `body` up to the end of the last edit, edited, with the number of original bytes that it
    /// stands for. The rest of the body follows unchanged.
    pub fn patch(self, body: &[u8]) -> Patch {
        let replaces = self.edits.last_key_value().map_or(0, |(_, (end, _))| *end);
        let mut bytes = Vec::with_capacity(replaces + 64);
        let mut copied = 0;
        for (start, (end, with)) in self.edits {
            bytes.extend_from_slice(body.get(copied..start).unwrap_or_default());
            bytes.extend_from_slice(&with);
            copied = end;
        }
        Patch { replaces, bytes }
    }
}

/// A new beginning for a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// How many bytes at the start of the original are replaced.
    pub replaces: usize,
    /// What stands there instead.
    pub bytes: Vec<u8>,
}

impl Patch {
    /// Length of the whole body once the patch is applied to `body_len` bytes.
    pub fn patched_len(&self, body_len: usize) -> usize {
        body_len - self.replaces.min(body_len) + self.bytes.len()
    }

    /// The whole patched body.
    pub fn apply(&self, body: &[u8]) -> Vec<u8> {
        let mut whole = self.bytes.clone();
        whole.extend_from_slice(body.get(self.replaces..).unwrap_or_default());
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_only_up_to_the_last_edit() {
        let mut edits = Edits::default();
        edits.replace(6..9, b"XY".to_vec());
        edits.replace(0..1, b"-".to_vec());
        let patch = edits.patch(b"abcdefghijkl");
        assert_eq!(
            patch,
            Patch {
                replaces: 9,
                bytes: b"-bcdefXY".to_vec()
            }
        );
        assert_eq!(patch.apply(b"abcdefghijkl"), b"-bcdefXYjkl");
        assert_eq!(patch.patched_len(12), 11);
    }

    #[test]
    fn edits_within_a_range_are_found() {
        let mut edits = Edits::default();
        for range in [20..22, 5..7, 10..12] {
            edits.replace(range, Vec::new());
        }
        for (range, within) in [
            (0..5, None),
            (4..6, Some(5..7)),
            (7..10, None),
            (3..30, Some(5..22)),
            (11..21, Some(10..22)),
            (22..40, None),
        ] {
            assert_eq!(edits.within(&range), within, "{range:?}");
        }
    }
}
