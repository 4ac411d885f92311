//! What this machine counts, and shows to the others.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use kt_policy::{
    Engine, Exchange, Held, MemoryUse,
    event::Facts,
    meters::{Meters, Shown, Sums},
};

use crate::{host, shared};

/// How often what was counted is shown, in microseconds.
const PERIOD_US: u64 = 500_000;
/// How often it is shown that the machine is there.
const SIGN_OF_LIFE_US: u64 = 10_000_000;

/// The counts of this machine, whatever the configuration.
#[derive(Debug)]
pub(crate) struct Counts {
    place: Option<u32>,
    shown_us: Cell<u64>,
    /// Of machines and configurations that are over.
    before: RefCell<Sums>,
    /// One for each configuration whose exchanges still run.
    metered: RefCell<Vec<Rc<Metered>>>,
}

/// What exchanges under one configuration counted.
#[derive(Debug)]
pub(crate) struct Metered {
    engine: Arc<Engine>,
    meters: RefCell<Meters>,
}

impl Metered {
    /// Counts a failure of the engine.
    pub(crate) fn fault(&self) {
        self.change(Meters::fault);
    }

    /// Counts a request that was refused since its event could not be written.
    pub(crate) fn unlogged(&self) {
        self.change(Meters::unlogged);
    }

    /// Counts an exchange that is over.
    pub(crate) fn note(&self, exchange: &Exchange, facts: &Facts) {
        self.change(|meters| meters.note(exchange, facts));
    }

    /// Counts what was known of a request beforehand.
    pub(crate) fn remembered(&self, uses: MemoryUse) {
        self.change(|meters| meters.remembered(uses));
    }

    fn change(&self, change: impl FnOnce(&mut Meters)) {
        if let Ok(mut meters) = self.meters.try_borrow_mut() {
            change(&mut meters);
        }
    }
}

impl Counts {
    /// Begins to count, where a machine that ended left off.
    pub(crate) fn begin() -> Self {
        let joined = shared::join_workers(host::now_us());
        if joined.is_none() {
            log::error!("there is no place for the counts of this worker");
        }
        let (place, before) = joined.unzip();
        Self {
            place,
            shown_us: Cell::new(0),
            before: RefCell::new(before.unwrap_or_default().sums),
            metered: RefCell::default(),
        }
    }

    /// What exchanges under this configuration count.
    pub(crate) fn under(&self, engine: &Arc<Engine>) -> Rc<Metered> {
        let metered = Rc::new(Metered {
            engine: engine.clone(),
            meters: RefCell::default(),
        });
        if let Ok(mut all) = self.metered.try_borrow_mut() {
            all.push(metered.clone());
        }
        metered
    }

    /// Shows what was counted, if it is time.
    pub(crate) fn tick(&self, held: &RefCell<Held>, history_bytes: usize) {
        let since = host::now_us().saturating_sub(self.shown_us.get());
        if since >= SIGN_OF_LIFE_US || since >= PERIOD_US && self.is_changed() {
            self.show(held, history_bytes);
        }
    }

    fn is_changed(&self) -> bool {
        let Ok(all) = self.metered.try_borrow() else {
            return false;
        };
        let changed = all.iter().filter(|metered| {
            let meters = metered.meters.try_borrow_mut();
            meters.is_ok_and(|mut meters| meters.take_changed())
        });
        changed.count() > 0
    }

    /// Shows what was counted.
    pub(crate) fn show(&self, held: &RefCell<Held>, history_bytes: usize) {
        let (Some(place), Some(sums)) = (self.place, self.sums()) else {
            return;
        };
        let now_us = host::now_us();
        let held = held.try_borrow().map_or(0, |held| held.total());
        let shown = Shown {
            at_us: now_us,
            held_bytes: held as u64,
            memory_bytes: core::arch::wasm32::memory_size(0) as u64 * 65_536,
            history_bytes: history_bytes as u64,
            sums,
        };
        shared::show_worker(place, &shown);
        self.shown_us.set(now_us);
    }

    /// All counts. Those of a configuration that nobody uses any more go over into those of before.
    fn sums(&self) -> Option<Sums> {
        let mut before = self.before.try_borrow_mut().ok()?;
        let mut all = self.metered.try_borrow_mut().ok()?;
        let counted = |metered: &Metered| {
            let meters = metered.meters.try_borrow();
            meters.map_or_else(
                |_| Sums::default(),
                |meters| meters.sums(metered.engine.config()),
            )
        };
        all.retain(|metered| {
            let is_over = Rc::strong_count(metered) == 1;
            if is_over {
                before.merge(counted(metered));
            }
            !is_over
        });
        let mut sums = before.clone();
        all.iter().for_each(|metered| sums.merge(counted(metered)));
        Some(sums)
    }
}
