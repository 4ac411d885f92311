//! United States national provider identifiers (45 CFR 162.406: ten digits, Luhn behind the prefix 80840).
//!
//! Only after "NPI" or its like.

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::Npi,
    shapes: &[
        Shape::Mask("9999999999"),
        Shape::Mask("999 999 9999"),
        Shape::Mask("999-999-9999"),
    ],
    is_valid: has_check_digit,
    context: Context::Always(&[
        "npi",
        "national provider",
        "provider id*",
        "provider number",
    ]),
};

fn has_check_digit(value: &[u8]) -> bool {
    let mut whole = *b"80840\0\0\0\0\0\0\0\0\0\0";
    for (place, byte) in whole.iter_mut().skip(5).zip(value) {
        *place = *byte;
    }
    matches!(value.first(), Some(b'1' | b'2')) && super::checks::luhn(&whole)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Npi, tests::check};

    #[test]
    fn finds_numbers() {
        check("NPI 1234567893", &[(Npi, "1234567893")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["NPI 1234567890", "1234567893"] {
            check(text, &[]);
        }
    }
}
