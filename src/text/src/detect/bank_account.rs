//! Numbers of bank accounts, which every bank gives in its own way: eight to seventeen digits.
//!
//! Only after "account number", "acct" or their like.

use super::{
    Entity,
    form::{Context, Form, Shape, any},
};

pub(super) const FORM: Form = Form {
    entity: Entity::BankAccount,
    shapes: &[
        Shape::Digits(7, 17),
        Shape::Mask("9999 9999"),
        Shape::Mask("9999-9999-9999"),
        Shape::Mask("9999 9999 9999"),
        Shape::Mask("999-999999-9"),
        Shape::Mask("99-9999999"),
        Shape::Mask("999999-999999"),
    ],
    is_valid: any,
    context: Context::Always(&[
        "account number",
        "account no",
        "account #",
        "acct",
        "acct.",
        "a/c",
        "bank account",
        "checking account",
        "savings account",
        "account",
        "kontonummer",
        "konto",
        "account num",
        "account nr",
    ]),
};

#[cfg(test)]
mod tests {
    use super::super::{Entity::BankAccount, tests::check};

    #[test]
    fn finds_numbers() {
        check(
            "account number 000123456789",
            &[(BankAccount, "000123456789")],
        );
        check("acct# 12345678", &[(BankAccount, "12345678")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["000123456789", "accounting 2024", "12345678"] {
            check(text, &[]);
        }
    }
}
