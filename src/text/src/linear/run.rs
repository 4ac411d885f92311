//! One pass over a text: the sums of its units, and of the windows that they make.

use std::ops::Range;

use super::{
    BUCKETS, Before, LANES, Lane, MIN_WORDS, Opinion, Opinions, Shape, Weights, units,
    units::Borders,
    words::{MAX_WORD, WordReader},
};

/// A block of units is complete from this many bytes on; two of them are a window.
const BLOCK: usize = 200;

/// For each bucket its weights in the lower two bytes, and above them the stamp of the unit that had it last. Kept between
/// texts, so that none has to clear it.
pub(super) struct Cells {
    pub(super) cells: Vec<u32>,
    pub(super) last: u32,
}

/// Stamps have 16 bits.
const MAX_STAMP: u32 = 0xffff;
const STAMP_SHIFT: u32 = 16;

impl Cells {
    /// None yet: the first text fills them.
    pub(super) const fn new() -> Self {
        Self {
            cells: Vec::new(),
            last: 0,
        }
    }

    fn fill(&mut self, lanes: &[Lane; LANES]) {
        let [first, second] = lanes.each_ref().map(|lane| lane.table.weights());
        let weight = |table: &[u8], bucket| table.get(bucket).copied().map_or(0, u32::from);
        let cells =
            (0..BUCKETS).map(|bucket| weight(&first, bucket) | weight(&second, bucket) << 8);
        self.cells.extend(cells);
    }

    /// There are no more stamps: none is known any longer.
    fn forget_stamps(&mut self) {
        for cell in &mut self.cells {
            *cell &= MAX_STAMP;
        }
        self.last = 0;
    }
}

/// A sum of weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub(super) weights: [i32; LANES],
    pub(super) count: u32,
}

impl Sum {
    fn without(self, other: Self) -> Self {
        let ([first, second], [third, fourth]) = (self.weights, other.weights);
        Self {
            weights: [first - third, second - fourth],
            count: self.count - other.count,
        }
    }

    fn add(&mut self, weights: [u8; LANES]) {
        self.count += 1;
        for (sum, weight) in self.weights.iter_mut().zip(weights) {
            *sum += i32::from(i8::from_ne_bytes([weight]));
        }
    }

    /// How many features there are in it.
    pub fn features(&self) -> u32 {
        self.count
    }

    /// This and another unit.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let ([first, second], [third, fourth]) = (self.weights, other.weights);
        Self {
            weights: [first + third, second + fourth],
            count: self.count + other.count,
        }
    }
}

/// The sum of a stretch of the text and where it starts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stretch {
    pub(super) sum: Sum,
    start: usize,
}

/// What stretches have in common: it counts once.
#[derive(Debug, Clone, Copy, Default)]
struct Shared {
    /// The unit with the one before.
    units: Sum,
    /// Units of the block.
    block: Sum,
    /// The block with the one before.
    blocks: Sum,
}

/// One pass over a text.
pub(super) struct Run<'r> {
    weights: &'r Weights,
    pub(super) cells: &'r mut Cells,
    /// Stamp of the first unit of this text, and of the current one.
    first: u32,
    pub(super) stamp: u32,
    whole: Sum,
    pub(super) unit: Stretch,
    unit_before: Stretch,
    block: Stretch,
    block_before: Stretch,
    /// Stamps of the first units of the last two blocks.
    block_stamps: [u32; 2],
    shared: Shared,
    shape: Shape,
    best: [(f32, Range<usize>); LANES],
}

impl<'r> Run<'r> {
    pub(super) fn new(weights: &'r Weights, cells: &'r mut Cells, len: usize) -> Self {
        // A stamp between two texts is left out, so that a first unit shares nothing with what came before it.
        let most = len / Borders::of_whole(len).least + 4;
        let needed = u32::try_from(most).map_or(MAX_STAMP, |most| most.min(MAX_STAMP));
        if cells.cells.is_empty() {
            cells.fill(&weights.lanes);
        }
        if cells.last + needed > MAX_STAMP {
            cells.forget_stamps();
        }
        let first = cells.last + 2;
        Self {
            weights,
            cells,
            first,
            stamp: first,
            whole: Sum::default(),
            unit: Stretch::default(),
            unit_before: Stretch::default(),
            block: Stretch::default(),
            block_before: Stretch::default(),
            block_stamps: [first; 2],
            shared: Shared::default(),
            shape: Shape::default(),
            best: std::array::from_fn(|_| (f32::MIN, 0..0)),
        }
    }

    pub(super) fn units(&mut self, text: &str) {
        let mut word = [0; MAX_WORD];
        units(text, |unit| {
            self.unit.start = unit.start;
            let mut reader = WordReader {
                text,
                at: unit.start,
                end: unit.end,
            };
            let mut before = Before::default();
            while let Some((start, len)) = reader.next(&mut word) {
                let word = word.get(..len).unwrap_or_default();
                before.read(word, |feature| self.feature(feature));
                self.shape.note(word, start..reader.at);
            }
            self.end_unit(unit.end);
        });
    }

    pub(super) fn feature(&mut self, feature: u32) {
        let Some(cell) = self.cells.cells.get_mut(feature as usize) else {
            return;
        };
        let last = *cell >> STAMP_SHIFT;
        if last == self.stamp {
            return;
        }
        let [first, second, ..] = cell.to_le_bytes();
        *cell = *cell & 0xffff | self.stamp << STAMP_SHIFT;
        let weights = [first, second];
        self.unit.sum.add(weights);
        if last < self.first {
            self.whole.add(weights);
        } else if last >= self.block_stamps[0] {
            if last + 1 == self.stamp {
                self.shared.units.add(weights);
            }
            if last >= self.block_stamps[1] {
                self.shared.block.add(weights);
            } else {
                self.shared.blocks.add(weights);
            }
        }
    }

    /// Judges the unit that ends at `end`, with the one before it, and the window that it completes.
    fn end_unit(&mut self, end: usize) {
        let (unit, before) = (self.unit, self.unit_before);
        self.note(unit.sum, unit.start..end);
        if before.sum.count > 0 {
            let pair = unit.sum.with(before.sum).without(self.shared.units);
            self.note(pair, before.start..end);
        }
        self.shared.units = Sum::default();
        self.block.sum = self.block.sum.with(unit.sum);
        self.unit_before = std::mem::take(&mut self.unit);
        self.stamp = (self.stamp + 1).min(MAX_STAMP);
        if end - self.block.start >= BLOCK {
            self.end_block(end);
        }
    }

    /// Judges the last two blocks.
    fn end_block(&mut self, end: usize) {
        let Shared { block, blocks, .. } = std::mem::take(&mut self.shared);
        self.block.sum = self.block.sum.without(block);
        let window = self.block.sum.with(self.block_before.sum).without(blocks);
        self.note(window, self.block_before.start..end);
        let next = Stretch {
            sum: Sum::default(),
            start: end,
        };
        self.block_before = std::mem::replace(&mut self.block, next);
        self.block_stamps = [self.block_stamps[1], self.stamp];
    }

    fn note(&mut self, sum: Sum, range: Range<usize>) {
        let lanes = self.weights.lanes.iter();
        for ((best, lane), weights) in self.best.iter_mut().zip(lanes).zip(sum.weights) {
            let logit = lane.calibration.logit(weights, sum.count);
            if logit > best.0 {
                *best = (logit, range.clone());
            }
        }
    }

    pub(super) fn finish(mut self, len: usize) -> (Option<Opinions>, Shape) {
        if self.block.sum.count > 0 {
            self.end_block(len);
        }
        self.cells.last = self.stamp;
        if self.shape.words < MIN_WORDS {
            return (None, self.shape);
        }
        #[expect(clippy::cast_precision_loss, reason = "stamps have 16 bits")]
        let units = (self.stamp - self.first).max(1) as f32;
        let mut opinions = Opinions::default();
        for ((best, lane), whole) in self
            .best
            .iter()
            .zip(&self.weights.lanes)
            .zip(self.whole.weights)
        {
            let calibration = &lane.calibration;
            let part = best.0 - calibration.allowance * units.ln();
            let whole = calibration.logit(whole, self.whole.count);
            let (logit, range) = if whole >= part {
                (whole, 0..len)
            } else {
                (part, best.1.clone())
            };
            if let Some(opinion) = opinions.get_mut(lane.model as usize) {
                *opinion = Opinion {
                    score: calibration.score(logit),
                    logit,
                    range,
                };
            }
        }
        (Some(opinions), self.shape)
    }
}
