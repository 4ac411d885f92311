//! Where a place of a text lies in JSON that the text holds, so that what is replaced leaves valid JSON: at which depth of
//! strings in strings, and whether a number stands there by itself.
//!
//! A quote behind *n* backslashes belongs to a string in *level(n)* other strings: an even number of backslashes stands for itself
//! and leaves the quote to the outermost string; of an odd number one belongs to the quote, and the rest are half as many one string
//! further in. A string of JSON holds no line break, so a line break ends what an odd quote in prose began.

use std::ops::Range;

/// Strings in strings that are told apart.
const LEVELS: usize = 8;

/// What is known behind a stretch of text.
#[derive(Debug, Clone, Default)]
pub struct Nesting {
    /// In how many strings the place lies.
    strings: usize,
    /// Brackets that are open, in each string.
    brackets: [u16; LEVELS + 1],
    /// Backslashes just before.
    backslashes: usize,
    /// Backticks just before.
    ticks: usize,
    /// Whether something else stands on the line.
    is_inked: bool,
    /// The last byte that is no white space.
    last: u8,
    /// The last byte.
    before: u8,
}

impl Nesting {
    /// For a text that is JSON as a whole, the arguments of a tool call.
    pub fn of_json() -> Self {
        let mut nesting = Self {
            last: b':',
            ..Self::default()
        };
        if let Some(brackets) = nesting.brackets.first_mut() {
            *brackets = 1;
        }
        nesting
    }

    /// Takes the next stretch of text.
    pub fn advance(&mut self, text: &str) {
        let is_of_json = |byte: u8| matches!(byte, b'"' | b'\\' | b'{' | b'[' | b'`');
        let is_prose = self.strings == 0
            && self.brackets == [0; LEVELS + 1]
            && !text
                .bytes()
                .fold(false, |seen, byte| seen | is_of_json(byte));
        // Prose is not read byte by byte: nothing but its end matters.
        let text = if is_prose {
            text.get(text.floor_char_boundary(text.len().saturating_sub(8))..)
                .unwrap_or_default()
        } else {
            text
        };
        for byte in text.bytes() {
            self.take(byte);
        }
    }

    fn take(&mut self, byte: u8) {
        self.before = byte;
        if byte == b'\\' {
            self.is_inked = true;
            self.backslashes += 1;
            return;
        }
        let is_escape = std::mem::take(&mut self.backslashes);
        if byte == b'`' {
            self.ticks += 1;
            // A fence of Markdown, where code begins or ends.
            if self.ticks == 3 && !self.is_inked {
                *self = Self::default();
            }
            return;
        }
        self.is_inked =
            byte != b'\n' && (self.is_inked || self.ticks > 0 || !byte.is_ascii_whitespace());
        self.ticks = 0;
        match byte {
            b'"' => self.quote(is_escape),
            b'{' | b'[' => self.count(|open| open.saturating_add(1)),
            b'}' | b']' => self.count(|open| open.saturating_sub(1)),
            b'\n' => {
                self.strings = 0;
                return;
            }
            b' ' | b'\t' | b'\r' => return,
            b'n' | b't' | b'r' if is_escape > 0 => {
                self.before = b' ';
                return;
            }
            // The sign of a number.
            b'-' if matches!(self.last, b':' | b'[' | b',') => return,
            _ => {}
        }
        self.last = byte;
    }

    fn quote(&mut self, mut backslashes: usize) {
        let mut level = 0;
        while backslashes % 2 == 1 {
            backslashes /= 2;
            level += 1;
        }
        if level < self.strings {
            self.strings = level;
        } else if level == self.strings && level < LEVELS {
            self.strings += 1;
            self.count(|_| 0);
        }
    }

    fn count(&mut self, change: impl Fn(u16) -> u16) {
        if let Some(open) = self.brackets.get_mut(self.strings) {
            *open = change(*open);
        }
    }

    /// The quote that a marker needs around it when it takes the place of `value`, which stands here, followed by `next`: one in front
    /// of a number (or `true`, `false`, `null`) of JSON, since a marker is none.
    pub fn quote_for(&self, value: &str, next: Option<u8>) -> Option<String> {
        let begins =
            matches!(self.last, b':' | b'[' | b',') && !self.before.is_ascii_alphanumeric();
        let is_number =
            matches!(value, "true" | "false" | "null") || value.bytes().all(is_of_number);
        let ends = next.is_none_or(|next| {
            matches!(next, b',' | b']' | b'}' | b'\\')
                || next.is_ascii_whitespace()
                || is_of_number(next)
        });
        (self.is_between() && begins && is_number && ends).then(|| {
            let mut quote = "\\".repeat((1 << self.strings) - 1);
            quote.push('"');
            quote
        })
    }

    /// The parts of `value`, which stands here, that are replaced one by one so that what is JSON stays so: where a value reaches
    /// over the end of a string, the quotes and signs between strings stay, and nothing else of it does. `None` where one marker
    /// can take the place of it all.
    pub fn parts(&self, value: &str) -> Option<Vec<Range<usize>>> {
        let is_json = self.brackets.first().is_some_and(|open| *open > 0);
        if !is_json || self.is_one(value) {
            return None;
        }
        let mut nesting = self.clone();
        let mut parts: Vec<Range<usize>> = Vec::new();
        let (mut part, mut escape) = (None::<Range<usize>>, None);
        for (at, byte) in value.bytes().enumerate() {
            let (strings, is_between) = (nesting.strings, nesting.is_between());
            // JSON that begins with its string.
            let begins = nesting.last == b'"' && matches!(byte, b'{' | b'[');
            nesting.take(byte);
            if byte == b'\\' {
                escape = escape.or(Some(at));
                continue;
            }
            let start = escape.take().unwrap_or(at);
            let is_sign =
                begins || is_between && matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':');
            if is_sign || nesting.strings != strings {
                parts.extend(part.take());
            } else if !nesting.before.is_ascii_whitespace() {
                part.get_or_insert(start..at).end = at + 1;
            }
        }
        parts.extend(part);
        Some(parts)
    }

    /// Whether `value` begins and ends in the same string, or holds no string and no list.
    fn is_one(&self, value: &str) -> bool {
        let is_list = value.contains(',')
            && value
                .bytes()
                .all(|byte| matches!(byte, b',' | b' ') || is_of_number(byte));
        if !value.contains('"') {
            return !self.is_between() || !is_list;
        }
        let mut nesting = self.clone();
        let stays = value.bytes().all(|byte| {
            nesting.take(byte);
            nesting.strings >= self.strings
        });
        stays && nesting.strings == self.strings && !self.is_between()
    }

    /// Whether the place is in JSON, between its strings.
    fn is_between(&self) -> bool {
        self.brackets
            .get(self.strings)
            .is_some_and(|open| *open > 0)
    }

    /// `marker` as it is written here.
    pub fn escaped(&self, marker: String) -> String {
        let is_plain = !marker.contains(['"', '\\']) && !marker.contains(char::is_control);
        let is_json = self.brackets.first().is_some_and(|open| *open > 0);
        if self.strings == 0 || is_plain || !is_json {
            return marker;
        }
        (0..self.strings).fold(marker, |marker, _| {
            let mut out = Vec::with_capacity(marker.len() + 8);
            crate::json_string::encode(&marker, &mut out);
            String::from_utf8(out).unwrap_or_default()
        })
    }
}

/// Whether a number of JSON may have this byte in it.
pub fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}
