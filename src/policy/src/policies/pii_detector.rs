//! `pii-detector`: personal data in requests and responses.
//!
//! *What it does.* With `redact`, each value is replaced by its marker (`[EMAIL_REDACTED]`) before the text goes
//! on; with `block`, the exchange stops.
//! *Where it looks.* Every string, member name and long number of the request, and of the response or stream.
//! *Limits.* The entities of [`Entity`]; see each detector's file for what it does not find.

use serde::{Deserialize, Serialize};

use crate::{
    detect::Entity,
    policy::{Judgement, Policy, PolicyKind, Sightings},
    verdict::{Phase, Verdict},
};

/// What happens to personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Replace it by markers.
    #[default]
    Redact,
    /// Stop the exchange.
    Block,
}

/// Settings of `policy.pii-detector`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Default `redact`.
    pub action: Action,
    /// What to look for. Default: everything.
    pub entities: Vec<Entity>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            action: Action::Redact,
            entities: Entity::ALL.to_vec(),
        }
    }
}

/// The policy.
#[derive(Debug)]
pub struct PiiDetector {
    verdict: Verdict,
    entities: Vec<Entity>,
}

impl PiiDetector {
    pub(crate) fn new(settings: &Settings) -> Self {
        let verdict = match settings.action {
            Action::Redact => Verdict::Redact,
            Action::Block => Verdict::Block,
        };
        Self {
            verdict,
            entities: settings.entities.clone(),
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
        &self.entities
    }

    fn judge(&self, sightings: &Sightings) -> Judgement {
        match sightings.pii.first() {
            Some(first) => Judgement {
                verdict: self.verdict,
                score: None,
                at: first.range.start,
            },
            None => Judgement::default(),
        }
    }
}
