//! Australian tax file numbers (Australian Taxation Office: eight or nine digits, weighted sum divisible by 11).
//!
//! Only after a word such as "TFN".

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::AuTfn,
    shapes: &[
        Shape::Mask("999 999 999"),
        Shape::Mask("999-999-999"),
        Shape::Mask("999999999"),
        Shape::Mask("99999999"),
        Shape::Mask("99 999 999"),
    ],
    is_valid: has_check_digit,
    context: Context::Always(&["tfn", "tax file"]),
};

fn has_check_digit(value: &[u8]) -> bool {
    let weights: &[u32] = if value.len() == 9 {
        &[1, 4, 3, 7, 5, 8, 6, 9, 10]
    } else {
        &[10, 7, 8, 4, 6, 3, 5, 1]
    };
    !checks::is_uniform(value) && checks::weighted(value, weights).is_multiple_of(11)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::AuTfn, tests::check};

    #[test]
    fn finds_numbers() {
        check("TFN: 123 456 782", &[(AuTfn, "123 456 782")]);
        check("tax file number 123456782", &[(AuTfn, "123456782")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["TFN 123 456 783", "123456782"] {
            check(text, &[]);
        }
    }
}
