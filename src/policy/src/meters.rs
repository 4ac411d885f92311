//! What is counted for `/metrics`.
//!
//! Each worker counts in its own memory, since nothing there is shared and nothing waits, and writes its counts about once a
//! second to a place that all workers can read ([`Shown`]). A page adds them up. A worker that starts goes
//! on with the counts of one that ended.

mod page;

use std::collections::BTreeMap;

pub use page::page;

use crate::{
    event::{Facts, Outcome},
    exchange::Exchange,
    filter_config::FilterConfig,
    memory::MemoryUse,
    policy::PolicyKind,
    verdict::{Phase, Verdict},
};

/// Upper bounds of latencies, in microseconds.
const LATENCIES: &[u64] = &[
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];
/// Upper bounds of scores, in hundredths.
const SCORES: &[u64] = &[10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

/// What is counted. The order is that of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Requests,
    Tokens,
    UnknownUsage,
    Cost,
    UnknownCost,
    Latency,
    FirstToken,
    Evaluations,
    Quality,
    Faults,
    Would,
    Remembered,
    Unlogged,
}

impl Family {
    const ALL: [Self; 13] = [
        Self::Requests,
        Self::Tokens,
        Self::UnknownUsage,
        Self::Cost,
        Self::UnknownCost,
        Self::Latency,
        Self::FirstToken,
        Self::Evaluations,
        Self::Quality,
        Self::Faults,
        Self::Would,
        Self::Remembered,
        Self::Unlogged,
    ];

    /// Upper bounds of its buckets, if it is a histogram.
    fn bounds(self) -> Option<&'static [u64]> {
        match self {
            Self::Latency | Self::FirstToken => Some(LATENCIES),
            Self::Quality => Some(SCORES),
            _ => None,
        }
    }
}

/// Stands for no target.
const NO_TARGET: u16 = u16::MAX;
/// The cell of a histogram that holds the sum of its values; those before it hold its buckets.
const SUM: u8 = u8::MAX;

/// One number: a family, labels as small numbers, and a cell of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    family: Family,
    labels: [u16; 3],
    cell: u8,
}

/// The counts of one worker under one configuration.
#[derive(Debug, Default)]
pub struct Meters {
    counts: BTreeMap<Series, u128>,
    is_changed: bool,
}

/// What a worker shows to the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// When that was, in microseconds since 1970.
    pub at_us: u64,
    /// Bytes of bodies that it holds.
    pub held_bytes: u64,
    /// Memory of its machine.
    pub memory_bytes: u64,
    /// What it keeps of texts that were judged.
    pub history_bytes: u64,
    /// What it counted, and those before it.
    pub sums: Sums,
}

/// Counts by family, labels as the page has them, and cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums(BTreeMap<(Family, String, u8), u128>);

impl Meters {
    /// Whether anything was counted since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Counts a failure of the engine.
    pub fn fault(&mut self) {
        self.add(Family::Faults, [0; 3], 1);
    }

    /// Counts a request that was refused since its event could not be written.
    pub fn unlogged(&mut self) {
        self.add(Family::Unlogged, [0; 3], 1);
    }

    /// Counts the texts of a request that had been judged before, and those that had not.
    pub fn remembered(&mut self, uses: MemoryUse) {
        for (was_known, count) in [(0, uses.misses), (1, uses.hits)] {
            if count > 0 {
                self.add(Family::Remembered, [was_known, 0, 0], count.into());
            }
        }
    }

    /// Counts an exchange that is over.
    pub fn note(&mut self, exchange: &Exchange, facts: &Facts) {
        let engine = exchange.engine();
        let target_of = |id: &str| target_index(engine.config(), id);
        let last = facts.attempts.last();
        let target = last.map_or(NO_TARGET, |attempt| target_of(&attempt.target_id));
        let verdict = Outcome::of(exchange, facts).verdict;
        self.add(
            Family::Requests,
            [target, facts.status, verdict_number(verdict)],
            1,
        );
        if let Some(would) = exchange.would() {
            let verdict = Outcome::of(would, facts).verdict;
            self.add(Family::Would, [verdict_number(verdict), 0, 0], 1);
        }
        for result in exchange.tally().results() {
            let labels = [
                kind_number(result.kind),
                u16::from(result.phase == Phase::Output),
                verdict_number(result.verdict),
            ];
            self.add(Family::Evaluations, labels, 1);
        }
        let latency = facts.ended_us.saturating_sub(facts.started_us);
        self.measure(Family::Latency, [target, 0, 0], latency);
        if let Some(first) = facts.first_byte_us {
            let waited = first.saturating_sub(facts.started_us);
            self.measure(Family::FirstToken, [target, 0, 0], waited);
        }
        if let Some(score) = exchange.tally().quality() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a score lies between 0 and 1"
            )]
            let hundredths = (score * 100.0).round() as u64;
            self.measure(Family::Quality, [0; 3], hundredths);
        }
        for attempt in &facts.attempts {
            if let Some(billed) = &attempt.billed {
                let cost = billed
                    .cost_usd
                    .as_deref()
                    .and_then(|cost| cost.parse().ok());
                let counts = [billed.prompt_tokens, billed.completion_tokens];
                self.spend(target_of(&attempt.target_id), counts, cost);
            }
        }
        if last.is_some_and(|last| matches!(last.status, Some(200..300))) {
            let usage = exchange.usage();
            let pricing = last.and_then(|last| engine.target(&last.target_id)?.pricing);
            let cost = pricing.and_then(|pricing| pricing.cost(usage));
            let counts = [usage.prompt_tokens, usage.completion_tokens];
            self.spend(target, counts, cost);
        }
    }

    /// Counts what an answer took. What is not known is counted as that.
    fn spend(&mut self, target: u16, tokens: [Option<u64>; 2], cost: Option<crate::Usd>) {
        for (direction, count) in (0..).zip(tokens) {
            if let Some(count) = count {
                self.add(Family::Tokens, [target, direction, 0], count.into());
            }
        }
        if tokens.contains(&None) {
            self.add(Family::UnknownUsage, [target, 0, 0], 1);
        }
        match cost {
            Some(cost) => self.add(Family::Cost, [target, 0, 0], cost.units()),
            None => self.add(Family::UnknownCost, [target, 0, 0], 1),
        }
    }

    fn add(&mut self, family: Family, labels: [u16; 3], amount: u128) {
        self.add_to(
            Series {
                family,
                labels,
                cell: 0,
            },
            amount,
        );
    }

    fn add_to(&mut self, series: Series, amount: u128) {
        let count = self.counts.entry(series).or_default();
        *count = count.saturating_add(amount);
        self.is_changed = true;
    }

    fn measure(&mut self, family: Family, labels: [u16; 3], value: u64) {
        let bounds = family.bounds().unwrap_or_default();
        let bucket = bounds.partition_point(|bound| *bound < value);
        let cell = u8::try_from(bucket).unwrap_or(SUM - 1);
        let series = |cell| Series {
            family,
            labels,
            cell,
        };
        self.add_to(series(cell), 1);
        self.add_to(series(SUM), value.into());
    }

    /// The counts, by the labels of the configuration.
    pub fn sums(&self, config: &FilterConfig) -> Sums {
        let mut all = Sums::default();
        for (series, count) in &self.counts {
            let labels = page::labels(*series, config);
            all.add(series.family, labels, series.cell, *count);
        }
        all
    }
}

impl Shown {
    /// A worker that has not shown anything for so long, in microseconds, has ended.
    const LIFETIME_US: u64 = 60_000_000;

    /// Whether the worker is there no more, so that another may go on with its counts.
    pub fn has_ended(&self, now_us: u64) -> bool {
        self.at_us.saturating_add(Self::LIFETIME_US) < now_us
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = [
            self.at_us,
            self.held_bytes,
            self.memory_bytes,
            self.history_bytes,
        ];
        let mut bytes = numbers.map(u64::to_le_bytes).concat();
        bytes.extend(self.sums.to_bytes());
        bytes
    }

    /// From bytes; what has another form is left out.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            let bytes = bytes.get(8 * at..).and_then(|bytes| bytes.first_chunk());
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        Self {
            at_us: number(0),
            held_bytes: number(1),
            memory_bytes: number(2),
            history_bytes: number(3),
            sums: Sums::from_bytes(bytes.get(32..).unwrap_or_default()),
        }
    }
}

impl Sums {
    fn add(&mut self, family: Family, labels: String, cell: u8, count: u128) {
        let sum = self.0.entry((family, labels, cell)).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: Self) {
        for ((family, labels, cell), count) in other.0 {
            self.add(family, labels, cell, count);
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let lines = self.0.iter().map(|((family, labels, cell), count)| {
            format!("{}\t{labels}\t{cell}\t{count}\n", *family as u8)
        });
        lines.collect::<String>().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut sums = Self::default();
        for line in String::from_utf8_lossy(bytes).lines() {
            let mut fields = line.split('\t');
            let mut next = || fields.next();
            let read = (|| {
                let family = *Family::ALL.get(next()?.parse::<usize>().ok()?)?;
                let labels = next()?.to_owned();
                Some((family, labels, next()?.parse().ok()?, next()?.parse().ok()?))
            })();
            if let Some((family, labels, cell, count)) = read {
                sums.add(family, labels, cell, count);
            }
        }
        sums
    }
}

fn target_index(config: &FilterConfig, id: &str) -> u16 {
    let place = config.targets.iter().position(|target| target.id == id);
    place
        .and_then(|place| u16::try_from(place).ok())
        .unwrap_or(NO_TARGET)
}

const VERDICTS: [Verdict; 4] = [
    Verdict::Allow,
    Verdict::Redact,
    Verdict::Escalate,
    Verdict::Block,
];

fn verdict_number(verdict: Verdict) -> u16 {
    let place = VERDICTS.iter().position(|other| *other == verdict);
    place
        .and_then(|place| u16::try_from(place).ok())
        .unwrap_or(0)
}

fn kind_number(kind: PolicyKind) -> u16 {
    let place = PolicyKind::ALL.iter().position(|other| *other == kind);
    place
        .and_then(|place| u16::try_from(place).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
