//! The words of a text, folded, and what kind of words they are.

use std::ops::Range;

use crate::fold::{Folded, fold};

/// Letters of a word that are looked at.
pub(super) const MAX_WORD: usize = 64;

/// Reads a text word by word, folded.
pub(super) struct WordReader<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    /// Where to stop: no word crosses it.
    pub(super) end: usize,
}

impl WordReader<'_> {
    /// Writes the letters of the next word, as many as fit, and returns where it starts and how many they are.
    pub(super) fn next(&mut self, word: &mut [u8; MAX_WORD]) -> Option<(usize, usize)> {
        let (mut start, mut len) = (self.at, 0);
        let mut push = |byte: u8, len: &mut usize| {
            if let Some(place) = word.get_mut(*len) {
                *place = byte;
                *len += 1;
            }
        };
        while self.at < self.end {
            let byte = self.text.as_bytes().get(self.at).copied()?;
            let before = self.at;
            let folded = if byte.is_ascii() {
                self.at += 1;
                match byte {
                    b'a'..=b'z' | b'0'..=b'9' => Folded::Ascii(byte),
                    b'A'..=b'Z' => Folded::Ascii(byte + 32),
                    b'\'' => Folded::Invisible,
                    _ => Folded::Boundary,
                }
            } else {
                let c = self.text.get(self.at..)?.chars().next()?;
                self.at += c.len_utf8();
                fold(c)
            };
            if len == 0 {
                start = before;
            }
            match folded {
                Folded::Ascii(letter) => push(letter, &mut len),
                Folded::Other(letter) => {
                    for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                        push(byte, &mut len);
                    }
                }
                Folded::Invisible => {}
                Folded::Boundary if len > 0 => return Some((start, len)),
                Folded::Boundary => {}
            }
        }
        (len > 0).then_some((start, len))
    }
}

/// What kind of words a text has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// How many.
    pub words: usize,
    /// Those of them that are among the most frequent of English, German, French, Spanish, Italian and Portuguese.
    pub frequent_words: usize,
    /// Those of one letter.
    pub single_letters: usize,
    /// Those with letters and digits.
    pub mixed_words: usize,
    /// Where words stand that may be numbers, in some notation.
    pub numbers: Vec<Range<usize>>,
    /// Where words stand without a frequent one among them.
    pub odd: Vec<Range<usize>>,
    number_row: Row,
    odd_row: Row,
    /// Bytes of the longest.
    pub longest_word: usize,
}

impl Shape {
    /// Whether the words are those of a text in one of these languages.
    pub fn is_language(&self) -> bool {
        self.words >= 3 && self.frequent_words * 10 >= self.words
    }

    /// Takes a word, folded, and where it stands.
    pub(super) fn note(&mut self, word: &[u8], range: Range<usize>) {
        self.words += 1;
        self.longest_word = self.longest_word.max(range.len());
        let is_frequent = word.len() <= LONGEST_FREQUENT && is_frequent(word);
        self.frequent_words += usize::from(is_frequent);
        self.single_letters += usize::from(word.len() == 1);
        let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
        self.mixed_words += usize::from(digits > 0 && digits < word.len());
        let is_number = digits > 0 && word.len() <= 8
            || word.len() == 2 && word.iter().all(u8::is_ascii_hexdigit);
        self.number_row
            .note(is_number, &range, NUMBER_ROW, &mut self.numbers);
        self.odd_row
            .note(!is_frequent, &range, ODD_STRETCH, &mut self.odd);
    }
}

/// Words of a kind that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Row {
    len: usize,
    start: usize,
}

impl Row {
    /// Takes a word; from `least` words on the row is among `rows`.
    fn note(
        &mut self,
        belongs: bool,
        range: &Range<usize>,
        least: usize,
        rows: &mut Vec<Range<usize>>,
    ) {
        if !belongs {
            self.len = 0;
            return;
        }
        if self.len == 0 {
            self.start = range.start;
        }
        self.len += 1;
        match rows.last_mut() {
            Some(last) if self.len > least => last.end = range.end,
            _ if self.len == least => rows.push(self.start..range.end),
            _ => {}
        }
    }
}

/// Words of a stretch: this many without a frequent one are rare in the languages that are known.
const ODD_STRETCH: usize = 6;
/// Numbers in a row that may stand for letters.
const NUMBER_ROW: usize = 8;

/// The shape of `text`.
pub fn shape(text: &str) -> Shape {
    let mut shape = Shape::default();
    let mut reader = WordReader {
        text,
        at: 0,
        end: text.len(),
    };
    let mut word = [0; MAX_WORD];
    while let Some((start, len)) = reader.next(&mut word) {
        shape.note(word.get(..len).unwrap_or_default(), start..reader.at);
    }
    shape
}

/// Words of which every text has some.
#[expect(clippy::too_many_lines, reason = "a list")]
fn is_frequent(word: &[u8]) -> bool {
    matches!(
        word,
        b"the"
            | b"of"
            | b"and"
            | b"to"
            | b"in"
            | b"is"
            | b"you"
            | b"that"
            | b"it"
            | b"for"
            | b"on"
            | b"are"
            | b"as"
            | b"with"
            | b"your"
            | b"this"
            | b"be"
            | b"at"
            | b"have"
            | b"from"
            | b"or"
            | b"by"
            | b"not"
            | b"what"
            | b"all"
            | b"were"
            | b"we"
            | b"when"
            | b"can"
            | b"how"
            | b"me"
            | b"an"
            | b"der"
            | b"die"
            | b"das"
            | b"und"
            | b"ist"
            | b"ein"
            | b"eine"
            | b"ich"
            | b"sie"
            | b"zu"
            | b"mit"
            | b"auf"
            | b"von"
            | b"wie"
            | b"alle"
            | b"dem"
            | b"den"
            | b"le"
            | b"les"
            | b"est"
            | b"une"
            | b"des"
            | b"que"
            | b"vous"
            | b"je"
            | b"pas"
            | b"pour"
            | b"dans"
            | b"el"
            | b"los"
            | b"las"
            | b"por"
            | b"con"
            | b"para"
            | b"una"
            | b"il"
            | b"che"
            | b"di"
            | b"per"
            | b"non"
            | b"os"
            | b"um"
            | b"com"
    )
}
const LONGEST_FREQUENT: usize = 4;
