//! United States employer identification numbers (IRS, "How EINs are assigned and valid EIN prefixes").
//!
//! Nine digits, `dd-ddddddd`, after a word such as "EIN": anything may look like this.

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::UsEin,
    shapes: &[Shape::Mask("99-9999999"), Shape::Mask("999999999")],
    is_valid: is_issued,
    context: Context::Always(&[
        "ein",
        "fein",
        "employer id*",
        "employer identification",
        "tax id*",
        "federal tax",
    ]),
};

fn is_issued(value: &[u8]) -> bool {
    let prefix = value.get(..2).map_or(0, super::checks::number);
    !matches!(prefix, 0 | 7..=9 | 17..=19 | 28..=29 | 49 | 69..=70 | 78..=79 | 89 | 96..=97)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::UsEin, tests::check};

    #[test]
    fn finds_numbers() {
        check("EIN 12-3456789", &[(UsEin, "12-3456789")]);
        check("Federal tax ID: 123456789", &[(UsEin, "123456789")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["12-3456789", "EIN 07-3456789", "part 123456789"] {
            check(text, &[]);
        }
    }
}
