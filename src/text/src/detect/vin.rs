//! Vehicle identification numbers (ISO 3779: seventeen letters and digits without I, O and Q; 49 CFR 565.15 for the check digit).
//!
//! With a fitting check digit, or after "VIN" or its like where a maker has none.

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::Vin,
    shapes: &[Shape::Word(17, 17)],
    is_valid: has_check_digit,
    context: Context::None,
};

pub(super) const NAMED: Form = Form {
    entity: Entity::Vin,
    shapes: &[Shape::Word(17, 17)],
    is_valid: has_letters_of_a_number,
    context: Context::Always(&["vin", "chassis", "vehicle id*", "vehicle number"]),
};

/// What the letters from A to Z count; 0 for those that do not occur.
const VALUES: [u32; 26] = [
    1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9,
];
const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

fn has_letters_of_a_number(value: &[u8]) -> bool {
    let letters = value
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    let ends_in_digits = value.iter().rev().take(3).all(u8::is_ascii_digit);
    value.len() == 17
        && (2..=13).contains(&letters)
        && ends_in_digits
        && !value.iter().any(|byte| matches!(byte, b'I' | b'O' | b'Q'))
}

fn has_check_digit(value: &[u8]) -> bool {
    let sum: u32 = value
        .iter()
        .zip(WEIGHTS)
        .map(|(byte, weight)| {
            let counts = if byte.is_ascii_digit() {
                u32::from(byte - b'0')
            } else {
                VALUES
                    .get(usize::from(byte.wrapping_sub(b'A')))
                    .copied()
                    .unwrap_or(0)
            };
            counts * weight
        })
        .sum();
    let expected = match sum % 11 {
        10 => b'X',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    };
    has_letters_of_a_number(value) && value.get(8) == Some(&expected)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Vin, tests::check};

    #[test]
    fn finds_numbers() {
        check("a 1HGCM82633A004352 sedan", &[(Vin, "1HGCM82633A004352")]);
        check("VIN: WVWZZZ1JZ3W386752", &[(Vin, "WVWZZZ1JZ3W386752")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "1HGCM82633A004353",
            "WVWZZZ1JZ3W386752",
            "12345678901234567",
            "1HGCM82633A0O4352",
        ] {
            check(text, &[]);
        }
    }
}
