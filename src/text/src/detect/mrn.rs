//! Medical record numbers, which every hospital gives in its own way.
//!
//! Only after "MRN", "medical record" or their like, or written `MRN-…`; at least four digits.

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::Mrn,
    shapes: &[Shape::Word(4, 14)],
    is_valid: is_number,
    context: Context::Always(&[
        "mrn",
        "medical record",
        "medical rec",
        "patient id*",
        "patient number",
        "patient no",
        "chart number",
        "chart no",
        "record number",
        "hospital number",
    ]),
};

fn is_number(value: &[u8]) -> bool {
    super::form::four_digits(value)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Mrn, tests::check};

    #[test]
    fn finds_numbers() {
        check("MRN: 00123456", &[(Mrn, "00123456")]);
        check("patient ID A-448812", &[(Mrn, "A-448812")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["A-448812", "mrn of the year"] {
            check(text, &[]);
        }
    }
}
