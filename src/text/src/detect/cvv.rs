//! Verification codes of payment cards (PCI DSS v4.0, "card verification code": three or four digits).
//!
//! Only after "CVV", "security code" or their like.

use super::{
    Entity,
    form::{Context, Form, Shape, any},
};

pub(super) const FORM: Form = Form {
    entity: Entity::Cvv,
    shapes: &[Shape::Digits(3, 4)],
    is_valid: any,
    context: Context::Always(&[
        "cvv",
        "cvc",
        "cvv2",
        "cvc2",
        "csc",
        "cid",
        "security code",
        "card verification",
        "verification value",
        "card code",
    ]),
};

#[cfg(test)]
mod tests {
    use super::super::{Entity::Cvv, tests::check};

    #[test]
    fn finds_codes() {
        check("CVV: 123", &[(Cvv, "123")]);
        check("the security code is 4821.", &[(Cvv, "4821")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["123", "CVV has 3 digits", "recvv 123", "cvv 12345"] {
            check(text, &[]);
        }
    }
}
