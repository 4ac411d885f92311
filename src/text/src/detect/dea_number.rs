//! Registration numbers of the United States Drug Enforcement Administration (21 CFR 1301: two letters, seven digits, the last a check
//! digit).

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::DeaNumber,
    shapes: &[Shape::Mask("AA9999999"), Shape::Mask("A99999999")],
    is_valid: has_check_digit,
    context: Context::None,
};

fn has_check_digit(value: &[u8]) -> bool {
    let digits = value.get(2..).unwrap_or_default();
    let sum = checks::weighted(digits, &[1, 2, 1, 2, 1, 2]);
    let is_holder = value
        .first()
        .is_some_and(|kind| b"ABCDEFGHJKLMPRSTUX".contains(kind));
    let is_second = value
        .get(1)
        .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'9');
    is_holder
        && is_second
        && !checks::is_uniform(digits)
        && checks::digits(digits).next_back() == Some(sum % 10)
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::DeaNumber, tests::check};

    #[test]
    fn finds_numbers() {
        check("DEA AB1234563", &[(DeaNumber, "AB1234563")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["AB1234564", "DEA IB1234563", "&H00000000", "AB0000000"] {
            check(text, &[]);
        }
    }
}
