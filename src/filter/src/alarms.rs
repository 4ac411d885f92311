//! Streams that wait for a time. Envoy's timer belongs to the root context, which wakes them.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use crate::{attempt_stream::Shell, host};

/// How exactly times are kept, in milliseconds.
const PERIOD_MS: u32 = 10;

/// When somebody is woken, in microseconds, and who.
pub(crate) type Alarm = (u64, u32);

/// The alarms of one machine, earliest first.
#[derive(Debug, Default)]
pub(crate) struct Alarms(BTreeMap<Alarm, Weak<RefCell<Shell>>>);

impl Alarms {
    /// Wakes `who` at its time.
    pub(crate) fn set(&mut self, alarm: Alarm, who: &Rc<RefCell<Shell>>) {
        if self.0.is_empty() {
            host::set_tick_period(PERIOD_MS);
        }
        self.0.insert(alarm, Rc::downgrade(who));
    }

    /// Takes an alarm back.
    pub(crate) fn clear(&mut self, alarm: Alarm) {
        self.0.remove(&alarm);
    }

    /// The streams whose time has come.
    pub(crate) fn due(&mut self, now_us: u64) -> Vec<(u32, Rc<RefCell<Shell>>)> {
        let later = self.0.split_off(&(now_us + 1, 0));
        let due = std::mem::replace(&mut self.0, later);
        if self.0.is_empty() {
            host::set_tick_period(0);
        }
        due.into_iter()
            .filter_map(|((_, context), who)| Some((context, who.upgrade()?)))
            .collect()
    }
}
