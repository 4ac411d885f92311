//! Numbers of driver's licences: United States (AAMVA: by state), Canada, United Kingdom (DVLA: sixteen characters) and others.
//!
//! Only after "driver's licence" or its like; at least four digits.

use super::{
    Entity,
    form::{Context, Form, Shape, four_digits},
};

pub(super) const FORM: Form = Form {
    entity: Entity::DriversLicense,
    shapes: &[Shape::Word(5, 18)],
    is_valid: four_digits,
    context: Context::Always(&[
        "driver's licen*",
        "driver’s licen*",
        "drivers licen*",
        "driver licen*",
        "driving licen*",
        "drivers lic*",
        "driver's lic*",
        "dl number",
        "dl no",
        "dl #",
        "dl#",
        "dl:",
        "licence number",
        "license number",
        "licence no",
        "license no",
        "permis de conduire",
        "führerschein*",
        "patente",
        "rijbewijs",
        "carnet de conducir",
        "d.l.",
        "dln",
    ]),
};

/// The British form needs no such word: five letters of the name, the date of birth in between its digits, initials, a check.
pub(super) const BRITISH: Form = Form {
    entity: Entity::DriversLicense,
    shapes: &[
        Shape::Mask("AAAAA999999AAXAA"),
        Shape::Mask("AAAAA999999A9XAA"),
    ],
    is_valid: has_date_of_birth,
    context: Context::None,
};

/// Month, with 50 added for women, and day stand behind the decade.
fn has_date_of_birth(value: &[u8]) -> bool {
    let month = value.get(6..8).map_or(0, super::checks::number) % 50;
    let day = value.get(8..10).map_or(0, super::checks::number);
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::DriversLicense, tests::check};

    #[test]
    fn finds_numbers() {
        check("driver's license D1234567", &[(DriversLicense, "D1234567")]);
        check("DL: F162-8235-4011", &[(DriversLicense, "F162-8235-4011")]);
        check(
            "Driving licence MORGA657054SM9IJ",
            &[(DriversLicense, "MORGA657054SM9IJ")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "D1234567",
            "MORGA699054SM9IJ",
            "driver's license renewal 2024 fee",
            "download 1234567",
        ] {
            check(text, &[]);
        }
    }
}
