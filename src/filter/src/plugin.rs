//! The root context: compiles the configuration once and makes a context for each stream.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use kt_policy::{CallerIds, Engine, FilterConfig, Held, Plans, Role, event::EventChain};
use proxy_wasm::{
    traits::{Context, HttpContext, RootContext, StreamContext},
    types::ContextType,
};

use crate::{
    alarms::Alarms,
    attempt_stream::AttemptStream,
    counts::{Counts, Metered},
    exchanges::Exchanges,
    guard_stream::GuardStream,
    history::History,
    hold::Hold,
    hop_stream::HopStream,
    host, machine,
    policy_stream::PolicyStream,
    probes::{self, Probes},
    shared,
};

/// The configuration of this machine, once it is read.
#[derive(Default)]
pub(crate) struct Plugin {
    engine: Option<Arc<Engine>>,
    plans: Option<Arc<Plans>>,
    events: Option<Rc<RefCell<EventChain>>>,
    exchanges: Option<Rc<Exchanges>>,
    ids: Option<Rc<CallerIds>>,
    held: Option<Rc<RefCell<Held>>>,
    /// The target's key, in a mesh.
    key: Option<Rc<str>>,
    history: Option<History>,
    counts: Option<Rc<Counts>>,
    metered: Option<Rc<Metered>>,
    probes: Probes,
    alarms: Rc<RefCell<Alarms>>,
}

impl Plugin {
    fn role(&self) -> Option<Role> {
        self.engine.as_ref().map(|engine| engine.config().role)
    }

    fn start(&mut self, config: FilterConfig) -> Result<(), String> {
        let plans = Plans::new(config)?;
        let engine = plans.first().clone();
        let config = engine.config();
        let limit = usize::try_from(config.held_bytes).unwrap_or(usize::MAX);
        shared::prepare(config, &new_key::<32>());
        // Without it ids could be guessed from their hashes.
        let secret = shared::secret().ok_or("Envoy keeps no shared data")?;
        self.key = key(config)?;
        if config.role == Role::Policy {
            host::set_tick_period(probes::PERIOD_MS);
            let counts = machine::counts();
            self.metered = Some(counts.under(&engine));
            self.counts = Some(counts);
        }
        self.history = Some(History::new(new_key(), config.history_bytes));
        self.exchanges = Some(machine::exchanges());
        self.held = Some(machine::held(limit));
        self.engine = Some(engine);
        self.plans = Some(Arc::new(plans));
        self.ids = Some(Rc::new(CallerIds::new(secret)));
        self.events = Some(machine::events());
        Ok(())
    }
}

impl Context for Plugin {
    fn on_http_call_response(&mut self, token: u32, _: usize, len: usize, _: usize) {
        if machine::event_log().answered(token, len) {
            return;
        }
        if let Some(engine) = &self.engine {
            self.probes.answered(token, engine.config());
        }
    }
}

impl RootContext for Plugin {
    /// False makes Envoy reject the configuration and keep the one it has.
    fn on_configure(&mut self, len: usize) -> bool {
        let json = host::plugin_configuration(len).unwrap_or_default();
        match FilterConfig::from_json(&json).and_then(|config| self.start(config)) {
            Ok(()) => true,
            Err(reason) => {
                log::error!("the filter configuration is refused: {reason}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        match (self.role(), &self.engine) {
            (Some(Role::Policy), Some(engine)) => {
                self.probes.tick(engine.config());
                if needs_events(engine) {
                    machine::event_log().tick();
                }
                if let (Some(counts), Some(held), Some(history)) =
                    (&self.counts, &self.held, &self.history)
                {
                    counts.tick(held, history.bytes());
                }
            }
            (Some(Role::Attempt), _) => wake(&self.alarms),
            _ => {}
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(match self.role()? {
            Role::Hop => ContextType::StreamContext,
            Role::Policy | Role::Attempt | Role::Guard => ContextType::HttpContext,
        })
    }

    fn create_stream_context(&self, _: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::<HopStream>::default())
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        let engine = self.engine.clone()?;
        match engine.config().role {
            Role::Policy => Some(Box::new(PolicyStream::new(
                self.plans.clone()?,
                self.events.clone()?,
                self.exchanges.clone()?,
                self.ids.clone()?,
                Hold::new(self.held.clone()?, context),
                self.metered.clone()?,
                self.history.clone()?,
            ))),
            Role::Attempt => Some(Box::new(AttemptStream::new(
                engine,
                context,
                self.alarms.clone(),
            ))),
            Role::Guard => Some(Box::new(GuardStream::new(
                engine,
                self.events.clone()?,
                self.ids.clone()?,
                Hold::new(self.held.clone()?, context),
                self.key.clone(),
            ))),
            Role::Hop => None,
        }
    }
}

/// Whether no exchange may go without its event.
pub(crate) fn needs_events(engine: &Engine) -> bool {
    engine.audit().is_some_and(|audit| audit.immutable)
}

/// The key of a mesh's target, from the environment that the mesh gives to the module. Without it nothing is served.
fn key(config: &FilterConfig) -> Result<Option<Rc<str>>, String> {
    let name = config
        .guard
        .as_ref()
        .and_then(|guard| guard.key_env.as_ref());
    let Some(name) = name else {
        return Ok(None);
    };
    let value = std::env::var(name).unwrap_or_default();
    match value.trim() {
        "" => Err(format!("the environment variable {name} is not set")),
        key => Ok(Some(key.into())),
    }
}

/// Wakes the attempts whose time has come.
fn wake(alarms: &RefCell<Alarms>) {
    let due = alarms
        .try_borrow_mut()
        .map(|mut alarms| alarms.due(host::now_us()))
        .unwrap_or_default();
    for (context, attempt) in due {
        if host::act_for(context).is_ok()
            && let Ok(mut attempt) = attempt.try_borrow_mut()
        {
            attempt.wake();
        }
    }
}

/// A random number, from a random seed of the standard library.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(host::now_us())
}

/// A key that nobody can guess: the standard library's seed has 128 bits, of which each number tells 64.
fn new_key<const LEN: usize>() -> [u8; LEN] {
    let mut key = [0; LEN];
    for bytes in key.chunks_exact_mut(8) {
        bytes.copy_from_slice(&random().to_le_bytes());
    }
    key
}
