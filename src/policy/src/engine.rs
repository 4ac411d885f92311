//! One configuration, compiled: what all exchanges share.

use crate::{
    chain::Chain,
    filter_config::{FilterConfig, Target},
    policies::audit_logger,
    policy::PolicyConfig,
};

/// The compiled configuration.
#[derive(Debug)]
pub struct Engine {
    config: FilterConfig,
    chain: Chain,
}

impl Engine {
    /// Compiles `config`.
    pub fn new(config: FilterConfig) -> Self {
        let chain = Chain::compile(&config.policies);
        Self { config, chain }
    }

    /// The configuration it was made of.
    pub fn config(&self) -> &FilterConfig {
        &self.config
    }

    /// The compiled chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The target with this id.
    pub fn target(&self, id: &str) -> Option<&Target> {
        self.config.targets.iter().find(|target| target.id == id)
    }

    /// The model that every target has; the policy filter sets it then.
    pub(crate) fn common_model(&self) -> Option<&str> {
        self.config
            .targets
            .first()
            .filter(|_| !self.config.model_per_attempt)
            .map(|target| target.model.as_str())
    }

    /// Settings of the audit logger, if it is in the chain.
    pub fn audit(&self) -> Option<&audit_logger::Settings> {
        self.config.policies.iter().find_map(|policy| match policy {
            PolicyConfig::AuditLogger(settings) => Some(settings),
            _ => None,
        })
    }
}
