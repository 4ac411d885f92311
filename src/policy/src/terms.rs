//! Words that users name, found although they are misspelt by some letters (Levenshtein distance).
//!
//! Text and terms are folded as phrases are. A term matches whole words; in scripts without spaces, such as Chinese, it matches
//! anywhere. Of a term's letters at most a quarter may differ, whatever is configured.

use crate::{
    detect::Window,
    fold::{Folded, fold},
    patterns::{MAX_MATCH, PatternMatch},
};

/// Longest term, in letters.
pub const MAX_LETTERS: usize = 200;

/// Most bytes that may be invisible between two letters of a word: what is settled is not kept for longer.
const MAX_GAP: usize = 32;

/// Terms to look for.
#[derive(Debug, Default)]
pub(crate) struct TermSet {
    terms: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    pattern: u16,
    letters: Vec<char>,
    max_distance: u8,
}

/// One folded letter of a text; a space between words.
#[derive(Debug, Clone, Copy)]
struct Letter {
    letter: char,
    start: usize,
    end: usize,
}

impl TermSet {
    pub(crate) fn add(&mut self, pattern: u16, text: &str, max_distance: u8) {
        let mut letters: Vec<char> = letters(text)
            .iter()
            .map(|letter| letter.letter)
            .take(MAX_LETTERS)
            .collect();
        letters.pop_if(|last| *last == ' ');
        let bearable = u8::try_from(letters.len() / 4).unwrap_or(u8::MAX);
        if !letters.is_empty() {
            self.terms.push(Term {
                pattern,
                letters,
                max_distance: max_distance.min(bearable),
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Adds the matches of `window` to `found` and returns the first position whose fate is open.
    pub(crate) fn scan(&self, window: &Window<'_>, found: &mut Vec<PatternMatch>) -> usize {
        let mut open = window.text.len();
        let text = letters(window.text);
        let mut row = Vec::new();
        for (at, first) in text.iter().enumerate() {
            if first.start < window.from || first.letter == ' ' || !begins_word(&text, at) {
                continue;
            }
            for term in &self.terms {
                match term.at(text.get(at..).unwrap_or_default(), window, &mut row) {
                    Found::At(end) => found.push(PatternMatch {
                        pattern: term.pattern,
                        range: first.start..end,
                    }),
                    Found::Open => open = open.min(first.start),
                    Found::Nothing => {}
                }
            }
        }
        open
    }
}

enum Found {
    At(usize),
    Open,
    Nothing,
}

impl Term {
    /// Compares the term with the text from a word's first letter on. `row` is scratch space.
    fn at(&self, text: &[Letter], window: &Window<'_>, row: &mut Vec<u8>) -> Found {
        let start = text.first().map_or(0, |letter| letter.start);
        row.clear();
        row.extend((0..=self.letters.len()).map(|cost| u8::try_from(cost).unwrap_or(u8::MAX)));
        let mut best: Option<(u8, usize)> = None;
        for (at, letter) in text.iter().enumerate() {
            if letter.end - start > MAX_MATCH {
                return best.map_or(Found::Nothing, |(_, end)| Found::At(end));
            }
            if self.step(row, letter.letter, at) > self.max_distance {
                return best.map_or(Found::Nothing, |(_, end)| Found::At(end));
            }
            let distance = row.last().copied().unwrap_or(u8::MAX);
            let ends = letter.letter != ' ' && ends_word(text, at);
            if ends
                && distance <= self.max_distance
                && best.is_none_or(|(least, _)| distance < least)
            {
                best = Some((distance, letter.end));
            }
        }
        match best {
            _ if !window.complete => Found::Open,
            Some((_, end)) => Found::At(end),
            None => Found::Nothing,
        }
    }

    /// One row of the table of distances; returns its least entry.
    fn step(&self, row: &mut [u8], letter: char, at: usize) -> u8 {
        let mut diagonal = row.first().copied().unwrap_or(0);
        let mut left = u8::try_from(at + 1).unwrap_or(u8::MAX);
        let mut least = left;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, wanted) in row.iter_mut().skip(1).zip(&self.letters) {
            let above = *cell;
            let cost = diagonal.saturating_add(u8::from(*wanted != letter));
            *cell = cost
                .min(above.saturating_add(1))
                .min(left.saturating_add(1));
            (diagonal, left) = (above, *cell);
            least = least.min(left);
        }
        least
    }
}

/// The folded letters of `text`. Between words stands one space.
fn letters(text: &str) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let (start, end) = (at, at + c.len_utf8());
        let letter = match fold(c) {
            Folded::Ascii(byte) => char::from(byte),
            Folded::Other(c) => c.to_lowercase().next().unwrap_or(c),
            Folded::Invisible => continue,
            Folded::Boundary => {
                if letters.last().is_some_and(|last| last.letter != ' ') {
                    letters.push(Letter {
                        letter: ' ',
                        start,
                        end,
                    });
                }
                continue;
            }
        };
        letters.push(Letter { letter, start, end });
    }
    letters
}

fn begins_word(text: &[Letter], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|at| text.get(at)) else {
        return true;
    };
    let is_far = |letter: &Letter| letter.start - before.end > MAX_GAP;
    before.letter == ' '
        || is_word_alone(before.letter)
        || text
            .get(at)
            .is_some_and(|letter| is_word_alone(letter.letter) || is_far(letter))
}

/// Whether a word ends with the letter at `at`. At the end of a text that goes on nobody knows, and the match is open anyway.
fn ends_word(text: &[Letter], at: usize) -> bool {
    let Some(next) = text.get(at + 1) else {
        return true;
    };
    next.letter == ' '
        || is_word_alone(next.letter)
        || text
            .get(at)
            .is_some_and(|letter| is_word_alone(letter.letter))
}

/// Scripts without spaces: Thai, kana, Han.
fn is_word_alone(letter: char) -> bool {
    matches!(letter, '\u{e00}'..='\u{e7f}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits<'t>(term: &str, max_distance: u8, text: &'t str) -> Vec<&'t str> {
        let mut set = TermSet::default();
        set.add(0, term, max_distance);
        let mut found = Vec::new();
        set.scan(&Window::whole(text), &mut found);
        found.into_iter().map(|hit| &text[hit.range]).collect()
    }

    #[test]
    fn words_match_in_any_case() {
        assert_eq!(
            hits("Project Apollo", 0, "the PROJECT  apollo, projects"),
            ["PROJECT  apollo"]
        );
        assert_eq!(
            hits("acme-2023", 0, "ACME 2023 and acme2023"),
            ["ACME 2023"]
        );
        assert_eq!(hits("机密", 0, "这是机密文件"), ["机密"]);
        assert!(hits("art", 0, "start party").is_empty());
    }

    #[test]
    fn misspelt_words_match() {
        assert_eq!(
            hits("confidential", 1, "this is confidental, confidential"),
            ["confidental", "confidential"]
        );
        assert_eq!(
            hits("safety interlock", 2, "the safty interlok here"),
            ["safty interlok"]
        );
        assert!(hits("bomb", 8, "a bath with combs").is_empty());
        assert_eq!(hits("bomb", 8, "a bonb"), ["bonb"]);
    }

    #[test]
    fn a_word_that_may_go_on_is_open() {
        let mut set = TermSet::default();
        set.add(0, "apollo", 1);
        for (text, open) in [
            ("the ap", 4),
            ("the apollo", 4),
            ("the sun ", 8),
            ("the apollo x", 11),
            ("the apollo xyz", 14),
        ] {
            let window = Window {
                text,
                from: 0,
                complete: false,
            };
            assert_eq!(set.scan(&window, &mut Vec::new()), open, "{text}");
        }
    }
}
