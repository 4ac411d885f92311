//! Spanish identification numbers of foreigners, NIE (Orden INT/2058/2008: X, Y or Z for 0, 1 or 2, seven digits, the letter of the
//! remainder by 23).

use super::{
    Entity,
    form::{Context, Form, Shape},
};
use super::{checks, es_nif};

pub(super) const FORM: Form = Form {
    entity: Entity::EsNie,
    shapes: &[
        Shape::Mask("A9999999A"),
        Shape::Mask("A-9999999-A"),
        Shape::Mask("A9999999-A"),
        Shape::Mask("A-9999999A"),
    ],
    is_valid: has_letter,
    context: Context::None,
};

fn has_letter(value: &[u8]) -> bool {
    let [first, digits @ .., letter] = value else {
        return false;
    };
    let Some(lead) = first.checked_sub(b'X').filter(|lead| *lead <= 2) else {
        return false;
    };
    let remainder = (u64::from(lead) * 10_000_000 + checks::number(digits)) % 23;
    es_nif::LETTERS.get(usize::try_from(remainder).unwrap_or(0)) == Some(letter)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::EsNie, tests::check};

    #[test]
    fn finds_numbers() {
        check("NIE X1234567L", &[(EsNie, "X1234567L")]);
        check("(x-1234567-l)", &[(EsNie, "x-1234567-l")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["X1234567T", "W1234567L", "X12345678L"] {
            check(text, &[]);
        }
    }
}
