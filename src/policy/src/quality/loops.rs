//! Notices, while a stream runs, that a model says the same thing over and over.
//!
//! Every [`STEP`] bytes the last [`LENGTH`] are looked at: when they are at least [`TIMES`] times the same, it is a loop. The steps are
//! counted from the start of the text, so that it does not matter how the stream is cut.

/// How much is looked at.
const LENGTH: usize = 1536;
/// How often the same must come.
const TIMES: usize = 6;
const STEP: usize = 128;

/// The end of a text that grows.
#[derive(Debug, Default)]
pub(crate) struct LoopGuard {
    tail: Vec<u8>,
    /// Bytes so far.
    length: usize,
    is_loop: bool,
}

impl LoopGuard {
    /// Takes more text. Returns after how many of its bytes, on a character boundary, the text is a loop.
    pub(crate) fn push(&mut self, delta: &str) -> Option<usize> {
        if self.is_loop {
            return Some(0);
        }
        let mut taken = 0;
        while taken < delta.len() {
            let until_check = STEP - self.length % STEP;
            let end = (taken + until_check).min(delta.len());
            self.tail
                .extend_from_slice(delta.as_bytes().get(taken..end).unwrap_or_default());
            self.length += end - taken;
            taken = end;
            if self.tail.len() > 2 * LENGTH {
                self.tail.drain(..self.tail.len() - LENGTH);
            }
            if self.length.is_multiple_of(STEP) && self.tail.len() >= LENGTH && self.repeats() {
                self.is_loop = true;
                return Some(delta.floor_char_boundary(taken));
            }
        }
        None
    }

    /// Whether the last bytes are one thing many times. By the failure function of Knuth, Morris and Pratt: the shortest period is
    /// what the longest border leaves.
    fn repeats(&self) -> bool {
        let bytes = self
            .tail
            .get(self.tail.len() - LENGTH..)
            .unwrap_or_default();
        if bytes
            .iter()
            .all(|byte| !byte.is_ascii_alphanumeric() && *byte < 0x80)
        {
            // Lines and blanks of tables and drawings.
            return false;
        }
        let mut borders = vec![0_usize; bytes.len()];
        let mut border = 0;
        for (at, byte) in bytes.iter().enumerate().skip(1) {
            while border > 0 && bytes.get(border) != Some(byte) {
                border = borders.get(border - 1).copied().unwrap_or(0);
            }
            border += usize::from(bytes.get(border) == Some(byte));
            if let Some(place) = borders.get_mut(at) {
                *place = border;
            }
        }
        (bytes.len() - border) * TIMES <= bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_noticed_wherever_the_text_is_cut() {
        let text = format!("An introduction. {}", "And so on and on, ".repeat(200));
        let at = LoopGuard::default().push(&text).unwrap();
        assert!(at > 1000 && at < 2000, "{at}");
        let mut guard = LoopGuard::default();
        let mut length = 0;
        for piece in text.as_bytes().chunks(7) {
            let piece = std::str::from_utf8(piece).unwrap();
            if let Some(end) = guard.push(piece) {
                assert_eq!(length + end, at);
                return;
            }
            length += piece.len();
        }
        panic!("not noticed");
    }

    #[test]
    fn text_and_tables_are_no_loops() {
        let prose: String = (0..400)
            .map(|number| format!("Line {number} says something of its own. "))
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(LoopGuard::default().push(&prose), None);
        assert_eq!(
            LoopGuard::default().push(&"-----------\n".repeat(400)),
            None
        );
    }
}
