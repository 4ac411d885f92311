//! Numbers of members of health insurances: Medicare beneficiary identifiers (CMS, "Understanding the MBI format") and others,
//! which every insurer gives in its own way.
//!
//! Others only after "member ID", "policy number" or their like; at least four digits.

use super::{
    Entity,
    form::{Context, Form, Shape, four_digits},
};

pub(super) const FORM: Form = Form {
    entity: Entity::InsuranceId,
    shapes: &[Shape::Word(6, 16)],
    is_valid: four_digits,
    context: Context::Always(&[
        "insurance id*",
        "insurance number",
        "insurance no",
        "insurance policy",
        "member id*",
        "member number",
        "member no",
        "subscriber*",
        "policy number",
        "policy no",
        "policy id",
        "policy #",
        "health plan",
        "group number",
        "group no",
        "medicaid",
        "medicare id",
        "medicare number",
        "beneficiary",
        "mbi",
        "krankenversicher*",
        "versichertennummer",
    ]),
};

/// Letters stand at the second, fifth, eighth and ninth place.
pub(super) const MEDICARE: Form = Form {
    entity: Entity::InsuranceId,
    shapes: &[Shape::Mask("9AX9AX9AA99"), Shape::Mask("9AX9-AX9-AA99")],
    is_valid: has_unambiguous_letters,
    context: Context::None,
};

/// S, L, O, I, B and Z look like digits.
fn has_unambiguous_letters(value: &[u8]) -> bool {
    !value.iter().any(|byte| b"SLOIBZ".contains(byte)) && value.first() != Some(&b'0')
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::InsuranceId, tests::check};

    #[test]
    fn finds_numbers() {
        check("Member ID: XEA123456789", &[(InsuranceId, "XEA123456789")]);
        check("MBI 1EG4-TE5-MK73", &[(InsuranceId, "1EG4-TE5-MK73")]);
        check("1EG4TE5MK73", &[(InsuranceId, "1EG4TE5MK73")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "XEA123456789",
            "health plan of 2024 for all",
            "AEG4-TE5-MK73",
            "1SG4-TE5-MK73",
        ] {
            check(text, &[]);
        }
    }
}
