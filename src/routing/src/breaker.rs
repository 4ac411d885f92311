//! The circuit breaker of one target.
//!
//! ```text
//!            failure_threshold consecutive failures
//!   Closed ─────────────────────────────────────────► Open
//!     ▲                                               │ recovery_timeout_seconds
//!     │ all half_open_max_requests succeed            ▼
//!     └────────────────────────────────────────── HalfOpen ──► Open again as soon as one fails
//! ```

use crate::{
    bytes::{Reader, Writer},
    config::CircuitBreaker,
};

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Requests pass; so many failed in a row.
    Closed {
        /// Consecutive failures.
        failures: u32,
    },
    /// No request passes.
    Open,
    /// Some requests pass, to see whether the target is back.
    HalfOpen {
        /// Requests let through.
        admitted: u32,
        /// Those of them that succeeded.
        succeeded: u32,
    },
}

/// A breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    phase: Phase,
    /// When the phase began, in microseconds.
    since_us: u64,
    /// Counts the phases, so that an attempt which began in an earlier one does not speak for this one.
    turn: u64,
}

/// Proof of admission: says in which phase the attempt began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticket(u64);

impl Default for Breaker {
    fn default() -> Self {
        Self {
            phase: Phase::Closed { failures: 0 },
            since_us: 0,
            turn: 0,
        }
    }
}

impl Breaker {
    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether a request could be admitted now, without admitting one; otherwise in how many microseconds.
    pub fn would_admit(&self, config: &CircuitBreaker, now_us: u64) -> Result<(), u64> {
        let probe = micros(config.recovery_timeout_seconds);
        let left = (self.since_us + probe).saturating_sub(now_us);
        match self.phase {
            Phase::Closed { .. } => Ok(()),
            Phase::HalfOpen { admitted, .. } if admitted < config.half_open_max_requests => Ok(()),
            // Probes that never report, because a worker died, end with the next period.
            Phase::Open | Phase::HalfOpen { .. } if left == 0 => Ok(()),
            Phase::Open | Phase::HalfOpen { .. } => Err(left),
        }
    }

    /// Admits a request, if one may pass.
    pub fn admit(&mut self, config: &CircuitBreaker, now_us: u64) -> Option<Ticket> {
        self.would_admit(config, now_us).ok()?;
        match &mut self.phase {
            Phase::Closed { .. } => {}
            Phase::HalfOpen { admitted, .. } if *admitted < config.half_open_max_requests => {
                *admitted += 1;
            }
            Phase::Open | Phase::HalfOpen { .. } => self.enter(
                Phase::HalfOpen {
                    admitted: 1,
                    succeeded: 0,
                },
                now_us,
            ),
        }
        Some(Ticket(self.turn))
    }

    /// Takes the result of an attempt; `None` is one that the client gave up, which says nothing about the target.
    /// True when the breaker opens.
    pub fn report(
        &mut self,
        config: &CircuitBreaker,
        ticket: Ticket,
        succeeded: Option<bool>,
        now_us: u64,
    ) -> bool {
        if ticket.0 != self.turn {
            return false;
        }
        match (&mut self.phase, succeeded) {
            (Phase::Closed { failures }, Some(true)) => *failures = 0,
            (Phase::Closed { failures }, Some(false)) => {
                *failures += 1;
                if *failures >= config.failure_threshold {
                    self.enter(Phase::Open, now_us);
                    return true;
                }
            }
            (Phase::HalfOpen { admitted, .. }, None) => *admitted = admitted.saturating_sub(1),
            (Phase::HalfOpen { succeeded, .. }, Some(true)) => {
                *succeeded += 1;
                if *succeeded >= config.half_open_max_requests {
                    self.enter(Phase::Closed { failures: 0 }, now_us);
                }
            }
            (Phase::HalfOpen { .. }, Some(false)) => {
                self.enter(Phase::Open, now_us);
                return true;
            }
            (Phase::Open, _) | (Phase::Closed { .. }, None) => {}
        }
        false
    }

    fn enter(&mut self, phase: Phase, now_us: u64) {
        self.phase = phase;
        self.since_us = now_us;
        self.turn += 1;
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        let (phase, first, second) = match self.phase {
            Phase::Closed { failures } => (0_u64, failures, 0),
            Phase::Open => (1, 0, 0),
            Phase::HalfOpen {
                admitted,
                succeeded,
            } => (2, admitted, succeeded),
        };
        out.number(phase)
            .number(first)
            .number(second)
            .number(self.since_us)
            .number(self.turn);
    }

    pub(crate) fn read(bytes: &mut Reader<'_>) -> Self {
        let (phase, first, second) = (bytes.number(), bytes.small(), bytes.small());
        Self {
            phase: match phase {
                1 => Phase::Open,
                2 => Phase::HalfOpen {
                    admitted: first,
                    succeeded: second,
                },
                _ => Phase::Closed { failures: first },
            },
            since_us: bytes.number(),
            turn: bytes.number(),
        }
    }
}

fn micros(seconds: u32) -> u64 {
    u64::from(seconds) * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: CircuitBreaker = CircuitBreaker {
        failure_threshold: 3,
        recovery_timeout_seconds: 10,
        half_open_max_requests: 2,
    };
    const SECOND: u64 = 1_000_000;

    fn attempt(breaker: &mut Breaker, succeeded: bool, now_us: u64) {
        let ticket = breaker.admit(&CONFIG, now_us).unwrap();
        breaker.report(&CONFIG, ticket, Some(succeeded), now_us);
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            attempt(&mut breaker, false, SECOND);
        }
        breaker
    }

    #[test]
    fn consecutive_failures_open_it() {
        let mut breaker = Breaker::default();
        for succeeded in [false, false, true, false, false] {
            attempt(&mut breaker, succeeded, SECOND);
        }
        assert_eq!(breaker.phase(), Phase::Closed { failures: 2 });
        attempt(&mut breaker, false, SECOND);
        assert_eq!(breaker.phase(), Phase::Open);
        assert_eq!(
            breaker.would_admit(&CONFIG, 5 * SECOND),
            Err(6 * SECOND),
            "opened at 1 s for 10 s"
        );
    }

    #[test]
    fn probes_are_counted_and_all_must_succeed() {
        let mut breaker = opened();
        let now = 11 * SECOND;
        let first = breaker.admit(&CONFIG, now).unwrap();
        let second = breaker.admit(&CONFIG, now).unwrap();
        assert_eq!(breaker.admit(&CONFIG, now), None);
        breaker.report(&CONFIG, first, Some(true), now);
        assert_eq!(breaker.admit(&CONFIG, now), None, "both slots are used");
        breaker.report(&CONFIG, second, Some(true), now);
        assert_eq!(breaker.phase(), Phase::Closed { failures: 0 });
    }

    #[test]
    fn one_failed_probe_opens_it_again() {
        let mut breaker = opened();
        let first = breaker.admit(&CONFIG, 11 * SECOND).unwrap();
        let second = breaker.admit(&CONFIG, 11 * SECOND).unwrap();
        breaker.report(&CONFIG, first, Some(false), 12 * SECOND);
        assert_eq!(breaker.phase(), Phase::Open);
        breaker.report(&CONFIG, second, Some(true), 12 * SECOND);
        assert_eq!(breaker.phase(), Phase::Open, "an old probe has no say");
        assert_eq!(breaker.admit(&CONFIG, 21 * SECOND), None);
        assert!(breaker.admit(&CONFIG, 22 * SECOND).is_some());
    }

    #[test]
    fn attempts_from_before_have_no_say() {
        let mut breaker = Breaker::default();
        let old = breaker.admit(&CONFIG, 0).unwrap();
        for _ in 0..3 {
            attempt(&mut breaker, false, SECOND);
        }
        breaker.report(&CONFIG, old, Some(true), 2 * SECOND);
        assert_eq!(breaker.phase(), Phase::Open);
    }

    #[test]
    fn a_client_that_hangs_up_gives_its_slot_back() {
        let mut breaker = opened();
        let now = 11 * SECOND;
        let first = breaker.admit(&CONFIG, now).unwrap();
        breaker.admit(&CONFIG, now).unwrap();
        breaker.report(&CONFIG, first, None, now);
        assert!(breaker.admit(&CONFIG, now).is_some());
    }

    #[test]
    fn probes_that_never_report_end_with_the_period() {
        let mut breaker = opened();
        for _ in 0..2 {
            breaker.admit(&CONFIG, 11 * SECOND).unwrap();
        }
        assert_eq!(breaker.admit(&CONFIG, 20 * SECOND), None);
        assert!(breaker.admit(&CONFIG, 21 * SECOND).is_some());
    }
}
