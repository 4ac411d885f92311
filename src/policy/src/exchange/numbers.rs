//! The digits of a JSON number, however it is written: `-4111111111111111`, `4111111111111111.0` and `4.111111111111111e15` are one
//! card. What counts is the whole part of the exact decimal expansion; fractions are measurements and embeddings.

use std::borrow::Cow;

/// No value has a longer whole part. A larger exponent is not expanded.
const MAX_DIGITS: usize = 64;

/// The whole part of `raw`, a number of the JSON grammar, without its sign and leading zeros. Nothing when it has no digit
/// or more than [`MAX_DIGITS`]; a number that is digits alone stays as it is, however long.
pub(super) fn whole_part(raw: &str) -> Option<Cow<'_, str>> {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Cow::Borrowed(digits));
    }
    if digits.starts_with("0.") && !digits.contains(['e', 'E']) {
        // Most numbers of embeddings.
        return None;
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = whole.len() + fraction.len() - significant(whole, fraction).count();
    // How many digits stand before the point once the exponent has moved it.
    let len = length(whole)
        .saturating_sub(length_of(zeros))
        .saturating_add(parse(exponent));
    let len = usize::try_from(len)
        .ok()
        .filter(|len| (1..=MAX_DIGITS).contains(len))?;
    let padded = significant(whole, fraction).chain(std::iter::repeat('0'));
    let expanded: String = padded.take(len).collect();
    expanded
        .bytes()
        .any(|digit| digit != b'0')
        .then_some(Cow::Owned(expanded))
}

/// The digits from the first that is no zero.
fn significant<'d>(whole: &'d str, fraction: &'d str) -> impl Iterator<Item = char> + 'd {
    whole
        .chars()
        .chain(fraction.chars())
        .skip_while(|digit| *digit == '0')
}

fn length(digits: &str) -> i64 {
    length_of(digits.len())
}

fn length_of(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// An exponent, which may have any number of digits.
fn parse(exponent: &str) -> i64 {
    let (is_negative, digits) = match exponent.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    let digits = digits.trim_start_matches('0');
    let value = if digits.is_empty() {
        0
    } else {
        digits.parse().unwrap_or(i64::MAX)
    };
    if is_negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_of_a_number_has_its_digits() {
        let zeros = "0".repeat(500);
        for card in [
            "4111111111111111",
            "-4111111111111111",
            "4111111111111111.0",
            "4111111111111111.5",
            "4.111111111111111e15",
            "4.111111111111111E+15",
            "411111111111111100e-2",
            "0.0004111111111111111e19",
            "-0.4111111111111111e0016",
            "41111111111111110.0e-1",
            &format!("4111111111111111{zeros}e-500"),
            &format!("0.{zeros}4111111111111111e516"),
            &format!("4.111111111111111e{zeros}15"),
        ] {
            assert_eq!(
                whole_part(card).as_deref(),
                Some("4111111111111111"),
                "{card}"
            );
        }
        assert_eq!(whole_part("5362e5").as_deref(), Some("536200000"));
    }

    #[test]
    fn fractions_and_endless_numbers_have_none() {
        for number in [
            "0.5",
            "-0.0123456789012",
            "1e-9",
            "0.0",
            "0e9",
            "4e1000000000",
            "4e99999999999999999999999",
            "4e-99999999999999999999999",
            "1e64",
        ] {
            assert_eq!(whole_part(number), None, "{number}");
        }
    }
}
