//! Dates of birth: numeric dates, ISO 8601 dates, and dates with an English month, after "born", "date of birth" or their like.
//!
//! Other dates are left alone, and so are bare years.

use super::{Outcome, Window, digits::Groups, reader::Reader};

const NEAR: usize = 40;
const CONTEXT_WORDS: &[&str] = &[
    "dob",
    "d.o.b.",
    "date of birth",
    "birth date",
    "birthdate",
    "birthday",
    "birth",
    "born",
    "b-day",
    "bday",
    "geboren",
    "geburtsdatum",
    "geb.",
    "né le",
    "née le",
    "date de naissance",
    "nacimiento",
    "nacido",
    "nascita",
    "nato il",
    "nata il",
    "geboortedatum",
    "nascimento",
];
const MONTHS: [&[u8]; 12] = [
    b"january",
    b"february",
    b"march",
    b"april",
    b"may",
    b"june",
    b"july",
    b"august",
    b"september",
    b"october",
    b"november",
    b"december",
];
const LONGEST_MONTH: usize = 9;

pub(super) fn judge(window: &Window<'_>, groups: &Groups<'_>) -> Outcome {
    let digit = groups.start;
    if matches!(window.before(digit), b'.' | b'-' | b'/') {
        return Outcome::Nothing;
    }
    let start = month_before(window, digit).unwrap_or(digit);
    let mut reader = Reader::new(window, digit);
    let end = if start < digit {
        day_and_year(&mut reader)
    } else {
        date(&mut reader)
    };
    // Few numbers are dates; the words before them are looked at last.
    match reader.outcome(start, end) {
        Outcome::Nothing => Outcome::Nothing,
        outcome if window.has_words(start, NEAR, CONTEXT_WORDS) => outcome,
        _ => Outcome::Nothing,
    }
}

/// Where a month may begin that a day would follow.
pub(super) fn open_tail(window: &Window<'_>) -> usize {
    let len = window.text.len();
    let gap = window
        .bytes()
        .iter()
        .rev()
        .take(2)
        .take_while(|byte| matches!(byte, b' ' | b'.'))
        .count();
    let text = window.bytes().get(..len - gap).unwrap_or_default();
    let letters = text
        .iter()
        .rev()
        .take(LONGEST_MONTH + 1)
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let start = len - gap - letters;
    let begins_month = letters > 0
        && MONTHS.iter().any(|month| {
            month.get(..letters).is_some_and(|begin| {
                begin.eq_ignore_ascii_case(text.get(start..).unwrap_or_default())
            })
        });
    if begins_month && window.has_words(start, NEAR, CONTEXT_WORDS) {
        start
    } else {
        len
    }
}

/// The start of a month's name right before the day.
fn month_before(window: &Window<'_>, digit: usize) -> Option<usize> {
    let mut end = digit.checked_sub(1).filter(|at| window.byte(*at) == b' ')?;
    end -= usize::from(window.before(end) == b'.');
    let before = window.bytes().get(..end)?;
    let letters = before
        .iter()
        .rev()
        .take(LONGEST_MONTH + 1)
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let start = end - letters;
    is_month(before.get(start..)?).then_some(start)
}

/// A month's name, or at least three letters of it.
fn is_month(word: &[u8]) -> bool {
    word.len() >= 3
        && MONTHS.iter().any(|month| {
            month
                .get(..word.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
                && (word.len() <= 4 || word.len() == month.len())
        })
}

fn ordinal(reader: &mut Reader<'_, '_>) {
    let mut ahead = reader.clone();
    let suffix = ahead.run(3, |byte| byte.is_ascii_alphabetic());
    if [b"st", b"nd", b"rd", b"th"]
        .iter()
        .any(|known| suffix.eq_ignore_ascii_case(*known))
    {
        reader.accept(ahead);
    } else {
        reader.reject(&ahead);
    }
}

/// `5, 1985` or `5th 1985`, behind a month.
fn day_and_year(reader: &mut Reader<'_, '_>) -> Option<usize> {
    let day = reader.digits(3).len();
    ordinal(reader);
    reader.take(b",");
    reader.take(b" ")?;
    (day <= 2 && reader.digits(5).len() == 4).then_some(reader.at)
}

/// A numeric date, or a day with its month behind it.
fn date(reader: &mut Reader<'_, '_>) -> Option<usize> {
    let first = reader.digits(5).len();
    if let Some(separator) = reader.take(b"/-.") {
        let second = reader.digits(3).len();
        reader.take(&[separator])?;
        let third = reader.digits(5).len();
        let is_date = matches!(
            (first, second, third),
            (1..=2, 1..=2, 2 | 4) | (4, 1..=2, 1..=2)
        );
        return is_date.then_some(reader.at);
    }
    ordinal(reader);
    reader.take(b" ")?;
    let mut word = reader.run(LONGEST_MONTH + 1, |byte| byte.is_ascii_alphabetic());
    if word.eq_ignore_ascii_case(b"of") {
        reader.take(b" ")?;
        word = reader.run(LONGEST_MONTH + 1, |byte| byte.is_ascii_alphabetic());
    }
    if first > 2 || !is_month(word) {
        return None;
    }
    reader.take(b".,");
    reader.take(b" ")?;
    (reader.digits(5).len() == 4).then_some(reader.at)
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let words = CONTEXT_WORDS.iter().map(|word| format!("{word} 14 "));
    words
        .chain(super::texts(&[
            "born March 14 ",
            "03/14/",
            "1985-03-",
            "14th of ",
            "1 of 1 of ",
        ]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::DateOfBirth, tests::check};

    #[test]
    fn finds_dates() {
        for date in [
            "03/14/1985",
            "1985-03-14",
            "14.03.85",
            "March 14, 1985",
            "14 March 1985",
            "Mar. 14th 1985",
            "14th of March 1985",
        ] {
            check(&format!("date of birth: {date}."), &[(DateOfBirth, date)]);
            check(&format!("She was born on {date}"), &[(DateOfBirth, date)]);
        }
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "due 03/14/1985",
            "born in 1985",
            "released March 14, 1985",
            "born to 3 parents",
            "reborn 1.2.3",
        ] {
            check(text, &[]);
        }
    }
}
