//! Italian fiscal codes (Decreto ministeriale 23 December 1976: sixteen characters, the last by tables for odd and even places).

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::ItFiscalCode,
    shapes: &[Shape::Mask("AAAAAA99A99A999A")],
    is_valid: has_letter,
    context: Context::None,
};

/// What letters and digits count at odd places.
const ODD: [u32; 26] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

fn has_letter(value: &[u8]) -> bool {
    let Some((letter, body)) = value.split_last() else {
        return false;
    };
    let sum: u32 = body
        .iter()
        .enumerate()
        .map(|(place, byte)| {
            let index = if byte.is_ascii_digit() {
                byte - b'0'
            } else {
                byte - b'A'
            };
            if place % 2 == 0 {
                ODD.get(usize::from(index)).copied().unwrap_or(0)
            } else {
                u32::from(index)
            }
        })
        .sum();
    u32::from(*letter) == u32::from(b'A') + sum % 26
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::ItFiscalCode, tests::check};

    #[test]
    fn finds_numbers() {
        check(
            "codice fiscale RSSMRA85T10A562S",
            &[(ItFiscalCode, "RSSMRA85T10A562S")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["RSSMRA85T10A562T", "XRSSMRA85T10A562S"] {
            check(text, &[]);
        }
    }
}
