//! Polish identification numbers, PESEL (Ustawa o ewidencji ludności art. 15: date of birth, order, check digit).
//!
//! Only after a word such as "PESEL".

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::PlPesel,
    shapes: &[
        Shape::Mask("99999999999"),
        Shape::Mask("999999 99999"),
        Shape::Mask("999999-99999"),
    ],
    is_valid: is_issued,
    context: Context::Always(&["pesel", "polish national*", "numer ewidencyjny"]),
};

fn is_issued(value: &[u8]) -> bool {
    let month = value.get(2..4).map_or(0, checks::number) % 20;
    let day = value.get(4..6).map_or(0, checks::number);
    let sum = checks::weighted(value, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    (1..=12).contains(&month) && (1..=31).contains(&day) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::PlPesel, tests::check};

    #[test]
    fn finds_numbers() {
        check("PESEL 44051401359", &[(PlPesel, "44051401359")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["44051401359", "PESEL 44051401358"] {
            check(text, &[]);
        }
    }
}
