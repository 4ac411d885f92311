//! Prices and costs as whole numbers: sums are exact to the last digit, which binary fractions are not.

use std::{fmt, iter::Sum, ops::Add, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{engine::Engine, exchange::Usage};
use kt_routing::Attempt;

/// Decimals of a price.
const PRICE_DECIMALS: u32 = 9;
/// Decimals of a cost: those of a price, and six for the million tokens that it is for.
pub(crate) const COST_DECIMALS: u32 = PRICE_DECIMALS + 6;

/// USD per one million tokens, with up to nine decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

/// An amount in USD, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Usd(u128);

/// What a target's tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
    /// Of the request.
    pub prompt: Price,
    /// Of the answer.
    pub completion: Price,
    /// Of the part of the request that the provider had in its cache; the price of the rest if it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_prompt: Option<Price>,
}

/// What an exchange cost: its answer, and those that were paid for before and replaced by another. Unknown if any is.
pub(crate) fn cost(engine: &Engine, usage: Usage, attempts: &[Attempt]) -> Option<Usd> {
    let last = engine.target(&attempts.last()?.target_id)?;
    let answer = last.pricing?.cost(usage)?;
    let billed = attempts
        .iter()
        .filter_map(|attempt| attempt.billed.as_ref());
    let replaced = billed.map(|billed| billed.cost_usd.as_ref()?.parse::<Usd>().ok());
    replaced.chain([Some(answer)]).sum()
}

/// A text that is no amount: digits, at most one point, and no more decimals than are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAmount;

impl fmt::Display for NoAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a decimal number without a sign")
    }
}

impl Pricing {
    /// The cost of an exchange. Unknown counts give no cost rather than a wrong one.
    pub fn cost(&self, usage: Usage) -> Option<Usd> {
        let (prompt, completion) = (usage.prompt_tokens?, usage.completion_tokens?);
        let cached = usage.cached_tokens.unwrap_or(0).min(prompt);
        let cached_price = self.cached_prompt.unwrap_or(self.prompt);
        Some(
            self.prompt.of(prompt - cached)
                + cached_price.of(cached)
                + self.completion.of(completion),
        )
    }
}

impl Pricing {
    /// The most that so many tokens can cost.
    pub(crate) fn most(&self, prompt: u64, completion: u64) -> Usd {
        let dearest = self
            .cached_prompt
            .map_or(self.prompt, |cached| cached.max(self.prompt));
        dearest.of(prompt) + self.completion.of(completion)
    }
}

impl Price {
    fn of(self, tokens: u64) -> Usd {
        Usd(u128::from(self.0) * u128::from(tokens))
    }
}

impl Usd {
    /// In units of its last decimal, of which there are fifteen.
    pub fn units(self) -> u128 {
        self.0
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl FromStr for Price {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let units = units(text, PRICE_DECIMALS)?;
        u64::try_from(units).map(Self).map_err(|_| NoAmount)
    }
}

impl FromStr for Usd {
    type Err = NoAmount;

    fn from_str(text: &str) -> Result<Self, NoAmount> {
        units(text, COST_DECIMALS).map(Self)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(u128::from(self.0), PRICE_DECIMALS))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.0, COST_DECIMALS))
    }
}

/// The number in units of its last decimal.
fn units(text: &str, decimals: u32) -> Result<u128, NoAmount> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let kept = usize::try_from(decimals).map_err(|_| NoAmount)?;
    let has_form = !whole.is_empty() && is_number(whole) && is_number(fraction);
    if !has_form || fraction.len() > kept || text.ends_with('.') {
        return Err(NoAmount);
    }
    format!("{whole}{fraction:0<kept$}")
        .parse()
        .map_err(|_| NoAmount)
}

/// The number without zeros at its end.
pub(crate) fn decimal(units: u128, decimals: u32) -> String {
    let one = 10_u128.pow(decimals);
    let (whole, fraction) = (units / one, units % one);
    let width = usize::try_from(decimals).unwrap_or_default();
    if decimals == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{fraction:0width$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_keep_every_digit() {
        for text in [
            "0",
            "1",
            "0.88",
            "15",
            "0.000000001",
            "1000000",
            "123.456789012",
        ] {
            assert_eq!(price(text).to_string(), text);
        }
        assert_eq!(price("1.50").to_string(), "1.5");
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "1e3",
            "0.0000000001",
            "1,5",
            "NaN",
            "99999999999999999999",
        ] {
            assert_eq!(text.parse::<Price>(), Err(NoAmount), "{text}");
        }
    }

    #[test]
    fn a_cost_is_exact() {
        let pricing = Pricing {
            prompt: price("0.1"),
            completion: price("0.2"),
            cached_prompt: None,
        };
        let mut usage = Usage {
            prompt_tokens: Some(7),
            completion_tokens: Some(12),
            ..Usage::default()
        };
        // 0.7e-6 + 2.4e-6: in binary fractions 3.0999999999999996e-6.
        assert_eq!(pricing.cost(usage).unwrap().to_string(), "0.0000031");
        usage.cached_tokens = Some(3);
        assert_eq!(pricing.cost(usage).unwrap().to_string(), "0.0000031");
        let discounted = Pricing {
            cached_prompt: Some(price("0.01")),
            ..pricing
        };
        assert_eq!(discounted.cost(usage).unwrap().to_string(), "0.00000283");
        usage.cached_tokens = Some(100);
        assert_eq!(discounted.cost(usage).unwrap().to_string(), "0.00000247");
        usage.completion_tokens = None;
        assert_eq!(pricing.cost(usage), None);
    }

    #[test]
    fn sums_do_not_drift() {
        let cent = "0.000000000000001".parse::<Usd>().unwrap();
        let sum: Usd = std::iter::repeat_n(cent, 1_000_000).sum();
        assert_eq!(sum.to_string(), "0.000000001");
    }
}
