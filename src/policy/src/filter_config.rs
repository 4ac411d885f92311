//! What the generator hands the filter: the plugin configuration, as JSON.

use serde::{Deserialize, Serialize};

use crate::policy::PolicyConfig;

/// Version of [`FilterConfig`]; filter and generator of different versions notice each other.
pub const FORMAT: u32 = 1;

/// Which of the two filters of the module is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Downstream: inspects requests and responses.
    Policy,
    /// Upstream: sets model, path and host of each attempt for its target.
    Rewrite,
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

/// USD per one million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pricing {
    /// Of the request.
    pub prompt: f64,
    /// Of the answer.
    pub completion: f64,
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
    /// For the cost in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,
}

/// Total time limits of one exchange, retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamTimeout {
    /// For the whole exchange.
    pub total_ms: u64,
    /// Until one attempt answers.
    pub attempt_ms: u64,
}

/// The plugin configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// [`FORMAT`]
    pub format: u32,
    /// Policy or rewrite filter.
    pub role: Role,
    /// `gateway_id` of events.
    pub gateway_id: String,
    /// The pack.
    pub pack: Pack,
    /// `policies.chain` with settings; empty when the pack is disabled.
    pub policies: Vec<PolicyConfig>,
    /// `--fail-mode`
    pub fail_mode: FailMode,
    /// `--unreadable`: whether images, audio, files and remote content are refused.
    pub unreadable: FailMode,
    /// Targets in the order they are tried.
    pub targets: Vec<Target>,
    /// Whether each attempt is rewritten for its target on the way out. If not, there is one target, whose path
    /// and host the route sets and whose model the policy filter sets.
    pub rewrite_per_attempt: bool,
    /// Set for streaming requests when their limits differ from the route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_timeout: Option<StreamTimeout>,
}

impl FilterConfig {
    /// Reads a plugin configuration.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let config: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if config.format != FORMAT {
            return Err(format!(
                "configuration format {} was made for another version of this filter, which reads {FORMAT}",
                config.format
            ));
        }
        Ok(config)
    }
}
