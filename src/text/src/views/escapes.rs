//! Escapes of URLs, HTML and programming languages, and tag characters.

use super::encodings::Stretch;

/// `%49` (RFC 3986 §2.1), and `+` for a space.
pub(super) fn unescape_percent(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        rest = after;
        match (byte, escaped) {
            (b'%', Some(value)) => {
                out.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `&#73;` and `&#x49;` (HTML, "Character references").
pub(super) fn unescape_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("&#") {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        let digits = reference.get(2..).unwrap_or_default();
        let (digits, radix) = match digits.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (digits, 10),
        };
        let len = digits.chars().take_while(|c| c.is_digit(radix)).count();
        let c = digits
            .get(..len)
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .and_then(char::from_u32);
        let behind = digits.get(len..).unwrap_or_default();
        if let Some(c) = c {
            out.push(c);
            rest = behind.strip_prefix(';').unwrap_or(behind);
        } else {
            out.push_str("&#");
            rest = reference.get(2..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Most digits of an escape in braces: `\u{10ffff}`.
const MAX_DIGITS: usize = 6;

/// `\x49`, `\u0049` and `\u{49}`.
pub(super) fn unescape_backslashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let body = escape.get(1..).unwrap_or_default();
        let digits = match body.as_bytes() {
            [b'x', ..] => body.get(1..3),
            // The brace is near or it ends another thing: a search for it would read the whole text each time.
            [b'u', b'{', digits @ ..] => digits
                .iter()
                .take(MAX_DIGITS + 1)
                .position(|byte| *byte == b'}')
                .and_then(|len| body.get(2..2 + len)),
            [b'u', ..] => body.get(1..5),
            _ => None,
        };
        let c = digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        if let (Some(c), Some(digits)) = (c, digits) {
            out.push(c);
            let skipped = if body.starts_with("u{") {
                digits.len() + 3
            } else {
                digits.len() + 1
            };
            rest = body.get(skipped..).unwrap_or_default();
        } else {
            out.push('\\');
            rest = body;
        }
    }
    out.push_str(rest);
    out
}

/// Tag characters, which nobody sees, as the ASCII that they stand for (Unicode Standard §23.9).
pub(super) fn tags(text: &str, found: &mut Vec<Stretch>) {
    let mut said = String::new();
    let mut range = 0..0;
    for (at, c) in text.char_indices().chain([(text.len(), '\0')]) {
        let tag = char::from_u32(u32::from(c).wrapping_sub(0xe0000))
            .filter(|tag| tag.is_ascii() && u32::from(c) > 0xe0000);
        match tag {
            Some(tag) => {
                if said.is_empty() {
                    range.start = at;
                }
                range.end = at + c.len_utf8();
                said.extend((!tag.is_control()).then_some(tag));
            }
            None if !said.is_empty() => {
                found.push(Stretch::of_one(std::mem::take(&mut said), range.clone()));
            }
            None => {}
        }
    }
}

/// `"Ign" + "ore"`: strings that are joined again.
pub(super) fn join_strings(text: &str) -> String {
    text.replace("\" + \"", "").replace("' + '", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_end_within_six_digits() {
        assert_eq!(
            unescape_backslashes(r"\u{49}\u{00006e}\u{67"),
            "Ing".replace('g', r"\u{67")
        );
        assert_eq!(unescape_backslashes(r"\u{0000049}\u{}"), r"\u{0000049}\u{}");
    }

    #[test]
    fn braces_that_never_end_cost_no_search() {
        // Each would be searched for to the end of the text: half an hour instead of a moment.
        let text = "\\u{".repeat(2 << 20);
        assert_eq!(unescape_backslashes(&text), text);
    }
}
