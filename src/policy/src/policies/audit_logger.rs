//! `audit-logger`: what happens to the decision events.
//!
//! *What it does.* Stamps every event with `retention_days`, and with `immutable` chains the events of each
//! Envoy worker by SHA-256, so that a changed, removed or reordered line shows. It never blocks.
//! *Limits.* The chain proves tampering, it does not prevent it: write-once storage is the sink's business, and
//! so is deleting events when their retention ends.

use serde::{Deserialize, Serialize};

/// Settings of `policy.audit-logger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Chain the events by hash. Default true.
    pub immutable: bool,
    /// Days that the sink must keep an event, 1 to 36500. Default 365.
    pub retention_days: u32,
    /// Write an event for every exchange; otherwise only for those that were not simply allowed. Default true.
    pub log_all_access: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            immutable: true,
            retention_days: 365,
            log_all_access: true,
        }
    }
}
