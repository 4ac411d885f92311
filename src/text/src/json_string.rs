//! The inside of a JSON string: what it stands for, where, and how it is written.

use std::borrow::Cow;

/// Decodes the inside of a JSON string that [`walk`] has accepted.
pub fn decode(raw: &str, escaped: bool) -> Cow<'_, str> {
    if !escaped {
        return Cow::Borrowed(raw);
    }
    let mut decoded = String::with_capacity(raw.len());
    let mut units = Units { raw, at: 0 };
    loop {
        let rest = raw.get(units.at..).unwrap_or_default();
        let plain = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        decoded.push_str(rest.get(..plain).unwrap_or_default());
        units.at += plain;
        match units.next() {
            Some(unit) => decoded.push(unit),
            None => return Cow::Owned(decoded),
        }
    }
}

/// Maps places of a decoded string back to the raw one, in one pass over both.
#[derive(Debug)]
pub struct RawPlaces<'a> {
    units: Units<'a>,
    /// How much of the decoded string the units read so far stand for.
    decoded: usize,
    escaped: bool,
}

impl<'a> RawPlaces<'a> {
    /// Starts at the beginning of both.
    pub fn new(raw: &'a str, escaped: bool) -> Self {
        Self {
            units: Units { raw, at: 0 },
            decoded: 0,
            escaped,
        }
    }

    /// The raw place of a decoded one. Places never go back.
    pub fn raw(&mut self, decoded: usize) -> usize {
        if !self.escaped {
            return decoded;
        }
        while self.decoded < decoded {
            let Some(unit) = self.units.next() else { break };
            self.decoded += unit.len_utf8();
        }
        self.units.at
    }
}

/// Appends `text` to `out` as the inside of a JSON string.
pub fn encode(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => {
                const HEX: [u8; 16] = *b"0123456789abcdef";
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
}

/// Iterates over the characters that a raw JSON string stands for.
#[derive(Debug)]
struct Units<'a> {
    raw: &'a str,
    at: usize,
}

impl Units<'_> {
    fn next(&mut self) -> Option<char> {
        let rest = self.raw.get(self.at..)?;
        let mut chars = rest.chars();
        let first = chars.next()?;
        if first != '\\' {
            self.at += first.len_utf8();
            return Some(first);
        }
        let kind = chars.next()?;
        self.at += 2;
        match kind {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'u' => self.unicode(),
            other => Some(other),
        }
    }

    fn unicode(&mut self) -> Option<char> {
        let high = self.hex4()?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high);
        }
        self.at += 2;
        let low = self.hex4()?;
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + low.checked_sub(0xDC00)?)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.raw.get(self.at..self.at + 4)?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}
