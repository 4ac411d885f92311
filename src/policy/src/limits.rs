//! Limits and budgets: what an exchange may take, asked before the call and settled after it.
//!
//! A [`Limit`] counts requests, tokens or money of one scope in windows that begin at multiples of their length since 1970.
//! What is counted of whom lies in [`Accounts`], which are bytes that all workers share; changes are compare-and-swap, so two
//! workers never spend the same room. An exchange *holds* the most that it can take ([`bound`]) before anything is sent. When
//! it is over, the hold becomes what was really taken; all of it if that is not known. A hold that nobody settles counts as
//! taken when it expires, so that it neither stays for ever nor lets anything by.

mod amounts;
mod bound;
mod ledger;
mod standing;

pub use amounts::{Most, Taken};
pub(crate) use bound::{Lengths, limiting_member};
pub use ledger::{Accounts, Refusal, Room};
use serde::{Deserialize, Serialize};
pub use standing::{Standing, Standings};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens of request and answer.
    Tokens,
    /// Money, in units of the last decimal of [`crate::Usd`].
    Usd,
}

/// Whose requests count together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everybody's.
    Global,
    /// Those of an address; so many proxies in front of the gateway are believed.
    Ip {
        /// `trust_proxy_depth`
        depth: u32,
    },
    /// Those with the same value of the first of these headers that is there.
    User {
        /// `header_names`, in lower case.
        headers: Vec<String>,
    },
    /// Those with the same `Authorization`.
    Key,
    /// Those of each consumer of one class: consumers of a class have the same limits, and accounts of their own.
    Consumer {
        /// As in [`crate::Consumer::limited`].
        class: usize,
    },
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Names its accounts: equal through reloads.
    pub id: String,
    /// Whose requests count together.
    pub scope: Scope,
    /// What is counted.
    pub unit: Unit,
    /// How much of it there is in a window, as decimal digits in the unit.
    #[serde(with = "digits")]
    pub max: u128,
    /// Length of a window, in seconds.
    pub window_seconds: u64,
    /// Whether it is one of `budgets`, which is refused by a code of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_budget: bool,
}

/// All limits of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// In the order in which they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Tokens of an answer where the request states none: sent along, so that the provider keeps to it.
    #[serde(default)]
    pub answer_tokens: u64,
    /// After this many seconds no exchange goes on, so what it held is taken for spent.
    #[serde(default)]
    pub hold_seconds: u64,
}

impl Limits {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Whether tokens have to be known beforehand.
    pub fn counts_tokens(&self) -> bool {
        self.limits.iter().any(|limit| limit.unit != Unit::Requests)
    }
}

/// Large numbers as strings, which JSON keeps exactly.
mod digits {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        number: &u128,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
