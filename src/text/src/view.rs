//! What detectors see of a text: escapes undone, also in each other, and disguised characters as the ones that they stand for.
//!
//! JSON in a string has escapes of its own, which hide values (`bob\u0040example.com`) and glue letters to them (`\nbob@…`); so do
//! URLs and HTML. Copied text has typographic hyphens and spaces, wide or foreign digits, and characters that nobody sees. A
//! [`Reading`] is the text without all this, and every place of it maps back to the original, which is what leaves. Detectors
//! look at both, since what looks like an escape may be none (`C:\new\table`).
//!
//! A text without backslash, `%`, `&`, control or any byte beyond ASCII has no reading and costs one pass that vector code makes.

mod escapes;
mod glyphs;
mod nesting;

use std::ops::Range;

use glyphs::{Glyph, glyph};
pub use nesting::{Nesting, is_of_number};

/// Longest escape, in bytes of the original, with the escapes inside it: a run of backslashes is cut there.
const MAX_ESCAPE: usize = 256;
/// In a stream, longest run of characters that nobody sees, in bytes: a longer one counts as a space, so that what waits is bounded.
const MAX_UNSEEN: usize = 256;

/// The reading of a text, which may grow.
#[derive(Debug, Default)]
pub struct Reading {
    seen: String,
    /// How much of the original it covers.
    read: usize,
    /// Places where the two drift apart, in order.
    anchors: Vec<Anchor>,
    /// How many more characters may end an escape.
    watch: usize,
    /// Bytes of the run of unseen characters at the end.
    unseen: usize,
    /// The most of them.
    max_unseen: usize,
    /// Whether an escape was undone.
    has_escapes: bool,
}

/// From `seen` on, the original lies at the same distance from `start`; what ends at `seen` ends there at `end`.
#[derive(Debug, Clone, Copy, Default)]
struct Anchor {
    seen: usize,
    end: usize,
    start: usize,
}

/// Whether a text with these bytes may have a reading that differs from it.
pub fn may_differ(text: &str) -> bool {
    text.bytes()
        .fold(false, |seen, byte| seen | is_special(byte))
}

fn is_special(byte: u8) -> bool {
    !byte.is_ascii()
        || matches!(byte, b'\\' | b'%' | b'&')
        || byte < b' ' && !matches!(byte, b'\t'..=b'\r')
        || byte == 0x7f
}

impl Reading {
    /// The reading of a whole text, if it differs from it.
    pub fn of(text: &str) -> Option<Self> {
        if !may_differ(text) {
            return None;
        }
        let mut reading = Self {
            max_unseen: usize::MAX,
            seen: String::with_capacity(text.len()),
            ..Self::default()
        };
        reading.push(text);
        reading.finish();
        (!reading.anchors.is_empty()).then_some(reading)
    }

    /// The reading of a text that grows, of which `text` is known and does not differ.
    pub fn of_stream(text: &str) -> Self {
        Self {
            max_unseen: MAX_UNSEEN,
            seen: text.to_owned(),
            read: text.len(),
            ..Self::default()
        }
    }

    /// What is seen.
    pub fn seen(&self) -> &str {
        &self.seen
    }

    /// Whether an escape was undone: otherwise the two differ in characters only.
    pub fn has_escapes(&self) -> bool {
        self.has_escapes
    }

    /// Whether original and reading are the same, and no escape has begun.
    pub fn is_plain(&self) -> bool {
        self.anchors.is_empty() && self.watch == 0
    }

    /// Takes more of the original.
    pub fn push(&mut self, mut delta: &str) {
        loop {
            if self.watch == 0 {
                let plain = delta.bytes().position(is_special).unwrap_or(delta.len());
                let (before, rest) = delta.split_at_checked(plain).unwrap_or((delta, ""));
                self.seen.push_str(before);
                self.read += before.len();
                self.unseen = if before.is_empty() { self.unseen } else { 0 };
                delta = rest;
            }
            let Some(c) = delta.chars().next() else {
                return;
            };
            delta = delta.get(c.len_utf8()..).unwrap_or_default();
            self.watch = self.watch.saturating_sub(1);
            if self.watch > 0
                && let Some((len, reference)) = escapes::unclosed_at_end(&self.seen, Some(c))
            {
                self.replace(len, reference);
            }
            self.read += c.len_utf8();
            self.write(c, c.len_utf8());
            self.undo_escapes();
        }
    }

    /// The original is complete.
    pub fn finish(&mut self) {
        if self.watch > 0
            && let Some((len, reference)) = escapes::unclosed_at_end(&self.seen, None)
        {
            self.replace(len, reference);
        }
        self.watch = 0;
    }

    /// Writes what is seen of `c`, for which `width` bytes of the original stand.
    fn write(&mut self, c: char, width: usize) {
        let c = match glyph(c) {
            Glyph::Same => c,
            Glyph::As(ascii) => ascii,
            Glyph::Unseen => return self.pass_over(width),
        };
        self.unseen = 0;
        self.seen.push(c);
        if c.len_utf8() != width {
            self.anchors.push(Anchor {
                seen: self.seen.len(),
                end: self.read,
                start: self.read,
            });
        }
        if escapes::begins(c) {
            self.watch = escapes::LONGEST;
        }
    }

    /// Passes over `width` bytes of the original.
    fn pass_over(&mut self, width: usize) {
        self.unseen += width;
        if self.unseen > self.max_unseen {
            self.unseen = 0;
            self.seen.push(' ');
            return self.anchors.push(Anchor {
                seen: self.seen.len(),
                end: self.read,
                start: self.read,
            });
        }
        let seen = self.seen.len();
        match self.anchors.last_mut() {
            Some(last) if last.seen == seen => last.start = self.read,
            _ => self.anchors.push(Anchor {
                seen,
                end: self.read - width,
                start: self.read,
            }),
        }
    }

    fn undo_escapes(&mut self) {
        while self.watch > 0
            && let Some((len, c)) = escapes::at_end(&self.seen)
        {
            if !self.replace(len, c) {
                return;
            }
        }
    }

    /// Replaces the last `len` bytes of what is seen by `c`, unless too much of the original stands for them.
    fn replace(&mut self, len: usize, c: char) -> bool {
        let from = self.seen.len() - len;
        let width = self.read - self.start(from);
        if width > MAX_ESCAPE {
            return false;
        }
        self.seen.truncate(from);
        while self.anchors.pop_if(|anchor| anchor.seen > from).is_some() {}
        self.write(c, width);
        self.has_escapes = true;
        // What it stands for may end another escape.
        self.watch = escapes::LONGEST;
        true
    }

    /// Up to where nothing that is still to come can change what is seen.
    pub fn stable(&self) -> usize {
        let mut stable = self.seen.len();
        if self.watch == 0 {
            return stable;
        }
        let bytes = self.seen.as_bytes();
        while let Some(begin) = bytes
            .get(..stable)
            .unwrap_or_default()
            .iter()
            .rev()
            .take(escapes::LONGEST)
            .position(|byte| escapes::begins(char::from(*byte)))
        {
            let begin = stable - begin - 1;
            if !escapes::may_grow(bytes.get(begin..stable).unwrap_or_default())
                || self.read - self.start(begin) > MAX_ESCAPE
            {
                break;
            }
            stable = begin;
        }
        stable
    }

    fn anchor_before(&self, count: usize) -> Anchor {
        count
            .checked_sub(1)
            .and_then(|at| self.anchors.get(at))
            .copied()
            .unwrap_or_default()
    }

    /// Where in the original begins what begins at `seen`.
    pub fn start(&self, seen: usize) -> usize {
        let anchor = self.anchor_before(self.anchors.partition_point(|anchor| anchor.seen <= seen));
        anchor.start + (seen - anchor.seen)
    }

    /// Where in the original ends what ends at `seen`.
    fn end(&self, seen: usize) -> usize {
        let before = self.anchors.partition_point(|anchor| anchor.seen < seen);
        if let Some(anchor) = self.anchors.get(before)
            && anchor.seen == seen
        {
            return anchor.end;
        }
        let anchor = self.anchor_before(before);
        anchor.start + (seen - anchor.seen)
    }

    /// The range of the original that a range of what is seen stands for.
    pub fn original(&self, seen: &Range<usize>) -> Range<usize> {
        let start = self.start(seen.start);
        start..self.end(seen.end).max(start)
    }

    /// What is seen of the original from `raw` on, which is no place inside an escape.
    pub fn place(&self, raw: usize) -> usize {
        let after = self.anchors.partition_point(|anchor| anchor.start <= raw);
        let anchor = self.anchor_before(after);
        let next = self
            .anchors
            .get(after)
            .map_or(self.seen.len(), |next| next.seen);
        (anchor.seen + (raw - anchor.start)).min(next)
    }

    /// The escape or disguised character of the original that `raw` is a place inside of, and what is seen of it.
    fn token(&self, raw: usize) -> Option<(Range<usize>, char)> {
        let after = self.anchors.partition_point(|anchor| anchor.start <= raw);
        let next = self.anchors.get(after)?;
        let c = self.seen.get(..next.seen)?.chars().next_back()?;
        let start = self.start(next.seen - c.len_utf8());
        (start < raw && raw < next.end).then_some((start..next.end, c))
    }

    /// Widens a range of the original so that it holds escapes whole or not at all. A line break before a value is none of it.
    pub fn align(&self, raw: &Range<usize>) -> Range<usize> {
        let start = match self.token(raw.start) {
            Some((token, '\n' | '\r' | '\t' | ' ')) => token.end,
            Some((token, _)) => token.start,
            None => raw.start,
        };
        let end = self.token(raw.end).map_or(raw.end, |(token, _)| token.end);
        start..end.max(start)
    }

    /// The place of the original before which nothing is open when nothing before `raw` is: not inside an escape.
    pub fn align_open(&self, raw: usize) -> usize {
        self.token(raw).map_or(raw, |(token, _)| token.start)
    }

    /// Where the escape begins that ends at `raw` and stands for a blank.
    pub fn blank_before(&self, raw: usize) -> Option<usize> {
        let (token, c) = self.token(raw.checked_sub(1)?)?;
        (token.end == raw && c.is_ascii_whitespace()).then_some(token.start)
    }

    /// Drops what is seen before `seen`, and its original.
    pub fn forget(&mut self, seen: usize) {
        let raw = self.start(seen);
        self.seen.drain(..seen);
        self.read -= raw;
        self.anchors.retain(|anchor| anchor.seen > seen);
        for anchor in &mut self.anchors {
            anchor.seen -= seen;
            anchor.end -= raw;
            anchor.start -= raw;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: &[(&str, &str)] = &[
        (
            r#"{"to": "bob\u0040example.com", "x": "a\n\"b\" \ud83d\ude00\ud800 \q"}"#,
            "{\"to\": \"bob@example.com\", \"x\": \"a\n\"b\" 😀\\ud800 \\q\"}",
        ),
        (
            r"a\\\\nb \\\\u0040 \\\u005cu0040 \\server\\share",
            "a\nb @ @ \\server\\share",
        ),
        (
            "a%40b %2540 %25%34%30 %252540 %C3%BC %EF%BC%A0 100% %zz",
            "a@b @ @ @ ü @ 100% %zz",
        ),
        (
            "a&#64;b &#x40; &commat; &amp;#64; &amp;amp;commat; &#64b &#64",
            "a@b @ @ @ @ @b @",
        ),
        (r"\u0026#64; %26commat; %5Cu0040 &#92;u0040", "@ @ @ @"),
        (
            "219\u{2011}09\u{2011}9999 ４１１１\u{a0}２\u{200b}\u{ad}３",
            "219-09-9999 4111 23",
        ),
        ("AT&T &co %", "AT&T &co %"),
        ("C:\\new\\table", "C:\new\table"),
        (r"jane\_doe\@example\.com", "jane_doe@example.com"),
    ];

    fn reading_of(pieces: &[&str]) -> Reading {
        let mut reading = Reading::of_stream("");
        for piece in pieces {
            reading.push(piece);
        }
        reading.finish();
        reading
    }

    #[test]
    fn escapes_and_disguises_are_undone_at_every_cut() {
        for (text, seen) in TEXTS {
            assert_eq!(reading_of(&[text]).seen(), *seen, "{text}");
            for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
                let (left, right) = text.split_at(cut);
                let mut reading = Reading::of_stream("");
                reading.push(left);
                let (stable, before) = (reading.stable(), reading.seen().to_owned());
                reading.push(right);
                reading.finish();
                assert_eq!(reading.seen(), *seen, "{text} cut at {cut}");
                assert_eq!(
                    reading.seen().get(..stable),
                    before.get(..stable),
                    "{text} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn places_map_back() {
        let text = r#"{"to": "bob\u0040ex\u200bample.com\u200b", "n": "\ud83d\ude00"}"#;
        let reading = Reading::of(text).unwrap();
        let part = |wanted: &str| {
            let at = reading.seen().find(wanted).unwrap();
            text.get(reading.original(&(at..at + wanted.len())))
                .unwrap()
        };
        assert_eq!(part("bob@example.com"), r"bob\u0040ex\u200bample.com");
        assert_eq!(part("😀"), r"\ud83d\ude00");
        assert_eq!(part("\"n\""), "\"n\"");
        assert_eq!(part(reading.seen()), text);
    }

    #[test]
    fn escapes_are_whole_in_a_range() {
        let text = r"a\nbob\u0040x";
        let reading = Reading::of(text).unwrap();
        assert_eq!(reading.align(&(2..4)), 3..4);
        assert_eq!(reading.align(&(8..9)), 6..12);
        assert_eq!(reading.align_open(8), 6);
        assert_eq!(reading.align_open(6), 6);
    }

    #[test]
    fn forgetting_keeps_what_follows() {
        let text = r"caf\u00e9 a\u0040b c\u0040d";
        let mut reading = reading_of(&[text]);
        let at = reading.seen().find("c@d").unwrap();
        let start = reading.start(at);
        reading.forget(at);
        assert_eq!(reading.seen(), "c@d");
        assert_eq!(reading.original(&(0..3)), 0..text.len() - start);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut reading = Reading::of_stream("");
        reading.push(&"\\".repeat(10_000));
        assert!(reading.read - reading.start(reading.stable()) <= MAX_ESCAPE + 1);
        let mut reading = Reading::of_stream("");
        reading.push(&format!("1{}2", "\u{200b}".repeat(10_000)));
        assert!(reading.seen().len() > 10_000 * 3 / MAX_UNSEEN);
        assert_eq!(
            Reading::of(&format!("1{}2", "\u{200b}".repeat(10_000)))
                .unwrap()
                .seen(),
            "12"
        );
    }

    #[test]
    fn plain_texts_have_no_reading() {
        for text in [
            "",
            "plain text, 219-09-9999",
            "line\nbreak\tand more",
            "über 日本語 😀",
        ] {
            assert!(Reading::of(text).is_none(), "{text}");
        }
    }
}
