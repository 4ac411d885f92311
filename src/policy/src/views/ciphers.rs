//! Alphabets that were turned or mirrored, and words that were written backwards.

/// How often English has each letter, in thousandths (Lewand, "Cryptological Mathematics", 2000).
const FREQUENCY: [u32; 26] = [
    82, 15, 28, 43, 127, 22, 20, 61, 70, 2, 8, 40, 24, 67, 75, 19, 1, 60, 63, 91, 28, 10, 24, 2,
    20, 1,
];

/// The way back that gives letters as often as English has them, if there is a better one than none.
pub(super) fn turned(text: &str) -> Option<String> {
    let mut counts = [0_u32; 26];
    for byte in text.bytes().filter(u8::is_ascii_alphabetic) {
        if let Some(count) = counts.get_mut(usize::from((byte | 0x20) - b'a')) {
            *count += 1;
        }
    }
    let fits = |way: &Way| -> u32 {
        counts
            .iter()
            .enumerate()
            .map(|(letter, count)| count * FREQUENCY.get(way.of(letter)).copied().unwrap_or(0))
            .sum()
    };
    let ways = (0..26).map(Way::Turn).chain([Way::Mirror]);
    let best = ways.max_by_key(fits)?;
    (best != Way::Turn(0)).then(|| text.chars().map(|c| best.letter(c)).collect())
}

/// What each letter stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The one so many places further on.
    Turn(usize),
    /// The one as far from the other end of the alphabet.
    Mirror,
}

impl Way {
    fn of(self, letter: usize) -> usize {
        match self {
            Self::Turn(places) => (letter + places) % 26,
            Self::Mirror => 25 - letter,
        }
    }

    fn letter(self, c: char) -> char {
        let base = match c {
            'a'..='z' => b'a',
            'A'..='Z' => b'A',
            _ => return c,
        };
        let letter = self.of(usize::from(
            u8::try_from(u32::from(c)).unwrap_or(base) - base,
        ));
        char::from(base + u8::try_from(letter).unwrap_or(0))
    }
}

/// The text from its end to its beginning.
pub(super) fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

/// Each word from its end to its beginning.
pub(super) fn words_reversed(text: &str) -> String {
    let words: Vec<String> = text.split(' ').map(reversed).collect();
    words.join(" ")
}
