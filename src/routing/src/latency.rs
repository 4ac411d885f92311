//! How long a target took lately.

use crate::{
    bytes::{Reader, Writer},
    config::Latency,
};

/// Measurements kept per target: enough for a p95, little enough to copy with every attempt.
const KEPT: usize = 64;
/// So many measurements in a row beyond [`CHANGE`] mean that the target has changed, and the older ones no longer count.
const RUN: usize = 5;
/// How far, relative to the median so far.
const CHANGE: f64 = 1.25;

/// Measurements of one target, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latencies {
    /// When, in microseconds, and how long, in milliseconds.
    samples: Vec<(u64, u32)>,
}

/// What a new measurement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing new.
    None,
    /// The target became faster.
    Faster,
    /// The target became slower, at this time in microseconds.
    Slower(u64),
}

impl Latencies {
    /// Adds a measurement.
    pub(crate) fn add(&mut self, millis: u32, now_us: u64, config: &Latency) -> Change {
        let oldest = now_us.saturating_sub(u64::from(config.window_seconds) * 1_000_000);
        self.samples.retain(|(at_us, _)| *at_us >= oldest);
        if self.samples.len() >= KEPT {
            self.samples.remove(0);
        }
        self.samples.push((now_us, millis));
        self.forget_the_past()
    }

    /// Drops what was measured before the target changed. One outlier is no change; [`RUN`] of them in a row are.
    fn forget_the_past(&mut self) -> Change {
        let Some(past) = self.samples.len().checked_sub(RUN).filter(|past| *past > 0) else {
            return Change::None;
        };
        let (past, recent) = self.samples.split_at(past);
        let Some(median) = percentile(past, 0.5).map(f64::from) else {
            return Change::None;
        };
        let change = if recent
            .iter()
            .all(|(_, millis)| f64::from(*millis) > median * CHANGE + 1.0)
        {
            Change::Slower(recent.first().map_or(0, |(at_us, _)| *at_us))
        } else if recent
            .iter()
            .all(|(_, millis)| f64::from(*millis) * CHANGE + 1.0 < median)
        {
            Change::Faster
        } else {
            return Change::None;
        };
        self.samples = recent.to_vec();
        change
    }

    /// Measurements that count at `now_us`, and were made after `since_us`.
    fn counting(&self, now_us: u64, since_us: u64, config: &Latency) -> &[(u64, u32)] {
        let oldest = now_us
            .saturating_sub(u64::from(config.window_seconds) * 1_000_000)
            .max(since_us);
        let start = self.samples.partition_point(|(at_us, _)| *at_us < oldest);
        self.samples.get(start..).unwrap_or_default()
    }

    /// How many measurements count.
    pub fn count(&self, now_us: u64, since_us: u64, config: &Latency) -> usize {
        self.counting(now_us, since_us, config).len()
    }

    /// The value that `share` of the measurements do not exceed, in milliseconds.
    pub fn percentile(
        &self,
        share: f64,
        now_us: u64,
        since_us: u64,
        config: &Latency,
    ) -> Option<u32> {
        percentile(self.counting(now_us, since_us, config), share)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.number(self.samples.len() as u64);
        for (at_us, millis) in &self.samples {
            out.number(*at_us).number(*millis);
        }
    }

    pub(crate) fn read(bytes: &mut Reader<'_>) -> Self {
        let count = usize::try_from(bytes.number()).unwrap_or(0).min(KEPT);
        Self {
            samples: (0..count)
                .map(|_| (bytes.number(), bytes.small()))
                .collect(),
        }
    }
}

/// By the nearest rank.
fn percentile(samples: &[(u64, u32)], share: f64) -> Option<u32> {
    let mut sorted: Vec<u32> = samples.iter().map(|(_, millis)| *millis).collect();
    sorted.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 64 samples"
    )]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Latency {
        Latency::default()
    }

    #[test]
    fn percentiles_go_by_the_nearest_rank() {
        let mut latencies = Latencies::default();
        for millis in [10, 11, 12, 13, 14, 15, 16, 17, 18, 19] {
            latencies.add(millis, 1, &config());
        }
        assert_eq!(latencies.percentile(0.5, 1, 0, &config()), Some(14));
        assert_eq!(latencies.percentile(0.95, 1, 0, &config()), Some(19));
        assert_eq!(Latencies::default().percentile(0.5, 1, 0, &config()), None);
    }

    #[test]
    fn measurements_expire() {
        let mut latencies = Latencies::default();
        latencies.add(10, 0, &config());
        latencies.add(20, 400_000_000, &config());
        assert_eq!(
            latencies.percentile(0.5, 400_000_000, 0, &config()),
            Some(20)
        );
        assert_eq!(latencies.count(400_000_000, 500_000_000, &config()), 0);
    }

    #[test]
    fn a_run_replaces_the_past_and_an_outlier_does_not() {
        let mut latencies = Latencies::default();
        for _ in 0..40 {
            assert_eq!(latencies.add(20, 1, &config()), Change::None);
        }
        for outlier in [200, 200, 200, 200, 20] {
            assert_eq!(latencies.add(outlier, 1, &config()), Change::None);
        }
        for _ in 0..4 {
            latencies.add(200, 1, &config());
        }
        assert_eq!(latencies.add(200, 1, &config()), Change::Slower(1));
        assert_eq!(latencies.percentile(0.5, 1, 0, &config()), Some(200));
    }
}
