//! The root context: compiles the configuration once and makes a context for each stream.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use kt_policy::{Engine, FilterConfig, Role, event::EventChain};
use proxy_wasm::{
    traits::{Context, HttpContext, RootContext},
    types::ContextType,
};

use crate::{
    host::{self, Counter},
    policy_stream::PolicyStream,
    rewrite_stream::RewriteStream,
};

/// The configuration of this machine, once it is read.
#[derive(Default)]
pub(crate) struct Plugin {
    engine: Option<Arc<Engine>>,
    events: Option<Rc<RefCell<EventChain>>>,
    faults: Option<Counter>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// False makes Envoy reject the configuration and keep the one it has.
    fn on_configure(&mut self, len: usize) -> bool {
        let json = host::plugin_configuration(len).unwrap_or_default();
        match FilterConfig::from_json(&json) {
            Ok(config) => {
                self.engine = Some(Arc::new(Engine::new(config)));
                self.faults = Some(Counter::define("keeptrusts_engine_faults_total"));
                self.events = Some(Rc::new(RefCell::new(EventChain::new(chain_id()))));
                true
            }
            Err(reason) => {
                log::error!("the filter configuration is refused: {reason}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let engine = self.engine.clone()?;
        match engine.config().role {
            Role::Policy => Some(Box::new(PolicyStream::new(
                engine,
                self.events.clone()?,
                self.faults?,
            ))),
            Role::Rewrite => Some(Box::new(RewriteStream::new(engine))),
        }
    }
}

/// Unique per machine: the time and a random seed of the standard library.
fn chain_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let now = host::now_us();
    format!("{now:x}-{:016x}", RandomState::new().hash_one(now))
}
