//! Characters whose two halves come in two events.
//!
//! A character beyond U+FFFF is written as two escapes in JSON, and servers that cut between tokens cut between those as
//! well: `"hi \ud83d"`, then `"\ude00 there"`. The reader refuses halves, so they are covered before it reads: the first
//! half waits in its channel, and the second one completes it. A half that stays alone is refused.

use std::{borrow::Cow, ops::RangeInclusive};

/// What covers a half, as long as its escape.
const COVER: &[u8] = b"\\ufffd";
const HIGH: RangeInclusive<u16> = 0xd800..=0xdbff;
const LOW: RangeInclusive<u16> = 0xdc00..=0xdfff;

/// A half at the end or the beginning of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Half {
    /// Where its escape begins.
    pub(super) at: usize,
    pub(super) unit: u16,
}

impl Half {
    pub(super) fn is_first(self) -> bool {
        HIGH.contains(&self.unit)
    }
}

/// The character of two halves.
pub(super) fn join(first: u16, second: u16) -> Option<char> {
    char::decode_utf16([first, second]).next()?.ok()
}

/// Covers first halves at the end of strings and second halves at their beginning.
pub(super) fn cover(body: &str) -> (Cow<'_, str>, Vec<Half>) {
    let halves = find(body.as_bytes());
    if halves.is_empty() {
        return (Cow::Borrowed(body), halves);
    }
    let mut bytes = body.as_bytes().to_vec();
    for half in &halves {
        if let Some(escape) = bytes.get_mut(half.at..half.at + COVER.len()) {
            escape.copy_from_slice(COVER);
        }
    }
    // An escape is ASCII, and so is its cover.
    (
        String::from_utf8(bytes).map_or(Cow::Borrowed(body), Cow::Owned),
        halves,
    )
}

fn find(body: &[u8]) -> Vec<Half> {
    let mut halves = Vec::new();
    let mut at = 0;
    // Outside of strings there are no backslashes.
    while let Some(found) = body.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let escape = at + found;
        let Some(unit) = unit_at(body, escape) else {
            at = escape + 2;
            continue;
        };
        at = escape + COVER.len();
        let is_pair = unit_at(body, at).is_some_and(|next| LOW.contains(&next));
        let begins = escape.checked_sub(1).and_then(|before| body.get(before)) == Some(&b'"');
        let ends = body.get(at) == Some(&b'"');
        if HIGH.contains(&unit) && is_pair {
            at += COVER.len();
        } else if HIGH.contains(&unit) && ends || LOW.contains(&unit) && begins {
            halves.push(Half { at: escape, unit });
        }
    }
    halves
}

/// The unit of the escape at `at`, if it is one of that kind.
fn unit_at(body: &[u8], at: usize) -> Option<u16> {
    let escape = body.get(at..at + COVER.len())?;
    let digits = escape.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_found_at_the_edges_of_strings() {
        for (body, units) in [
            (r#"{"a":"hi \ud83d"}"#, &[(9, 0xd83d)][..]),
            (r#"{"a":"\uDE00 there"}"#, &[(6, 0xde00)]),
            (r#"{"a":"\ude00 \ud83d"}"#, &[(6, 0xde00), (13, 0xd83d)]),
            (r#"{"a":"\ud83d\ude00"}"#, &[]),
            (r#"{"a":"\ud83d\ude00\ud83d"}"#, &[(18, 0xd83d)]),
            (r#"{"a":"\\ud83d"}"#, &[]),
            (r#"{"a":"\ud83d x"}"#, &[]),
            (r#"{"a":"x\ude00"}"#, &[]),
            (r#"{"a":"plain"}"#, &[]),
        ] {
            let expected: Vec<Half> = units.iter().map(|&(at, unit)| Half { at, unit }).collect();
            let (covered, halves) = cover(body);
            assert_eq!(halves, expected, "{body}");
            assert_eq!(covered.len(), body.len());
        }
        assert_eq!(cover(r#""\ud83d""#).0, r#""\ufffd""#);
    }

    #[test]
    fn halves_make_a_character() {
        assert_eq!(join(0xd83d, 0xde00), Some('😀'));
        assert_eq!(join(0xd83d, 0x41), None);
    }
}
