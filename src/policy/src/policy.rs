//! What a policy is, and the table of all of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    detect::{Entity, PiiSpan},
    linear::{Model, Opinion, Opinions},
    phrases::{PhraseGroup, PhraseMatch},
    policies::{audit_logger, pii_detector, prompt_injection, safety_filter},
    verdict::{Phase, Verdict},
};

/// The policies this engine enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// Attempts to take over the instructions of the model.
    PromptInjection,
    /// Personal data.
    PiiDetector,
    /// Harmful requests and answers.
    SafetyFilter,
    /// Retention and tamper evidence of the decision events.
    AuditLogger,
}

impl PolicyKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::PromptInjection,
        Self::PiiDetector,
        Self::SafetyFilter,
        Self::AuditLogger,
    ];

    /// Its name in `policies.chain`.
    pub fn name(self) -> &'static str {
        match self {
            Self::PromptInjection => "prompt-injection",
            Self::PiiDetector => "pii-detector",
            Self::SafetyFilter => "safety-filter",
            Self::AuditLogger => "audit-logger",
        }
    }

    /// Stable text for events when the policy redacts or stops.
    pub fn reason_code(self) -> &'static str {
        match self {
            Self::PromptInjection => "prompt_injection.detected",
            Self::PiiDetector => "pii_detected",
            Self::SafetyFilter => "safety_filter.detected",
            Self::AuditLogger => "audit_logger.logged",
        }
    }
}

/// One entry of the chain with its settings, as the generator writes it and the filter reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PolicyConfig {
    /// `prompt-injection`
    PromptInjection(prompt_injection::Settings),
    /// `pii-detector`
    PiiDetector(pii_detector::Settings),
    /// `safety-filter`
    SafetyFilter(safety_filter::Settings),
    /// `audit-logger`
    AuditLogger(audit_logger::Settings),
}

impl PolicyConfig {
    /// The runtime form of the policy; `None` for those that judge no text.
    pub(crate) fn compile(&self) -> Option<Box<dyn Policy>> {
        match self {
            Self::PromptInjection(settings) => {
                Some(Box::new(prompt_injection::PromptInjection::new(*settings)))
            }
            Self::PiiDetector(settings) => Some(Box::new(pii_detector::PiiDetector::new(settings))),
            Self::SafetyFilter(settings) => {
                Some(Box::new(safety_filter::SafetyFilter::new(*settings)))
            }
            Self::AuditLogger(_) => None,
        }
    }
}

/// What the scanners saw in one text.
#[derive(Debug, Default)]
pub struct Sightings {
    /// Personal data, sorted, without overlaps.
    pub pii: Vec<PiiSpan>,
    /// Phrases of all policies.
    pub phrases: Vec<PhraseMatch>,
    /// What the linear models say, where they were asked: whole texts of requests.
    pub opinions: Option<Opinions>,
}

impl Sightings {
    pub(crate) fn clear(&mut self) {
        self.pii.clear();
        self.phrases.clear();
        self.opinions = None;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pii.is_empty() && self.phrases.is_empty() && self.opinions.is_none()
    }

    /// What `model` says.
    pub(crate) fn opinion(&self, model: Model) -> Option<&Opinion> {
        self.opinions.as_ref()?.get(model as usize)
    }
}

/// A policy's answer on one text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// How sure the policy is, from 0 to 1, where it has a score.
    pub score: Option<f32>,
    /// Where the text that led to the verdict starts.
    pub at: usize,
}

/// One control of the chain. It judges what the scanners saw; it never scans itself, so that a text is read
/// once however long the chain is.
pub trait Policy: fmt::Debug + Send + Sync {
    /// Which policy this is.
    fn kind(&self) -> PolicyKind;

    /// Whether the chain runs it in `phase`.
    fn runs_in(&self, phase: Phase) -> bool;

    /// Entities that the scanner must look for on its behalf.
    fn entities(&self) -> &[Entity] {
        &[]
    }

    /// Phrases that the scanner must look for on its behalf.
    fn phrases(&self) -> &'static [PhraseGroup] {
        &[]
    }

    /// The linear model that must be asked on its behalf, about requests.
    fn model(&self) -> Option<Model> {
        None
    }

    /// Judges one text, or in a stream the part of it that is settled.
    fn judge(&self, sightings: &Sightings) -> Judgement;
}
