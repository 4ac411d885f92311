//! French social security numbers, NIR (INSEE: sex, year, month, department, commune, order, and a key of 97 less the remainder).
//!
//! Departments of Corsica are `2A` and `2B`, which count as 19 and 18.

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::FrNir,
    shapes: &[
        Shape::Mask("9 99 99 99 999 999 99"),
        Shape::Mask("9 99 99 9A 999 999 99"),
        Shape::Mask("999999999999999"),
        Shape::Mask("9999999999999 99"),
        Shape::Mask("999999A99999999"),
    ],
    is_valid: has_key,
    context: Context::None,
};

fn has_key(value: &[u8]) -> bool {
    let mut digits: [u8; 15] = match value.try_into() {
        Ok(digits) => digits,
        Err(_) => return false,
    };
    let [sex, _, _, month @ .., _, _, _, _, _, _, _, _, _, _] = &digits;
    let month = checks::number(month);
    let is_plausible = matches!(sex, b'1' | b'2') && matches!(month, 1..=12 | 20..=42 | 50..=99);
    let [_, _, _, _, _, first, second, ..] = &mut digits;
    (*first, *second) = match (*first, *second) {
        (b'2', b'A') => (b'1', b'9'),
        (b'2', b'B') => (b'1', b'8'),
        department => department,
    };
    let (number, key) = digits.split_at(13);
    digits.iter().all(u8::is_ascii_digit)
        && is_plausible
        && 97 - checks::number(number) % 97 == checks::number(key)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::FrNir, tests::check};

    #[test]
    fn finds_numbers() {
        check(
            "NIR 1 84 12 76 451 089 46",
            &[(FrNir, "1 84 12 76 451 089 46")],
        );
        check("184127645108946", &[(FrNir, "184127645108946")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["184127645108947", "984127645108946"] {
            check(text, &[]);
        }
    }
}
