//! German tax identification numbers (Abgabenordnung § 139b; Bundeszentralamt für Steuern: eleven digits, the last by ISO/IEC 7064
//! MOD 11,10; of the first ten one digit occurs twice or three times, and at least one not at all).
//!
//! Written in one run only after a word such as "Steuer-ID".

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::DeTaxId,
    shapes: &[Shape::Mask("99 999 999 999"), Shape::Mask("99999999999")],
    is_valid: is_issued,
    context: Context::Bare(&[
        "steuer*",
        "steueridentifikation*",
        "tax id*",
        "idnr",
        "id-nr",
        "identifikationsnummer",
        "tin",
        "german tax",
    ]),
};

fn is_issued(value: &[u8]) -> bool {
    let first = value.get(..10).unwrap_or_default();
    let mut counts = [0_u8; 10];
    for digit in checks::digits(first) {
        if let Some(count) = counts.get_mut(digit as usize) {
            *count += 1;
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    let product = checks::digits(first).fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    let last = checks::digits(value).next_back().unwrap_or(10);
    value.first() != Some(&b'0')
        && repeated == 1
        && counts.iter().all(|count| *count <= 3)
        && (11 - product) % 10 == last
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::DeTaxId, tests::check};

    #[test]
    fn finds_numbers() {
        check("Steuer-ID 86 095 742 719", &[(DeTaxId, "86 095 742 719")]);
        check(
            "Meine Steueridentifikationsnummer: 86095742719",
            &[(DeTaxId, "86095742719")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["86095742719", "Steuer-ID 86095742718", "11 111 111 111"] {
            check(text, &[]);
        }
    }
}
