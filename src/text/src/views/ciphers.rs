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
    let fits = |way: &Way| way.fits(&counts);
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

/// [`FREQUENCY`] twice, so that an alphabet that is turned is a part of it.
const TURNED: [u32; 52] = twice();

/// [`FREQUENCY`] from its end.
const MIRRORED: [u32; 26] = mirrored_frequency();

#[expect(clippy::indexing_slicing, reason = "made at compile time")]
const fn twice() -> [u32; 52] {
    let mut twice = [0; 52];
    let mut at = 0;
    while at < 52 {
        twice[at] = FREQUENCY[at % 26];
        at += 1;
    }
    twice
}

#[expect(clippy::indexing_slicing, reason = "made at compile time")]
const fn mirrored_frequency() -> [u32; 26] {
    let mut mirrored = [0; 26];
    let mut at = 0;
    while at < 26 {
        mirrored[at] = FREQUENCY[25 - at];
        at += 1;
    }
    mirrored
}

impl Way {
    /// How well it fits letters of which there are so many.
    fn fits(self, counts: &[u32; 26]) -> u32 {
        let frequency = match self {
            Self::Turn(places) => TURNED.get(places..).and_then(<[u32]>::first_chunk),
            Self::Mirror => Some(&MIRRORED),
        };
        let frequency: &[u32; 26] = frequency.unwrap_or(&FREQUENCY);
        counts
            .iter()
            .zip(frequency)
            .map(|(count, often)| count * often)
            .sum()
    }

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

/// Frequent words of some languages from their ends, as numbers.
const BACKWARDS: [u32; 43] = [
    word(b"eht"),
    word(b"dna"),
    word(b"ot"),
    word(b"fo"),
    word(b"ni"),
    word(b"si"),
    word(b"uoy"),
    word(b"taht"),
    word(b"ti"),
    word(b"rof"),
    word(b"era"),
    word(b"ruoy"),
    word(b"siht"),
    word(b"htiw"),
    word(b"eb"),
    word(b"ro"),
    word(b"em"),
    word(b"lla"),
    word(b"tahw"),
    word(b"woh"),
    word(b"ton"),
    word(b"evah"),
    word(b"morf"),
    word(b"lliw"),
    word(b"dnu"),
    word(b"tsi"),
    word(b"eid"),
    word(b"hci"),
    word(b"eis"),
    word(b"tim"),
    word(b"fua"),
    word(b"eiw"),
    word(b"ella"),
    word(b"sel"),
    word(b"tse"),
    word(b"enu"),
    word(b"sed"),
    word(b"euq"),
    word(b"suov"),
    word(b"arap"),
    word(b"noc"),
    word(b"led"),
    word(b"nie"),
];

/// A word of at most four letters as a number, whatever their case; 0 for longer ones.
#[expect(clippy::indexing_slicing, reason = "bounded by the loop")]
const fn word(letters: &[u8]) -> u32 {
    if letters.len() > 4 {
        return 0;
    }
    let (mut number, mut at) = (0, 0);
    while at < letters.len() {
        number = number << 8 | letters[at].to_ascii_lowercase() as u32;
        at += 1;
    }
    number
}

/// The text read backwards, letter by letter or in each word, where that gives frequent words.
pub(super) fn mirrored(text: &str) -> Option<String> {
    let (mut words, mut frequent) = (0, 0);
    let words_of = text.as_bytes().split(|byte| !byte.is_ascii_alphabetic());
    for word in words_of.filter(|word| !word.is_empty()) {
        words += 1;
        // Folded, not found: vector code compares all of them.
        let number = self::word(word);
        let is_known = BACKWARDS
            .iter()
            .fold(false, |is_known, known| is_known | (*known == number));
        frequent += usize::from(is_known);
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
