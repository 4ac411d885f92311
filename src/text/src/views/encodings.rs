//! Base64 and hexadecimal digits, also in pieces, and lists of numbers that stand for letters.
//!
//! Pieces of digits with little between them are read as one. Where among them the text begins is not known, so each of the four
//! (base64) or two (hexadecimal) ways to group the digits is read once: a stretch is decoded as often, whatever it holds.

use std::ops::Range;

use super::View;

/// Fewest bytes of text that count: the shortest address.
const MIN_TEXT: usize = 6;
/// Most bytes between two pieces.
const MAX_GAP: usize = 8;
/// Fewest words, each in base64, that are read together.
const MIN_WORDS: usize = 4;
/// Fewest numbers that are taken for text.
const MIN_NUMBERS: usize = 6;

/// A part of a text that says something when it is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// What it says.
    pub text: String,
    /// For each piece, how much has been said at its end, and where it lies.
    pieces: Vec<(usize, Range<usize>)>,
    /// Whether it is base64.
    pub is_base64: bool,
}

impl Stretch {
    pub(super) fn of_one(text: String, range: Range<usize>) -> Self {
        Self {
            pieces: vec![(text.len(), range)],
            text,
            is_base64: false,
        }
    }

    /// The pieces in which `said` stands.
    pub fn place(&self, said: &Range<usize>) -> Range<usize> {
        let piece = |at: usize| {
            let piece = self.pieces.get(at).or(self.pieces.last());
            piece.map_or(0..0, |(_, range)| range.clone())
        };
        let first = self.pieces.partition_point(|(end, _)| *end <= said.start);
        let last = self.pieces.partition_point(|(end, _)| *end < said.end);
        piece(first).start..piece(last).end
    }
}

/// One way to write bytes as digits.
#[derive(Clone, Copy)]
struct Notation {
    bits: u32,
    /// For each byte the value of the digit that it is, or one of the two below.
    values: &'static [u8; 256],
}

/// A byte that may stand between two pieces.
const SEPARATOR: u8 = 0xfe;
/// Any other byte that is no digit.
const OTHER: u8 = 0xff;

/// Both alphabets (RFC 4648 §4, §5)
const BASE64: Notation = Notation {
    bits: 6,
    values: &values(&[
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    ]),
};

const HEX: Notation = Notation {
    bits: 4,
    values: &values(&[b"0123456789abcdef", b"0123456789ABCDEF"]),
};

/// The values of the digits of some alphabets.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a table made at compile time: a byte indexes 256 values, an alphabet has at most 64 digits"
)]
const fn values(alphabets: &[&[u8]]) -> [u8; 256] {
    let mut values = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        if separates(byte as u8) {
            values[byte] = SEPARATOR;
        }
        byte += 1;
    }
    let mut alphabet = 0;
    while alphabet < alphabets.len() {
        let mut value = 0;
        while value < alphabets[alphabet].len() {
            values[alphabets[alphabet][value] as usize] = value as u8;
            value += 1;
        }
        alphabet += 1;
    }
    values
}

impl Notation {
    /// The value of a digit; [`SEPARATOR`] or [`OTHER`] if it is none.
    fn value(&self, byte: u8) -> u8 {
        self.values.get(usize::from(byte)).copied().unwrap_or(OTHER)
    }

    fn is_digit(&self, byte: Option<&u8>) -> bool {
        byte.is_some_and(|byte| self.value(*byte) < SEPARATOR)
    }
}

/// The stretches of base64 and hexadecimal digits in `text`.
pub(super) fn digits(text: &str, found: &mut Vec<Stretch>) {
    let bytes = text.as_bytes();
    read::<4, 2>(bytes, HEX, found);
    read::<6, 4>(bytes, BASE64, found);
}

/// Reads all digits of a notation of `BITS` bits for each; after `GROUP` of them a byte begins with a new one.
fn read<const BITS: u32, const GROUP: usize>(
    bytes: &[u8],
    notation: Notation,
    found: &mut Vec<Stretch>,
) {
    // For each way to group the digits: up to where they were read.
    let mut read = [0; 4];
    let (mut at, mut count, mut gap) = (0, 0, 0);
    while let Some(&byte) = bytes.get(at) {
        let value = notation.value(byte);
        if value >= SEPARATOR {
            gap += 1;
            if gap > MAX_GAP || value == OTHER {
                count = 0;
            }
            at += 1;
            continue;
        }
        gap = 0;
        if let Some(read) = read.get_mut(count % GROUP).filter(|read| at >= **read) {
            // Most say nothing, which costs nothing to keep.
            let said = Digits::<BITS, GROUP>(bytes, notation).read(at, &mut 0_usize);
            *read = said.end;
            if said.len >= MIN_TEXT {
                found.push(Digits::<BITS, GROUP>(bytes, notation).stretch(at));
            }
        }
        // A piece, or the part of one behind a sign.
        let rest = bytes.get(at..).unwrap_or_default();
        let len = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() && notation.value(**byte) < SEPARATOR)
            .count();
        let is_sign = notation.is_digit(rest.get(len));
        let len = len + usize::from(is_sign);
        at += len;
        count += len;
    }
}

/// The digits of a text.
struct Digits<'t, const BITS: u32, const GROUP: usize>(&'t [u8], Notation);

/// What digits say.
struct Said {
    /// Bytes of it.
    len: usize,
    /// Up to where the digits were read.
    end: usize,
}

/// Takes what digits say.
trait Listener {
    /// A byte.
    fn byte(&mut self, byte: u8);
    /// The end of a piece.
    fn piece(&mut self, range: Range<usize>);
    /// How many bytes there were.
    fn len(&self) -> usize;
}

/// Only counts.
impl Listener for usize {
    fn byte(&mut self, _: u8) {
        *self += 1;
    }

    fn piece(&mut self, _: Range<usize>) {}

    fn len(&self) -> usize {
        *self
    }
}

/// Bytes and pieces.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    pieces: Vec<(usize, Range<usize>)>,
}

impl Listener for Written {
    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn piece(&mut self, range: Range<usize>) {
        self.pieces.push((self.bytes.len(), range));
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl<const BITS: u32, const GROUP: usize> Digits<'_, BITS, GROUP> {
    fn stretch(&self, start: usize) -> Stretch {
        let mut written = Written::default();
        self.read(start, &mut written);
        Stretch {
            text: text_of(&written.bytes),
            pieces: written.pieces,
            is_base64: BITS == BASE64.bits,
        }
    }

    /// Reads text that begins with the digit at `start`.
    fn read(&self, start: usize, listener: &mut impl Listener) -> Said {
        let Self(bytes, notation) = self;
        let (mut at, mut piece) = (start, start);
        let (mut value, mut bits, mut gap, mut check) = (0_u32, 0, 0, Letters::default());
        // Digits so far, and the first of those that begin with a byte of their own.
        let (mut count, mut group) = (0, start);
        let mut is_text = true;
        while let Some(&byte) = bytes.get(at) {
            let digit = notation.value(byte);
            if digit < SEPARATOR {
                if gap > 0 {
                    piece = at;
                }
                gap = 0;
                if count % GROUP == 0 {
                    group = at;
                }
                count += 1;
                value = value << BITS | u32::from(digit);
                bits += BITS;
                if bits >= 8 {
                    bits -= 8;
                    let letter = u8::try_from(value >> bits & 0xff).unwrap_or_default();
                    if !check.take(letter, listener) {
                        // Where it does not go on, other text may begin.
                        is_text = false;
                        break;
                    }
                }
            } else {
                if gap == 0 && piece < at {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let padding = rest.iter().take_while(|byte| **byte == b'=').count();
                    listener.piece(piece..at + padding);
                    if padding > 0 {
                        piece = at;
                        break;
                    }
                }
                gap += 1;
                if gap > MAX_GAP || digit == OTHER {
                    piece = at;
                    break;
                }
                piece = at + 1;
            }
            at += 1;
        }
        if piece < at {
            listener.piece(piece..at);
        }
        Said {
            len: listener.len(),
            end: if is_text { at } else { group },
        }
    }
}

/// Whether a byte may stand between two pieces.
const fn separates(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(
            byte,
            b'"' | b'\'' | b',' | b'.' | b';' | b':' | b'|' | b'`' | b'\\'
        )
}

/// Whether bytes are those of a text in UTF-8, or in UTF-16 with letters of ASCII.
#[derive(Default)]
struct Letters {
    /// How many bytes the last character still needs.
    missing: u8,
    is_half: bool,
}

impl Letters {
    /// Takes the next byte, if it is one of a text.
    fn take(&mut self, byte: u8, said: &mut impl Listener) -> bool {
        if self.missing > 0 {
            self.missing -= 1;
            said.byte(byte);
            return byte & 0xc0 == 0x80;
        }
        if byte == 0 {
            return !std::mem::replace(&mut self.is_half, true);
        }
        self.is_half = false;
        self.missing = match byte {
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => 0,
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => return false,
        };
        said.byte(byte);
        true
    }
}

/// The text at the start of `bytes`: the last character may be cut.
fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default())
            .into_owned(),
    }
}

/// `SWdub3Jl YWxs b2Y=`: words in base64, one by one. Every word in a row of them must say something, which few ordinary words do.
pub(super) fn words(text: &str, views: &mut Vec<View>) {
    let (mut said, mut count, mut range, mut at) = (String::new(), 0, 0..0, 0);
    let mut close = |said: &mut String, count: usize, range: &Range<usize>| {
        let text = std::mem::take(said);
        if count >= MIN_WORDS {
            views.push(View {
                text,
                range: range.clone(),
            });
        }
    };
    for piece in text.split_inclusive([' ', '\n', '\t', '\r', '\x0c']) {
        let word = piece.trim_ascii_end();
        if !word.is_empty() && !push_word(word, &mut said) {
            close(&mut said, count, &range);
            count = 0;
        } else if !word.is_empty() {
            if count == 0 {
                range.start = at;
            }
            range.end = at + word.len();
            count += 1;
        }
        at += piece.len();
    }
    close(&mut said, count, &range);
}

/// Appends what a word says in base64 and a space, if that is printable ASCII.
fn push_word(word: &str, said: &mut String) -> bool {
    let before = said.len();
    let digits = word.trim_matches(['"', '\'', '`', ',', '.', ';']);
    let digits = digits.trim_end_matches('=');
    let (mut value, mut bits) = (0_u32, 0);
    for byte in digits.bytes() {
        let digit = Some(BASE64.value(byte)).filter(|digit| *digit < SEPARATOR);
        value = value << BASE64.bits & 0xffff | u32::from(digit.unwrap_or_default());
        bits += BASE64.bits;
        if bits >= 8 {
            bits -= 8;
            let letter = u8::try_from(value >> bits & 0xff).unwrap_or_default();
            if digit.is_none() || !matches!(letter, b' '..=b'~') {
                said.truncate(before);
                return false;
            }
            said.push(char::from(letter));
        } else if digit.is_none() {
            said.truncate(before);
            return false;
        }
    }
    let is_whole = said.len() > before && bits < BASE64.bits && value & ((1 << bits) - 1) == 0;
    if is_whole {
        said.push(' ');
    } else {
        said.truncate(before);
    }
    is_whole
}

/// `49 67 6e 6f`, `0x49, 0x67`, `73 103 110`, `01001001 01100111`: a letter for each number.
pub(super) fn numbers(text: &str, rows: &[Range<usize>], found: &mut Vec<Stretch>) {
    for row in rows {
        let part = text.get(row.clone()).unwrap_or_default();
        let numbers = part.split(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | ';'));
        row_of_numbers(
            &numbers
                .filter(|number| !number.is_empty())
                .collect::<Vec<_>>(),
            row,
            found,
        );
    }
}

/// From a number to its letter.
type Letter<'n> = &'n dyn Fn(&str) -> Option<u8>;

/// What a row of numbers says, in each notation.
fn row_of_numbers(row: &[&str], range: &Range<usize>, found: &mut Vec<Stretch>) {
    if row.len() < MIN_NUMBERS {
        return;
    }
    let in_radix = |token: &str, len: usize, radix: u32| {
        (token.len() == len)
            .then(|| u8::from_str_radix(token, radix).ok())
            .flatten()
    };
    let notations: [Letter<'_>; 3] = [
        &|token| in_radix(token, 8, 2),
        &|token| {
            in_radix(
                token.trim_start_matches("0x").trim_start_matches("\\x"),
                2,
                16,
            )
        },
        &|token| {
            (token.len() <= 3)
                .then(|| token.parse().ok())
                .flatten()
                .filter(|value| matches!(value, 9 | 10 | 13 | 32..=126))
        },
    ];
    for notation in notations {
        let letters: Vec<u8> = row.iter().filter_map(|token| notation(token)).collect();
        if letters.len() * 10 >= row.len() * 9 {
            found.push(Stretch::of_one(text_of(&letters), range.clone()));
        }
    }
}
