//! Payment card numbers (ISO/IEC 7812-1: issuer prefix, 12 to 19 digits, Luhn check digit).
//!
//! Written without separators or in groups joined by one kind of separator (space or hyphen), the first group
//! of four digits; or spread: with dots, several spaces or line breaks between groups of four, or each digit apart. Digit runs that are part of a
//! longer hyphenated or dotted number are left alone, and so are five and more groups of four digits, which are a table, unless words such as "card" stand
//! before them.

use std::ops::Range;

use super::{
    Outcome, Window,
    digits::{Group, Groups},
};

/// After these words any issuer counts: prefixes are given out and reused.
const CONTEXT_WORDS: &[&str] = &[
    "card",
    "credit card",
    "debit",
    "visa",
    "mastercard",
    "amex",
    "maestro",
    "cc",
    "karte",
    "carte",
    "tarjeta",
    "carta",
];
const NEAR: usize = 40;

/// Written grouped, a card has groups of three to seven digits: 4-4-4-4, 4-6-5, 4-4-4-4-3.
const MIN_GROUP: usize = 3;
/// Of the networks below.
const MIN_DIGITS: usize = 12;
const MAX_GROUP: usize = 7;

pub(super) fn judge(window: &Window<'_>, groups: &Groups<'_>) -> Outcome {
    let Some(first) = groups.all().first() else {
        return Outcome::Nothing;
    };
    if matches!(window.before(groups.start), b'.' | b'-' | b'_')
        && window.before(groups.start - 1).is_ascii_alphanumeric()
    {
        return Outcome::Nothing;
    }
    match spread(window, groups.start) {
        Outcome::Nothing => {}
        outcome => return outcome,
    }
    let separator = groups.all().get(1).map_or(0, |group| group.separator);
    let mut digits = 0;
    let mut best = None;
    let mut may_grow = groups.open;
    for (index, group) in groups.all().iter().enumerate() {
        // The last group of an open sequence may still get longer.
        let min_len = if groups.open && group.end == window.text.len() {
            1
        } else {
            MIN_GROUP
        };
        let continues = index == 0
            || first.len() == 4
                && matches!(separator, b' ' | b'-')
                && group.separator == separator
                && !group.closes
                && (min_len..=MAX_GROUP).contains(&group.len());
        digits += group.len();
        if !continues || digits > 19 {
            // The group behind may be one of a table, which its end tells.
            let is_last = group.end == window.text.len() && !window.complete;
            may_grow = is_last && group.len() <= 4 && best.is_some();
            break;
        }
        if digits >= MIN_DIGITS && is_card(window, groups.start..group.end) {
            best = Some(group.end);
        }
    }
    if may_grow {
        return Outcome::Open(groups.start);
    }
    match best {
        Some(end)
            if !window.byte(end).is_ascii_alphabetic()
                && (!is_table(window, groups, separator) && !is_id(window, groups)
                    || window.has_words(groups.start, NEAR, CONTEXT_WORDS)) =>
        {
            Outcome::Found {
                start: groups.start,
                end,
            }
        }
        _ => Outcome::Nothing,
    }
}

/// Whether a number in one piece is the value of a member or a setting named `id`, `order_id` or `orderId`: one random number in
/// thirty looks like a card.
fn is_id(window: &Window<'_>, groups: &Groups<'_>) -> bool {
    /// Quotes, escapes and blanks between a name and its value.
    const BETWEEN: usize = 8;
    let from = groups.start.saturating_sub(BETWEEN);
    let before = window.bytes().get(from..groups.start).unwrap_or_default();
    let is_between = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\' | b' ');
    let skip = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .take_while(|byte| is_between(byte))
            .count()
    };
    let sign = before.get(..before.len() - skip(before));
    let Some((b':' | b'=', name)) = sign.and_then(<[u8]>::split_last) else {
        return false;
    };
    let end = from + name.len() - skip(name);
    let is_name = window
        .bytes()
        .get(..end)
        .is_some_and(|text| matches!(text, [.., b'i' | b'I', b'd' | b'D']));
    groups
        .all()
        .get(1)
        .is_none_or(|next| next.separator != b' ' && next.separator != b'-')
        && is_name
        && end
            .checked_sub(2)
            .is_some_and(|start| window.begins_word(start))
}

/// Whether the groups are some of five and more with four digits each and the same separator.
fn is_table(window: &Window<'_>, groups: &Groups<'_>, separator: u8) -> bool {
    let is_of_four = |group: &Group| group.len() == 4;
    let all = groups.all();
    if all.len() < 4 || !all.iter().take(4).all(is_of_four) {
        return false;
    }
    let behind = all
        .get(4)
        .is_some_and(|next| is_of_four(next) && next.separator == separator);
    let start = groups.start;
    let before = start
        .checked_sub(5)
        .and_then(|from| window.bytes().get(from..start))
        .is_some_and(|before| {
            let (digits, sign) = before.split_at(4);
            sign == [separator] && digits.iter().all(u8::is_ascii_digit)
        });
    behind || before && !window.before(start.saturating_sub(5)).is_ascii_digit()
}

/// Longest gap between the digits of a card that is spread.
const MAX_GAP: usize = 3;

/// A card with dots, underscores, slashes, several spaces or line breaks between groups of four, or with each digit apart: the whole run of digits, from its beginning to its end.
fn spread(window: &Window<'_>, start: usize) -> Outcome {
    let is_sign = |byte: u8| matches!(byte, b'_' | b'/');
    let is_gap =
        |byte: u8| is_sign(byte) || matches!(byte, b' ' | b'-' | b'.' | b'\n' | b'\r' | b'\t');
    let gap = |at: usize| {
        (0..MAX_GAP)
            .take_while(|step| is_gap(window.byte(at + step)))
            .count()
    };
    let back = (1..=MAX_GAP)
        .take_while(|step| start >= *step && is_gap(window.byte(start - step)))
        .count();
    if window.before(start - back).is_ascii_digit() {
        return Outcome::Nothing;
    }
    let (mut at, mut digits, mut size, mut is_plain) = (start, 0, 0, true);
    let mut has_sign = false;
    loop {
        let run = (0..=4)
            .take_while(|step| window.byte(at + step).is_ascii_digit())
            .count();
        size = if size == 0 { run } else { size };
        let may_be = matches!(size, 1 | 4) && run <= size && digits + run <= 19;
        if !may_be {
            return Outcome::Nothing;
        }
        at += run;
        digits += run;
        let next = gap(at);
        if at + next >= window.text.len() && !window.complete {
            return Outcome::Open(start);
        }
        if next == 0 || run < size || !window.byte(at + next).is_ascii_digit() {
            break;
        }
        has_sign |= is_sign(window.byte(at));
        is_plain &= next == 1 && matches!(window.byte(at), b' ' | b'-');
        at += next;
    }
    let is_other = is_plain && size == 4 || size == 1 && has_sign || digits < 13;
    let ends = !window.byte(at).is_ascii_alphanumeric();
    if !is_other && ends && is_issued(window, start..at) {
        Outcome::Found { start, end: at }
    } else {
        Outcome::Nothing
    }
}

/// Whether the digits have an issuer and the check digit.
fn is_issued(window: &Window<'_>, range: Range<usize>) -> bool {
    let text = window.bytes().get(range).unwrap_or_default();
    let digits: Vec<u8> = (text.iter().copied()).filter(u8::is_ascii_digit).collect();
    super::checks::luhn(&digits) && !super::checks::is_uniform(&digits) && has_issuer(&digits)
}

fn is_card(window: &Window<'_>, range: Range<usize>) -> bool {
    let start = range.start;
    let text = window.bytes().get(range).unwrap_or_default();
    let mut digits = [0; 19];
    let mut len = 0;
    for byte in text.iter().filter(|byte| byte.is_ascii_digit()) {
        let Some(slot) = digits.get_mut(len) else {
            return false;
        };
        *slot = *byte;
        len += 1;
    }
    let digits = digits.get(..len).unwrap_or_default();
    super::checks::luhn(digits)
        && !super::checks::is_uniform(digits)
        && (has_issuer(digits) || window.has_words(start, NEAR, CONTEXT_WORDS))
}

/// Prefixes and lengths of the networks that issue cards today.
fn has_issuer(digits: &[u8]) -> bool {
    let prefix = digits
        .iter()
        .take(4)
        .fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'));
    match (prefix, digits.len()) {
        // Visa
        (4000..=4999, 13 | 16 | 19) => true,
        // Mastercard
        (5100..=5599 | 2221..=2720, 16) => true,
        // American Express
        (3400..=3499 | 3700..=3799, 15) => true,
        // Diners Club
        (3000..=3059 | 3095 | 3600..=3699 | 3800..=3999, 14..=19) => true,
        // Discover, UnionPay
        (6011 | 6440..=6599 | 6200..=6299, 16..=19) => true,
        // JCB
        (3528..=3589, 16..=19) => true,
        (1800 | 2131, 15) => true,
        // Maestro
        (5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763, 12..=19) => true,
        _ => false,
    }
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let words = CONTEXT_WORDS.iter().map(|word| format!("{word} 4111 "));
    words
        .chain(super::texts(&[
            "4111 ",
            "4111-1111-1111-1111 ",
            "4111111111111112 ",
            "3782 822463 ",
        ]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::CreditCard, tests::check};

    #[test]
    fn finds_cards() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5500-0000-0000-0004",
            "3782 822463 10005",
            "6011000990139424",
            "3530111333300000",
            "587428561654",
            "4111.1111.1111.1111",
            "4111 1111\n1111 1111",
            "4111  1111  1111  1111",
            "4111_1111_1111_1111",
            "4111/1111/1111/1111",
            "4111 - 1111 - 1111 - 1111",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        ] {
            check(&format!("card {card}, exp 12/27"), &[(CreditCard, card)]);
        }
        for text in [
            r#"{"card_id": "4539578763621486"}"#,
            r#"{"id": 7, "pan": 4539578763621486}"#,
            "paid: 4539578763621486",
            "the visa of this id: 4539578763621486",
        ] {
            check(text, &[(CreditCard, "4539578763621486")]);
        }
        check(
            "id: 4539 5787 6362 1486",
            &[(CreditCard, "4539 5787 6362 1486")],
        );
        check(
            "pay 5500.0000.0000.0004 now",
            &[(CreditCard, "5500.0000.0000.0004")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "4111111111111112",
            "order 1234567890123456",
            "card 4111111111111112",
            "order 587428561654",
            "a4111111111111111",
            "4111-1111 1111-1111",
            "id-4111111111111111",
            "call_4111111111111111",
            r#"{"id": "4539578763621486"}"#,
            r#"{\"id\":4539578763621486}"#,
            "order_id=4539578763621486",
            r#""orderId": 4539578763621486"#,
            "ID: 4539578763621486",
            "4111 1111 1111 1111 2222",
            "1234 4111 1111 1111 1111",
            "12345678901234567890123",
            "4/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1",
            "4111/1111/1111/1112",
            "a_4111_1111_1111_1111",
        ] {
            check(text, &[]);
        }
    }
}
