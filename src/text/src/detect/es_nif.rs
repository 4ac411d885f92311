//! Spanish tax numbers of citizens, NIF or DNI (Real Decreto 1065/2007 art. 19: seven or eight digits and the letter of the remainder by 23).

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::EsNif,
    shapes: &[
        Shape::Mask("99999999A"),
        Shape::Mask("9999999A"),
        Shape::Mask("9999999-A"),
        Shape::Mask("99999999-A"),
        Shape::Mask("99999999 A"),
        Shape::Mask("99.999.999-A"),
        Shape::Mask("99.999.999A"),
    ],
    is_valid: has_letter,
    context: Context::None,
};

/// The letter of each remainder.
pub(super) const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

fn has_letter(value: &[u8]) -> bool {
    let Some((letter, digits)) = value.split_last() else {
        return false;
    };
    let remainder = usize::try_from(super::checks::number(digits) % 23).unwrap_or(0);
    LETTERS.get(remainder) == Some(letter)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::EsNif, tests::check};

    #[test]
    fn finds_numbers() {
        check("DNI 12345678Z", &[(EsNif, "12345678Z")]);
        check("NIF: 12.345.678-Z", &[(EsNif, "12.345.678-Z")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["12345678A", "a12345678Z", "123456789Z"] {
            check(text, &[]);
        }
    }
}
