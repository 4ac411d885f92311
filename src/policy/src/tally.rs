//! What the policies said over one exchange.

use std::ops::Range;

use serde::Serialize;

use crate::{
    chain::{Chain, decisive},
    error::ErrorReply,
    narrowing::{NotRun, Scene, Use},
    policies::quality_scorer::Report,
    policy::{PolicyKind, Sightings},
    quality::{Dimensions, assertions::AssertionResult},
    verdict::{Phase, Verdict},
};
use kt_text::linear::{Model, Opinion};

/// Redactions listed one by one in an event; more are only counted.
pub const MAX_LISTED_REDACTIONS: usize = 100;

/// Models are listed among the findings from this score on.
const LISTED_OPINION: f32 = 0.5;

/// The end of an exchange by a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Who stopped it.
    pub policy: PolicyKind,
    /// Block or escalate.
    pub verdict: Verdict,
    /// On what.
    pub phase: Phase,
    /// Where the text that led to it starts.
    pub(crate) at: usize,
    /// What the client is told, where that is configured.
    pub(crate) message: Option<String>,
    /// Which message of the conversation led to it.
    pub(crate) turn: Option<usize>,
}

/// One line of `policy_results`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyResult {
    /// The policy.
    pub kind: PolicyKind,
    /// Input or output.
    pub phase: Phase,
    /// Its severest verdict over all texts.
    pub verdict: Verdict,
    /// Its highest score, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Families or categories that led to the verdict, where the policy has some; `model` for a linear model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<&'static str>,
    /// What the quality scorer measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Why, when the verdict is not `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<&'static str>,
    /// How many values it had replaced.
    #[serde(skip)]
    pub redactions: usize,
    /// What would have happened, had the policy been enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would: Option<Would>,
}

/// What a policy that only monitors would have done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Would {
    /// Its severest verdict over all texts.
    pub verdict: Verdict,
    /// Its highest score, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Families or categories that would have led to the verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<&'static str>,
    /// What the quality scorer measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Why, when the verdict is not `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<&'static str>,
    /// How many values would have been replaced.
    pub redactions: usize,
}

impl PolicyResult {
    /// The policy ran in `phase` and found nothing so far.
    fn fresh(kind: PolicyKind, phase: Phase) -> Self {
        Self {
            kind,
            phase,
            verdict: Verdict::Allow,
            score: None,
            categories: Vec::new(),
            quality: None,
            reason_code: None,
            redactions: 0,
            would: None,
        }
    }

    /// The result of a policy that only monitors, made of what it would have been.
    pub(crate) fn into_would(self) -> Self {
        let would = Would {
            verdict: self.verdict,
            score: self.score,
            categories: self.categories,
            quality: self.quality,
            reason_code: self.reason_code,
            redactions: self.redactions,
        };
        Self {
            would: Some(would),
            ..Self::fresh(self.kind, self.phase)
        }
    }
}

/// What the quality scorer measured on the worst answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// Whether it would do.
    pub passed: bool,
    /// Whether it refuses to answer.
    pub refused: bool,
    /// From 0 to 1 each.
    #[serde(flatten)]
    pub dimensions: Dimensions,
    /// What became of the assertions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assertions: Vec<AssertionResult>,
}

/// One replaced value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redaction {
    /// What it was.
    pub category: String,
    /// First byte, in its string or stream of text.
    pub start: usize,
    /// Byte behind the last.
    pub end: usize,
    /// Input or output.
    pub phase: Phase,
}

/// One thing that was seen, for explanations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The entity, or the family of phrases.
    pub entity: String,
    /// The member that held it, such as `messages[0].content`.
    pub field: String,
    /// First character, in its text.
    pub start: usize,
    /// Character behind the last.
    pub end: usize,
    /// How sure, from 0 to 1.
    pub score: f32,
}

/// Everything that was seen, text by text. Only explanations keep it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) field: String,
    pub(crate) findings: Vec<Finding>,
}

/// Running totals of one exchange.
#[derive(Debug, Default)]
pub struct Tally {
    /// Scratch space for one text.
    pub(crate) sightings: Sightings,
    results: Vec<PolicyResult>,
    redactions: Vec<Redaction>,
    redaction_count: usize,
    input_redacted: bool,
    stop: Option<Stop>,
    /// Which message of the conversation is judged.
    pub(crate) turn: Option<usize>,
    pub(crate) scanned_bytes: usize,
    pub(crate) skipped: Vec<Skipped>,
    /// Lines of event streams that were not let through.
    pub(crate) dropped_lines: usize,
    pub(crate) trace: Option<Trace>,
    /// What decides on exceptions.
    pub(crate) scene: Scene,
}

/// Something that could not be inspected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The member that held it.
    pub field: &'static str,
    /// Why it was not read.
    pub reason: &'static str,
}

/// How many characters stand before a place of a text: counted once in steps, so that every finding costs a step only.
struct Characters<'t> {
    text: &'t str,
    /// Characters before each step.
    steps: Vec<usize>,
}

impl<'t> Characters<'t> {
    /// Bytes.
    const STEP: usize = 64;

    fn of(text: &'t str) -> Self {
        let mut count = 0;
        let chunks = text.as_bytes().chunks(Self::STEP);
        let steps = chunks.map(|chunk| {
            let before = count;
            count += starts(chunk);
            before
        });
        Self {
            steps: steps.collect(),
            text,
        }
    }

    fn before(&self, place: usize) -> usize {
        let step = place / Self::STEP;
        let chunk = (self.text.as_bytes()).get(step * Self::STEP..place);
        let (step, chunk) = match self.steps.get(step) {
            Some(count) => (*count, chunk.unwrap_or_default()),
            None => (0, self.text.as_bytes()),
        };
        step + starts(chunk)
    }
}

/// Bytes that begin a character.
fn starts(bytes: &[u8]) -> usize {
    (bytes.iter().filter(|byte| **byte & 0xc0 != 0x80)).count()
}

impl Tally {
    /// Enters the policies that are about to run in `phase`, so that the event names those that found nothing.
    pub(crate) fn begin(&mut self, chain: &Chain, phase: Phase) {
        self.scene.begin(chain.narrowing());
        let nothing = Sightings::default();
        let fresh = chain
            .judge(phase, &nothing)
            .map(|(kind, judgement)| PolicyResult {
                score: judgement.score,
                ..PolicyResult::fresh(kind, phase)
            });
        self.results.extend(fresh);
    }

    /// Enters the quality scorer's report on an answer, whose verdict is given: what has left cannot be blocked.
    pub(crate) fn note_quality(&mut self, report: Report, verdict: Verdict) -> Option<Stop> {
        let Report {
            score,
            passed,
            refused,
            dimensions,
            assertions,
        } = report;
        if let Some(trace) = self.trace.as_mut().filter(|_| refused) {
            trace.findings.push(Finding {
                entity: "refusal".to_owned(),
                field: "answer".to_owned(),
                start: 0,
                end: 0,
                score: 1.0,
            });
        }
        let kind = PolicyKind::QualityScorer;
        let result = PolicyResult {
            verdict,
            score: Some(score),
            quality: Some(Quality {
                passed,
                refused,
                dimensions,
                assertions,
            }),
            reason_code: (verdict != Verdict::Allow).then(|| kind.reason_code()),
            ..PolicyResult::fresh(kind, Phase::Output)
        };
        let is_worse = |known: &PolicyResult| {
            known.verdict > verdict || known.score.is_some_and(|known| known < score)
        };
        match self.results.iter_mut().find(|known| known.kind == kind) {
            Some(known) if is_worse(known) => {}
            Some(known) => *known = result,
            None => self.results.push(result),
        }
        (verdict != Verdict::Allow).then(|| self.stop_by_quality(verdict))
    }

    fn stop_by_quality(&mut self, verdict: Verdict) -> Stop {
        let stop = Stop {
            policy: PolicyKind::QualityScorer,
            verdict,
            phase: Phase::Output,
            at: 0,
            message: None,
            turn: None,
        };
        self.stop.get_or_insert(stop).clone()
    }

    /// Ends a stream that has become a loop.
    pub(crate) fn stop_by_loop(&mut self) -> Stop {
        let kind = PolicyKind::QualityScorer;
        let result = PolicyResult {
            verdict: Verdict::Block,
            score: Some(0.0),
            categories: vec!["loop"],
            reason_code: Some(kind.reason_code()),
            ..PolicyResult::fresh(kind, Phase::Output)
        };
        self.results.retain(|known| known.kind != kind);
        self.results.push(result);
        self.stop_by_quality(Verdict::Block)
    }

    /// The score of the answer, where it has one.
    pub fn quality(&self) -> Option<f32> {
        self.results
            .iter()
            .find(|result| result.kind == PolicyKind::QualityScorer)?
            .score
    }

    /// Takes the policies' answers on the sightings that start in `settled`. `offset` is where the text starts in its stream.
    pub(crate) fn judge(
        &mut self,
        chain: &Chain,
        phase: Phase,
        settled: Range<usize>,
        offset: usize,
    ) -> Option<Stop> {
        self.scanned_bytes += settled.len();
        if self.sightings.is_empty() {
            return None;
        }
        let Sightings { phrases, views, .. } = &mut self.sightings;
        for phrases in views
            .iter_mut()
            .map(|(_, view)| &mut view.phrases)
            .chain([phrases])
        {
            phrases.retain(|hit| hit.range.start < settled.end);
        }
        for (kind, judgement) in chain.judge(phase, &self.sightings) {
            if let Some(result) = self
                .results
                .iter_mut()
                .find(|result| result.kind == kind && result.phase == phase)
            {
                result.verdict = result.verdict.max(judgement.verdict);
                if judgement.verdict.stops() {
                    let categories = chain
                        .policy(kind)
                        .map(|policy| policy.categories(self.sightings.of(kind)));
                    result.categories.extend(categories.unwrap_or_default());
                    result.categories.sort_unstable();
                    result.categories.dedup();
                }
                result.score = judgement
                    .score
                    .map(|score| score.max(result.score.unwrap_or(0.0)))
                    .or(result.score);
                result.reason_code = (result.verdict != Verdict::Allow).then(|| kind.reason_code());
            }
        }
        let (policy, judgement) = decisive(phase, chain.judge(phase, &self.sightings))?;
        if judgement.verdict.stops() {
            let inside = self
                .sightings
                .marks
                .iter()
                .find(|span| span.range.contains(&judgement.at));
            let at = inside.map_or(judgement.at, |span| span.range.start);
            self.list_redactions(chain, phase, offset, at);
            let stop = Stop {
                policy,
                verdict: judgement.verdict,
                phase,
                at,
                message: chain
                    .policy(policy)
                    .and_then(|policy| policy.message(self.sightings.of(policy.kind())))
                    .map(str::to_owned),
                turn: self.turn,
            };
            self.stop.get_or_insert_with(|| stop.clone());
            return Some(stop);
        }
        self.list_redactions(chain, phase, offset, settled.end);
        None
    }

    /// Takes what is thought of an answer.
    pub(crate) fn judge_answer(&mut self, chain: &Chain, opinion: &Opinion) -> Option<Stop> {
        let steps = std::mem::take(&mut self.sightings.steps);
        self.sightings = Sightings {
            steps,
            ..Sightings::of_answer(opinion.clone())
        };
        chain.narrow_part(Phase::Output, "", &(0..0), false, self);
        self.judge(chain, Phase::Output, 0..0, 0)
    }

    /// The answer where the exchange has taken more steps than it may.
    pub(crate) fn check_steps(&self, phase: Phase) -> Result<(), ErrorReply> {
        if self.sightings.steps.are_spent() {
            return Err(ErrorReply::inspection_limit(phase));
        }
        Ok(())
    }

    /// Takes back a stop: what led to it is replaced.
    pub(crate) fn replace_instead(&mut self, stop: &Stop) {
        self.stop = None;
        self.input_redacted |= stop.phase == Phase::Input;
        self.result_of(stop, Verdict::Redact);
    }

    /// Ends the exchange with a stop that was taken back.
    pub(crate) fn stop_after_all(&mut self, stop: &Stop) {
        self.result_of(stop, stop.verdict);
        self.stop.get_or_insert_with(|| stop.clone());
    }

    fn result_of(&mut self, stop: &Stop, verdict: Verdict) {
        if let Some(result) = self
            .results
            .iter_mut()
            .find(|result| result.kind == stop.policy && result.phase == stop.phase)
        {
            result.verdict = verdict;
        }
    }

    /// What stopped the exchange.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// Keeps what was just seen in `text`, if anybody wants to know.
    pub(crate) fn trace(&mut self, chain: &Chain, text: &str) {
        let Some(trace) = &mut self.trace else { return };
        let characters = Characters::of(text);
        let seen = |entity: &str, range: &Range<usize>, score| Finding {
            entity: entity.to_owned(),
            field: trace.field.clone(),
            start: characters.before(range.start),
            end: characters.before(range.end),
            score,
        };
        let values = self
            .sightings
            .marks
            .iter()
            .map(|span| seen(chain.redactor().name(span.label), &span.range, 1.0));
        let phrases = self
            .sightings
            .phrases
            .iter()
            .map(|hit| seen(hit.name, &hit.range, hit.weight));
        let models = [
            (Model::Injection, "injection_model"),
            (Model::Safety, "safety_model"),
            (Model::Answers, "answer_model"),
        ];
        let opinions = models.iter().filter_map(|(model, name)| {
            let opinion = self.sightings.opinion(*model)?;
            (opinion.score >= LISTED_OPINION).then(|| seen(name, &opinion.range, opinion.score))
        });
        let findings: Vec<Finding> = values.chain(phrases).chain(opinions).collect();
        trace.findings.extend(findings);
    }

    fn list_redactions(&mut self, chain: &Chain, phase: Phase, offset: usize, end: usize) {
        for span in self
            .sightings
            .marks
            .iter()
            .filter(|span| span.range.end <= end)
        {
            self.redaction_count += 1;
            let owner = chain.owner(span, &self.sightings);
            let mut results = self.results.iter_mut();
            if let Some(result) =
                results.find(|known| Some(known.kind) == owner && known.phase == phase)
            {
                result.redactions += 1;
            }
            self.input_redacted |= phase == Phase::Input;
            if self.redactions.len() < MAX_LISTED_REDACTIONS && chain.redactor().lists() {
                let category = chain.redactor().name(span.label).to_owned();
                self.redactions.push(Redaction {
                    category,
                    start: offset + span.range.start,
                    end: offset + span.range.end,
                    phase,
                });
            }
        }
    }

    /// The severest outcome so far, with the phase and policy it came from.
    pub fn outcome(&self) -> (Verdict, Option<(PolicyKind, Phase)>) {
        if let Some(stop) = &self.stop {
            return (stop.verdict, Some((stop.policy, stop.phase)));
        }
        match self
            .results
            .iter()
            .find(|result| result.verdict == Verdict::Redact)
        {
            Some(result) => (Verdict::Redact, Some((result.kind, result.phase))),
            None => (Verdict::Allow, None),
        }
    }

    /// One entry per policy and phase that ran.
    pub fn results(&self) -> &[PolicyResult] {
        &self.results
    }

    /// The exceptions that were used.
    pub fn uses(&self) -> &[Use] {
        &self.scene.uses
    }

    /// What was not judged for the scope of a policy.
    pub fn not_run(&self) -> &[NotRun] {
        &self.scene.not_run
    }

    /// The first [`MAX_LISTED_REDACTIONS`] replaced values.
    pub fn redactions(&self) -> &[Redaction] {
        &self.redactions
    }

    /// How many values were replaced.
    pub fn redaction_count(&self) -> usize {
        self.redaction_count
    }

    /// Whether the input was changed.
    pub fn input_redacted(&self) -> bool {
        self.input_redacted
    }
}
