//! Routing numbers of banks in the United States (ABA: nine digits, weights 3, 7, 1) and sort codes in the United Kingdom
//! (`dd-dd-dd`).
//!
//! Only after "routing", "sort code" or their like.

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::BankRouting,
    shapes: &[
        Shape::Mask("999999999"),
        Shape::Mask("99-99-99"),
        Shape::Mask("9999-9999-9"),
        Shape::Mask("99 99 99"),
    ],
    is_valid: is_bank,
    context: Context::Always(&[
        "routing",
        "aba",
        "aba number",
        "rtn",
        "ach",
        "wire",
        "sort code",
        "sort-code",
        "sortcode",
        "transit number",
    ]),
};

fn is_bank(value: &[u8]) -> bool {
    value.len() == 6
        || !checks::is_uniform(value)
            && checks::weighted(value, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::BankRouting, tests::check};

    #[test]
    fn finds_numbers() {
        check("routing number 021000021", &[(BankRouting, "021000021")]);
        check("sort code 12-34-56", &[(BankRouting, "12-34-56")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["021000021", "routing 021000022", "12-34-56"] {
            check(text, &[]);
        }
    }
}
