//! Escapes of JSON, programming languages, Markdown, URLs and HTML, recognised at the end of a text that grows.
//!
//! A text is read from left to right and each escape replaced as soon as its last character is there. So what an
//! escape stands for can itself end another one, and escapes in escapes need no second pass.

/// Longest escape, in bytes: a reference of HTML with leading zeros.
pub(super) const LONGEST: usize = 16;
/// Most digits of such a reference.
const MOST_DIGITS: usize = 10;

/// Whether an escape may begin with `c`.
pub(super) fn begins(c: char) -> bool {
    matches!(c, '\\' | '%' | '&')
}

/// The escape at the end of `text`: its length in bytes, and what it stands for.
pub(super) fn at_end(text: &str) -> Option<(usize, char)> {
    let tail = tail(text);
    let (&last, before) = tail.split_last()?;
    if before.last() == Some(&b'\\')
        && let Some(c) = of_one_letter(last)
    {
        return Some((2, c));
    }
    match last {
        b';' => reference(before).map(|(len, c)| (len + 1, c)),
        b'}' => {
            let start = before.iter().rposition(|byte| *byte == b'\\')?;
            let digits = before.get(start..)?.strip_prefix(b"\\u{")?;
            let value = hex(digits).filter(|_| digits.len() <= 6)?;
            Some((before.len() - start + 1, char::from_u32(value)?))
        }
        _ if last.is_ascii_hexdigit() => of_digits(tail),
        _ => None,
    }
}

/// A numeric reference of HTML at the end of `text` that is not closed: its length, and what it stands for. It counts only if
/// `next`, which follows, is no part of it.
pub(super) fn unclosed_at_end(text: &str, next: Option<char>) -> Option<(usize, char)> {
    let tail = tail(text);
    let start = tail.iter().rposition(|byte| *byte == b'&')?;
    let radix = if matches!(tail.get(start + 2), Some(b'x' | b'X')) {
        16
    } else {
        10
    };
    if next.is_some_and(|next| next.is_digit(radix) || next == ';') {
        return None;
    }
    numeric(tail.get(start..)?).map(|c| (tail.len() - start, c))
}

/// Whether `text`, which begins where an escape may, could become one when it goes on, or a part of one.
pub(super) fn may_grow(text: &[u8]) -> bool {
    let all_hex = |digits: &[u8], most: usize| {
        digits.len() < most && digits.iter().all(u8::is_ascii_hexdigit)
    };
    match text {
        [b'\\' | b'%' | b'&'] => true,
        [b'\\', b'u', b'{', digits @ ..] => all_hex(digits, 7),
        // A high surrogate waits for the low one.
        [b'\\', b'u', digits @ ..] => {
            all_hex(digits, 4) || matches!(hex(digits), Some(0xd800..0xdc00)) && digits.len() == 4
        }
        [b'\\', b'U', digits @ ..] => all_hex(digits, 8),
        [b'\\', b'x', digits @ ..] => all_hex(digits, 2),
        [b'%', b'u', digits @ ..] => all_hex(digits, 4),
        // Bytes of a longer character wait for each other.
        [b'%', digits @ ..] => {
            all_hex(digits, 2) || digits.len() == 2 && matches!(hex(digits), Some(0x80..))
        }
        [b'&', b'#', b'x' | b'X', digits @ ..] => all_hex(digits, MOST_DIGITS + 1),
        [b'&', b'#', digits @ ..] => {
            digits.len() <= MOST_DIGITS && digits.iter().all(u8::is_ascii_digit)
        }
        [b'&', name @ ..] => NAMES
            .iter()
            .any(|(known, _)| known.as_bytes().starts_with(name)),
        _ => false,
    }
}

fn tail(text: &str) -> &[u8] {
    let bytes = text.as_bytes();
    bytes
        .get(bytes.len().saturating_sub(LONGEST)..)
        .unwrap_or_default()
}

/// `\n` and the like, and punctuation, as Markdown and shells escape it.
fn of_one_letter(letter: u8) -> Option<char> {
    match letter {
        b'n' => Some('\n'),
        b'r' => Some('\r'),
        b't' => Some('\t'),
        b'b' | b'f' | b'v' => Some(' '),
        _ if letter.is_ascii_punctuation() => Some(char::from(letter)),
        _ => None,
    }
}

/// `\u0040`, `\U00000040`, `\x40`, `%u0040`, `%40`, also in more than one unit.
fn of_digits(tail: &[u8]) -> Option<(usize, char)> {
    let unit = |digits: usize, signs: [u8; 2], end: usize| {
        let from = end.checked_sub(digits + 2)?;
        (tail.get(from..from + 2)? == signs)
            .then(|| hex(tail.get(from + 2..end)?))
            .flatten()
    };
    let len = tail.len();
    if let Some(value) = unit(4, *b"\\u", len).or_else(|| unit(4, *b"%u", len)) {
        return match value {
            0xdc00..0xe000 => {
                let high = unit(4, *b"\\u", len - 6)?
                    .checked_sub(0xd800)
                    .filter(|high| *high < 0x400)?;
                Some((
                    12,
                    char::from_u32(0x10000 + (high << 10) + (value - 0xdc00))?,
                ))
            }
            _ => Some((6, char::from_u32(value)?)),
        };
    }
    if let Some(c) = unit(8, *b"\\U", len).and_then(char::from_u32) {
        return Some((10, c));
    }
    if let Some(value) = unit(2, *b"\\x", len).filter(|value| *value < 0x80) {
        return Some((4, char::from_u32(value)?));
    }
    percent(tail)
}

/// A character in percent notation (RFC 3986 §2.1), of one to four bytes.
fn percent(tail: &[u8]) -> Option<(usize, char)> {
    let mut bytes = [0; 4];
    for count in 1..=4 {
        let from = tail.len().checked_sub(3 * count)?;
        let digits = tail.get(from..from + 3)?.strip_prefix(b"%")?;
        let byte = u8::try_from(hex(digits)?).ok()?;
        *bytes.get_mut(4 - count)? = byte;
        if byte < 0x80 && count > 1 {
            return None;
        }
        // Bytes that go on a character stand behind its first one.
        if !(0x80..0xc0).contains(&byte) {
            let text = std::str::from_utf8(bytes.get(4 - count..)?).ok()?;
            return Some((3 * count, text.chars().next()?));
        }
    }
    None
}

/// A reference of HTML without its semicolon, at the end of `tail`.
fn reference(tail: &[u8]) -> Option<(usize, char)> {
    let start = tail.iter().rposition(|byte| *byte == b'&')?;
    let text = tail.get(start..)?;
    let name = text.get(1..)?;
    let named = || {
        NAMES
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
            .map(|(_, c)| *c)
    };
    numeric(text).or_else(named).map(|c| (text.len(), c))
}

/// `&#64` or `&#x40`.
fn numeric(text: &[u8]) -> Option<char> {
    let digits = text
        .strip_prefix(b"&#")
        .filter(|digits| digits.len() <= MOST_DIGITS)?;
    let value = match digits {
        [b'x' | b'X', digits @ ..] => hex(digits)?,
        _ => std::str::from_utf8(digits)
            .ok()?
            .parse()
            .ok()
            .filter(|_| digits.iter().all(u8::is_ascii_digit))?,
    };
    char::from_u32(value)
}

fn hex(digits: &[u8]) -> Option<u32> {
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    are_digits
        .then(|| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .flatten()
}

/// Names of characters that stand in values or between them (HTML Living Standard §13.5).
const NAMES: [(&str, char); 39] = [
    ("commat", '@'),
    ("period", '.'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("ndash", '-'),
    ("mdash", '-'),
    ("minus", '-'),
    ("lowbar", '_'),
    ("UnderBar", '_'),
    ("plus", '+'),
    ("colon", ':'),
    ("semi", ';'),
    ("sol", '/'),
    ("bsol", '\\'),
    ("amp", '&'),
    ("AMP", '&'),
    ("percnt", '%'),
    ("num", '#'),
    ("dollar", '$'),
    ("excl", '!'),
    ("quest", '?'),
    ("equals", '='),
    ("comma", ','),
    ("lpar", '('),
    ("rpar", ')'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("apos", '\''),
    ("lt", '<'),
    ("gt", '>'),
    ("nbsp", ' '),
    ("ensp", ' '),
    ("emsp", ' '),
    ("thinsp", ' '),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("shy", '\u{ad}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_recognised_at_their_end() {
        for (text, expected) in [
            (r"x\n", Some((2, '\n'))),
            (r"x\_", Some((2, '_'))),
            (r"x\u0040", Some((6, '@'))),
            (r"\ud835\udfce", Some((12, '𝟎'))),
            (r"\ud835", None),
            (r"\x40", Some((4, '@'))),
            (r"\u{40}", Some((6, '@'))),
            (r"\U00000040", Some((10, '@'))),
            ("a%40", Some((3, '@'))),
            ("a%C3%BC", Some((6, 'ü'))),
            ("a%EF%BC%A0", Some((9, '＠'))),
            ("a%C3", None),
            ("%u0040", Some((6, '@'))),
            ("x&#64;", Some((5, '@'))),
            ("x&#x40;", Some((6, '@'))),
            ("x&commat;", Some((8, '@'))),
            ("x&foo;", None),
            ("x&#;", None),
            (r"\q", None),
            ("100%", None),
        ] {
            assert_eq!(at_end(text), expected, "{text}");
        }
        assert_eq!(unclosed_at_end("a&#64", Some('b')), Some((4, '@')));
        assert_eq!(unclosed_at_end("a&#64", Some('5')), None);
        assert_eq!(unclosed_at_end("a&#64", None), Some((4, '@')));
    }

    #[test]
    fn every_beginning_may_grow() {
        for text in [
            r"\ud835\udfce",
            r"\u{40}",
            r"\x40",
            r"\U00000040",
            "%40",
            "%EF%BC%A0",
            "%u0040",
            "&#64;",
            "&#x40;",
            "&NewLine;",
        ] {
            for end in 1..text.len() {
                let start = text
                    .get(..end)
                    .and_then(|text| text.rfind(['\\', '%', '&']))
                    .unwrap_or(0);
                assert!(
                    may_grow(text.as_bytes().get(start..end).unwrap_or_default()),
                    "{text} {end}"
                );
            }
        }
        for text in [r"\q", "%g", "% ", "&x ", "&#6a", r"\u12x"] {
            assert!(!may_grow(text.as_bytes()), "{text}");
        }
    }
}
