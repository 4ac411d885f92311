//! Indian permanent account numbers (Income-tax Rules 1962, rule 114: five letters, four digits, a letter; the fourth letter names the
//! kind of holder).
//!
//! In capitals, or after a word such as "PAN".

use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::InPan,
    shapes: &[Shape::Mask("AAAAA9999A")],
    is_valid: names_a_holder,
    context: Context::None,
};

fn names_a_holder(value: &[u8]) -> bool {
    value
        .get(3)
        .is_some_and(|kind| b"ABCFGHLJPTK".contains(kind))
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::InPan, tests::check};

    #[test]
    fn finds_numbers() {
        check("PAN: ABCPD1234F", &[(InPan, "ABCPD1234F")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["ABCXD1234F", "ABCPD12345", "ABCPD1234FG"] {
            check(text, &[]);
        }
    }
}
