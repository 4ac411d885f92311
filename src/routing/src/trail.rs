//! What happened to one exchange so far: its attempts, and what they leave open.

use serde::Serialize;

use crate::{
    bytes::{Reader, Writer},
    config::{Failure, QualityFailure, Routing},
    delay::wait_ms,
};

/// One try at a target. The serialized members are those of an event's `attempts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The target.
    pub target_id: String,
    /// Its answer.
    pub status: Option<u16>,
    /// From the start of the attempt to the response headers or the failure.
    pub latency_ms: u64,
    /// Why it failed, in Envoy's words.
    pub error: Option<String>,
    /// What kind of failure that is.
    #[serde(skip)]
    pub failure: Option<Failure>,
    /// What the target asked for by `Retry-After`.
    #[serde(skip)]
    pub retry_after_ms: Option<u64>,
    /// What its answer took, where that was paid for and another one was asked for all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billed: Option<Billed>,
}

/// What an answer took that the client did not get. `None` is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Billed {
    /// Tokens of the request.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<u64>,
    /// An amount in USD as decimal digits.
    pub cost_usd: Option<String>,
}

impl Attempt {
    /// An attempt that begins.
    pub fn begin(target_id: &str) -> Self {
        Self {
            target_id: target_id.to_owned(),
            status: None,
            latency_ms: 0,
            error: None,
            failure: None,
            retry_after_ms: None,
            billed: None,
        }
    }
}

impl Billed {
    fn write(billed: Option<&Self>, out: &mut Writer) {
        let count = |tokens: Option<u64>| tokens.map_or(0, |tokens| tokens.saturating_add(1));
        out.number(u64::from(billed.is_some()));
        if let Some(billed) = billed {
            out.number(count(billed.prompt_tokens))
                .number(count(billed.completion_tokens))
                .text(billed.cost_usd.as_deref().unwrap_or(""));
        }
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        (bytes.number() == 1).then(|| Self {
            prompt_tokens: bytes.number().checked_sub(1),
            completion_tokens: bytes.number().checked_sub(1),
            cost_usd: Some(bytes.text()).filter(|cost| !cost.is_empty()),
        })
    }
}

/// The attempts of one exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trail {
    /// In order.
    pub attempts: Vec<Attempt>,
    /// Whether the last answer came to its proper end.
    pub is_complete: bool,
}

/// What may follow a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt on the same target, after so many milliseconds.
    Same(u64),
    /// An attempt on another target.
    Other,
    /// Nothing: the client gets the failure.
    Nothing,
}

/// What becomes of an attempt that Envoy begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may be made, after so many milliseconds.
    Go(u64),
    /// The next entry of the order is up.
    Skip,
    /// No attempt may follow the last failure.
    End,
}

impl Trail {
    /// What follows the last attempt, which failed. `other_is_available`: a target that was not tried yet could take
    /// the request now. `seed` is any number that differs between exchanges.
    pub fn next(&self, routing: &Routing, other_is_available: bool, seed: u64) -> Next {
        let Some(last) = self.attempts.last() else {
            return Next::Nothing;
        };
        let moves = other_is_available && self.may_move(routing);
        let tries = self.tries(&last.target_id);
        if last.failure == Some(Failure::Quality) {
            return match routing.quality {
                Some(QualityFailure::Retry) if tries < routing.max_attempts() => Next::Same(0),
                Some(QualityFailure::Fallback) if moves => Next::Other,
                _ => Next::Nothing,
            };
        }
        let repeats = tries < routing.retry.max_attempts && is_retryable(last, routing);
        if repeats && !(moves && last.retry_after_ms.is_some()) {
            return Next::Same(wait_ms(&routing.retry, tries, last.retry_after_ms, seed));
        }
        if moves { Next::Other } else { Next::Nothing }
    }

    /// Whether the attempt on `target_id` that Envoy begins now may be made.
    pub fn admits(
        &self,
        target_id: &str,
        routing: &Routing,
        other_is_available: bool,
        seed: u64,
    ) -> Admission {
        let Some(last) = self.attempts.last() else {
            return Admission::Go(0);
        };
        if last.target_id == target_id {
            return match self.next(routing, other_is_available, seed) {
                Next::Same(wait_ms) => Admission::Go(wait_ms),
                Next::Other => Admission::Skip,
                Next::Nothing => Admission::End,
            };
        }
        match (self.may_move(routing), self.has_tried(target_id)) {
            (true, false) => Admission::Go(0),
            (true, true) => Admission::Skip,
            (false, _) => Admission::End,
        }
    }

    /// Whether a target was tried.
    pub fn has_tried(&self, target_id: &str) -> bool {
        self.tries(target_id) > 0
    }

    /// The last failure, if the last attempt failed.
    pub fn failure(&self) -> Option<Failure> {
        self.attempts.last()?.failure
    }

    fn tries(&self, target_id: &str) -> u32 {
        let tries = self
            .attempts
            .iter()
            .filter(|attempt| attempt.target_id == target_id);
        u32::try_from(tries.count()).unwrap_or(u32::MAX)
    }

    /// Whether the last failure is one that moves on, and the request has not moved too often.
    fn may_move(&self, routing: &Routing) -> bool {
        let mut targets: Vec<&str> = self
            .attempts
            .iter()
            .map(|attempt| attempt.target_id.as_str())
            .collect();
        targets.dedup();
        let moves = u32::try_from(targets.len().saturating_sub(1)).unwrap_or(u32::MAX);
        moves < routing.fallback.max_fallback_attempts
            && self.failure().is_some_and(|failure| match failure {
                Failure::Quality => routing.quality == Some(QualityFailure::Fallback),
                failure => routing.fallback.triggers.contains(&failure),
            })
    }

    /// As bytes; `exchange` says whose they are.
    pub fn to_bytes(&self, exchange: &str) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(exchange)
            .number(u64::from(self.is_complete))
            .number(self.attempts.len() as u64);
        for attempt in &self.attempts {
            let failure = attempt.failure.map_or("", Failure::name);
            out.text(&attempt.target_id)
                .number(attempt.status.unwrap_or(0))
                .number(attempt.latency_ms)
                .text(attempt.error.as_deref().unwrap_or(""))
                .text(failure)
                .number(attempt.retry_after_ms.map_or(0, |wait| wait + 1));
            Billed::write(attempt.billed.as_ref(), &mut out);
        }
        out.0
    }

    /// From bytes, if they are of `exchange`.
    pub fn from_bytes(bytes: &[u8], exchange: &str) -> Option<Self> {
        let mut bytes = Reader(bytes);
        if bytes.text() != exchange {
            return None;
        }
        let is_complete = bytes.number() == 1;
        let count = bytes.number().min(1000);
        let attempts = (0..count).map(|_| Attempt {
            target_id: bytes.text(),
            status: u16::try_from(bytes.number())
                .ok()
                .filter(|status| *status > 0),
            latency_ms: bytes.number(),
            error: Some(bytes.text()).filter(|error| !error.is_empty()),
            failure: Failure::named(&bytes.text()),
            retry_after_ms: bytes.number().checked_sub(1),
            billed: Billed::read(&mut bytes),
        });
        Some(Self {
            attempts: attempts.collect(),
            is_complete,
        })
    }
}

fn is_retryable(attempt: &Attempt, routing: &Routing) -> bool {
    let listed = |status: u16| routing.retry.retryable_status_codes.contains(&status);
    match (attempt.status, attempt.failure) {
        // An error in place of a stream is a 500 that came with another status.
        (Some(200..300), Some(_)) => listed(500),
        (Some(status), _) => listed(status),
        (None, failure) => failure.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Retry, Strategy};

    fn routing(max_attempts: u32) -> Routing {
        Routing {
            retry: Retry {
                max_attempts,
                ..Retry::default_policy()
            },
            ..Routing::new(Strategy::Fallback)
        }
    }

    fn failed(target_id: &str, status: Option<u16>) -> Attempt {
        Attempt {
            status,
            failure: status.map_or(Some(Failure::Connection), Failure::of_status),
            ..Attempt::begin(target_id)
        }
    }

    fn trail(attempts: impl IntoIterator<Item = Attempt>) -> Trail {
        Trail {
            attempts: attempts.into_iter().collect(),
            is_complete: true,
        }
    }

    #[test]
    fn without_retry_every_failure_moves_on() {
        let routing = routing(1);
        for status in [Some(500), Some(429), Some(503), None] {
            let trail = trail([failed("a", status)]);
            assert_eq!(trail.next(&routing, true, 0), Next::Other);
            assert_eq!(trail.next(&routing, false, 0), Next::Nothing);
        }
        assert_eq!(
            trail([failed("a", Some(404))]).next(&routing, true, 0),
            Next::Nothing
        );
    }

    #[test]
    fn attempts_on_one_target_come_first() {
        let routing = routing(2);
        let once = trail([failed("a", Some(500))]);
        assert!(matches!(
            once.next(&routing, true, 0),
            Next::Same(125..=250)
        ));
        assert!(matches!(
            once.admits("a", &routing, true, 0),
            Admission::Go(125..=250)
        ));
        let twice = trail([failed("a", Some(500)), failed("a", None)]);
        assert_eq!(twice.next(&routing, true, 0), Next::Other);
        assert_eq!(twice.admits("a", &routing, true, 0), Admission::Skip);
        assert_eq!(twice.admits("b", &routing, true, 0), Admission::Go(0));
    }

    #[test]
    fn only_listed_statuses_are_retried() {
        let mut routing = routing(3);
        routing.retry.retryable_status_codes = vec![503, 408];
        assert_eq!(
            trail([failed("a", Some(500))]).next(&routing, false, 0),
            Next::Nothing
        );
        for status in [503, 408] {
            let next = trail([failed("a", Some(status))]).next(&routing, false, 0);
            assert!(matches!(next, Next::Same(_)), "{status}");
        }
    }

    #[test]
    fn retry_after_is_for_those_who_have_nowhere_else_to_go() {
        let routing = routing(2);
        let mut limited = failed("a", Some(429));
        limited.retry_after_ms = Some(1500);
        let trail = trail([limited]);
        assert_eq!(trail.next(&routing, true, 0), Next::Other);
        assert_eq!(trail.next(&routing, false, 0), Next::Same(1500));
    }

    #[test]
    fn triggers_and_the_number_of_moves_are_kept() {
        let mut routing = routing(1);
        routing.fallback.triggers = vec![Failure::Timeout];
        let refused = trail([failed("a", None)]);
        assert_eq!(refused.next(&routing, true, 0), Next::Nothing);
        assert_eq!(refused.admits("b", &routing, true, 0), Admission::End);
        routing.fallback.triggers = Failure::ALL.to_vec();
        routing.fallback.max_fallback_attempts = 1;
        let moved = trail([failed("a", None), failed("b", None)]);
        assert_eq!(moved.next(&routing, true, 0), Next::Nothing);
        assert_eq!(moved.admits("c", &routing, true, 0), Admission::End);
    }

    #[test]
    fn a_trail_survives_its_bytes_and_belongs_to_one_exchange() {
        let mut limited = failed("a", Some(429));
        limited.retry_after_ms = Some(0);
        limited.error = Some("rate limit".into());
        let trail = trail([limited, failed("b", None)]);
        let bytes = trail.to_bytes("x1");
        assert_eq!(Trail::from_bytes(&bytes, "x1"), Some(trail));
        assert_eq!(Trail::from_bytes(&bytes, "x2"), None);
        assert_eq!(Trail::from_bytes(&bytes[..9], "x1"), None);
    }
}
