//! Looks whether Envoy can write events, where no exchange may go without one.

use std::{cell::Cell, time::Duration};

use kt_policy::{ADMIN_CLUSTER, LogState, WRITES};

use crate::host;

/// How often Envoy is asked, in microseconds.
const PERIOD_US: u64 = 1_000_000;

/// What this machine knows of the event log.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    state: Cell<LogState>,
    asked: Cell<Option<u32>>,
    asked_us: Cell<u64>,
}

impl EventLog {
    /// Asks, if it is time. Where Envoy's admin interface cannot be asked, nothing is known.
    pub(crate) fn tick(&self) {
        let now_us = host::now_us();
        if now_us.saturating_sub(self.asked_us.get()) < PERIOD_US {
            return;
        }
        self.asked_us.set(now_us);
        let sent = host::get(ADMIN_CLUSTER, "admin", WRITES, Duration::from_secs(1));
        self.asked.set(sent.ok());
    }

    /// Takes an answer of `len` bytes, if it was asked for.
    pub(crate) fn answered(&self, token: u32, len: usize) -> bool {
        if self.asked.get() != Some(token) {
            return false;
        }
        self.asked.set(None);
        let mut state = self.state.get();
        let was_broken = state.is_broken();
        state.take(&String::from_utf8_lossy(&host::call_body(len)));
        self.state.set(state);
        match (was_broken, state.is_broken()) {
            (false, true) => {
                log::error!("events cannot be written; requests are refused until they can");
            }
            (true, false) => log::warn!("events can be written again"),
            _ => {}
        }
        true
    }

    /// Whether an exchange would leave no event.
    pub(crate) fn is_broken(&self) -> bool {
        self.state.get().is_broken()
    }
}
