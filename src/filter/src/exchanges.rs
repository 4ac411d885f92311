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

    /// A number that no other exchange of this machine has, and hardly any of another.
    pub(crate) fn number(&self) -> u64 {
        let count = self.count.get();
        self.count.set(count + 1);
        self.machine
            .wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .max(1)
    }

    /// The next name.
    pub(crate) fn next(&self) -> String {
        let count = self.count.get();
        self.count.set(count + 1);
        format!("{:x}-{count:x}", self.machine)
    }
}
