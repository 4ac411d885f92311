//! What active probes say of one target.

use crate::{
    bytes::{Reader, Writer},
    config::HealthProbe,
};

/// Failed probes in a row that take a target out of the rotation. The second follows at once.
const FAILURES: u32 = 2;

/// Whether the probes of a target succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    failures: u32,
    /// When the next probe is due, in microseconds; 0 is now.
    due_us: u64,
}

impl Health {
    /// Whether the target may be used.
    pub fn is_healthy(&self) -> bool {
        self.failures < FAILURES
    }

    /// Microseconds until the next probe.
    pub fn due_in_us(&self, now_us: u64) -> u64 {
        self.due_us.saturating_sub(now_us)
    }

    /// Takes the next probe, if it is due: whoever gets true sends it.
    pub fn claim(&mut self, probe: HealthProbe, now_us: u64) -> bool {
        let is_due = now_us >= self.due_us;
        if is_due {
            self.due_us = now_us + u64::from(probe.interval_seconds) * 1_000_000;
        }
        is_due
    }

    /// Takes a probe's result. True when a second opinion is wanted at once.
    pub fn report(&mut self, succeeded: bool) -> bool {
        if succeeded {
            self.failures = 0;
            return false;
        }
        self.failures = self.failures.saturating_add(1).min(FAILURES);
        self.is_healthy()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.number(self.failures).number(self.due_us);
    }

    pub(crate) fn read(bytes: &mut Reader<'_>) -> Self {
        Self {
            failures: bytes.small(),
            due_us: bytes.number(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: HealthProbe = HealthProbe {
        interval_seconds: 30,
        timeout_seconds: 5,
    };

    #[test]
    fn one_of_many_workers_sends_each_probe() {
        let mut health = Health::default();
        assert!(health.claim(PROBE, 5));
        assert!(!health.claim(PROBE, 5));
        assert!(health.claim(PROBE, 30_000_005));
    }

    #[test]
    fn two_failures_in_a_row_take_a_target_out_and_one_success_brings_it_back() {
        let mut health = Health::default();
        assert!(health.report(false), "asks again");
        assert!(health.is_healthy());
        assert!(!health.report(false));
        assert!(!health.is_healthy());
        health.report(true);
        assert!(health.is_healthy());
    }
}
