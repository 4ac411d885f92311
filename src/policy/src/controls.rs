//! What every policy of a chain has beside its own settings: how far it is switched on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    narrowing::{Exception, Scope},
    policy::PolicyKind,
};

/// Whether a policy acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It only says what it would do.
    Monitor,
}

/// What a client gets of an exchange that a policy stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBlock {
    /// An error.
    #[default]
    Error,
    /// An answer that refuses.
    Refusal,
}

/// The settings that all policies share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// `mode`
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: Mode,
    /// `on_block`
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_block: OnBlock,
    /// `scope`
    #[serde(default, skip_serializing_if = "is_default")]
    pub scope: Scope,
    /// `exceptions`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
}

/// Those of a chain's policies that differ from the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Controls(BTreeMap<PolicyKind, Control>);

impl Controls {
    /// Whether no policy has any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps those of one policy.
    pub fn set(&mut self, kind: PolicyKind, control: Control) {
        if control == Control::default() {
            self.0.remove(&kind);
        } else {
            self.0.insert(kind, control);
        }
    }

    /// Says what a client gets of an exchange that `kind` stops.
    pub fn set_on_block(&mut self, kind: PolicyKind, on_block: OnBlock) {
        let control = self.0.get(&kind).cloned().unwrap_or_default();
        self.set(
            kind,
            Control {
                on_block,
                ..control
            },
        );
    }

    /// Whether `kind` only says what it would do.
    pub fn is_monitored(&self, kind: PolicyKind) -> bool {
        self.0
            .get(&kind)
            .is_some_and(|control| control.mode == Mode::Monitor)
    }

    /// What a client gets of an exchange that `kind` stops.
    pub fn on_block(&self, kind: PolicyKind) -> OnBlock {
        self.0
            .get(&kind)
            .map_or(OnBlock::Error, |control| control.on_block)
    }

    /// What narrows these policies.
    pub(crate) fn of(
        &self,
        kinds: impl Iterator<Item = PolicyKind>,
    ) -> impl Iterator<Item = (PolicyKind, &Scope, &[Exception])> {
        kinds.filter_map(|kind| {
            let control = self.0.get(&kind)?;
            Some((kind, &control.scope, control.exceptions.as_slice()))
        })
    }

    /// All exceptions, with their policies.
    pub fn exceptions(&self) -> impl Iterator<Item = (PolicyKind, &Exception)> {
        let controls = self.0.iter();
        controls.flat_map(|(kind, control)| {
            control
                .exceptions
                .iter()
                .map(|exception| (*kind, exception))
        })
    }

    /// Whether any policy wants an answer in place of an error.
    pub fn refuses(&self) -> bool {
        let mut controls = self.0.values();
        controls.any(|control| control.on_block == OnBlock::Refusal)
    }

    /// The same with every policy enforced.
    pub(crate) fn enforced(&self) -> Self {
        let mut all = self.clone();
        for control in all.0.values_mut() {
            control.mode = Mode::Enforce;
        }
        all
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
