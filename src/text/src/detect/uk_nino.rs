//! British national insurance numbers (HMRC, National Insurance Manual NIM39110: two prefix letters, six digits, suffix A to D).

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::UkNino,
    shapes: &[
        Shape::Mask("AA999999A"),
        Shape::Mask("AA 99 99 99 A"),
        Shape::Mask("AA-99-99-99-A"),
        Shape::Mask("AA 999999 A"),
        Shape::Mask("AA999999 A"),
        Shape::Mask("AA 999999A"),
        Shape::Mask("AA99 99 99A"),
        Shape::Mask("AA 99 99 99A"),
        Shape::Mask("AA99 99 99 A"),
        Shape::Mask("AA-999999-A"),
        Shape::Mask("AA999999-A"),
    ],
    is_valid: is_issued,
    context: Context::None,
};

fn is_issued(value: &[u8]) -> bool {
    let [first, second, .., suffix] = value else {
        return false;
    };
    let unused = b"DFIQUV";
    let is_unused_pair = matches!(
        (first, second),
        (b'B', b'G') | (b'G', b'B') | (b'K' | b'T', b'N') | (b'N', b'K' | b'T') | (b'Z', b'Z')
    );
    !unused.contains(first)
        && !unused.contains(second)
        && *second != b'O'
        && !is_unused_pair
        && suffix.is_ascii_uppercase()
        && *suffix <= b'D'
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::UkNino, tests::check};

    #[test]
    fn finds_numbers() {
        check("NI number AB123456C.", &[(UkNino, "AB123456C")]);
        check("AB 12 34 56 C", &[(UkNino, "AB 12 34 56 C")]);
        for spaced in ["AB12 34 56C", "AB 12 34 56C", "AB12 34 56 C", "AB-123456-C"] {
            check(
                &format!("National Insurance number {spaced}."),
                &[(UkNino, spaced)],
            );
        }
        check("my number (jg121316a)", &[(UkNino, "jg121316a")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "BG123456C",
            "DA123456C",
            "AB123456E",
            "AO123456C",
            "XAB123456C",
            "AB123456CD",
        ] {
            check(text, &[]);
        }
    }
}
