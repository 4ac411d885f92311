//! Reads a text piece by piece and remembers whether it came to the end of what has arrived.

use super::{Outcome, Window};

/// A place in a window.
#[derive(Debug, Clone)]
pub(super) struct Reader<'w, 't> {
    window: &'w Window<'t>,
    pub(super) at: usize,
    /// Whether more text could have changed what was read.
    came_to_end: bool,
}

impl<'w, 't> Reader<'w, 't> {
    pub(super) fn new(window: &'w Window<'t>, at: usize) -> Self {
        Self {
            window,
            at,
            came_to_end: false,
        }
    }

    /// The next byte, or 0 at the end.
    pub(super) fn peek(&mut self) -> u8 {
        self.came_to_end |= self.at >= self.window.text.len();
        self.window.byte(self.at)
    }

    /// Takes the next byte if it is one of `bytes`.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<u8> {
        let next = self.peek();
        let fits = next != 0 && bytes.contains(&next);
        self.at += usize::from(fits);
        fits.then_some(next)
    }

    /// Takes bytes while they fit, at most `most`.
    pub(super) fn run(&mut self, most: usize, fits: impl Fn(u8) -> bool) -> &'t [u8] {
        let start = self.at;
        while self.at - start < most {
            let next = self.peek();
            if next == 0 || !fits(next) {
                break;
            }
            self.at += 1;
        }
        // The limit may lie inside a character.
        while !self.window.text.is_char_boundary(self.at) {
            self.at -= 1;
        }
        self.window.bytes().get(start..self.at).unwrap_or_default()
    }

    pub(super) fn digits(&mut self, most: usize) -> &'t [u8] {
        self.run(most, |byte| byte.is_ascii_digit())
    }

    /// Letters of any language, and what joins them in names.
    pub(super) fn word(&mut self) -> &'t [u8] {
        self.run(32, |byte| {
            byte.is_ascii_alphabetic() || byte >= 0x80 || matches!(byte, b'\'' | b'-')
        })
    }

    /// What reading from `start` up to `end` led to: nothing is certain while more text could change it.
    pub(super) fn outcome(&self, start: usize, end: Option<usize>) -> Outcome {
        match end {
            _ if self.came_to_end && !self.window.complete => Outcome::Open(start),
            Some(end) => Outcome::Found { start, end },
            None => Outcome::Nothing,
        }
    }

    /// Takes over what another reader found out, and where it stands.
    pub(super) fn accept(&mut self, other: Self) {
        *self = other;
    }

    /// Notes how far another reader looked, without moving.
    pub(super) fn reject(&mut self, other: &Self) {
        self.came_to_end |= other.came_to_end;
    }
}
