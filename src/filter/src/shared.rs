//! What all workers know together, in Envoy's shared data.
//!
//! Envoy cannot delete shared data, so the number of keys is fixed: one per target, a few for the choice, and a ring of
//! slots for the exchanges in flight.

use kt_policy::{FilterConfig, meters::Shown};
use kt_routing::{
    Shared, TargetState, Trail,
    choose::{self, Choice, Moment},
};

use crate::host;

const TURN: &str = "kt.turn";
const FAVOURITE: &str = "kt.favourite";
const FRESH_SINCE: &str = "kt.fresh_since";
const SECRET: &str = "kt.secret";
/// Hashes of the ids of exceptions that were used since the start.
const USED: &str = "kt.used";

fn target_key(id: &str) -> String {
    format!("kt.target.{id}")
}

/// Most workers that show their counts; a machine that starts goes on with those of one that ended.
const WORKERS: u32 = 1024;

fn worker_key(number: u32) -> String {
    format!("kt.worker.{number}")
}

/// Takes a place for the counts of this machine; what was counted there before goes on.
pub(crate) fn join_workers(now_us: u64) -> Option<(u32, Shown)> {
    (0..WORKERS).find_map(|number| {
        let taken = host::update(&worker_key(number), |bytes| {
            let before = bytes.map_or_else(Shown::default, Shown::from_bytes);
            if !before.has_ended(now_us) {
                return (bytes.unwrap_or_default().to_vec(), None);
            }
            let mut mine = before;
            mine.at_us = now_us;
            (mine.to_bytes(), Some(mine))
        });
        Some((number, taken??))
    })
}

/// Shows the others what this machine counted.
pub(crate) fn show_worker(number: u32, shown: &Shown) {
    host::share(&worker_key(number), &shown.to_bytes());
}

/// What all machines show.
pub(crate) fn workers() -> Vec<Shown> {
    let bytes = (0..WORKERS).map_while(|number| host::shared(&worker_key(number)));
    bytes.map(|bytes| Shown::from_bytes(&bytes)).collect()
}

/// What is known of a target.
pub(crate) fn state(id: &str) -> TargetState {
    host::shared(&target_key(id)).map_or_else(TargetState::default, |bytes| {
        TargetState::from_bytes(&bytes)
    })
}

/// What is known of all targets.
pub(crate) fn states(config: &FilterConfig) -> Vec<TargetState> {
    config
        .targets
        .iter()
        .map(|target| state(&target.id))
        .collect()
}

/// Changes what is known of a target. `None` when Envoy refuses.
pub(crate) fn change_state<T>(
    id: &str,
    mut change: impl FnMut(&mut TargetState) -> T,
) -> Option<T> {
    host::update(&target_key(id), |bytes| {
        let mut state = bytes.map_or_else(TargetState::default, TargetState::from_bytes);
        let result = change(&mut state);
        (state.to_bytes(), result)
    })
}

/// Makes the keys of all targets, before there are workers that could do it at the same time. The first `secret` stays.
pub(crate) fn prepare(config: &FilterConfig, secret: &[u8]) {
    if host::shared(SECRET).is_none() {
        host::share(SECRET, secret);
    }
    for target in &config.targets {
        if host::shared(&target_key(&target.id)).is_none() {
            host::share(&target_key(&target.id), &TargetState::default().to_bytes());
        }
    }
    if host::shared(TURN).is_none() {
        host::share(TURN, &0_u64.to_le_bytes());
    }
}

/// The secret of this process, the same in all workers.
pub(crate) fn secret() -> Option<[u8; 32]> {
    host::shared(SECRET)?.try_into().ok()
}

/// Whether an exception was used since the start.
pub(crate) fn is_used(id: &str) -> bool {
    host::shared(USED).is_some_and(|used| is_among(id, &used))
}

/// Notes that an exception was used.
pub(crate) fn note_use(id: &str) {
    if is_used(id) {
        return;
    }
    host::update(USED, |bytes| {
        let mut used = bytes.unwrap_or_default().to_vec();
        if !is_among(id, &used) {
            used.extend_from_slice(&hash(id).to_le_bytes());
        }
        (used, ())
    });
}

fn is_among(id: &str, used: &[u8]) -> bool {
    let mut known = used.chunks_exact(4);
    known.any(|known| known == hash(id).to_le_bytes())
}

fn number(key: &str) -> u64 {
    host::shared(key)
        .and_then(|bytes| bytes.first_chunk().copied())
        .map_or(0, u64::from_le_bytes)
}

/// Chooses the first target of a request among those of `set`, by their places; what is chosen is a place in the set.
pub(crate) fn choose(config: &FilterConfig, set: &[usize], now_us: u64) -> Choice {
    use kt_routing::Strategy::{Latency, RoundRobin, WeightedRoundRobin};
    let strategy = config.routing.strategy;
    let takes_turns = matches!(strategy, Latency | RoundRobin | WeightedRoundRobin);
    let is_measured = strategy == Latency;
    let favourite = if is_measured { number(FAVOURITE) } else { 0 };
    let place_of = |index: u64| set.iter().position(|place| *place as u64 == index);
    let moment = Moment {
        now_us,
        turn: if takes_turns { take_turn() } else { 0 },
        favourite: place_of(favourite).unwrap_or(usize::MAX),
        fresh_since_us: if is_measured { number(FRESH_SINCE) } else { 0 },
    };
    let targets = || set.iter().filter_map(|place| config.targets.get(*place));
    let weights: Vec<f64> = targets().map(|target| target.weight).collect();
    let states: Vec<TargetState> = targets().map(|target| state(&target.id)).collect();
    let choice = choose::first(&config.routing, &states, &weights, moment);
    if let Choice::Fastest(index) = choice
        && let Some(place) = set.get(index)
        && *place as u64 != favourite
    {
        host::share(FAVOURITE, &(*place as u64).to_le_bytes());
    }
    choice
}

fn take_turn() -> u64 {
    let taken = host::update(TURN, |bytes| {
        let turn = bytes
            .and_then(|bytes| bytes.first_chunk().copied())
            .map_or(0, u64::from_le_bytes);
        (turn.wrapping_add(1).to_le_bytes().to_vec(), turn)
    });
    taken.unwrap_or(0)
}

/// FNV-1a (Fowler, Noll, Vo).
pub(crate) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Where the trail of an exchange lies: each machine has 4,096 places in turn, by the last digits of its number and of the
/// count that make up the name of an exchange. With more exchanges in flight on one worker the oldest loses its trail.
fn slot(exchange: &str) -> String {
    let (machine, count) = exchange.split_once('-').unwrap_or((exchange, ""));
    let last = |digits: &str, len: usize| {
        digits
            .get(digits.len().saturating_sub(len)..)
            .unwrap_or_default()
            .to_owned()
    };
    format!("kt.trail.{}.{}", last(machine, 2), last(count, 3))
}

/// What happened to an exchange so far.
pub(crate) fn trail(exchange: &str) -> Trail {
    host::shared(&slot(exchange))
        .and_then(|bytes| Trail::from_bytes(&bytes, exchange))
        .unwrap_or_default()
}

/// All of it, as the attempts of an exchange use it.
pub(crate) struct Workers<'c> {
    config: &'c FilterConfig,
    /// The targets that the exchange may have, by their places.
    set: &'c [usize],
}

impl<'c> Workers<'c> {
    pub(crate) fn new(config: &'c FilterConfig, set: &'c [usize]) -> Self {
        Self { config, set }
    }
}

impl Shared for Workers<'_> {
    fn targets(&self) -> Vec<String> {
        let targets = self.set.iter();
        targets
            .filter_map(|place| self.config.targets.get(*place))
            .map(|target| target.id.clone())
            .collect()
    }

    fn state(&self, target: &str) -> TargetState {
        state(target)
    }

    fn change(&mut self, target: &str, change: &mut dyn FnMut(&mut TargetState)) -> bool {
        change_state(target, change).is_some()
    }

    fn forget_before(&mut self, at_us: u64) {
        host::share(FRESH_SINCE, &at_us.to_le_bytes());
    }

    fn trail(&self, exchange: &str) -> Trail {
        trail(exchange)
    }

    fn keep(&mut self, exchange: &str, trail: &Trail) {
        host::share(&slot(exchange), &trail.to_bytes(exchange));
    }
}
