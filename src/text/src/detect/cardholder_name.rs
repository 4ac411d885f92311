//! The name on a payment card (PCI DSS v4.0, "cardholder data"), after "cardholder:" or "name on card:".
//!
//! Two to four words that begin with capitals.

use super::{Outcome, Window, reader::Reader};
use crate::present::Present;

/// What announces a name, before a colon or an equals sign.
const ANNOUNCEMENTS: [&str; 8] = [
    "cardholder",
    "cardholder name",
    "cardholder's name",
    "card holder",
    "card holder name",
    "cardholdername",
    "name on card",
    "name on the card",
];
/// How far an announcement reaches, and how far a name may stand behind its colon: both within the context of a detector.
const NEAR: usize = 32;
const MAX_GAP: usize = 16;

pub(super) fn scan(window: &Window<'_>, present: Present, note: &mut dyn FnMut(Outcome)) {
    if !present.has(b':') && !present.has(b'=') {
        return;
    }
    let from = window.from.saturating_sub(MAX_GAP);
    let rest = window.bytes().get(from..).unwrap_or_default();
    for place in memchr::memchr2_iter(b':', b'=', rest) {
        let at = from + place;
        let end = at - usize::from(matches!(window.before(at), b'"' | b'\'' | b' '));
        // The last letter of what announces a name.
        let may_announce = matches!(window.before(end), b'r' | b'e' | b'd' | b'R' | b'E' | b'D');
        if may_announce && window.words_end(end, NEAR, &ANNOUNCEMENTS) == Some(end) {
            note(judge(window, at));
        }
    }
}

/// Judges what stands behind the colon at `at`.
fn judge(window: &Window<'_>, at: usize) -> Outcome {
    let mut reader = Reader::new(window, at + 1);
    reader.run(MAX_GAP - 2, |byte| matches!(byte, b' ' | b'"' | b'\''));
    let start = reader.at;
    let mut end = None;
    for count in 0..4 {
        let mut ahead = reader.clone();
        let has_gap = count == 0 || ahead.take(b" ").is_some();
        let is_name = has_gap && ahead.word().first().is_some_and(u8::is_ascii_uppercase);
        if !is_name {
            reader.reject(&ahead);
            break;
        }
        let word_end = ahead.at;
        ahead.take(b".");
        reader.accept(ahead);
        end = (count > 0).then_some(word_end);
    }
    reader.outcome(start, end)
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let announced = ANNOUNCEMENTS.iter().map(|words| format!("{words}: "));
    announced
        .chain(super::texts(&["cardholder: Jane Doe ", "r: e: "]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::CardholderName, tests::check};

    #[test]
    fn finds_names() {
        check(
            "Cardholder: Jane Q. Doe",
            &[(CardholderName, "Jane Q. Doe")],
        );
        check(
            "Name on card: John Smith, exp 12/27",
            &[(CardholderName, "John Smith")],
        );
        check(
            "CARDHOLDER NAME: MARY O'NEIL",
            &[(CardholderName, "MARY O'NEIL")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "the cardholder must sign",
            "cardholders Jane Doe",
            "cardholder: Jane",
        ] {
            check(text, &[]);
        }
    }
}
