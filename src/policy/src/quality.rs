//! How good an answer is, as far as its form shows: no model is asked, and whether it is true is not judged.
//!
//! Three dimensions from 0 to 1, each the product of what its signals leave:
//! *coherence* ([`coherence`]): repetition, garbled characters, words without order;
//! *completeness* ([`completeness`]): empty or cut answers, refusals, placeholders;
//! *relevancy* ([`relevancy`]): what the answer takes up of the prompt, and whether it only repeats it.
//! Their weighted geometric mean is the score, so that one bad dimension cannot be made up for by the others.

pub(crate) mod answers;
pub mod assertions;
mod coherence;
mod completeness;
pub(crate) mod loops;
mod relevancy;
mod words;

use serde::{Deserialize, Serialize};

pub use completeness::is_refusal;
use words::Words;

/// What an answer is judged by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'t> {
    /// The newest message, as far as it was kept.
    pub prompt: &'t str,
    /// What the model said.
    pub answer: &'t str,
    /// Whether the model says that it ran out of tokens.
    pub is_cut: bool,
}

/// The dimensions of one answer, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dimensions {
    /// Whether it takes up the prompt.
    pub relevancy: f32,
    /// Whether it is text rather than noise.
    pub coherence: f32,
    /// Whether it is an answer, and all of it.
    pub completeness: f32,
}

/// How much each dimension counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Default 0.25.
    pub relevancy: f32,
    /// Default 0.15.
    pub coherence: f32,
    /// Default 0.15.
    pub completeness: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            relevancy: 0.25,
            coherence: 0.15,
            completeness: 0.15,
        }
    }
}

impl Dimensions {
    /// Measures an answer.
    pub fn of(subject: &Subject<'_>) -> Self {
        let answer = Words::of(subject.answer);
        Self {
            relevancy: relevancy::measure(subject, &answer),
            coherence: coherence::measure(subject.answer, &answer),
            completeness: completeness::measure(subject, &answer),
        }
    }

    /// The score: the weighted geometric mean.
    pub fn score(&self, weights: &Weights) -> f32 {
        /// The least that a dimension counts, so that the others still order what has failed.
        const LEAST: f32 = 0.01;
        let parts = [
            (self.relevancy, weights.relevancy),
            (self.coherence, weights.coherence),
            (self.completeness, weights.completeness),
        ];
        let total: f32 = parts.iter().map(|(_, weight)| weight).sum();
        if total <= 0.0 {
            return 1.0;
        }
        let logs: f32 = parts
            .iter()
            .map(|(value, weight)| weight * value.max(LEAST).ln())
            .sum();
        (logs / total).exp()
    }
}

/// 1 up to `good`, 0 from `bad` on, and in between in proportion.
fn fall(value: f32, good: f32, bad: f32) -> f32 {
    ((bad - value) / (bad - good)).clamp(0.0, 1.0)
}

/// `part` of `whole`; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^24")]
fn share(part: usize, whole: usize) -> f32 {
    if whole == 0 {
        0.0
    } else {
        part as f32 / whole as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(prompt: &str, answer: &str) -> f32 {
        Dimensions::of(&Subject {
            prompt,
            answer,
            is_cut: false,
        })
        .score(&Weights::default())
    }

    #[test]
    fn good_answers_score_high_and_bad_ones_low() {
        let prompt = "Explain how a bicycle stays upright while it is moving.";
        let good = "A moving bicycle stays upright mostly because the rider steers into the direction of a fall. \
            Steering moves the wheels back under the centre of mass, and the geometry of the front fork helps to do that on its own.";
        assert!(score(prompt, good) > 0.8, "{}", score(prompt, good));
        let looping = "The wheel turns and the wheel turns. ".repeat(30);
        let garbled = good.replace('e', "\u{c3}\u{a9}");
        for bad in [
            "",
            "  \n",
            "[Insert answer here]",
            "I'm sorry, but I can't help with that.",
            prompt,
            &looping,
            &garbled,
        ] {
            assert!(score(prompt, bad) < 0.5, "{bad}: {}", score(prompt, bad));
        }
    }
}
