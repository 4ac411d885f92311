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

/// `\x49`, `\u0049`, `\u{49}` and `\111`, which is octal.
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
            [b'0'..=b'1', ..] => body.get(..3),
            _ => None,
        };
        let (radix, mark) = match body.as_bytes() {
            [b'u', b'{', ..] => (16, 3),
            [b'0'..=b'9', ..] => (8, 0),
            _ => (16, 1),
        };
        let c = digits
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .and_then(char::from_u32);
        if let (Some(c), Some(digits)) = (c, digits) {
            out.push(c);
            let skipped = digits.len() + mark;
            rest = body.get(skipped..).unwrap_or_default();
        } else {
            out.push('\\');
            rest = body;
        }
    }
    out.push_str(rest);
    out
}

/// Characters that nobody sees, as what they stand for: tags for ASCII (Unicode Standard §23.9), the 256 variation selectors (§23.4)
/// for bytes of UTF-8, which is how texts are hidden behind an emoji.
pub(super) fn unseen(text: &str, found: &mut Vec<Stretch>) {
    let mut said = Vec::new();
    let mut range = 0..0;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if let Some(byte) = hidden_byte(c) {
            if said.is_empty() {
                range.start = at;
            }
            range.end = at + c.len_utf8();
            said.extend((!byte.is_ascii_control()).then_some(byte));
        } else if !said.is_empty() {
            let text = String::from_utf8_lossy(&said).into_owned();
            found.push(Stretch::of_one(text, range.clone()));
            said.clear();
        }
    }
}

/// The byte that an unseen character stands for.
fn hidden_byte(c: char) -> Option<u8> {
    let byte = match u32::from(c) {
        code @ 0xe0001..=0xe007f => code - 0xe0000,
        code @ 0xfe00..=0xfe0f => code - 0xfe00,
        code @ 0xe0100..=0xe01ef => code - 0xe0100 + 16,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

/// `"Ign" + "ore"`: strings that are joined again.
pub(super) fn join_strings(text: &str) -> String {
    let joints = ["\" + \"", "' + '", "\"+\"", "'+'"];
    joints
        .iter()
        .fold(text.to_owned(), |text, joint| text.replace(joint, ""))
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
    fn octal_escapes_have_three_digits() {
        assert_eq!(
            unescape_backslashes(r"\111\147\0407 \9 \18"),
            r"Ig 7 \9 \18"
        );
    }

    #[test]
    fn what_nobody_sees_is_read() {
        let hidden = |text: &str, of: fn(u8) -> u32| -> String {
            text.bytes()
                .filter_map(|byte| char::from_u32(of(byte)))
                .collect()
        };
        let selector = |byte: u8| match byte {
            0..16 => 0xfe00 + u32::from(byte),
            _ => 0xe0100 + u32::from(byte) - 16,
        };
        for hidden in [
            hidden("Jane Doe", |byte| 0xe0000 + u32::from(byte)),
            hidden("J\u{e4}ne\n", selector),
        ] {
            let mut found = Vec::new();
            unseen(
                &format!("ok \u{1f600}{hidden} ok \u{2764}\u{fe0f}"),
                &mut found,
            );
            let texts: Vec<&str> = found.iter().map(|found| found.text.as_str()).collect();
            assert!(matches!(texts[..], ["Jane Doe" | "J\u{e4}ne"]), "{texts:?}");
            assert_eq!(found[0].place(&(0..1)), 7..7 + hidden.len());
        }
    }

    #[test]
    fn braces_that_never_end_cost_no_search() {
        // Each would be searched for to the end of the text: half an hour instead of a moment.
        let text = "\\u{".repeat(2 << 20);
        assert_eq!(unescape_backslashes(&text), text);
    }
}
