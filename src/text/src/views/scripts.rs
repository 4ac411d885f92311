//! Letters of other shapes that stand for those of the alphabet, and marks between them: Braille, letters that are upside down, tags
//! of HTML inside words.

use std::borrow::Cow;

/// Cells of Braille that make a text look like it.
const MIN_CELLS: usize = 8;
/// Letters upside down, of those that are no letters of English, that make a text look turned.
const MIN_TURNED: usize = 4;
/// Longest tag; what is longer is none.
const LONGEST_TAG: usize = 256;

/// The dots of the letters from a to z, as the low bits of their cells (English Braille, grade 1).
const CELLS: [u8; 26] = [
    1, 3, 9, 25, 17, 11, 27, 19, 10, 26, 5, 7, 13, 29, 21, 15, 31, 23, 14, 30, 37, 39, 58, 45, 61,
    53,
];

/// The letters of cells of Braille. Other characters stay.
pub(super) fn braille(text: &str) -> Option<String> {
    let cell = |c: char| {
        u32::from(c)
            .checked_sub(0x2800)
            .filter(|dots| *dots < 0x100)
    };
    text.chars().filter_map(cell).nth(MIN_CELLS - 1)?;
    let letter = |c: char| match cell(c) {
        None => Some(c),
        Some(0) => Some(' '),
        Some(dots) => {
            let place = CELLS.iter().position(|cell| u32::from(*cell) == dots)?;
            Some(char::from(b'a' + u8::try_from(place).ok()?))
        }
    };
    Some(text.chars().filter_map(letter).collect())
}

/// The letter that `c` is upside down, where it is none of English.
fn upright(c: char) -> Option<char> {
    Some(match c {
        'ɐ' | '∀' => 'a',
        'ɔ' | 'Ɔ' | 'Ↄ' => 'c',
        'ᗡ' => 'd',
        'ǝ' | 'Ǝ' => 'e',
        'ɟ' | 'Ⅎ' => 'f',
        'ƃ' | 'ɓ' | 'ᵷ' | '⅁' => 'g',
        'ɥ' => 'h',
        'ı' | 'ᴉ' | '!' => 'i',
        'ɾ' | 'ſ' => 'j',
        'ʞ' | '⋊' => 'k',
        'ן' | 'ꞁ' | '˥' => 'l',
        'ɯ' => 'm',
        'Ԁ' => 'p',
        'ɹ' | 'ᴚ' => 'r',
        'ʇ' | '┴' | '⊥' => 't',
        '∩' => 'u',
        'ʌ' | 'Λ' => 'v',
        'ʍ' => 'w',
        'ʎ' | '⅄' => 'y',
        _ => return None,
    })
}

/// A text that is upside down, read from the other end, line by line.
pub(super) fn upside_down(text: &str) -> Option<String> {
    let odd = |c: &char| !c.is_ascii() && upright(*c).is_some();
    text.chars().filter(odd).nth(MIN_TURNED - 1)?;
    let letter = |c: char| {
        upright(c).unwrap_or(match c {
            'q' => 'b',
            'p' => 'd',
            'u' => 'n',
            'd' => 'p',
            'b' => 'q',
            'n' => 'u',
            'M' => 'W',
            'W' => 'M',
            _ => c,
        })
    };
    let lines = text
        .lines()
        .map(|line| line.chars().rev().map(letter).collect::<String>());
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// The text without its tags, where one stands inside a word. One that stands between words is a space.
pub(super) fn without_tags(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut splits_words = false;
    let mut rest = text;
    while let Some((before, from)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
        out.push_str(before);
        let Some(after) = tag_end(from).and_then(|end| from.get(end..)) else {
            out.push('<');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        splits_words |= is_word(out.chars().next_back()) && is_word(after.chars().next());
        rest = after;
    }
    out.push_str(rest);
    splits_words.then_some(out)
}

/// Behind the tag, or the comment, that `text` begins with.
fn tag_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let begins = bytes
        .get(1)
        .is_some_and(|byte| matches!(byte, b'/' | b'!') || byte.is_ascii_alphabetic());
    let inside = bytes
        .get(1..bytes.len().min(LONGEST_TAG))
        .filter(|_| begins)?;
    let end = memchr::memchr2(b'>', b'<', inside)?;
    (inside.get(end) == Some(&b'>')).then_some(end + 2)
}

/// What runs of digits say that are written in rarer ways: base32 (RFC 4648 §6), base85 (as Python and Git write it, and Ascii85),
/// base64 from its end. Each is read up to the first byte that no text has.
pub(super) fn rare_digits(text: &str, mut found: impl FnMut(std::ops::Range<usize>, String)) {
    runs(text, |range, run| {
        let mut push = |said: Option<String>| {
            if let Some(said) = said {
                found(range.clone(), said);
            }
        };
        let alphabet =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        for digits in run.as_bytes().split(|byte| !alphabet(byte)) {
            if digits.len() >= MIN_DIGITS {
                push(text_of(digits.iter(), 5, base32));
                push(text_of(digits.iter().rev(), 6, base64));
            }
        }
        let run = run.trim_matches(['"', '\'', '`']);
        push(base85(run, |byte| {
            BASE85.iter().position(|digit| *digit == byte)
        }));
        let bare = run.trim_start_matches("<~").trim_end_matches("~>");
        push(base85(bare, |byte| {
            usize::from(byte)
                .checked_sub(33)
                .filter(|value| *value < 85)
        }));
    });
}

/// Fewest digits of a run that is read: so many bytes without white space are rare in prose.
const MIN_DIGITS: usize = 25;
/// Fewest bytes of text that count.
const MIN_TEXT: usize = 12;

const BASE85: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// The stretches of at least [`MIN_DIGITS`] bytes without white space. A byte is looked at once or twice, most of them never.
fn runs<'t>(text: &'t str, mut each: impl FnMut(std::ops::Range<usize>, &'t str)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    while let Some(window) = bytes.get(start..start + MIN_DIGITS) {
        if let Some(space) = window.iter().rposition(u8::is_ascii_whitespace) {
            start += space + 1;
            continue;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let len = rest
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(rest.len());
        if let Some(run) = text.get(start..start + len) {
            each(start..start + len, run);
        }
        start += len + 1;
    }
}

fn base32(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a')),
        b'2'..=b'7' => Some(u32::from(byte - b'2') + 26),
        _ => None,
    }
}

fn base64(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// The text of digits of so many bits.
fn text_of<'d>(
    digits: impl Iterator<Item = &'d u8>,
    bits: u32,
    value: fn(u8) -> Option<u32>,
) -> Option<String> {
    let (mut kept, mut count) = (0_u32, 0);
    let mut said = Vec::new();
    for digit in digits {
        let Some(digit) = value(*digit) else { break };
        kept = (kept << bits | digit) & 0xfff;
        count += bits;
        if count >= 8 {
            count -= 8;
            let byte = u8::try_from(kept >> count & 0xff).unwrap_or_default();
            if !is_of_text(byte) {
                break;
            }
            said.push(byte);
        }
    }
    as_text(&said)
}

/// The text of digits of which five are four bytes; a group that is cut counts as if it ended in the highest digit.
fn base85(digits: &str, value: impl Fn(u8) -> Option<usize>) -> Option<String> {
    let mut said = Vec::new();
    for group in digits.as_bytes().chunks(5) {
        let mut bytes = Some(0_u32);
        for at in 0..5 {
            let digit = group.get(at).map_or(Some(84), |byte| value(*byte));
            let digit = digit.and_then(|digit| u32::try_from(digit).ok());
            bytes = bytes
                .zip(digit)
                .and_then(|(bytes, digit)| bytes.checked_mul(85)?.checked_add(digit));
        }
        let Some(bytes) = bytes else { break };
        let bytes = bytes.to_be_bytes();
        let bytes = bytes.get(..group.len() - 1).unwrap_or_default();
        said.extend(bytes.iter().take_while(|byte| is_of_text(**byte)));
        if !bytes.iter().all(|byte| is_of_text(*byte)) {
            break;
        }
    }
    as_text(&said)
}

/// Whether texts have such bytes: no controls but white space.
fn is_of_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..)
}

fn as_text(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let is_cut = |text: &Cow<'_, str>| text.trim_end_matches('\u{fffd}').contains('\u{fffd}');
    (said.len() >= MIN_TEXT && !is_cut(&text)).then(|| text.into_owned())
}
