//! What a machine keeps for as long as it lives. Each new configuration makes a root context of its own in the same machine,
//! beside those whose exchanges still run; what all of them count, chain and name belongs to none of them.

use std::{cell::RefCell, rc::Rc};

use kt_policy::{Held, event::EventChain};

use crate::{counts::Counts, event_log::EventLog, exchanges::Exchanges, host, plugin::random};

thread_local! {
    static EVENTS: Rc<RefCell<EventChain>> = {
        let chain_id = format!("{:x}-{:016x}", host::now_us(), random());
        Rc::new(RefCell::new(EventChain::new(chain_id)))
    };
    static EXCHANGES: Rc<Exchanges> = Rc::new(Exchanges::new(random()));
    static COUNTS: Rc<Counts> = Rc::new(Counts::begin());
    static EVENT_LOG: Rc<EventLog> = Rc::default();
    static HELD: Rc<RefCell<Held>> = Rc::new(RefCell::new(Held::new(usize::MAX)));
}

/// The chain of events: it goes on whatever the configuration.
pub(crate) fn events() -> Rc<RefCell<EventChain>> {
    EVENTS.with(Rc::clone)
}

/// The names of exchanges.
pub(crate) fn exchanges() -> Rc<Exchanges> {
    EXCHANGES.with(Rc::clone)
}

/// What is known of the event log.
pub(crate) fn event_log() -> Rc<EventLog> {
    EVENT_LOG.with(Rc::clone)
}

/// What is counted for `/metrics`.
pub(crate) fn counts() -> Rc<Counts> {
    COUNTS.with(Rc::clone)
}

/// The account of what exchanges hold, with the newest limit.
pub(crate) fn held(limit: usize) -> Rc<RefCell<Held>> {
    let held = HELD.with(Rc::clone);
    if let Ok(mut held) = held.try_borrow_mut() {
        held.set_limit(limit);
    }
    held
}
