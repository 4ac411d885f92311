//! United States individual taxpayer identification numbers (IRS, Internal Revenue Manual 3.21.263: area 9xx, group 50–65,
//! 70–88, 90–92 or 94–99).
//!
//! Written `9dd-dd-dddd` or with spaces; nine bare digits only after a word such as "ITIN".

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::UsItin,
    shapes: &[
        Shape::Mask("999-99-9999"),
        Shape::Mask("999 99 9999"),
        Shape::Mask("999999999"),
    ],
    is_valid: is_issued,
    context: Context::Bare(&["itin", "taxpayer id*", "individual taxpayer"]),
};

fn is_issued(value: &[u8]) -> bool {
    let group = value.get(3..5).map_or(0, super::checks::number);
    value.first() == Some(&b'9') && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::UsItin, tests::check};

    #[test]
    fn finds_numbers() {
        check("ITIN: 912-70-1234.", &[(UsItin, "912-70-1234")]);
        check("his itin is 912701234", &[(UsItin, "912701234")]);
        check("ITIN code 912-70-1234", &[(UsItin, "912-70-1234")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "912-40-1234",
            "912701234",
            "code 912-70-1234",
            "error code: 900-70-0001",
            "part no. 912-70-1234",
        ] {
            check(text, &[]);
        }
    }
}
