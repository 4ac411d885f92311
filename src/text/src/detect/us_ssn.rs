//! United States social security numbers (SSA, "SSN randomization": area 000, 666 and 900–999, group 00 and
//! serial 0000 are never issued).
//!
//! Written `ddd-dd-dddd` or `ddd dd dddd`; nine bare digits only after a word such as "SSN".

use super::{Outcome, Window, digits::Groups};

/// How far such a word may stand before the number.
const NEAR: usize = 56;
const CONTEXT_WORDS: &[&str] = &["ssn", "social security", "social-security"];

pub(super) fn judge(window: &Window<'_>, groups: &Groups<'_>) -> Outcome {
    let start = groups.start;
    if matches!(window.before(start), b'.' | b'-' | b'/')
        && window.before(start - 1).is_ascii_digit()
        || window.before(start) == b'_' && window.before(start - 1).is_ascii_alphanumeric()
    {
        return Outcome::Nothing;
    }
    let all = groups.all();
    let lens = || all.iter().map(super::digits::Group::len);
    let is_prefix = lens().zip([3, 2, 4]).all(|(len, expected)| len == expected);
    let is_bare_prefix = all.len() == 1 && lens().all(|len| len <= 9);
    if groups.open && (is_prefix && all.len() <= 3 || is_bare_prefix || is_prefix_of_group(all)) {
        return Outcome::Open(start);
    }
    let end = match all {
        [bare, ..] if bare.len() == 9 && window.has_words(start, NEAR, CONTEXT_WORDS) => bare.end,
        [area, group, serial, rest @ ..]
            if is_prefix
                && area.separator == 0
                && (matches!(group.separator, b'-' | b' ')
                    || group.separator == b'.' && window.has_words(start, NEAR, CONTEXT_WORDS))
                && group.separator == serial.separator
                && rest.first().is_none_or(|next| next.separator != b'-') =>
        {
            serial.end
        }
        _ => return Outcome::Nothing,
    };
    let is_issued = is_issued(window.bytes().get(start..end).unwrap_or_default());
    if is_issued && !window.byte(end).is_ascii_alphanumeric() {
        Outcome::Found { start, end }
    } else {
        Outcome::Nothing
    }
}

/// Whether the groups seen so far may grow into `ddd-dd-dddd`.
fn is_prefix_of_group(all: &[super::digits::Group]) -> bool {
    let expected = [3, 2, 4];
    let Some((last, complete)) = all.split_last() else {
        return false;
    };
    all.len() <= 3
        && complete
            .iter()
            .zip(expected)
            .all(|(group, len)| group.len() == len)
        && expected
            .get(complete.len())
            .is_some_and(|&len| last.len() <= len)
}

fn is_issued(text: &[u8]) -> bool {
    let number = text
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(0_u32, |n, byte| n * 10 + u32::from(byte - b'0'));
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let words = CONTEXT_WORDS.iter().map(|word| format!("{word} 219"));
    words
        .chain(super::texts(&[
            "219-09-",
            "219-09-9999 ",
            "ssn 219099999 ",
            "219 09 ",
        ]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Ssn, tests::check};

    #[test]
    fn finds_numbers() {
        check("SSN: 219-09-9999.", &[(Ssn, "219-09-9999")]);
        check("219 09 9999 in 2024", &[(Ssn, "219 09 9999")]);
        check(
            "my social security number is 219099999",
            &[(Ssn, "219099999")],
        );
        check(
            "{\"social_security_number\": 536228726}",
            &[(Ssn, "536228726")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "000-12-3456",
            "666-12-3456",
            "912-12-3456",
            "219-00-9999",
            "219-09-0000",
            "219-09 9999",
            "219099999",
            "1-219-09-9999",
            "219-09-9999-1",
            "219-09-99999",
        ] {
            check(text, &[]);
        }
    }
}
