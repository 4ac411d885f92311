//! Verdicts, in the product's words.

use serde::{Deserialize, Serialize};

/// A policy's answer, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Processing continues.
    #[default]
    Allow,
    /// Processing continues with the findings replaced by markers.
    Redact,
    /// Delivery stops; a person should look at it.
    Escalate,
    /// Delivery stops.
    Block,
}

impl Verdict {
    /// Whether delivery stops.
    pub fn stops(self) -> bool {
        self >= Self::Escalate
    }
}

/// When the chain runs a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// On the request.
    Input,
    /// On the response.
    Output,
}

/// What a policy does when it stops delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopAction {
    /// Block.
    #[default]
    Block,
    /// Hand over to a person; for the client the same as a block, with its own code.
    Escalate,
}

impl StopAction {
    /// The verdict that carries out the action.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Block => Verdict::Block,
            Self::Escalate => Verdict::Escalate,
        }
    }
}
