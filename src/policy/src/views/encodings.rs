//! Base64 and hexadecimal digits, and lists of numbers that stand for letters.

use std::ops::Range;

use super::View;

/// Shortest run of base64 or hexadecimal digits that is taken for text.
pub(super) const MIN_RUN: usize = 20;
/// Fewest numbers that are taken for text.
const MIN_NUMBERS: usize = 8;
/// Lines of base64 are at least this long, but for the last one.
const MIN_LINE: usize = 40;

/// Base64 and hexadecimal digits.
/// Those in `lines` were decoded together.
pub(super) fn runs(text: &str, lines: &Range<usize>, decodes_base64: bool, views: &mut Vec<View>) {
    let bytes = text.as_bytes();
    let is_digit_at = |at: usize| bytes.get(at).copied().is_some_and(is_digit);
    let mut behind = 0;
    // A run of this length covers one of these places, wherever it begins.
    let mut at = MIN_RUN - 1;
    while at < bytes.len() {
        if !is_digit_at(at) {
            at += MIN_RUN;
            continue;
        }
        let start = (behind..at)
            .rev()
            .take_while(|at| is_digit_at(*at))
            .last()
            .unwrap_or(at);
        let end = (at..bytes.len())
            .find(|at| !is_digit_at(*at))
            .unwrap_or(bytes.len());
        if end - start >= MIN_RUN && !lines.contains(&start) {
            let decoded = decoded(bytes.get(start..end).unwrap_or_default(), decodes_base64);
            views.extend(decoded.map(|text| View {
                text,
                range: start..end,
            }));
        }
        behind = end;
        at = end + MIN_RUN;
    }
}

/// The text behind a run, also where it was encoded twice.
fn decoded(run: &[u8], decodes_base64: bool) -> Option<String> {
    let once = |run: &[u8]| unhex(run).or_else(|| decodes_base64.then(|| unbase64(run)).flatten());
    let text = once(run)?;
    let is_encoded =
        text.len() >= MIN_RUN && text.bytes().all(|byte| is_digit(byte) || byte == b'=');
    if is_encoded {
        once(text.trim_end_matches('=').as_bytes()).or(Some(text))
    } else {
        Some(text)
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Base64 that is broken into lines (RFC 2045 §6.8). Returns where the lines lie.
pub(super) fn lines(text: &str, views: &mut Vec<View>) -> Range<usize> {
    let is_line = |line: &str| line.len() >= MIN_LINE && line.bytes().all(is_digit);
    let is_last = |line: &str| !line.is_empty() && line.trim_end_matches('=').bytes().all(is_digit);
    let (mut joined, mut range, mut end, mut count) = (String::new(), 0..0, 0, 0);
    for line in text.split('\n') {
        let start = end;
        end = start + line.len() + 1;
        let line = line.trim();
        if is_line(line) || count > 0 && is_last(line) {
            range = if count == 0 {
                start..end
            } else {
                range.start..end
            };
            joined.push_str(line.trim_end_matches('='));
            count += 1;
        } else if count > 0 {
            break;
        }
    }
    let Some(decoded) = unbase64(joined.as_bytes()).filter(|_| count > 1) else {
        return 0..0;
    };
    views.push(View {
        text: decoded,
        range: range.start..range.end.min(text.len()),
    });
    range
}

/// `49 67 6e 6f`, `0x49, 0x67`, `73 103 110`, `01001001 01100111`: a letter for each number.
pub(super) fn numbers(text: &str, rows: &[Range<usize>], views: &mut Vec<View>) {
    for row in rows {
        let part = text.get(row.clone()).unwrap_or_default();
        let numbers = part.split(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | ';'));
        row_of_numbers(
            &numbers
                .filter(|number| !number.is_empty())
                .collect::<Vec<_>>(),
            row,
            views,
        );
    }
}

/// From a number to its letter.
type Notation<'n> = &'n dyn Fn(&str) -> Option<u8>;

/// What a row of numbers says, in each notation.
fn row_of_numbers(row: &[&str], range: &Range<usize>, views: &mut Vec<View>) {
    if row.len() < MIN_NUMBERS {
        return;
    }
    let in_radix = |token: &str, len: usize, radix: u32| {
        (token.len() == len)
            .then(|| u8::from_str_radix(token, radix).ok())
            .flatten()
    };
    let notations: [Notation<'_>; 3] = [
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
            views.extend(readable(letters).map(|text| View {
                text,
                range: range.clone(),
            }));
        }
    }
}

fn readable(bytes: Vec<u8>) -> Option<String> {
    // A cut run may end inside a character.
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.utf8_error().valid_up_to() >= MIN_RUN / 2 => {
            let len = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(len);
            String::from_utf8(bytes).ok()?
        }
        Err(_) => return None,
    };
    let odd = |c: char| c.is_control() && !c.is_whitespace();
    (!text.chars().any(odd)).then_some(text)
}

/// Base64 in both alphabets, with or without padding (RFC 4648 §4, §5).
fn unbase64(digits: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    readable(out)
}

fn unhex(digits: &[u8]) -> Option<String> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect();
    readable(bytes?)
}
