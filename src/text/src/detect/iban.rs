//! International bank account numbers (ISO 13616-1: length by country, check digits by ISO/IEC 7064 MOD 97-10).
//!
//! Written without separators, or in groups of four joined by spaces or hyphens.

use super::{Outcome, Window};

/// Countries of the SWIFT IBAN registry with the length of their numbers.
const LENGTHS: &[(&[u8; 2], u8)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// Judges the candidate whose check digits begin at `digits`, behind two letters.
pub(super) fn judge(window: &Window<'_>, digits: usize) -> Outcome {
    let Some(start) = digits.checked_sub(2) else {
        return Outcome::Nothing;
    };
    let country = [
        window.byte(start).to_ascii_uppercase(),
        window.byte(start + 1).to_ascii_uppercase(),
    ];
    if window.before(start).is_ascii_alphanumeric() || matches!(window.before(start), b'-' | b'_') {
        return Outcome::Nothing;
    }
    let Some((_, length)) = LENGTHS.iter().find(|(code, _)| **code == country) else {
        return Outcome::Nothing;
    };
    let mut compact = [0; 34];
    let mut len = 0;
    let mut at = start;
    while len < usize::from(*length) {
        if len > 0 && len.is_multiple_of(4) && matches!(window.byte(at), b' ' | b'-') {
            at += 1;
        }
        let byte = window.byte(at);
        if !byte.is_ascii_alphanumeric() {
            let ends = at >= window.text.len() && !window.complete;
            return if ends {
                Outcome::Open(start)
            } else {
                Outcome::Nothing
            };
        }
        if let Some(slot) = compact.get_mut(len) {
            *slot = byte.to_ascii_uppercase();
        }
        len += 1;
        at += 1;
    }
    if at >= window.text.len() && !window.complete {
        return Outcome::Open(start);
    }
    let is_valid = !window.byte(at).is_ascii_alphanumeric()
        && has_check_digits(compact.get(..len).unwrap_or_default());
    if is_valid {
        Outcome::Found { start, end: at }
    } else {
        Outcome::Nothing
    }
}

/// Where a number may begin at the end of a text that goes on: at one or two letters that begin a word.
pub(super) fn open_tail(window: &Window<'_>) -> usize {
    let len = window.text.len();
    let letters = window
        .bytes()
        .iter()
        .rev()
        .take(3)
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let start = len - letters;
    if letters > 2 || window.before(start).is_ascii_alphanumeric() {
        len
    } else {
        start
    }
}

fn has_check_digits(compact: &[u8]) -> bool {
    let Some((head, tail)) = compact.split_at_checked(4) else {
        return false;
    };
    let remainder = tail.iter().chain(head).fold(0_u32, |remainder, &byte| {
        let value = u32::from(if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte - b'A' + 10
        });
        (remainder * if value > 9 { 100 } else { 10 } + value) % 97
    });
    remainder == 1
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let countries = LENGTHS
        .iter()
        .map(|(code, _)| format!("{}12 ", String::from_utf8_lossy(*code)));
    countries
        .chain(super::texts(&["DE89 3704 ", "DE8937040044", "GB29-NWBK-"]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Iban, tests::check};

    #[test]
    fn finds_numbers() {
        for iban in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB29-NWBK-6016-1331-9268-19",
            "NO9386011117947",
            "fr1420041010050500013M02606",
        ] {
            check(&format!("to {iban}."), &[(Iban, iban)]);
        }
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "DE88370400440532013000",
            "DE89 3704 0044 0532 0130",
            "XX89370400440532013000",
            "ADE89370400440532013000",
            "DE89370400440532013000X",
        ] {
            check(text, &[]);
        }
    }
}
