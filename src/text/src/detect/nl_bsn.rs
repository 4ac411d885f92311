//! Dutch citizen service numbers, BSN (Besluit BSN: nine digits, the "eleven test").
//!
//! Only after a word such as "BSN": an eleventh of all nine-digit numbers passes.

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::NlBsn,
    shapes: &[
        Shape::Mask("999999999"),
        Shape::Mask("9999.99.999"),
        Shape::Mask("999-999-999"),
        Shape::Mask("999 999 999"),
        Shape::Mask("999.999.999"),
    ],
    is_valid: passes_eleven_test,
    context: Context::Always(&[
        "bsn",
        "burgerservice*",
        "burger service",
        "sofi*",
        "citizen service",
        "dutch",
    ]),
};

fn passes_eleven_test(value: &[u8]) -> bool {
    let last = checks::digits(value).next_back().unwrap_or(0);
    let sum = checks::weighted(
        value.get(..8).unwrap_or_default(),
        &[9, 8, 7, 6, 5, 4, 3, 2],
    );
    !checks::is_uniform(value) && sum % 11 == last
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::NlBsn, tests::check};

    #[test]
    fn finds_numbers() {
        check("BSN 111222333", &[(NlBsn, "111222333")]);
        check(
            "burgerservicenummer: 1112.22.333",
            &[(NlBsn, "1112.22.333")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["111222333", "BSN 111222334"] {
            check(text, &[]);
        }
    }
}
