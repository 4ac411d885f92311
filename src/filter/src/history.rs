//! What this worker judged before, and how often that was of use.

use std::{cell::RefCell, rc::Rc};

use kt_policy::{BodyStep, Exchange, Memory};

use crate::counts::Metered;

/// The memory of one worker.
#[derive(Clone)]
pub(crate) struct History {
    memory: Rc<RefCell<Memory>>,
}

impl History {
    /// `key` is secret and random, `limit` in bytes.
    pub(crate) fn new(key: [u8; 16], limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            memory: Rc::new(RefCell::new(Memory::new(key, limit))),
        }
    }

    /// Judges a request, as far as it is new to this caller.
    pub(crate) fn judge(
        &self,
        exchange: &mut Exchange,
        caller: Option<usize>,
        body: &[u8],
        metered: &Metered,
    ) -> BodyStep {
        let Ok(mut memory) = self.memory.try_borrow_mut() else {
            return exchange.request_body(body);
        };
        memory.ask_for(caller);
        let step = exchange.request_body_again(body, &mut memory);
        metered.remembered(memory.take_use());
        step
    }

    /// How much it keeps.
    pub(crate) fn bytes(&self) -> usize {
        self.memory.try_borrow().map_or(0, |memory| memory.bytes())
    }
}
