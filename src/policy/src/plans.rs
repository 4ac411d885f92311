//! One configuration, compiled: an engine per chain, and what chooses among them.

use std::sync::Arc;

use serde_json::json;

use crate::{
    access::{self, Access, KeyIndex, Plan, RequestHead},
    engine::Engine,
    error::ErrorReply,
    exchange::model_of,
    filter_config::FilterConfig,
};

/// The engines of a configuration.
#[derive(Debug)]
pub struct Plans {
    first: Arc<Engine>,
    /// Those of other chains.
    others: Vec<Arc<Engine>>,
    keys: KeyIndex,
}

impl Plans {
    /// Compiles `config`. The error names the pattern that does not compile.
    pub fn new(config: FilterConfig) -> Result<Self, String> {
        let keys = KeyIndex::new(&config.access);
        let mut others = Vec::with_capacity(config.access.chains.len());
        for chain in &config.access.chains {
            let own = FilterConfig {
                policies: chain.policies.clone(),
                controls: chain.controls.clone(),
                access: Access::default(),
                ..config.clone()
            };
            others.push(Arc::new(Engine::new(own)?));
        }
        let first = Arc::new(Engine::new(config)?);
        Ok(Self {
            first,
            others,
            keys,
        })
    }

    /// The engine of the file's own chain.
    pub fn first(&self) -> &Arc<Engine> {
        &self.first
    }

    /// The engine of a chain, by [`crate::Plan::chain`].
    pub fn engine(&self, chain: usize) -> Option<&Arc<Engine>> {
        match chain.checked_sub(1) {
            None => Some(&self.first),
            Some(other) => self.others.get(other),
        }
    }

    fn config(&self) -> &FilterConfig {
        self.first.config()
    }

    fn access(&self) -> &Access {
        &self.config().access
    }

    /// See [`Access::caller`].
    pub fn caller(&self, authorization: Option<&str>) -> Result<Option<usize>, ErrorReply> {
        let access = self.access();
        access.caller(&self.keys, authorization)
    }

    /// What a `POST` request gets. Where its model has a say, its body is needed.
    pub fn choose(
        &self,
        path: &str,
        head: &impl RequestHead,
        caller: Option<usize>,
        body: Option<&[u8]>,
    ) -> Result<Plan, ErrorReply> {
        let access = self.access();
        if access.is_empty() {
            return Ok(Plan::default());
        }
        let model = match body {
            _ if !access.depends_on_model() => None,
            Some(body) => model_of(body),
            None => return Err(ErrorReply::engine_unavailable()),
        };
        access.plan("POST", path, head, caller, model.as_deref())
    }

    /// See [`FilterConfig::targets_of`].
    pub fn targets(&self, set: usize) -> Vec<usize> {
        self.config().targets_of(set)
    }

    /// `id` of a consumer.
    pub fn consumer_id(&self, caller: usize) -> Option<&str> {
        Some(&self.access().consumers.get(caller)?.id)
    }

    /// The class of a consumer's limits, 0 where it has none.
    pub fn limited(&self, caller: Option<usize>) -> usize {
        let consumer = caller.and_then(|caller| self.access().consumers.get(caller));
        consumer.map_or(0, |consumer| consumer.limited)
    }

    /// `name` of a route.
    pub fn route_name(&self, route: usize) -> Option<&str> {
        Some(&self.access().routes.get(route)?.name)
    }

    /// What ends the page of the configuration: the exceptions that were never used, in place of its last brace.
    pub fn unused_exceptions(&self, is_used: impl Fn(&str) -> bool) -> String {
        let config = self.config();
        let all = access::exceptions(&config.controls, &config.access);
        let ids = all.iter().map(|(_, exception)| exception.id());
        let unused: Vec<&str> = ids.filter(|id| !is_used(id)).collect();
        format!(",\"unused_exceptions\":{}}}", json!(unused))
    }

    /// The models that a consumer may use, in OpenAI's list shape.
    pub fn models(&self, caller: Option<usize>) -> Vec<u8> {
        let config = self.config();
        let mut of_targets: Vec<&str> = Vec::new();
        for target in &config.targets {
            if !of_targets.contains(&target.model.as_str()) {
                of_targets.push(&target.model);
            }
        }
        let models = config.access.models(caller, of_targets.into_iter());
        let data: Vec<_> = models
            .iter()
            .map(|id| json!({"id": id, "object": "model", "created": 0, "owned_by": "keeptrusts"}))
            .collect();
        json!({"object": "list", "data": data})
            .to_string()
            .into_bytes()
    }
}
