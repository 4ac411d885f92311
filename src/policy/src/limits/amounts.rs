//! What an exchange may take and has taken, in each unit.

use kt_routing::{Attempt, Failure, QualityFailure};

use super::Unit;
use crate::{engine::Engine, event::Facts, exchange::Exchange, money::Usd};

/// The most that an exchange can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    tokens: u128,
    usd: u128,
}

/// What an exchange took; `None` is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    tokens: Option<u128>,
    usd: Option<u128>,
}

impl Most {
    /// Of a request of `len` bytes that was inspected.
    pub fn of(exchange: &Exchange, len: usize) -> Self {
        let engine = exchange.engine();
        let config = engine.config();
        let tokens = exchange.lengths().most_tokens(exchange.endpoint(), len);
        let [prompt, answer] = tokens;
        let prices = config.targets.iter().filter_map(|target| target.pricing);
        let dearest = prices
            .map(|pricing| pricing.most(prompt, answer).units())
            .max();
        let times = answers_paid_for(engine);
        Self {
            tokens: (u128::from(prompt) + u128::from(answer)).saturating_mul(times),
            usd: dearest.unwrap_or(0).saturating_mul(times),
        }
    }

    /// In a unit.
    pub fn in_unit(&self, unit: Unit) -> u128 {
        match unit {
            Unit::Requests => 1,
            Unit::Tokens => self.tokens,
            Unit::Usd => self.usd,
        }
    }
}

/// How many answers may have to be paid for, since one that is too bad may be replaced.
fn answers_paid_for(engine: &Engine) -> u128 {
    let config = engine.config();
    match config.routing.quality {
        None => 1,
        Some(QualityFailure::Retry) => config.routing.max_attempts().into(),
        Some(QualityFailure::Fallback) => config.targets.len() as u128,
    }
}

impl Taken {
    const NOTHING: Self = Self {
        tokens: Some(0),
        usd: Some(0),
    };
    const UNKNOWN: Self = Self {
        tokens: None,
        usd: None,
    };

    /// Of an exchange that is over. An answer without usage, one that the client did not wait for and an attempt of which nobody knows
    /// how far it came are not known; a target that answered with an error, or could not be reached, took nothing. `is_open` says that
    /// the request went on and that nothing came back: then even attempts that nobody has noted yet may be under way.
    pub fn of(exchange: &Exchange, facts: &Facts, is_open: bool) -> Self {
        let Some((last, before)) = facts.attempts.split_last() else {
            return if is_open {
                Self::UNKNOWN
            } else {
                Self::NOTHING
            };
        };
        if before.iter().any(may_have_cost) {
            return Self::UNKNOWN;
        }
        match last.status {
            Some(200..300) if last.failure != Some(Failure::Timeout) => Self {
                tokens: tokens(exchange, facts),
                usd: exchange.cost(&facts.attempts).map(Usd::units),
            },
            _ if may_have_cost(last) => Self::UNKNOWN,
            // What answers cost that were replaced is known, and this one cost nothing; the sum is not worth its code.
            _ if before.iter().any(|attempt| attempt.billed.is_some()) => Self::UNKNOWN,
            _ => Self::NOTHING,
        }
    }

    /// In a unit.
    pub fn in_unit(&self, unit: Unit) -> Option<u128> {
        match unit {
            Unit::Requests => Some(1),
            Unit::Tokens => self.tokens,
            Unit::Usd => self.usd,
        }
    }
}

/// Envoy's words for a request that never left.
const NEVER_LEFT: [&str; 3] = [
    "connection_failure",
    "no_healthy_upstream",
    "cluster_not_found",
];

/// Whether the target may charge something that nobody knows.
fn may_have_cost(attempt: &Attempt) -> bool {
    let words = attempt.error.as_deref().unwrap_or_default();
    match attempt.status {
        _ if attempt.failure == Some(Failure::Timeout) => true,
        Some(200..300) => attempt.billed.is_none(),
        Some(_) => false,
        None => !NEVER_LEFT.iter().any(|never| words.contains(never)),
    }
}

fn tokens(exchange: &Exchange, facts: &Facts) -> Option<u128> {
    let usage = exchange.usage();
    let sum = |prompt: Option<u64>, answer: Option<u64>| {
        Some(u128::from(prompt?) + u128::from(answer.or_else(|| answer_of(exchange))?))
    };
    let billed = facts
        .attempts
        .iter()
        .filter_map(|attempt| attempt.billed.as_ref());
    let replaced = billed.map(|billed| sum(billed.prompt_tokens, billed.completion_tokens));
    replaced
        .chain([sum(usage.prompt_tokens, usage.completion_tokens)])
        .sum()
}

/// Embeddings have no tokens of an answer.
fn answer_of(exchange: &Exchange) -> Option<u64> {
    (exchange.endpoint() == crate::Endpoint::Embeddings).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_surely_cost_nothing_is_given_back() {
        let attempt = |status, failure, error: Option<&str>| Attempt {
            status,
            failure,
            error: error.map(str::to_owned),
            ..Attempt::begin("a")
        };
        let refused = "upstream_reset_before_response_started{remote_connection_failure}";
        let broken = "upstream_reset_before_response_started{connection_termination}";
        for (status, failure, error, may) in [
            (Some(400), None, Some("answered 400"), false),
            (
                Some(503),
                Some(Failure::ServerError),
                Some("answered 503"),
                false,
            ),
            (None, Some(Failure::Connection), Some(refused), false),
            (
                None,
                Some(Failure::Connection),
                Some("no_healthy_upstream"),
                false,
            ),
            (None, Some(Failure::Connection), Some(broken), true),
            (
                None,
                Some(Failure::Connection),
                Some("downstream_remote_disconnect"),
                true,
            ),
            (
                None,
                Some(Failure::Timeout),
                Some("upstream_response_timeout"),
                true,
            ),
            (Some(504), Some(Failure::Timeout), None, true),
            (None, None, Some("cut off before an answer"), true),
            (None, None, None, true),
            (Some(200), Some(Failure::ServerError), None, true),
        ] {
            let attempt = attempt(status, failure, error);
            assert_eq!(may_have_cost(&attempt), may, "{attempt:?}");
        }
    }
}
