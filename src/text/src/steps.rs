//! What reading the texts of one exchange may cost where nothing else bounds it.
//!
//! Steps are counted and never timed, so the same bytes always come to the same end. Detectors, phrases, terms and decoders cost a bounded
//! number of steps per byte and count none; a regular expression of a user may read [`crate::patterns::MAX_MATCH`] bytes from every position.

/// Steps that every exchange has: one is a byte that an automaton reads. About 20 ms.
const ALLOWANCE: usize = 4 << 20;
/// Steps that each byte of a body or an event brings along.
const PER_BYTE: usize = 128;

/// Most values, matches or phrases of one text, and of one body: what is kept of each takes some hundred bytes of memory.
pub const MAX_FINDINGS: usize = 100_000;

/// The steps that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    left: usize,
    are_spent: bool,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            left: ALLOWANCE,
            are_spent: false,
        }
    }
}

impl Steps {
    /// Adds what so many bytes bring along.
    pub fn grant(&mut self, bytes: usize) {
        self.left = self.left.saturating_add(bytes.saturating_mul(PER_BYTE));
    }

    /// Takes `steps` and says whether there were so many.
    pub fn take(&mut self, steps: usize) -> bool {
        match self.left.checked_sub(steps) {
            Some(left) => self.left = left,
            None => self.spend(),
        }
        !self.are_spent
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Ends the exchange: something else has become too much.
    pub fn spend(&mut self) {
        self.left = 0;
        self.are_spent = true;
    }

    /// Whether more was asked for than there was. That stays so.
    pub fn are_spent(&self) -> bool {
        self.are_spent
    }
}
