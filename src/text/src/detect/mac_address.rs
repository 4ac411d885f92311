//! Hardware addresses of network devices (IEEE 802-2014 §8.1): six pairs of hexadecimal digits joined by `:` or `-`.
//!
//! Also three groups of four joined by dots, as Cisco writes them. All zeros and the broadcast address name no device.

use crate::present::Present;

use super::{Outcome, Window};

const LEN: usize = 17;
const DOTTED_LEN: usize = 14;

pub(super) fn scan(window: &Window<'_>, present: Present, note: &mut dyn FnMut(Outcome)) {
    let rest = window.bytes().get(window.from..).unwrap_or_default();
    if present.has(b':') || present.has(b'-') {
        for place in memchr::memchr2_iter(b':', b'-', rest) {
            if let Some(start) = (window.from + place).checked_sub(2) {
                note(judge(window, start));
            }
        }
    }
    if present.has(b'.') && present.has(b'0') {
        for place in memchr::memchr_iter(b'.', rest) {
            if let Some(start) = (window.from + place).checked_sub(4) {
                note(dotted(window, start));
            }
        }
    }
    if !window.complete {
        let tail = window
            .bytes()
            .iter()
            .rev()
            .take(4)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        note(Outcome::Open(window.text.len() - tail));
    }
}

fn judge(window: &Window<'_>, start: usize) -> Outcome {
    let before = window.before(start);
    if before.is_ascii_alphanumeric() || matches!(before, b':' | b'-' | b'_') {
        return Outcome::Nothing;
    }
    let value = window.bytes().get(start..).unwrap_or_default();
    let separator = window.byte(start + 2);
    let fits = |(place, byte): (usize, &u8)| {
        if place % 3 == 2 {
            *byte == separator
        } else {
            byte.is_ascii_hexdigit()
        }
    };
    let run = value
        .iter()
        .take(LEN)
        .enumerate()
        .take_while(|place| fits(*place))
        .count();
    // What follows says whether it ends.
    if run == value.len() && !window.complete {
        return Outcome::Open(start);
    }
    let next = window.byte(start + LEN);
    if start + LEN + 1 >= window.text.len() && !window.complete && run == LEN && next == separator {
        return Outcome::Open(start);
    }
    let goes_on = next.is_ascii_alphanumeric()
        || next == separator && window.byte(start + LEN + 1).is_ascii_hexdigit();
    let digits = value
        .get(..LEN)
        .unwrap_or_default()
        .iter()
        .filter(|byte| **byte != separator);
    let names_none = digits.clone().all(|byte| *byte == b'0')
        || digits.clone().all(|byte| matches!(byte, b'f' | b'F'));
    if run == LEN && !goes_on && !names_none {
        Outcome::Found {
            start,
            end: start + LEN,
        }
    } else {
        Outcome::Nothing
    }
}

/// `0012.3456.789a`.
fn dotted(window: &Window<'_>, start: usize) -> Outcome {
    if window.before(start).is_ascii_alphanumeric()
        || matches!(window.before(start), b'.' | b'_' | b'-')
    {
        return Outcome::Nothing;
    }
    let value = window.bytes().get(start..).unwrap_or_default();
    let fits = |(place, byte): (usize, &u8)| {
        if place % 5 == 4 {
            *byte == b'.'
        } else {
            byte.is_ascii_hexdigit()
        }
    };
    let run = value
        .iter()
        .take(DOTTED_LEN)
        .enumerate()
        .take_while(|place| fits(*place))
        .count();
    if run == value.len() && !window.complete {
        return Outcome::Open(start);
    }
    let next = window.byte(start + DOTTED_LEN);
    if next == b'.'
        && start + DOTTED_LEN + 1 >= window.text.len()
        && !window.complete
        && run == DOTTED_LEN
    {
        return Outcome::Open(start);
    }
    let goes_on = next.is_ascii_alphanumeric()
        || next == b'.' && window.byte(start + DOTTED_LEN + 1).is_ascii_alphanumeric();
    // A number with dots between its thousands has no letters.
    let has_letter = value.iter().take(DOTTED_LEN).any(u8::is_ascii_alphabetic);
    if run == DOTTED_LEN && !goes_on && has_letter {
        Outcome::Found {
            start,
            end: start + DOTTED_LEN,
        }
    } else {
        Outcome::Nothing
    }
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    super::texts(&[
        "00:1A:2B:",
        "aa-bb-",
        "0012.3456.",
        "0a:",
        "00:1A:2B:3C:4D:5E ",
    ])
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::MacAddress, tests::check};

    #[test]
    fn finds_addresses() {
        check(
            "eth0 00:1A:2B:3C:4D:5E up",
            &[(MacAddress, "00:1A:2B:3C:4D:5E")],
        );
        check("MAC 0012.3456.789a", &[(MacAddress, "0012.3456.789a")]);
        check("aa-bb-cc-dd-ee-0f", &[(MacAddress, "aa-bb-cc-dd-ee-0f")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "00:1A:2B:3C:4D",
            "00:1A:2B:3C:4D:5E:6F",
            "00:1A-2B:3C:4D:5E",
            "ff:ff:ff:ff:ff:ff",
            "1234.5678.9012",
            "0012.3456.789a.1",
            "12:30:45 to 13:00:00",
        ] {
            check(text, &[]);
        }
    }
}
