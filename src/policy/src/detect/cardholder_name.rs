//! The name on a payment card (PCI DSS v4.0, "cardholder data"), after "cardholder" or "name on card".
//!
//! Two to four words that begin with capitals.

use memchr::memmem;

use super::{CONTEXT, Outcome, Window, reader::Reader};

/// Parts of the words that announce a name, in the ways that they are written.
const ANNOUNCEMENTS: [&[u8]; 4] = [b"ardholder", b"ARDHOLDER", b"ame on card", b"AME ON CARD"];

pub(super) fn scan(window: &Window<'_>, note: &mut dyn FnMut(Outcome)) {
    let from = window.from.saturating_sub(CONTEXT);
    let rest = window.bytes().get(from..).unwrap_or_default();
    for announcement in ANNOUNCEMENTS {
        for place in memmem::find_iter(rest, announcement) {
            note(judge(window, from + place + announcement.len()));
        }
    }
}

fn judge(window: &Window<'_>, behind: usize) -> Outcome {
    let mut reader = Reader::new(window, behind);
    let gap = reader.run(16, |byte| {
        matches!(byte, b' ' | b':' | b'=' | b'"' | b'\'' | b'_' | b'-')
    });
    let mut start = if gap.is_empty() {
        return Outcome::Nothing;
    } else {
        reader.at
    };
    for filler in [b"name".as_slice(), b"is"] {
        let mut ahead = reader.clone();
        if ahead.word().eq_ignore_ascii_case(filler) {
            ahead.run(6, |byte| matches!(byte, b' ' | b':' | b'=' | b'"' | b'\''));
            start = ahead.at;
            reader.accept(ahead);
        } else {
            reader.reject(&ahead);
        }
    }
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
            "Name on card is John Smith, exp 12/27",
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
