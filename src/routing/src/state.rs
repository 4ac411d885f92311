//! All that is known of one target, shared by all workers.

use crate::{
    breaker::{Breaker, Phase, Ticket},
    bytes::{Reader, Writer},
    config::{CircuitBreaker, Failure, Latency},
    health::Health,
    latency::{Change, Latencies},
};

/// First number of a stored state; another layout gets another number.
const LAYOUT: u64 = 1;

/// What is known of a target. The default is a target of which nothing is known: it may be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetState {
    /// Its circuit breaker.
    pub breaker: Breaker,
    /// Its probes.
    pub health: Health,
    /// How long it took: to the first token of a stream, to the answer otherwise.
    pub latencies: Latencies,
    /// Attempts that began.
    pub attempts: u64,
    /// Attempts that it answered.
    pub successes: u64,
    /// Attempts that failed, in the order of [`Failure::ALL`].
    pub failures: [u64; 4],
    /// How often the breaker opened.
    pub opened: u64,
    /// The last failure in words, without anything of the exchange; empty if there was none.
    pub last_error: String,
    /// When that was, in microseconds since 1970.
    pub last_error_at_us: u64,
}

/// Whether and why a target is in the rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is.
    Closed,
    /// Only as many requests as probe it.
    HalfOpen,
    /// Not for so many microseconds: the breaker is open.
    Open(u64),
    /// Not until a probe succeeds, the next of which is due in so many microseconds.
    Unhealthy(u64),
}

impl Condition {
    /// Its name in `/keeptrusts/providers/metrics`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open(_) => "open",
            Self::Unhealthy(_) => "unhealthy",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending<'e> {
    /// The target answered.
    Answered,
    /// The target failed; what happened, in words.
    Failed(Failure, &'e str),
    /// The client gave up first.
    Abandoned,
}

impl TargetState {
    /// Whether and why it is in the rotation.
    pub fn condition(&self, breaker: Option<&CircuitBreaker>, now_us: u64) -> Condition {
        if !self.health.is_healthy() {
            return Condition::Unhealthy(self.health.due_in_us(now_us));
        }
        match (self.breaker.phase(), breaker) {
            (Phase::Open | Phase::HalfOpen { .. }, Some(config)) => {
                match self.breaker.would_admit(config, now_us) {
                    Ok(()) => Condition::HalfOpen,
                    Err(_) if matches!(self.breaker.phase(), Phase::HalfOpen { .. }) => {
                        Condition::HalfOpen
                    }
                    Err(left) => Condition::Open(left),
                }
            }
            _ => Condition::Closed,
        }
    }

    /// Whether a request could go there now; otherwise in how many microseconds it is worth asking again.
    pub fn available(&self, breaker: Option<&CircuitBreaker>, now_us: u64) -> Result<(), u64> {
        if !self.health.is_healthy() {
            return Err(self.health.due_in_us(now_us));
        }
        breaker.map_or(Ok(()), |config| self.breaker.would_admit(config, now_us))
    }

    /// Admits an attempt, if one may go there now.
    pub fn admit(&mut self, breaker: Option<&CircuitBreaker>, now_us: u64) -> Option<Ticket> {
        if !self.health.is_healthy() {
            return None;
        }
        let ticket = match breaker {
            Some(config) => self.breaker.admit(config, now_us)?,
            None => Ticket::default(),
        };
        self.attempts += 1;
        Some(ticket)
    }

    /// Takes the end of an attempt.
    pub fn report(
        &mut self,
        breaker: Option<&CircuitBreaker>,
        ticket: Ticket,
        ending: Ending<'_>,
        now_us: u64,
    ) {
        let succeeded = match ending {
            Ending::Answered => {
                self.successes += 1;
                Some(true)
            }
            Ending::Failed(failure, words) => {
                let place = Failure::ALL.iter().position(|other| *other == failure);
                if let Some(count) = place.and_then(|place| self.failures.get_mut(place)) {
                    *count += 1;
                }
                self.note_error(words, now_us);
                Some(false)
            }
            Ending::Abandoned => None,
        };
        if let Some(config) = breaker
            && self.breaker.report(config, ticket, succeeded, now_us)
        {
            self.opened += 1;
        }
    }

    /// Keeps what went wrong.
    pub fn note_error(&mut self, words: &str, now_us: u64) {
        words.clone_into(&mut self.last_error);
        self.last_error_at_us = now_us;
    }

    /// Adds a measurement. When the target became slower, says since when: what is known of the others is too old to
    /// choose by.
    pub fn measure(&mut self, millis: u32, config: &Latency, now_us: u64) -> Option<u64> {
        match self.latencies.add(millis, now_us, config) {
            Change::Slower(since_us) => Some(since_us),
            Change::Faster | Change::None => None,
        }
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(LAYOUT);
        self.breaker.write(&mut out);
        self.health.write(&mut out);
        out.number(self.attempts).number(self.successes);
        for count in self.failures {
            out.number(count);
        }
        out.number(self.opened)
            .number(self.last_error_at_us)
            .text(&self.last_error);
        self.latencies.write(&mut out);
        out.0
    }

    /// From bytes. What another version wrote is forgotten.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bytes = Reader(bytes);
        if bytes.number() != LAYOUT {
            return Self::default();
        }
        let breaker = Breaker::read(&mut bytes);
        let health = Health::read(&mut bytes);
        let (attempts, successes) = (bytes.number(), bytes.number());
        let failures = std::array::from_fn(|_| bytes.number());
        let (opened, last_error_at_us) = (bytes.number(), bytes.number());
        let last_error = bytes.text();
        Self {
            breaker,
            health,
            attempts,
            successes,
            failures,
            opened,
            last_error,
            last_error_at_us,
            latencies: Latencies::read(&mut bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BREAKER: CircuitBreaker = CircuitBreaker {
        failure_threshold: 1,
        recovery_timeout_seconds: 10,
        half_open_max_requests: 1,
    };

    #[test]
    fn a_state_survives_its_bytes() {
        let mut state = TargetState::default();
        let ticket = state.admit(Some(&BREAKER), 5).unwrap();
        let ending = Ending::Failed(Failure::Timeout, "upstream_response_timeout");
        state.report(Some(&BREAKER), ticket, ending, 7);
        state.measure(40, &Latency::default(), 8);
        state.health.report(false);
        assert_eq!(state.opened, 1);
        assert_eq!(TargetState::from_bytes(&state.to_bytes()), state);
    }

    #[test]
    fn the_condition_says_why() {
        let mut state = TargetState::default();
        assert_eq!(state.condition(Some(&BREAKER), 0), Condition::Closed);
        let ticket = state.admit(Some(&BREAKER), 0).unwrap();
        state.report(
            Some(&BREAKER),
            ticket,
            Ending::Failed(Failure::Connection, "x"),
            0,
        );
        assert_eq!(
            state.condition(Some(&BREAKER), 4_000_000),
            Condition::Open(6_000_000)
        );
        assert_eq!(
            state.condition(Some(&BREAKER), 10_000_000),
            Condition::HalfOpen
        );
        state.admit(Some(&BREAKER), 10_000_000).unwrap();
        assert_eq!(
            state.condition(Some(&BREAKER), 10_000_001),
            Condition::HalfOpen
        );
        assert!(state.available(Some(&BREAKER), 10_000_001).is_err());
        state.health.report(false);
        state.health.report(false);
        assert!(matches!(
            state.condition(Some(&BREAKER), 10_000_001),
            Condition::Unhealthy(_)
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_fail(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut tagged = LAYOUT.to_le_bytes().to_vec();
            tagged.extend_from_slice(&bytes);
            TargetState::from_bytes(&tagged);
        }
    }
}
