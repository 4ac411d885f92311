//! Telephone numbers (ITU-T E.164: `+` and up to 15 digits; NANP: ten digits, area code and exchange not
//! beginning with 0 or 1).
//!
//! Found with a leading `+`, in one of the North American shapes, or after a word such as "phone". Bare digit
//! runs are left alone: they are order numbers, timestamps and ids far more often.

use super::{
    Outcome, Window,
    digits::{Group, Groups},
};

/// How far such a word may stand before the number.
const NEAR: usize = 56;
const CONTEXT_WORDS: &[&str] = &[
    "phone",
    "mobile",
    "telephone",
    "tel:",
    "tel.",
    "fax",
    "call me",
    "cell",
    "whatsapp",
    "reach me at",
    "text me",
];
/// E.164 §6: country code included.
const INTERNATIONAL: std::ops::RangeInclusive<usize> = 8..=15;

pub(super) fn judge(window: &Window<'_>, groups: &Groups) -> Outcome {
    let sign = window.before(groups.start);
    let start = groups.start - usize::from(matches!(sign, b'+' | b'('));
    let outside = window.before(start);
    if matches!(outside, b'.' | b'-' | b'/') && window.before(start - 1).is_ascii_alphanumeric()
        || outside.is_ascii_alphanumeric()
    {
        return Outcome::Nothing;
    }
    let end = if sign == b'+' {
        international(groups)
    } else {
        national(window, groups, sign == b'(')
    };
    match end {
        Shape::Open => Outcome::Open(start),
        Shape::Ends(end) if !window.byte(end).is_ascii_alphanumeric() => {
            Outcome::Found { start, end }
        }
        _ => Outcome::Nothing,
    }
}

enum Shape {
    Open,
    Ends(usize),
    None,
}

/// `+`, then groups of at most 15 digits together.
fn international(groups: &Groups) -> Shape {
    let mut digits = 0;
    let mut end = None;
    for group in groups.all() {
        digits += group.len();
        if digits > *INTERNATIONAL.end() {
            return end.map_or(Shape::None, Shape::Ends);
        }
        if INTERNATIONAL.contains(&digits) {
            end = Some(group.end);
        }
    }
    if groups.open {
        Shape::Open
    } else {
        end.map_or(Shape::None, Shape::Ends)
    }
}

/// `(ddd) ddd-dddd`, `ddd-ddd-dddd`, `ddd.ddd.dddd`, `1-ddd-ddd-dddd`, or ten to eleven digits after a context word.
fn national(window: &Window<'_>, groups: &Groups, parenthesis: bool) -> Shape {
    let all = groups.all();
    let digits: usize = all.iter().map(Group::len).sum();
    if groups.open && digits <= 11 {
        return Shape::Open;
    }
    let body = match all {
        [one, rest @ ..] if one.len() == 1 && window.byte(one.start) == b'1' && !parenthesis => {
            rest
        }
        _ => all,
    };
    if let [area, exchange, line, rest @ ..] = body
        && [area.len(), exchange.len(), line.len()] == [3, 3, 4]
        && is_nanp(window, area, exchange, line, parenthesis)
        && !rest
            .first()
            .is_some_and(|next| matches!(next.separator, b'-' | b'.'))
    {
        return Shape::Ends(line.end);
    }
    let mut digits = 0;
    for group in all {
        digits += group.len();
        let ends = !all.iter().any(|next| next.start > group.start);
        if ends
            && (10..=11).contains(&digits)
            && window.has_words(groups.start, NEAR, CONTEXT_WORDS)
        {
            return Shape::Ends(group.end);
        }
    }
    Shape::None
}

fn is_nanp(
    window: &Window<'_>,
    area: &Group,
    exchange: &Group,
    line: &Group,
    parenthesis: bool,
) -> bool {
    let plausible = |group: &Group| matches!(window.byte(group.start), b'2'..=b'9');
    let closed = exchange.closes && matches!(line.separator, b'-' | b'.' | b' ');
    let joined = !exchange.closes
        && matches!(exchange.separator, b'-' | b'.' | b' ')
        && exchange.separator == line.separator;
    plausible(area) && plausible(exchange) && !line.closes && (closed || joined && !parenthesis)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Phone, tests::check};

    #[test]
    fn finds_numbers() {
        for phone in [
            "+1 415 555 2671",
            "+442071838750",
            "+49 (30) 901820",
            "(415) 555-2671",
            "415-555-2671",
            "415.555.2671",
            "1-415-555-2671",
        ] {
            check(&format!("Try {phone} now"), &[(Phone, phone)]);
        }
        check("my phone is 4155552671.", &[(Phone, "4155552671")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "4155552671",
            "version 1.2.3",
            "2024-11-21",
            "1700000000",
            "115-555-2671",
            "415-155-2671",
            "x415-555-2671",
            "+12",
            "id-415-555-2671",
        ] {
            check(text, &[]);
        }
    }
}
