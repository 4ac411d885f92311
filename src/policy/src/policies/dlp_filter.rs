//! `dlp-filter`: what an organisation does not let out, in its own words.
//!
//! *What it does.* Replaces what its rules find by a marker, or stops the exchange; each rule as it says, the policy's `action` otherwise.
//! *Where it looks.* Every string, member name and long number of the request, and of the response or stream.
//! *Limits.* A match has at most 1,024 bytes. Terms match whole words, however they are written; misspelt ones only with `fuzzy_matching`.

use serde::{Deserialize, Serialize};

use super::pii_detector::Action;
use crate::{
    policy::{Judgement, Policy, PolicyKind, Sightings},
    verdict::Phase,
};
use kt_text::{
    detect::{Entity, Label},
    patterns::Pattern,
};

/// A pattern and what happens to its matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What to look for.
    pub pattern: Pattern,
    /// What happens.
    pub action: Action,
}

/// Settings of `policy.dlp-filter`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// For entities. Default `redact`.
    pub action: Action,
    /// Entities that `detect_patterns` names.
    pub entities: Vec<Entity>,
    /// `detect_patterns`, `patterns` and `blocked_terms`.
    pub rules: Vec<Rule>,
}

/// The policy.
#[derive(Debug)]
pub struct DlpFilter {
    settings: Settings,
    first_pattern: u16,
}

impl DlpFilter {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            first_pattern: 0,
        }
    }

    /// The action of the rule that has this number among the patterns of all policies.
    fn action(&self, pattern: u16) -> Option<Action> {
        let place = pattern.checked_sub(self.first_pattern)?;
        Some(self.settings.rules.get(usize::from(place))?.action)
    }
}

impl Policy for DlpFilter {
    fn kind(&self) -> PolicyKind {
        PolicyKind::DlpFilter
    }

    fn runs_in(&self, _: Phase) -> bool {
        true
    }

    fn entities(&self) -> &[Entity] {
        &self.settings.entities
    }

    fn patterns(&self) -> Vec<&Pattern> {
        self.settings
            .rules
            .iter()
            .map(|rule| &rule.pattern)
            .collect()
    }

    fn redacts(&self) -> bool {
        true
    }

    fn number_patterns(&mut self, first: u16) {
        self.first_pattern = first;
    }

    fn judge(&self, sightings: &Sightings) -> Judgement {
        let values = sightings
            .values
            .iter()
            .filter_map(|value| match value.label {
                Label::Entity(entity) if self.settings.entities.contains(&entity) => {
                    Some((self.settings.action, value.range.start))
                }
                _ => None,
            });
        let matches = sightings
            .patterns
            .iter()
            .filter_map(|hit| Some((self.action(hit.pattern)?, hit.range.start)));
        // The first that blocks decides; if none does, the first.
        let found = values
            .chain(matches)
            .min_by_key(|(action, at)| (*action == Action::Redact, *at));
        found.map_or_else(Judgement::default, |(action, at)| Judgement {
            verdict: action.verdict(),
            score: None,
            at,
        })
    }
}
