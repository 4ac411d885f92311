//! Names of exchanges.

use std::cell::Cell;

/// Names exchanges, each by a name of its own.
pub(crate) struct Exchanges {
    machine: u64,
    count: Cell<u64>,
}

impl Exchanges {
    /// `machine` is a random number.
    pub(crate) fn new(machine: u64) -> Self {
        Self {
            machine,
            count: Cell::new(0),
        }
    }

    /// The next name.
    pub(crate) fn next(&self) -> String {
        let count = self.count.get();
        self.count.set(count + 1);
        format!("{:x}-{count:x}", self.machine)
    }
}
