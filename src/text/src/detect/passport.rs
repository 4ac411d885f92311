//! Passport numbers (ICAO Doc 9303-4: up to nine letters and digits).
//!
//! Only after "passport" or its like; at least four digits.

use super::{
    Entity,
    form::{Context, Form, Shape, four_digits},
};

pub(super) const FORM: Form = Form {
    entity: Entity::Passport,
    shapes: &[Shape::Word(6, 9)],
    is_valid: four_digits,
    context: Context::Always(&[
        "passport",
        "passeport",
        "pasaporte",
        "reisepass",
        "passaporto",
        "paspoort",
        "travel document",
    ]),
};

#[cfg(test)]
mod tests {
    use super::super::{Entity::Passport, tests::check};

    #[test]
    fn finds_numbers() {
        check("Passport No. C01X00T47", &[(Passport, "C01X00T47")]);
        check("passport number: 531234567", &[(Passport, "531234567")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "C01X00T47",
            "passport photos 2019",
            "passports for families",
        ] {
            check(text, &[]);
        }
    }
}
