//! Which of some bytes a text has, from one pass over it: what looks for one of them can be left out where it is absent.

/// A set of [`WATCHED`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Present(u16);

/// The bytes that are told apart; the first stands for all digits, the last for all that begin letters between U+0100 and U+02BF.
const WATCHED: &[u8] = b"0:=-.~%&\\+\xf3@<\xe2\xc4";

const CLASSES: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut classes = [0; 256];
    let mut place = 0;
    while place < WATCHED.len() {
        #[expect(clippy::indexing_slicing, reason = "bounded by the loop")]
        {
            classes[WATCHED[place] as usize] = 1 << place;
        }
        place += 1;
    }
    let mut digit = b'0' as usize;
    while digit <= b'9' as usize {
        #[expect(clippy::indexing_slicing, reason = "digits lie below 256")]
        {
            classes[digit] = 1;
        }
        digit += 1;
    }
    let mut lead = 0xc4;
    while lead <= 0xca {
        #[expect(clippy::indexing_slicing, reason = "a byte lies below 256")]
        {
            classes[lead] = classes[0xc4];
        }
        lead += 1;
    }
    classes
}

impl Present {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0, |seen, byte| {
            seen | CLASSES.get(usize::from(*byte)).copied().unwrap_or(0)
        }))
    }

    /// Whether none of them occurs.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `byte`, one of the watched ones, occurs.
    pub(crate) fn has(self, byte: u8) -> bool {
        CLASSES
            .get(usize::from(byte))
            .is_some_and(|class| self.0 & class != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_bytes_are_seen() {
        let present = Present::of(b"a: 7");
        assert!(present.has(b':') && present.has(b'0') && !present.has(b'=') && !present.has(b'~'));
        assert!(WATCHED.iter().all(|byte| Present::of(&[*byte]).has(*byte)));
    }
}
