//! `pii-detector`: personal data in requests and responses.
//!
//! *What it does.* With `redact`, each value is replaced by its marker (`[EMAIL_REDACTED]`) before the text goes
//! on; with `block`, the exchange stops.
//! *Where it looks.* Every string, member name and long number of the request, and of the response or stream.
//! *Limits.* The entities of [`Entity`] and the users' patterns; see each detector's file for what it does not find. Names of persons and places
//! need a language model and are not found, but for the name beside a payment card.

use serde::{Deserialize, Serialize};

use crate::{
    policy::{Judgement, Policy, PolicyKind, Sightings},
    verdict::{Phase, Verdict},
};
use kt_text::{
    detect::{Entity, Label},
    patterns::Pattern,
    redact::Redaction,
};

/// What happens to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Replace it by a marker.
    #[default]
    Redact,
    /// Stop the exchange.
    Block,
}

impl Action {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Redact => Verdict::Redact,
            Self::Block => Verdict::Block,
        }
    }
}

/// Settings of `policy.pii-detector`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Default `redact`.
    pub action: Action,
    /// What to look for. Default: everything but [`Entity::HEALTHCARE`].
    pub entities: Vec<Entity>,
    /// `detect_patterns`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<Pattern>,
    /// How values are replaced.
    #[serde(default, skip_serializing_if = "is_default")]
    pub redaction: Redaction,
}

fn is_default(redaction: &Redaction) -> bool {
    *redaction == Redaction::default()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            action: Action::Redact,
            entities: Self::entities(true, false),
            patterns: Vec::new(),
            redaction: Redaction::default(),
        }
    }
}

impl Settings {
    /// What is looked for when no entities are named.
    pub fn entities(pci_mode: bool, healthcare_mode: bool) -> Vec<Entity> {
        let is_wanted = |entity: &Entity| {
            (pci_mode || !Entity::PCI.contains(entity))
                && (healthcare_mode || !Entity::HEALTHCARE.contains(entity))
        };
        Entity::ALL.iter().copied().filter(is_wanted).collect()
    }
}

/// The policy.
#[derive(Debug)]
pub struct PiiDetector {
    settings: Settings,
    first_pattern: u16,
}

impl PiiDetector {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            first_pattern: 0,
        }
    }
}

impl Policy for PiiDetector {
    fn kind(&self) -> PolicyKind {
        PolicyKind::PiiDetector
    }

    fn runs_in(&self, _: Phase) -> bool {
        true
    }

    fn entities(&self) -> &[Entity] {
        &self.settings.entities
    }

    fn patterns(&self) -> Vec<&Pattern> {
        self.settings.patterns.iter().collect()
    }

    fn redacts(&self) -> bool {
        true
    }

    fn number_patterns(&mut self, first: u16) {
        self.first_pattern = first;
    }

    fn redaction(&self) -> Option<&Redaction> {
        Some(&self.settings.redaction)
    }

    fn judge(&self, sightings: &Sightings) -> Judgement {
        let own = usize::from(self.first_pattern)
            ..usize::from(self.first_pattern) + self.settings.patterns.len();
        let values = sightings.values.iter().filter(|value| matches!(value.label, Label::Entity(entity) if self.settings.entities.contains(&entity)));
        let matches = sightings
            .patterns
            .iter()
            .filter(|hit| own.contains(&usize::from(hit.pattern)));
        let starts = values
            .map(|value| value.range.start)
            .chain(matches.map(|hit| hit.range.start));
        match starts.min() {
            Some(at) => Judgement {
                verdict: self.settings.action.verdict(),
                score: None,
                at,
            },
            None => Judgement::default(),
        }
    }
}
