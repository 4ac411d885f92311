//! What this worker judged before, and how often that was of use.

use std::{cell::RefCell, rc::Rc};

use kt_policy::{BodyStep, Exchange, Memory};

use crate::host::{Counter, Gauge};

/// The memory of one worker.
#[derive(Clone)]
pub(crate) struct History {
    memory: Rc<RefCell<Memory>>,
    hits: Counter,
    misses: Counter,
    bytes: Gauge,
}

impl History {
    /// `key` is secret and random, `limit` in bytes.
    pub(crate) fn new(key: [u8; 16], limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            memory: Rc::new(RefCell::new(Memory::new(key, limit))),
            hits: Counter::define("keeptrusts_history_hits_total"),
            misses: Counter::define("keeptrusts_history_misses_total"),
            bytes: Gauge::define("keeptrusts_history_bytes"),
        }
    }

    /// Judges a request, as far as it is new to this caller.
    pub(crate) fn judge(
        &self,
        exchange: &mut Exchange,
        caller: Option<usize>,
        body: &[u8],
    ) -> BodyStep {
        let Ok(mut memory) = self.memory.try_borrow_mut() else {
            return exchange.request_body(body);
        };
        memory.ask_for(caller);
        let before = memory.bytes();
        let step = exchange.request_body_again(body, &mut memory);
        let uses = memory.take_use();
        self.hits.add_all(uses.hits);
        self.misses.add_all(uses.misses);
        self.bytes.change(before, memory.bytes());
        step
    }
}
