//! Runs of bytes that were measured already.
//!
//! Anchors lie inside the values of others (`ghp_ghp_…`), and each asks how far its alphabet goes on. The answer is the same for
//! all anchors of one run, so it is remembered: every byte is measured once per alphabet, however many anchors there are.

use std::ops::Range;

/// The last measured run of each of `N` alphabets.
#[derive(Debug)]
pub(super) struct Runs<const N: usize> {
    known: [Range<usize>; N],
}

impl<const N: usize> Default for Runs<N> {
    fn default() -> Self {
        Self {
            known: std::array::from_fn(|_| 0..0),
        }
    }
}

impl<const N: usize> Runs<N> {
    /// Where the bytes from `at` on stop fitting. `alphabet` is the number of what `fits` says.
    pub(super) fn end(
        &mut self,
        alphabet: usize,
        bytes: &[u8],
        at: usize,
        fits: impl Fn(u8) -> bool,
    ) -> usize {
        let Some(known) = self.known.get_mut(alphabet) else {
            return at;
        };
        if !known.contains(&at) {
            let rest = bytes.get(at..).unwrap_or_default();
            *known = at..at + rest.iter().take_while(|byte| fits(**byte)).count();
        }
        known.end
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn every_byte_is_measured_once() {
        let text = b"aaaaaaaa bb".as_slice();
        let mut runs = Runs::<1>::default();
        let looks = Cell::new(0);
        let fits = |byte: u8| {
            looks.set(looks.get() + 1);
            byte != b' '
        };
        assert!((0..8).all(|at| runs.end(0, text, at, fits) == 8));
        assert_eq!(runs.end(0, text, 9, fits), 11);
        assert_eq!(looks.get(), 11);
        assert_eq!(runs.end(0, text, 3, fits), 8);
    }
}
