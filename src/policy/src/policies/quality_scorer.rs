//! `quality-scorer`: whether an answer is one, by its form and by what users demand of it.
//!
//! *What it does.* Scores each answer from 0 to 1 ([`crate::quality`]) and checks assertions. An answer that fails is blocked, or another one is asked
//! for: on the same target (`retry`) or the next (`fallback`); when there is none left, it is blocked.
//! *Where it looks.* The text of each choice of a response, a transcript of sound included, beside the newest message of the request. Not at answers
//! that call tools, that hold thoughts, sound or images and no text, or that the provider's own filter ended.
//! *Streams.* What has left cannot be taken back, so a stream is scored at its end, for event and metrics only. A loop is cut while it runs.
//! *Limits.* Correctness is not judged. `faithfulness`, `accuracy` and assertions that ask a model do not exist here.

use serde::{Deserialize, Serialize};

use crate::{
    quality::{
        Dimensions, Subject, Weights,
        answers::{answers, prompt},
        assertions::{Assertion, AssertionResult, Compiled, Mode, Severity, sentences},
        is_refusal,
    },
    verdict::Verdict,
};

/// What follows an answer that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureAction {
    /// The client gets an error.
    #[default]
    Block,
    /// The same target is asked again.
    Retry,
    /// The next target is asked.
    Fallback,
}

/// The least that each figure must be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// The score. Default 0.5.
    pub min_aggregate: f32,
    /// Default 0.
    pub min_relevancy: f32,
    /// Default 0.
    pub min_coherence: f32,
    /// Default 0.
    pub min_completeness: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            min_aggregate: 0.5,
            min_relevancy: 0.0,
            min_coherence: 0.0,
            min_completeness: 0.0,
        }
    }
}

/// Settings of `policy.quality-scorer`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Least characters of an answer.
    pub min_output_chars: u32,
    /// Least sentences of an answer.
    pub min_sentences: u32,
    /// Least figures.
    pub thresholds: Thresholds,
    /// How much each dimension counts.
    pub weights: Weights,
    /// What is demanded.
    pub assertions: Vec<Assertion>,
    /// `pass_policy`: the weighted average that the assertions must reach together.
    pub pass_threshold: Option<f32>,
    /// What follows.
    pub failure_action: FailureAction,
}

/// What the policy says of one answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) score: f32,
    pub(crate) passed: bool,
    /// Whether the answer refuses to answer.
    pub(crate) refused: bool,
    pub(crate) dimensions: Dimensions,
    pub(crate) assertions: Vec<AssertionResult>,
}

/// The policy.
#[derive(Debug)]
pub(crate) struct QualityScorer {
    settings: Settings,
    assertions: Vec<Compiled>,
}

impl QualityScorer {
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let assertions = settings.assertions.iter().map(Compiled::new);
        Ok(Self {
            assertions: assertions.collect::<Result<_, _>>()?,
            settings: settings.clone(),
        })
    }

    /// The prompt of a request, as far as it is needed.
    pub(crate) fn prompt(body: &[u8]) -> String {
        prompt(body)
    }

    /// Judges all answers of a whole response; the worst one counts. `None` when there is none to judge.
    pub(crate) fn judge_body(&self, asked: &str, body: &[u8]) -> Option<Report> {
        let reports = answers(body).into_iter().map(|answer| {
            self.judge(&Subject {
                prompt: asked,
                answer: &answer.text,
                is_cut: answer.is_cut,
            })
        });
        worst(reports)
    }

    /// Judges one answer.
    pub(crate) fn judge(&self, subject: &Subject<'_>) -> Report {
        let dimensions = Dimensions::of(subject);
        let results: Vec<AssertionResult> = self
            .assertions
            .iter()
            .map(|compiled| compiled.judge(subject, &dimensions))
            .collect();
        let aggregate = dimensions.score(&self.settings.weights);
        let average = self.average(&results);
        let Settings {
            thresholds,
            min_output_chars,
            min_sentences,
            pass_threshold,
            ..
        } = &self.settings;
        let is_long = subject.answer.chars().count() >= *min_output_chars as usize
            && (*min_sentences == 0 || sentences(subject.answer) >= *min_sentences as usize);
        let passed = is_long
            && aggregate >= thresholds.min_aggregate
            && dimensions.relevancy >= thresholds.min_relevancy
            && dimensions.coherence >= thresholds.min_coherence
            && dimensions.completeness >= thresholds.min_completeness
            && pass_threshold.is_none_or(|least| average >= least)
            && !self.has_failed(&results);
        Report {
            score: aggregate.min(average),
            passed,
            refused: is_refusal(subject.answer),
            dimensions,
            assertions: results,
        }
    }

    /// The weighted average of the enforced assertions; 1 without any.
    fn average(&self, results: &[AssertionResult]) -> f32 {
        let enforced = self
            .assertions
            .iter()
            .zip(results)
            .filter(|(compiled, _)| compiled.assertion.mode == Mode::Enforce);
        let (sum, total) = enforced.fold((0.0, 0.0), |(sum, total), (compiled, result)| {
            (
                sum + compiled.assertion.weight * result.score,
                total + compiled.assertion.weight,
            )
        });
        if total > 0.0 { sum / total } else { 1.0 }
    }

    fn has_failed(&self, results: &[AssertionResult]) -> bool {
        self.assertions
            .iter()
            .zip(results)
            .any(|(compiled, result)| {
                let Assertion { mode, severity, .. } = compiled.assertion;
                let matters = match severity {
                    Severity::Critical => true,
                    Severity::Warning => self.settings.pass_threshold.is_none(),
                    Severity::Info => false,
                };
                mode == Mode::Enforce && matters && !result.passed
            })
    }
}

impl Report {
    /// What the policy does with a whole answer.
    pub(crate) fn verdict(&self) -> Verdict {
        if self.passed {
            Verdict::Allow
        } else {
            Verdict::Block
        }
    }
}

/// The worst of several reports.
pub(crate) fn worst(reports: impl Iterator<Item = Report>) -> Option<Report> {
    reports.min_by(|left, right| {
        (left.passed, left.score)
            .partial_cmp(&(right.passed, right.score))
            .unwrap_or(std::cmp::Ordering::Equal)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Short answers, each with whether it is one. `answer` stands for the message of a chat completion.
    const ANSWERS: &str = include_str!("../../tests/short_answers.json");

    fn body_of(entry: &Value) -> Value {
        entry.get("body").cloned().unwrap_or_else(
            || json!({"choices": [{"message": {"role": "assistant", "content": entry["answer"]}, "finish_reason": "stop"}]}),
        )
    }

    #[test]
    fn short_answers_are_told_from_none() {
        let scorer = QualityScorer::new(&Settings::default()).unwrap();
        let entries: Vec<Value> = serde_json::from_str(ANSWERS).unwrap();
        let mut wrong = Vec::new();
        for entry in &entries {
            let body = body_of(entry);
            let prompt = entry["prompt"].as_str().unwrap_or("Answer in short.");
            let report = scorer.judge_body(prompt, body.to_string().as_bytes());
            if report.is_none_or(|report| report.passed) != (entry["passes"] == true) {
                wrong.push(entry);
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        let healthy = entries.iter().filter(|entry| entry["passes"] == true);
        assert!(healthy.count() >= 20 && entries.len() >= 40);
    }
}
