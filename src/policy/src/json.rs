//! A strict, allocation-free walk over one JSON text (RFC 8259).
//!
//! Edits are spliced into the original bytes, which is only safe when every other reader sees the same
//! document. So this reader refuses whatever parsers disagree on: duplicate names in an object, trailing
//! data, lone surrogates, numbers outside the grammar, nesting beyond [`MAX_DEPTH`], a byte-order mark.

use std::borrow::Cow;
use std::ops::Range;

pub use kt_text::json_string::{RawPlaces, decode, encode};

/// Deepest nesting that is read. Real chat requests stay below 20; recursion is bounded by this.
pub const MAX_DEPTH: usize = 64;

/// Objects with up to this many names are checked pair by pair; larger ones are sorted.
const PAIRWISE_NAMES: usize = 8;

/// Why a text is not acceptable JSON, with the byte where reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid {
    /// Byte offset into the text.
    pub at: usize,
    /// What is wrong, as a lower-case fragment that never quotes the text.
    pub reason: &'static str,
}

/// One step from a value to its child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// Member of an object, by its decoded name.
    Key(Cow<'a, str>),
    /// Element of an array.
    Index(usize),
}

impl Step<'_> {
    /// Whether this is the member `name`.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Step::Key(key) if key == name)
    }
}

/// What a [`Node`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string value; `escaped` says whether it holds a backslash.
    String {
        /// Whether decoding is needed.
        escaped: bool,
    },
    /// The name of a member, reported before its value with the path of that member.
    Name {
        /// Whether decoding is needed.
        escaped: bool,
    },
    /// A number.
    Number,
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// An object, reported after its members.
    Object,
    /// An array, reported after its elements.
    Array,
}

/// A value or name met on the walk.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its bytes. For strings and names these lie between the quotes.
    pub range: Range<usize>,
}

/// Walks `text`, calling `visit` with the path and node of every value and member name, in document order.
pub fn walk<'a>(text: &'a str, visit: &mut dyn FnMut(&[Step<'a>], &Node)) -> Result<(), Invalid> {
    let mut walker = Walker {
        text,
        bytes: text.as_bytes(),
        at: 0,
        path: Vec::with_capacity(8),
        names: Vec::with_capacity(32),
        visit,
    };
    walker.skip_space();
    walker.value()?;
    walker.skip_space();
    if walker.at < walker.bytes.len() {
        return Err(walker.invalid("data after the end of the JSON value"));
    }
    Ok(())
}

struct Walker<'a, 'v> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    path: Vec<Step<'a>>,
    /// Hashes of the names of all open objects, innermost last.
    names: Vec<u64>,
    visit: &'v mut dyn FnMut(&[Step<'a>], &Node),
}

impl Walker<'_, '_> {
    fn invalid(&self, reason: &'static str) -> Invalid {
        Invalid {
            at: self.at,
            reason,
        }
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    fn report(&mut self, kind: Kind, range: Range<usize>) {
        (self.visit)(&self.path, &Node { kind, range });
    }

    fn value(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        match self.peek() {
            b'"' => {
                let (range, escaped) = self.string()?;
                self.report(Kind::String { escaped }, range);
            }
            b'{' => {
                self.object()?;
                self.report(Kind::Object, start..self.at);
            }
            b'[' => {
                self.array()?;
                self.report(Kind::Array, start..self.at);
            }
            b't' => self.literal(b"true", Kind::Bool(true))?,
            b'f' => self.literal(b"false", Kind::Bool(false))?,
            b'n' => self.literal(b"null", Kind::Null)?,
            b'-' | b'0'..=b'9' => {
                self.number()?;
                self.report(Kind::Number, start..self.at);
            }
            0 if self.at >= self.bytes.len() => {
                return Err(self.invalid("the JSON text ends too early"));
            }
            _ => return Err(self.invalid("a JSON value was expected")),
        }
        Ok(())
    }

    fn literal(&mut self, word: &'static [u8], kind: Kind) -> Result<(), Invalid> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(self.invalid("a JSON value was expected"));
        }
        self.at += word.len();
        self.report(kind, start..self.at);
        Ok(())
    }

    fn object(&mut self) -> Result<(), Invalid> {
        self.descend()?;
        let first_name = self.names.len();
        self.skip_space();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_space();
            if self.peek() != b'"' {
                return Err(self.invalid("a member name in double quotes was expected"));
            }
            self.member()?;
            self.skip_space();
            match self.peek() {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(self.invalid("`,` or `}` was expected")),
            }
        }
        if has_duplicate(self.names.get_mut(first_name..).unwrap_or_default()) {
            return Err(self.invalid("an object has the same member twice"));
        }
        self.names.truncate(first_name);
        self.at += 1;
        Ok(())
    }

    fn member(&mut self) -> Result<(), Invalid> {
        let (range, escaped) = self.string()?;
        let name = decode(self.text.get(range.clone()).unwrap_or_default(), escaped);
        self.names.push(hash_name(name.as_bytes()));
        self.path.push(Step::Key(name));
        self.report(Kind::Name { escaped }, range);
        self.skip_space();
        if self.peek() != b':' {
            return Err(self.invalid("`:` was expected"));
        }
        self.at += 1;
        self.skip_space();
        self.value()?;
        self.path.pop();
        Ok(())
    }

    fn array(&mut self) -> Result<(), Invalid> {
        self.descend()?;
        self.skip_space();
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        for index in 0.. {
            self.skip_space();
            self.path.push(Step::Index(index));
            self.value()?;
            self.path.pop();
            self.skip_space();
            match self.peek() {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.invalid("`,` or `]` was expected")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Enters the object or array at the cursor.
    fn descend(&mut self) -> Result<(), Invalid> {
        if self.path.len() >= MAX_DEPTH {
            return Err(self.invalid("the JSON is nested too deeply"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the string at the cursor; the range excludes the quotes.
    fn string(&mut self) -> Result<(Range<usize>, bool), Invalid> {
        let start = self.at + 1;
        let mut escaped = false;
        self.at = start;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(stop) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err(self.invalid("a string is not closed"));
            };
            let plain = rest.get(..stop).unwrap_or_default();
            if plain.iter().fold(false, |seen, &byte| seen | (byte < 0x20)) {
                return Err(self.invalid("a string holds an unescaped control character"));
            }
            self.at += stop;
            if self.peek() == b'"' {
                self.at += 1;
                return Ok((start..self.at - 1, escaped));
            }
            escaped = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), Invalid> {
        self.at += 1;
        let kind = self.peek();
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => self.unicode_escape(),
            _ => Err(self.invalid("a string holds an unknown escape")),
        }
    }

    fn unicode_escape(&mut self) -> Result<(), Invalid> {
        match self.hex4()? {
            0xDC00..0xE000 => Err(self.invalid("a string holds a lone surrogate")),
            0xD800..0xDC00 => {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                if !rest.starts_with(b"\\u") {
                    return Err(self.invalid("a string holds a lone surrogate"));
                }
                self.at += 2;
                if (0xDC00..0xE000).contains(&self.hex4()?) {
                    Ok(())
                } else {
                    Err(self.invalid("a string holds a lone surrogate"))
                }
            }
            _ => Ok(()),
        }
    }

    fn hex4(&mut self) -> Result<u32, Invalid> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let mut value = 0;
        for &digit in digits {
            let Some(nibble) = char::from(digit).to_digit(16) else {
                return Err(self.invalid("a string holds a broken \\u escape"));
            };
            value = value * 16 + nibble;
        }
        if digits.len() < 4 {
            return Err(self.invalid("a string holds a broken \\u escape"));
        }
        self.at += 4;
        Ok(value)
    }

    fn number(&mut self) -> Result<(), Invalid> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        if !self.peek().is_ascii_digit() {
            return Err(self.invalid("a number is malformed"));
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }
}

/// FNV-1a. A collision can only refuse a document, never hide a duplicate.
fn hash_name(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn has_duplicate(names: &mut [u64]) -> bool {
    if names.len() > PAIRWISE_NAMES {
        names.sort_unstable();
        return names
            .windows(2)
            .any(|pair| matches!(pair, [left, right] if left == right));
    }
    let mut rest = &*names;
    while let [first, others @ ..] = rest {
        if others.contains(first) {
            return true;
        }
        rest = others;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        walk(text, &mut |path, node| {
            let steps: Vec<_> = path
                .iter()
                .map(|step| match step {
                    Step::Key(key) => key.to_string(),
                    Step::Index(index) => index.to_string(),
                })
                .collect();
            seen.push(format!("{}={}", steps.join("."), &text[node.range.clone()]));
        })
        .unwrap();
        seen
    }

    fn refuse(text: &str, reason: &str) {
        let error = walk(text, &mut |_, _| {}).unwrap_err();
        assert!(error.reason.contains(reason), "{text}: {error:?}");
    }

    #[test]
    fn reports_every_value_with_its_path() {
        assert_eq!(
            accept(r#" {"a":[1,{"b":"x"}], "c":null} "#),
            [
                "a=a",
                "a.0=1",
                "a.1.b=b",
                "a.1.b=x",
                r#"a.1={"b":"x"}"#,
                r#"a=[1,{"b":"x"}]"#,
                "c=c",
                "c=null",
                r#"={"a":[1,{"b":"x"}], "c":null}"#
            ]
        );
    }

    #[test]
    fn refuses_what_parsers_disagree_on() {
        refuse(r#"{"a":1,"a":2}"#, "same member twice");
        refuse(r#"{"a":1,"\u0061":2}"#, "same member twice");
        refuse(
            r#"{"n1":1,"n2":1,"n3":1,"n4":1,"n5":1,"n6":1,"n7":1,"n8":1,"n9":1,"n4":1}"#,
            "same member twice",
        );
        refuse("{} {}", "after the end");
        refuse(r#"["\ud800"]"#, "lone surrogate");
        refuse(r#"["\udc00"]"#, "lone surrogate");
        refuse(r#"["\ud800\u0041"]"#, "lone surrogate");
        refuse(r#"["\x"]"#, "unknown escape");
        refuse(r#"["\u00g0"]"#, "broken \\u");
        refuse("[\"\n\"]", "control character");
        refuse("[01]", "`,` or `]`");
        refuse("[NaN]", "value was expected");
        refuse("[1.]", "number");
        refuse("[1,]", "value was expected");
        refuse("\u{feff}{}", "value was expected");
        refuse("", "ends too early");
        refuse("\"a", "not closed");
        refuse(&"[".repeat(MAX_DEPTH + 1), "too deeply");
    }

    #[test]
    fn decoded_places_map_back_to_raw_ones() {
        let raw = r"a\u0062c\n\ud83d\ude00d";
        assert_eq!(decode(raw, true), "abc\n😀d");
        let mut places = RawPlaces::new(raw, true);
        let mut piece = |from, to| &raw[places.raw(from)..places.raw(to)];
        assert_eq!(piece(1, 3), r"\u0062c");
        assert_eq!(piece(4, 8), r"\ud83d\ude00");
        assert_eq!(piece(8, 9), "d");
    }

    #[test]
    fn encoding_round_trips() {
        let text = "a\"b\\c\n\u{1}é😀";
        let mut raw = Vec::new();
        encode(text, &mut raw);
        let raw = String::from_utf8(raw).unwrap();
        assert_eq!(decode(&raw, true), text);
    }
}
