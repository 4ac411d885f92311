//! Indian Aadhaar numbers (UIDAI: twelve digits, none begins with 0 or 1, the last by Verhoeff's scheme).
//!
//! Written in one run only after a word such as "Aadhaar".

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::InAadhaar,
    shapes: &[
        Shape::Mask("9999 9999 9999"),
        Shape::Mask("9999-9999-9999"),
        Shape::Mask("999999999999"),
    ],
    is_valid: is_issued,
    context: Context::Bare(&[
        "aadhaar",
        "aadhar",
        "adhaar",
        "uidai",
        "uid",
        "unique identification",
    ]),
};

/// Multiplication of the dihedral group of order 10.
const PRODUCT: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
/// What a place does to its digit.
const SWAP: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

fn is_issued(value: &[u8]) -> bool {
    let check = checks::digits(value)
        .rev()
        .enumerate()
        .fold(0_u8, |check, (place, digit)| {
            let swapped = (0..place % 8).fold(digit as usize, |digit, _| {
                SWAP.get(digit).copied().unwrap_or(0)
            });
            PRODUCT
                .get(usize::from(check))
                .and_then(|row| row.get(swapped))
                .copied()
                .unwrap_or(0)
        });
    !matches!(value.first(), Some(b'0' | b'1')) && check == 0
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::InAadhaar, tests::check};

    #[test]
    fn finds_numbers() {
        check("Aadhaar 2345 6789 0124", &[(InAadhaar, "2345 6789 0124")]);
        check("uidai: 234567890124", &[(InAadhaar, "234567890124")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["2345 6789 0125", "1345 6789 0124", "234567890124"] {
            check(text, &[]);
        }
    }
}
