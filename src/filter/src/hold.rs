//! The account of what one exchange holds in Envoy's buffers, among all of its worker.

use std::{cell::RefCell, rc::Rc};

use kt_policy::{ErrorReply, Held, Room};

use crate::host;

/// What one exchange holds.
pub(crate) struct Hold {
    held: Rc<RefCell<Held>>,
    context: u32,
}

impl Hold {
    /// `context` is the exchange's number at the host.
    pub(crate) fn new(held: Rc<RefCell<Held>>, context: u32) -> Self {
        Self { held, context }
    }

    /// What all exchanges of this worker hold.
    pub(crate) fn all(&self) -> &RefCell<Held> {
        &self.held
    }

    /// Says that the exchange holds `bytes`. False when there is no room for them; others may have had to make some.
    pub(crate) fn hold(&self, bytes: usize) -> bool {
        let Ok(mut held) = self.held.try_borrow_mut() else {
            return false;
        };
        let client = || {
            let address = host::property(&["source", "address"]).unwrap_or_default();
            address_of(&address).to_owned()
        };
        loop {
            match held.hold(self.context, bytes, host::now_us(), client) {
                Room::Enough => return true,
                Room::Nothing => return false,
                Room::After(other) => self.end_other(other),
            }
        }
    }

    /// Envoy sends the answer when this callback is over.
    fn end_other(&self, other: u32) {
        let is_told =
            host::act_for(other).is_ok() && host::reply(&ErrorReply::no_room(), &[]).is_ok();
        if host::act_for(self.context).is_err() || !is_told {
            log::error!("an upload could not be ended to make room");
        }
    }

    /// What is held is complete.
    pub(crate) fn complete(&self) {
        if let Ok(mut held) = self.held.try_borrow_mut() {
            held.complete(self.context);
        }
    }

    /// Nothing is held any more.
    pub(crate) fn release(&self) {
        if let Ok(mut held) = self.held.try_borrow_mut() {
            held.release(self.context);
        }
    }

    /// The exchange is over. True if it had to make room for others.
    pub(crate) fn end(&self) -> bool {
        self.held
            .try_borrow_mut()
            .is_ok_and(|mut held| held.end(self.context))
    }
}

/// An address without its port, so that all connections of a client count together.
fn address_of(address: &str) -> &str {
    address
        .rsplit_once(':')
        .map_or(address, |(address, _)| address)
}
