//! Brazilian taxpayer numbers of persons, CPF (Receita Federal: eleven digits, the last two by modulus 11).
//!
//! Written in one run only after a word such as "CPF".

use super::checks;
use super::{
    Entity,
    form::{Context, Form, Shape},
};

pub(super) const FORM: Form = Form {
    entity: Entity::BrCpf,
    shapes: &[
        Shape::Mask("999.999.999-99"),
        Shape::Mask("999999999-99"),
        Shape::Mask("999 999 999 99"),
        Shape::Mask("99999999999"),
    ],
    is_valid: has_check_digits,
    context: Context::Bare(&["cpf", "cadastro", "receita", "brazil*", "contribuinte"]),
};

fn has_check_digits(value: &[u8]) -> bool {
    let digit = |len: usize| {
        let first = value.get(..len).unwrap_or_default();
        let sum: u32 = checks::digits(first)
            .rev()
            .zip(2..)
            .map(|(digit, weight)| digit * weight)
            .sum();
        sum * 10 % 11 % 10
    };
    let mut last = checks::digits(value).rev();
    !checks::is_uniform(value) && last.next() == Some(digit(10)) && last.next() == Some(digit(9))
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::BrCpf, tests::check};

    #[test]
    fn finds_numbers() {
        check("CPF 529.982.247-25", &[(BrCpf, "529.982.247-25")]);
        check("cpf 52998224725", &[(BrCpf, "52998224725")]);
    }

    #[test]
    fn leaves_look_alikes() {
        for text in ["529.982.247-24", "52998224725", "111.111.111-11"] {
            check(text, &[]);
        }
    }
}
