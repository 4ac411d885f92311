//! British National Health Service numbers (NHS Data Dictionary, "NHS NUMBER": ten digits, the last by modulus 11).
//!
//! Only after a word such as "NHS": a tenth of all telephone numbers has fitting digits.

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::UkNhs,
    shapes: &[
        Shape::Mask("999 999 9999"),
        Shape::Mask("999-999-9999"),
        Shape::Mask("9999999999"),
        Shape::Mask("999 9999999"),
        Shape::Mask("999999 9999"),
        Shape::Mask("999.999.9999"),
    ],
    is_valid: has_check_digit,
    context: Context::Always(&["nhs", "national health", "patient"]),
};

fn has_check_digit(value: &[u8]) -> bool {
    let sum = checks::weighted(value, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let last = checks::digits(value).next_back().unwrap_or(0);
    !checks::is_uniform(value)
        && match 11 - sum % 11 {
            11 => last == 0,
            10 => false,
            digit => digit == last,
        }
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::UkNhs, tests::check};

    #[test]
    fn finds_numbers() {
        check("NHS number 401 023 2137", &[(UkNhs, "401 023 2137")]);
        check("NHS no. 4010232137", &[(UkNhs, "4010232137")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["NHS 401 023 2138", "401 023 2137x"] {
            check(text, &[]);
        }
    }
}
