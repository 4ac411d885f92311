//! Which target a request goes to first.

use crate::{
    config::{Routing, Strategy},
    delay::mix,
    state::TargetState,
};

/// Another target must be faster by this factor before the choice changes, so that it does not flap.
const CLEARLY_FASTER: f64 = 0.8;

/// The moment of a choice.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Microseconds since 1970.
    pub now_us: u64,
    /// How many choices were made before.
    pub turn: u64,
    /// The target that was chosen for being the fastest last time.
    pub favourite: usize,
    /// Measurements before this time are too old.
    pub fresh_since_us: u64,
}

/// A choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// This target first.
    First(usize),
    /// This target first, for being the fastest.
    Fastest(usize),
    /// No target can take a request; one may in so many microseconds.
    NoTarget(u64),
}

/// Chooses among the targets; `weights` are theirs.
pub fn first(routing: &Routing, states: &[TargetState], weights: &[f64], moment: Moment) -> Choice {
    let breaker = routing.circuit_breaker.as_ref();
    let mut available = Vec::with_capacity(states.len());
    let mut soonest = u64::MAX;
    for (index, state) in states.iter().enumerate() {
        match state.available(breaker, moment.now_us) {
            Ok(()) => available.push(index),
            Err(left_us) => soonest = soonest.min(left_us),
        }
    }
    let Some(listed_first) = available.first().copied() else {
        return Choice::NoTarget(soonest);
    };
    match routing.strategy {
        Strategy::Single | Strategy::Fallback => Choice::First(listed_first),
        Strategy::RoundRobin => {
            let place = usize::try_from(moment.turn % available.len() as u64).unwrap_or(0);
            Choice::First(available.get(place).copied().unwrap_or(listed_first))
        }
        Strategy::WeightedRoundRobin => {
            let weight = |index| weights.get(index).copied().unwrap_or(1.0);
            Choice::First(weighted(&available, weight, moment.turn))
        }
        Strategy::Latency => fastest(routing, states, &available, moment),
    }
}

/// The target whose share the turn falls into. Turns fall on the line of all shares at multiples of the golden ratio,
/// which keeps the counts close to the shares at every time, not only in the long run (Weyl's sequence).
fn weighted(available: &[usize], weight: impl Fn(usize) -> f64, turn: u64) -> usize {
    let total: f64 = available.iter().map(|index| weight(*index)).sum();
    let mut left = turn_share(turn) * total;
    for index in available {
        left -= weight(*index);
        if left < 0.0 {
            return *index;
        }
    }
    available.last().copied().unwrap_or(0)
}

/// The turn's place in [0, 1).
fn turn_share(turn: u64) -> f64 {
    /// 2^64 divided by the golden ratio.
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    #[expect(clippy::cast_precision_loss, reason = "a place, not a count")]
    let place = (turn.wrapping_mul(GOLDEN) >> 11) as f64;
    place / 9_007_199_254_740_992.0
}

/// The target with the lowest p50; first those that have too few measurements, and now and then another one.
fn fastest(
    routing: &Routing,
    states: &[TargetState],
    available: &[usize],
    moment: Moment,
) -> Choice {
    let (config, now_us) = (&routing.latency, moment.now_us);
    let measured = |index: usize| {
        states.get(index).map_or(0, |state| {
            state.latencies.count(now_us, moment.fresh_since_us, config)
        })
    };
    let enough = usize::try_from(config.min_samples).unwrap_or(usize::MAX);
    if let Some(unknown) = available
        .iter()
        .copied()
        .filter(|index| measured(*index) < enough)
        .min_by_key(|index| measured(*index))
    {
        return Choice::First(unknown);
    }
    let p50 = |index: usize| {
        let state = states.get(index);
        let p50 = state.and_then(|state| {
            state
                .latencies
                .percentile(0.5, now_us, moment.fresh_since_us, config)
        });
        p50.map_or(f64::MAX, f64::from)
    };
    let best = available
        .iter()
        .copied()
        .min_by(|left, right| p50(*left).total_cmp(&p50(*right)))
        .unwrap_or(0);
    let keeps =
        available.contains(&moment.favourite) && p50(best) > p50(moment.favourite) * CLEARLY_FASTER;
    let best = if keeps { moment.favourite } else { best };
    let others: Vec<usize> = available
        .iter()
        .copied()
        .filter(|index| *index != best)
        .collect();
    if turn_share(moment.turn) < config.exploration && !others.is_empty() {
        let pick = usize::try_from(mix(moment.turn) % others.len() as u64).unwrap_or(0);
        return Choice::First(others.get(pick).copied().unwrap_or(best));
    }
    Choice::Fastest(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{CircuitBreaker, Failure, Latency},
        state::Ending,
    };

    const BREAKER: CircuitBreaker = CircuitBreaker {
        failure_threshold: 1,
        recovery_timeout_seconds: 10,
        half_open_max_requests: 1,
    };

    fn routing(strategy: Strategy) -> Routing {
        Routing {
            circuit_breaker: Some(BREAKER),
            ..Routing::new(strategy)
        }
    }

    fn moment(turn: u64) -> Moment {
        Moment {
            now_us: 1_000_000,
            turn,
            favourite: 0,
            fresh_since_us: 0,
        }
    }

    fn open() -> TargetState {
        let mut state = TargetState::default();
        let ticket = state.admit(Some(&BREAKER), 0).unwrap();
        state.report(
            Some(&BREAKER),
            ticket,
            Ending::Failed(Failure::Timeout, "x"),
            0,
        );
        state
    }

    fn index(choice: Choice) -> usize {
        match choice {
            Choice::First(index) | Choice::Fastest(index) => index,
            Choice::NoTarget(_) => panic!("no target"),
        }
    }

    #[test]
    fn fallback_takes_the_first_that_is_available() {
        let states = [open(), TargetState::default()];
        let routing = routing(Strategy::Fallback);
        assert_eq!(first(&routing, &states, &[], moment(0)), Choice::First(1));
        let all_open = [open(), open()];
        assert_eq!(
            first(&routing, &all_open, &[], moment(0)),
            Choice::NoTarget(9_000_000)
        );
    }

    #[test]
    fn shares_are_kept_at_every_length() {
        let states = vec![TargetState::default(); 3];
        let weights = [3.0, 1.0, 0.0];
        let mut counts = [0.0; 3];
        for turn in 0..4000 {
            let index = index(first(
                &routing(Strategy::WeightedRoundRobin),
                &states,
                &weights,
                moment(turn),
            ));
            counts[index] += 1.0;
            let total: f64 = counts.iter().sum();
            assert!((counts[0] - total * 0.75).abs() < 4.0, "{turn}: {counts:?}");
        }
        assert!(counts[2] < 0.5);
    }

    #[test]
    fn round_robin_leaves_out_what_is_open() {
        let states = [TargetState::default(), open(), TargetState::default()];
        let mut counts = [0; 3];
        for turn in 0..100 {
            counts[index(first(
                &routing(Strategy::RoundRobin),
                &states,
                &[],
                moment(turn),
            ))] += 1;
        }
        assert_eq!(counts, [50, 0, 50]);
    }

    /// Two targets whose latencies swap: who gets the traffic, over time.
    #[test]
    fn latency_follows_the_faster_target_without_flapping() {
        let routing = routing(Strategy::Latency);
        let mut states = vec![TargetState::default(); 2];
        let (mut favourite, mut fresh_since_us, mut now_us, mut switches) = (0, 0, 0, 0);
        let mut served = Vec::new();
        for turn in 0..900_u64 {
            now_us += 10_000;
            let choice = first(
                &routing,
                &states,
                &[],
                Moment {
                    now_us,
                    turn,
                    favourite,
                    fresh_since_us,
                },
            );
            if let Choice::Fastest(index) = choice {
                switches += u32::from(index != favourite);
                favourite = index;
            }
            let index = index(choice);
            let fast = usize::from((turn / 300) % 2 != 0);
            let noise = (mix(turn) % 9) as u32;
            let millis = if index == fast {
                40 + noise
            } else {
                90 + noise
            };
            if let Some(since_us) = states[index].measure(millis, &Latency::default(), now_us) {
                fresh_since_us = since_us;
            }
            served.push(index == fast);
        }
        for start in [0, 300, 600] {
            let after = &served[start + 50..start + 300];
            let hits = after.iter().filter(|hit| **hit).count();
            assert!(
                hits * 10 >= after.len() * 9,
                "from {start}: {hits} of {}",
                after.len()
            );
        }
        assert!(switches <= 4, "{switches}");
    }

    #[test]
    fn equal_targets_do_not_flap() {
        let routing = routing(Strategy::Latency);
        let mut states = vec![TargetState::default(); 2];
        let (mut favourite, mut fresh_since_us, mut switches) = (0, 0, 0);
        for turn in 0..2000_u64 {
            let moment = Moment {
                now_us: turn * 10_000,
                turn,
                favourite,
                fresh_since_us,
            };
            let choice = first(&routing, &states, &[], moment);
            if let Choice::Fastest(index) = choice {
                switches += u32::from(index != favourite);
                favourite = index;
            }
            let millis = 100 + (mix(turn) % 100) as u32;
            if let Some(since_us) =
                states[index(choice)].measure(millis, &Latency::default(), turn * 10_000)
            {
                fresh_since_us = since_us;
            }
        }
        assert!(switches <= 20, "{switches}");
    }
}
