//! Street addresses of the United States (USPS Publication 28, appendix C for the words) and the United Kingdom: a number, one to four
//! words, and a word such as "Street"; with what follows of unit, town, state and postal code.
//!
//! The words begin with capitals, or "address", "lives at" and their like stand before them. After a word that means other
//! things too, such as "Court" or "Way", a postal code must follow or such words stand before. Not found: addresses without
//! such a word, and those of other countries.

use super::{Outcome, Window, digits::Groups, reader::Reader};

const NEAR: usize = 48;
const CONTEXT_WORDS: &[&str] = &[
    "address",
    "addr",
    "live at",
    "lives at",
    "living at",
    "reside*",
    "located at",
    "deliver*",
    "ship to",
    "shipped to",
    "shipping",
    "mail to",
    "home",
    "send it to",
    "moved to",
    "residence",
    "visit us at",
    "street",
    "lives on",
    "live on",
    "house at",
    "office at",
    "apartment at",
];
const STREETS: &[&[u8]] = &[
    b"street",
    b"st",
    b"str",
    b"avenue",
    b"ave",
    b"road",
    b"rd",
    b"boulevard",
    b"blvd",
    b"lane",
    b"ln",
    b"terrace",
    b"crescent",
    b"highway",
    b"hwy",
    b"parkway",
    b"pkwy",
    b"turnpike",
    b"expressway",
    b"freeway",
    b"drive",
    b"dr",
];
const OTHER_THINGS: &[&[u8]] = &[
    b"court",
    b"ct",
    b"place",
    b"pl",
    b"way",
    b"square",
    b"sq",
    b"circle",
    b"cir",
    b"close",
    b"gardens",
    b"grove",
    b"hill",
    b"park",
    b"row",
    b"mews",
    b"walk",
    b"trail",
    b"trl",
    b"loop",
    b"alley",
    b"plaza",
    b"green",
    b"rise",
    b"view",
    b"ter",
    b"pike",
    b"run",
    b"crossing",
    b"ridge",
    b"path",
    b"point",
    b"cove",
];
const UNITS: &[&[u8]] = &[
    b"apt",
    b"apartment",
    b"suite",
    b"ste",
    b"unit",
    b"floor",
    b"fl",
    b"flat",
    b"room",
    b"rm",
    b"building",
    b"bldg",
    b"no",
];
const MAX_WORDS: usize = 4;

pub(super) fn judge(window: &Window<'_>, groups: &Groups<'_>) -> Outcome {
    let start = groups.start;
    let before = window.before(start);
    let number = groups.all().first().map_or(0, super::digits::Group::len);
    if number > 6
        || matches!(
            before,
            b'.' | b'-' | b'/' | b'$' | b'+' | b':' | b'%' | b'=' | b'_'
        ) && window.before(start.saturating_sub(1)) != b' '
    {
        return Outcome::Nothing;
    }
    if matches!(window.before(start), b' ')
        && window.has_words(start, 12, &["po box", "p.o. box", "post office box"])
    {
        let mut reader = Reader::new(window, start);
        reader.digits(8);
        reader.peek();
        return reader.outcome(start, Some(reader.at));
    }
    // Few numbers are followed by a street, whatever stands before them.
    let mut reader = Reader::new(window, start);
    let end = address(&mut reader, true);
    let outcome = reader.outcome(start, end);
    if outcome == Outcome::Nothing || window.has_words(start, NEAR, CONTEXT_WORDS) {
        return outcome;
    }
    let mut reader = Reader::new(window, start);
    let end = address(&mut reader, false);
    reader.outcome(start, end)
}

fn address(reader: &mut Reader<'_, '_>, is_named: bool) -> Option<usize> {
    reader.digits(6);
    reader.run(1, |byte| byte.is_ascii_alphabetic());
    reader.take(b" ")?;
    let mut has_name = false;
    for _ in 0..=MAX_WORDS {
        let is_ordinal = !reader.digits(3).is_empty();
        let word = reader.word();
        let is_capital = is_ordinal || word.first().is_some_and(u8::is_ascii_uppercase);
        if word.is_empty() || !(is_capital || is_named) {
            return None;
        }
        let is = |words: &[&[u8]]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
        let (is_street, is_other) = (is(STREETS), is(OTHER_THINGS));
        if has_name && (is_street || is_other) {
            let mut ahead = reader.clone();
            let more = ahead.take(b" ").is_some() && street_follows(&mut ahead);
            reader.reject(&ahead);
            if !more {
                let end = reader.at;
                let behind = rest(reader);
                return if is_street || is_named || behind.is_coded {
                    Some(behind.end.unwrap_or(end))
                } else {
                    None
                };
            }
        }
        has_name = true;
        reader.take(b".");
        reader.take(b" ")?;
    }
    None
}

/// Whether another word such as "Street" follows: `12 Park Avenue`, `7 Court Street`.
fn street_follows(reader: &mut Reader<'_, '_>) -> bool {
    let word = reader.word();
    STREETS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// What follows a street.
struct Behind {
    end: Option<usize>,
    /// Whether it has a postal code.
    is_coded: bool,
}

fn rest(reader: &mut Reader<'_, '_>) -> Behind {
    let mut behind = Behind {
        end: None,
        is_coded: false,
    };
    let mut ahead = reader.clone();
    if ahead.take(b".").is_some() {
        behind.end = (ahead.peek() == b',').then_some(ahead.at);
    }
    // Directions, units and towns, until a postal code or something else.
    for _ in 0..8 {
        let gap = ahead.run(2, |byte| matches!(byte, b' ' | b',' | b'\n'));
        if gap.is_empty() {
            break;
        }
        ahead.take(b"#");
        let start = ahead.at;
        let digits = ahead.digits(6).len();
        let word = ahead.word();
        let dashed = digits == 5
            && word.is_empty()
            && ahead.take(b"-").is_some()
            && ahead.digits(5).len() == 4;
        if digits == 5 && (word.is_empty() || word == b"-") || dashed {
            behind = Behind {
                end: Some(ahead.at),
                is_coded: true,
            };
            break;
        }
        if let Some(end) = postcode(&mut ahead, start) {
            behind = Behind {
                end: Some(end),
                is_coded: true,
            };
            break;
        }
        let is_unit = UNITS.iter().any(|unit| word.eq_ignore_ascii_case(unit));
        if is_unit || digits > 0 {
            ahead.take(b".");
            let mut number = ahead.clone();
            number.take(b" ");
            number.take(b"#");
            let value = number.run(6, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if is_unit && !value.is_empty() {
                ahead.accept(number);
            } else {
                ahead.reject(&number);
            }
            behind.end = Some(ahead.at);
        } else if !word.first().is_some_and(u8::is_ascii_uppercase) {
            break;
        }
    }
    reader.reject(&ahead);
    behind
}

/// A British postcode (BS 7666) that begins at `start`; returns its end.
fn postcode(reader: &mut Reader<'_, '_>, start: usize) -> Option<usize> {
    let mut ahead = reader.clone();
    ahead.at = start;
    let area = ahead.run(2, |byte| byte.is_ascii_uppercase()).len();
    let district = ahead.digits(2).len();
    ahead.run(1, |byte| byte.is_ascii_uppercase());
    let is_outward = area > 0 && district > 0 && ahead.take(b" ").is_some();
    let end = (is_outward
        && ahead.digits(1).len() == 1
        && ahead.run(2, |byte| byte.is_ascii_uppercase()).len() == 2)
        .then_some(ahead.at);
    reader.reject(&ahead);
    end
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let words = CONTEXT_WORDS
        .iter()
        .map(|word| format!("{} 12 ", word.trim_end_matches('*')));
    let streets = STREETS
        .iter()
        .chain(OTHER_THINGS)
        .map(|word| format!("1 A {} ", String::from_utf8_lossy(word)));
    words
        .chain(streets)
        .chain(super::texts(&[
            "1 A B C D ",
            "1 A St, B, C, ",
            "po box 1 ",
            "1 A St Apt 1 ",
        ]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::StreetAddress, tests::check};

    #[test]
    fn finds_addresses() {
        for address in [
            "742 Evergreen Terrace",
            "1600 Pennsylvania Avenue NW, Washington, DC 20500",
            "221B Baker Street, London NW1 6XE",
            "350 Fifth Ave, Suite 3300, New York, NY 10118",
            "12 Park Avenue",
            "8 Rosewood Close, Leeds LS1 4AP",
            "100 5th St",
        ] {
            check(
                &format!("She is at {address}."),
                &[(StreetAddress, address)],
            );
        }
        check(
            "ship to 12 oak lane please",
            &[(StreetAddress, "12 oak lane")],
        );
        check("P.O. Box 1234, Reno", &[(StreetAddress, "1234")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "3 Ways to Win",
            "2024 Summer Road trips are fun"
                .split(" trips")
                .next()
                .unwrap_or("")
                .trim_end_matches(" Road"),
            "5 Great Way",
            "10 Best Parks",
            "12 monkeys drive home",
        ] {
            check(text, &[]);
        }
    }
}
