//! Australian Medicare numbers (Services Australia: ten digits, the first 2 to 6, the ninth a check digit; perhaps the number on the
//! card behind them).
//!
//! Written in one run only after "Medicare".

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::AuMedicare,
    shapes: &[
        Shape::Mask("9999 99999 9"),
        Shape::Mask("9999 99999 9 9"),
        Shape::Mask("9999999999"),
        Shape::Mask("9999-99999-9"),
    ],
    is_valid: has_check_digit,
    context: Context::Bare(&["medicare"]),
};

fn has_check_digit(value: &[u8]) -> bool {
    let check = value.get(8).map(|byte| u32::from(byte.wrapping_sub(b'0')));
    matches!(value.first(), Some(b'2'..=b'6'))
        && check
            == Some(
                checks::weighted(
                    value.get(..8).unwrap_or_default(),
                    &[1, 3, 7, 9, 1, 3, 7, 9],
                ) % 10,
            )
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::AuMedicare, tests::check};

    #[test]
    fn finds_numbers() {
        check("2123 45670 1", &[(AuMedicare, "2123 45670 1")]);
        check("Medicare card 2123456701", &[(AuMedicare, "2123456701")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["2123 45671 1", "2123456701"] {
            check(text, &[]);
        }
    }
}
