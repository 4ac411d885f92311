//! One configuration, compiled: what all exchanges share.

use std::sync::Arc;

use crate::{
    chain::Chain,
    endpoint::Endpoint,
    filter_config::{FailMode, FilterConfig, Target},
    limits::limiting_member,
    orders::{order_cluster, order_name, order_of},
    policies::{audit_logger, quality_scorer::QualityScorer},
    policy::PolicyConfig,
};

/// The compiled configuration.
#[derive(Debug)]
pub struct Engine {
    config: FilterConfig,
    chain: Chain,
    quality: Option<QualityScorer>,
    /// The names of the orders of all targets and of each set.
    orders: Vec<String>,
    /// The same with every policy enforced, where some only say what they would do.
    shadow: Option<Arc<Self>>,
}

impl Engine {
    /// Compiles `config`. The error names the pattern that does not compile.
    pub fn new(config: FilterConfig) -> Result<Self, String> {
        let is_enforced = |policy: &&PolicyConfig| !config.controls.is_monitored(policy.kind());
        let enforced: Vec<PolicyConfig> =
            (config.policies.iter().filter(is_enforced).cloned()).collect();
        let shadow = (enforced.len() < config.policies.len()).then(|| Self::shadow_of(&config));
        let quality = enforced.iter().find_map(|policy| match policy {
            PolicyConfig::QualityScorer(settings) => Some(QualityScorer::new(settings)),
            _ => None,
        });
        Ok(Self {
            chain: Chain::narrowed(&enforced, &config.controls)?,
            quality: quality.transpose()?,
            shadow: shadow.transpose()?,
            orders: orders(&config),
            config,
        })
    }

    /// The engine of which nothing but its verdicts is used.
    fn shadow_of(config: &FilterConfig) -> Result<Arc<Self>, String> {
        let mut config = config.clone();
        config.controls = config.controls.enforced();
        Self::new(config).map(Arc::new)
    }

    pub(crate) fn shadow(&self) -> Option<&Arc<Self>> {
        self.shadow.as_ref()
    }

    /// Whether nothing of an exchange would be stopped or changed by what is found in it, although policies look at it: a failure of
    /// the engine then is none of the exchange's.
    pub fn only_monitors(&self) -> bool {
        self.shadow.is_some()
            && self.chain.is_empty()
            && self.quality.is_none()
            && self.config.unreadable == FailMode::Allow
    }

    /// The configuration it was made of.
    pub fn config(&self) -> &FilterConfig {
        &self.config
    }

    /// The compiled chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The quality scorer, if it is in the chain.
    pub(crate) fn quality(&self) -> Option<&QualityScorer> {
        self.quality.as_ref()
    }

    /// Whether answers are judged by their quality.
    pub fn judges_quality(&self) -> bool {
        self.quality.is_some()
    }

    /// The newest message of a request, as far as the quality of its answer depends on it.
    pub fn prompt_of(body: &[u8]) -> String {
        QualityScorer::prompt(body)
    }

    /// The score of a whole response that is too bad; `None` when it is good enough.
    pub fn too_bad(&self, prompt: &str, body: &[u8]) -> Option<f32> {
        let report = self.quality.as_ref()?.judge_body(prompt, body)?;
        (!report.passed).then_some(report.score)
    }

    /// The target with this id.
    pub fn target(&self, id: &str) -> Option<&Target> {
        self.config.targets.iter().find(|target| target.id == id)
    }

    /// The cluster that tries target number `first` of a set, and then its others; set 0 is that of all.
    pub fn order_cluster(&self, set: usize, first: usize) -> Option<String> {
        Some(order_cluster(self.orders.get(set)?, first))
    }

    /// The targets of an order, by their places; none where the cluster is no order of this configuration.
    pub fn targets_of_order(&self, cluster: &str) -> Vec<usize> {
        let name = order_of(cluster);
        let set = self.orders.iter().position(|order| order == name);
        set.map_or_else(Vec::new, |set| self.config.targets_of(set))
    }

    /// How an answer is limited whose request does not say it: the member, and how many tokens.
    pub(crate) fn answer_limit(&self, endpoint: Endpoint) -> Option<(&'static str, u64)> {
        let targets = &self.config.targets;
        let is_openai = targets.iter().all(|target| target.provider == "openai");
        let member = limiting_member(endpoint, is_openai)?;
        Some((member, self.config.limits.answer_tokens))
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

/// The names of the orders of all targets and of each set.
fn orders(config: &FilterConfig) -> Vec<String> {
    let ids = |set| {
        let places = config.targets_of(set);
        let targets = places
            .into_iter()
            .filter_map(|place| config.targets.get(place));
        let ids: Vec<&str> = targets.map(|target| target.id.as_str()).collect();
        order_name(ids.into_iter())
    };
    (0..=config.access.target_sets.len()).map(ids).collect()
}
