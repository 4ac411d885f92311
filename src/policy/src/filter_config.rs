//! What the generator hands the filter: the plugin configuration, as JSON.

use kt_routing::{HealthProbe, Routing};
use serde::{Deserialize, Serialize};

use crate::{
    access::Access, controls::Controls, exchange::MAX_EVENT_BYTES, limits::Limits, money::Pricing,
    policy::PolicyConfig, tree::Tree,
};

/// Version of [`FilterConfig`]; filter and generator of different versions notice each other.
pub const FORMAT: u32 = 3;

/// Which of the filters of the module is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// At the listener: inspects requests and responses and chooses the target.
    Policy,
    /// In front of the targets, once per attempt: admits it, fits it to its target and judges how it ended.
    Attempt,
    /// On the connection between the two.
    Hop,
    /// In a mesh's chain of filters, in front of one target: inspects, and leaves the way to the mesh.
    Guard,
}

/// What only [`Role::Guard`] is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Environment variable with the target's key; without one the client's `Authorization` goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// The only host whose requests are inspected, where others share the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// What the names of the only routes begin with whose requests are inspected, where others share the listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<String>,
}

/// What happens to what was not inspected: because the engine itself failed, or because it cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailMode {
    /// It is refused.
    #[default]
    Block,
    /// It goes on; the event says so.
    Allow,
}

/// Name and version of the policy pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    /// `pack.name`
    pub name: String,
    /// `pack.version`
    pub version: String,
}

/// One target as the filter needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `id`
    pub id: String,
    /// Provider id, for events.
    pub provider: String,
    /// Replaces the client's model.
    pub model: String,
    /// `Host` of its requests.
    pub authority: String,
    /// Path of its API up to and including `/v1`.
    pub base_path: String,
    /// Share under `weighted_round_robin`.
    pub weight: f64,
    /// Longest wait for an answer that is no stream.
    pub timeout_ms: u64,
    /// Longest wait for the first token of a stream.
    pub first_token_ms: u64,
    /// For the cost in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,
    /// `description`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `quantizations`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantizations: Option<String>,
    /// `health_probe`, if it is enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_probe: Option<HealthProbe>,
}

impl Target {
    /// The Envoy cluster that reaches the target with `id`.
    pub fn cluster_of(id: &str) -> String {
        format!("target_{id}")
    }
}

/// Headers between the filters. None of them reaches a provider or is taken from a client.
pub mod internal_header {
    /// The cluster that the router takes.
    pub const ORDER: &str = "x-kt-order";
    /// The exchange, so that its attempts find each other.
    pub const EXCHANGE: &str = "x-kt-exchange";
    /// Set for streams.
    pub const STREAM: &str = "x-kt-stream";
    /// The target of an attempt.
    pub const TARGET: &str = "x-kt-target";
    /// On an answer: the attempt failed, and another one may follow.
    pub const FAILOVER: &str = "x-kt-failover";
    /// On an answer that is not the provider's: why there is none.
    pub const FAILURE: &str = "x-kt-failure";

    /// Those of requests.
    pub const OF_REQUESTS: [&str; 4] = [ORDER, EXCHANGE, STREAM, TARGET];
    /// Those of answers.
    pub const OF_ANSWERS: [&str; 2] = [FAILOVER, FAILURE];
}

/// The plugin configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// [`FORMAT`]
    pub format: u32,
    /// Which filter this is.
    pub role: Role,
    /// `gateway_id` of events.
    pub gateway_id: String,
    /// The pack.
    pub pack: Pack,
    /// `policies.chain` with settings; empty when the pack is disabled.
    pub policies: Vec<PolicyConfig>,
    /// How far they are switched on.
    #[serde(default, skip_serializing_if = "Controls::is_empty")]
    pub controls: Controls,
    /// Who may ask for what, and what follows from it.
    #[serde(default, skip_serializing_if = "Access::is_empty")]
    pub access: Access,
    /// `--fail-mode`
    pub fail_mode: FailMode,
    /// `--unreadable`: whether images, audio, files and remote content are refused.
    pub unreadable: FailMode,
    /// How many bytes of bodies one worker holds at a time.
    #[serde(default = "unlimited")]
    pub held_bytes: u64,
    /// `--history`: how many bytes of judgements one worker keeps, so that a conversation is not judged again with every turn.
    #[serde(default = "history_bytes", skip_serializing_if = "is_default_history")]
    pub history_bytes: u32,
    /// `providers.stream.max_event_bytes`: the largest event of a stream, in bytes.
    #[serde(default = "max_event_bytes", skip_serializing_if = "is_default_event")]
    pub max_event_bytes: u32,
    /// Whether tokens are counted, so that streams have to report them: `providers.stream.include_usage`, where anything has a
    /// price or a limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts_usage: bool,
    /// Limits of requests, tokens and money.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// `size_limits`, where they are set: the longest bodies of requests and of answers that are no streams, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u32>,
    /// See [`Self::max_body_bytes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_response_bytes: Option<u32>,
    /// How targets are chosen and when the next one is tried.
    #[serde(default)]
    pub routing: Routing,
    /// Targets in the order of the file.
    pub targets: Vec<Target>,
    /// Targets without a key: they are shown and take no requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_key: Vec<Target>,
    /// Set when there is one target and one attempt: requests that are no streams go to it without the filter for
    /// attempts. Streams then get this limit for the whole exchange, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_stream_total_ms: Option<u64>,
    /// SHA-256 of the token that every request must carry; absent: nobody is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
    /// Whether each attempt gets its target's model. If not, all targets have the same one, and the policy filter sets
    /// it.
    pub model_per_attempt: bool,
    /// For [`Role::Guard`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
}

/// [`MAX_EVENT_BYTES`]
fn max_event_bytes() -> u32 {
    u32::try_from(MAX_EVENT_BYTES).unwrap_or(u32::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_default_event(bytes: &u32) -> bool {
    *bytes == max_event_bytes()
}

/// Default of `FilterConfig::history_bytes`.
pub const HISTORY_BYTES: u32 = 4 << 20;

fn history_bytes() -> u32 {
    HISTORY_BYTES
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_default_history(bytes: &u32) -> bool {
    *bytes == HISTORY_BYTES
}

fn unlimited() -> u64 {
    u64::MAX
}

impl FilterConfig {
    /// The targets of a set, by their places; set 0 is that of all.
    pub fn targets_of(&self, set: usize) -> Vec<usize> {
        match set.checked_sub(1) {
            None => (0..self.targets.len()).collect(),
            Some(set) => self
                .access
                .target_sets
                .get(set)
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// Reads a plugin configuration.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let config = Self::deserialize(Tree(value)).map_err(|error| error.to_string())?;
        if config.format != FORMAT {
            return Err(format!(
                "configuration format {} was made for another version of this filter, which reads {FORMAT}",
                config.format
            ));
        }
        Ok(config)
    }
}
