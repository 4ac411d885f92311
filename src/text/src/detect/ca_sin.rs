//! Canadian social insurance numbers (Employment and Social Development Canada, "Social Insurance Number Code of Practice": nine
//! digits, Luhn, none begins with 0 or 8).
//!
//! Only after a word such as "SIN": nine digits in threes are many things.

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::CaSin,
    shapes: &[
        Shape::Mask("999-999-999"),
        Shape::Mask("999 999 999"),
        Shape::Mask("999999999"),
        Shape::Mask("999.999.999"),
        Shape::Mask("999 999999"),
    ],
    is_valid: is_issued,
    context: Context::Always(&[
        "sin",
        "s.i.n.",
        "social insurance",
        "social insurance number",
        "canad*",
        "nas",
    ]),
};

fn is_issued(value: &[u8]) -> bool {
    !matches!(value.first(), Some(b'0' | b'8')) && super::checks::luhn(value)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::CaSin, tests::check};

    #[test]
    fn finds_numbers() {
        check("SIN: 130-692-544", &[(CaSin, "130-692-544")]);
        check("social insurance number 130692544", &[(CaSin, "130692544")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["SIN 130-692-545", "130-692-544", "using 130692544"] {
            check(text, &[]);
        }
    }
}
