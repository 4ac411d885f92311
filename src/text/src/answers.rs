//! Answers, judged while they come: at the end of every sentence or line, over the sentences so far.
//!
//! Where a sentence ends depends on the text alone ([`crate::linear`]), so an answer gets the same opinion however it was cut, and the
//! same as a whole.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    linear::{Opinion, Sum, UnitReader, Weights},
    refusal::{is_refusal, takes_back},
};

/// How many sentences are judged together: one alone, and the last few.
const WINDOWS: [usize; 4] = [1, 2, 4, MOST];
const MOST: usize = 8;
/// Refusals that an answer may have: who refuses more often than that says something else in their clothes.
const MOST_REFUSALS: usize = 3;
/// What the logit of a window is lowered by in an answer that has refused: what follows mostly says why, and names the harm.
const AFTER_REFUSAL: f32 = 0.7;
/// No opinion on fewer features: a few words say nothing.
const LEAST_FEATURES: u32 = 24;

/// What becomes of a stream whose answer turns out to be harmful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamMode {
    /// Text leaves as it comes; the stream ends behind the sentence that gave it away.
    #[default]
    Cut,
    /// A sentence leaves when it is judged; the stream ends before the one that gave it away.
    Hold,
}

/// An answer so far.
#[derive(Debug, Default)]
pub struct Watch {
    units: UnitReader,
    /// The sums of the last sentences, none of them twice: what is said again says nothing new.
    recent: VecDeque<Sum>,
    count: u32,
    /// Sentences that refuse: they name the harm and do none, so they count only when a later one takes them back.
    refused: Vec<Sum>,
    /// Whether refusals count.
    is_taken_back: bool,
    /// The highest so far.
    opinion: Option<Opinion>,
    /// Bytes of the sentences that are judged, and of the last of them.
    judged: usize,
    last: usize,
}

impl Watch {
    /// Takes more of the answer, up to the end of the sentence: how many bytes, and whether it ended and was judged.
    pub fn push(&mut self, text: &str, weights: &Weights) -> (usize, bool) {
        let (used, ended) = self.units.push(text);
        if ended {
            self.judge(weights);
        }
        (used, ended)
    }

    /// The answer is complete.
    pub fn finish(&mut self, weights: &Weights) {
        if !self.units.text().is_empty() {
            self.judge(weights);
        }
    }

    /// The highest opinion on what was judged.
    pub fn opinion(&self) -> Option<&Opinion> {
        self.opinion.as_ref()
    }

    /// Bytes of the sentence that is not complete.
    pub fn waiting(&self) -> usize {
        self.units.text().len()
    }

    /// Bytes of the sentence that was judged last.
    pub fn last(&self) -> usize {
        self.last
    }

    fn judge(&mut self, weights: &Weights) {
        let start = self.judged;
        let sum = weights.sum(self.units.text());
        let refuses = !self.is_taken_back && is_refusal(self.units.text());
        let takes_back = !self.refused.is_empty() && takes_back(self.units.text());
        self.last = self.waiting();
        self.judged += self.last;
        self.units.clear();
        if refuses {
            self.refused.push(sum);
        }
        if takes_back || self.refused.len() > MOST_REFUSALS {
            self.is_taken_back = true;
            for sum in std::mem::take(&mut self.refused) {
                self.count_in(sum, start, weights);
            }
        }
        if !refuses {
            self.count_in(sum, start, weights);
        }
    }

    /// Judges the windows that end with a sentence.
    fn count_in(&mut self, sum: Sum, start: usize, weights: &Weights) {
        if self.recent.contains(&sum) {
            return;
        }
        if self.recent.len() == MOST {
            self.recent.pop_front();
        }
        self.recent.push_back(sum);
        self.count += 1;
        let mut window = Sum::default();
        for (place, sum) in self.recent.iter().rev().enumerate() {
            window = window.with(*sum);
            if !WINDOWS.contains(&(place + 1)) || window.features() < LEAST_FEATURES {
                continue;
            }
            let has_refused = !self.refused.is_empty();
            let discount = if has_refused { AFTER_REFUSAL } else { 0.0 };
            let logit = weights.logit(window, self.count) - discount;
            if self
                .opinion
                .as_ref()
                .is_none_or(|known| logit > known.logit)
            {
                self.opinion = Some(weights.opinion(logit, start..self.judged));
            }
        }
    }
}

/// The opinion on a whole answer, and `None` on one that is too short.
pub fn judge(text: &str, weights: &Weights) -> Option<Opinion> {
    let (mut watch, mut taken) = (Watch::default(), 0);
    while taken < text.len() {
        taken += watch.push(text.get(taken..)?, weights).0;
    }
    watch.finish(weights);
    watch.opinion
}
