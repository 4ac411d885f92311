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
    // By chance another way fits a little better; one that was taken fits much better.
    let is_taken = fits(&best) * 9 > fits(&Way::Turn(0)) * 10;
    is_taken.then(|| text.chars().map(|c| best.letter(c)).collect())
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

/// Frequent words of some languages from their ends.
const BACKWARDS: [&str; 43] = [
    "eht", "dna", "ot", "fo", "ni", "si", "uoy", "taht", "ti", "rof", "era", "ruoy", "siht",
    "htiw", "eb", "ro", "em", "lla", "tahw", "woh", "ton", "evah", "morf", "lliw", "dnu", "tsi",
    "eid", "hci", "eis", "tim", "fua", "eiw", "ella", "sel", "tse", "enu", "sed", "euq", "suov",
    "arap", "noc", "led", "nie",
];

/// The text read backwards, letter by letter or in each word, where that gives frequent words.
pub(super) fn mirrored(text: &str) -> Option<String> {
    let (mut words, mut frequent) = (0, 0);
    for word in text
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
    {
        words += 1;
        if word.len() <= 4
            && BACKWARDS
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known))
        {
            frequent += 1;
        }
    }
    if frequent == 0 || frequent * 12 < words {
        return None;
    }
    // Words of a text that is read from its end stand in the other order; both are tried as one.
    let letters: String = text.chars().rev().collect();
    let each: Vec<String> = text
        .split(' ')
        .map(|word| word.chars().rev().collect())
        .collect();
    Some(format!("{letters}\n{}", each.join(" ")))
}
