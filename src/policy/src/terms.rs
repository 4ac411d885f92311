//! Words that users name, found although they are misspelt by some letters (Levenshtein distance).
//!
//! Text and terms are folded as phrases are. A term matches whole words; in scripts without spaces, such as Chinese, it matches
//! anywhere. Of a term's letters at most a quarter may differ, whatever is configured.

use std::ops::Range;

use crate::{
    detect::Window,
    fold::{Folded, fold},
    needles::{Needles, State},
    patterns::{MAX_MATCH, PatternMatch},
};

/// Longest term, in letters.
pub const MAX_LETTERS: usize = 200;

/// Most bytes that may be invisible between two letters of a word: what is settled is not kept for longer.
const MAX_GAP: usize = 32;

/// Terms to look for.
///
/// *Exact* ones are found by one automaton. A *misspelt* one has one of its parts unchanged: of `n + 1` parts, `n` wrong letters leave one.
/// So the parts are found by an automaton too, and a term is compared only where one of its parts stands in its place.
#[derive(Debug, Default)]
pub(crate) struct TermSet {
    /// With their patterns.
    exact: Needles<u16>,
    fuzzy: Vec<Term>,
    parts: Needles<Part>,
    /// Letters that the longest misspelling of a term can have.
    longest: usize,
}

#[derive(Debug)]
struct Term {
    pattern: u16,
    letters: Vec<char>,
    max_distance: u8,
}

/// A part of a term.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Place among the misspelt terms.
    term: usize,
    /// Letters before it.
    offset: usize,
}

/// One folded letter of a text; a space between words.
#[derive(Debug, Clone, Copy)]
struct Letter {
    letter: char,
    start: usize,
    end: usize,
}

impl TermSet {
    /// Adds a term. [`TermSet::link`] comes after the last one.
    pub(crate) fn add(&mut self, pattern: u16, text: &str, max_distance: u8) {
        let mut letters: Vec<char> = letters(text)
            .iter()
            .map(|letter| letter.letter)
            .take(MAX_LETTERS)
            .collect();
        letters.pop_if(|last| *last == ' ');
        let bearable = u8::try_from(letters.len() / 4).unwrap_or(u8::MAX);
        let max_distance = max_distance.min(bearable);
        if letters.is_empty() {
            return;
        }
        if max_distance == 0 {
            self.exact.add(&letters, pattern);
            return;
        }
        let distance = usize::from(max_distance);
        let (len, term) = (letters.len(), self.fuzzy.len());
        let bound = |part: usize| part * len / (distance + 1);
        for part in 0..=distance {
            let word = letters.get(bound(part)..bound(part + 1));
            let offset = bound(part);
            self.parts
                .add(word.unwrap_or_default(), Part { term, offset });
        }
        self.longest = self.longest.max(len + distance);
        self.fuzzy.push(Term {
            pattern,
            letters,
            max_distance,
        });
    }

    /// Makes the set ready to scan.
    pub(crate) fn link(&mut self) {
        self.exact.link();
        self.parts.link();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.fuzzy.is_empty()
    }

    /// Adds the matches of `window` to `found` and returns the first position whose fate is open.
    pub(crate) fn scan(&self, window: &Window<'_>, found: &mut Vec<PatternMatch>) -> usize {
        let text = letters(window.text);
        let from = text.partition_point(|letter| letter.start < window.from);
        let run = Run {
            set: self,
            window,
            text: &text,
            from,
        };
        let mut open = window.text.len();
        if !self.exact.is_empty() {
            open = open.min(run.exact(found));
        }
        if !self.fuzzy.is_empty() {
            open = open.min(run.fuzzy(found));
        }
        open
    }
}

/// One reading of a text.
struct Run<'r, 't> {
    set: &'r TermSet,
    window: &'r Window<'t>,
    text: &'r [Letter],
    /// The first letter that a match may begin with.
    from: usize,
}

impl Run<'_, '_> {
    /// Whether a match may begin with the letter at `at`.
    fn begins(&self, at: usize) -> bool {
        at >= self.from
            && self.text.get(at).is_some_and(|letter| letter.letter != ' ')
            && begins_word(self.text, at)
    }

    /// The bytes of the letters from `start` to `last`, if they are no more than a match may have.
    fn bytes(&self, start: usize, last: usize) -> Option<Range<usize>> {
        let bytes = self.text.get(start)?.start..self.text.get(last)?.end;
        (bytes.len() <= MAX_MATCH).then_some(bytes)
    }

    fn exact(&self, found: &mut Vec<PatternMatch>) -> usize {
        let exact = &self.set.exact;
        let mut state = State::default();
        for (at, letter) in self.text.iter().enumerate().skip(self.from) {
            state = exact.step(state, letter.letter);
            let is_decided = at + 1 < self.text.len() || self.window.complete;
            if !is_decided || !ends_word(self.text, at) {
                continue;
            }
            for (len, pattern) in exact.ending(state) {
                let start = at + 1 - len;
                if let Some(range) = self.bytes(start, at).filter(|_| self.begins(start)) {
                    found.push(PatternMatch {
                        pattern: *pattern,
                        range,
                    });
                }
            }
        }
        let len = self.text.len();
        let mut begun = exact.begun(state).map(|letters| len - letters);
        let open = begun.find_map(|start| {
            let range = self.bytes(start, len.checked_sub(1)?)?;
            self.begins(start).then_some(range.start)
        });
        open.filter(|_| !self.window.complete)
            .unwrap_or(self.window.text.len())
    }

    fn fuzzy(&self, found: &mut Vec<PatternMatch>) -> usize {
        let mut open = self.window.text.len();
        let mut row = Vec::new();
        for (start, term) in self.candidates() {
            let Some(term) = self.set.fuzzy.get(term) else {
                continue;
            };
            let letters = self.text.get(start..).unwrap_or_default();
            let first = letters.first().map_or(0, |letter| letter.start);
            match term.at(letters, self.window, &mut row) {
                Found::At(end) => found.push(PatternMatch {
                    pattern: term.pattern,
                    range: first..end,
                }),
                Found::Open => open = open.min(first),
                Found::Nothing => {}
            }
        }
        if self.window.complete {
            open
        } else {
            open.min(self.open_tail(&mut row))
        }
    }

    /// Where which terms may begin, since one of their parts stands in its place.
    fn candidates(&self) -> Vec<(usize, usize)> {
        let mut candidates = Vec::new();
        let mut state = State::default();
        for (at, letter) in self.text.iter().enumerate().skip(self.from) {
            state = self.set.parts.step(state, letter.letter);
            for (len, part) in self.set.parts.ending(state) {
                let shift = (self.set.fuzzy.get(part.term))
                    .map_or(0, |term| usize::from(term.max_distance));
                // Letters before the part may be missing or too many.
                let last = (at + 1 + shift).checked_sub(len + part.offset);
                let starts = (0..=2 * shift).filter_map(|shift| last?.checked_sub(shift));
                let starts = starts.filter(|start| self.begins(*start));
                candidates.extend(starts.map(|start| (start, part.term)));
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// The first word at the end of the text of which a term may still become: its parts may not have arrived.
    fn open_tail(&self, row: &mut Vec<u8>) -> usize {
        let tail = self.text.len().saturating_sub(self.set.longest + 1);
        let mut words = (tail.max(self.from)..self.text.len()).filter(|at| self.begins(*at));
        let open = words.find(|at| {
            let letters = self.text.get(*at..).unwrap_or_default();
            let mut terms = self.set.fuzzy.iter();
            terms.any(|term| matches!(term.at(letters, self.window, row), Found::Open))
        });
        let first = open.and_then(|at| self.text.get(at));
        first.map_or(self.window.text.len(), |letter| letter.start)
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

    /// One row of the table of distances; returns its least entry. Only entries near the diagonal can be small enough: the others are
    /// not looked at.
    fn step(&self, row: &mut [u8], letter: char, at: usize) -> u8 {
        const FAR: u8 = u8::MAX;
        let distance = usize::from(self.max_distance);
        let from = (at + 1).saturating_sub(distance);
        let to = (at + 1 + distance).min(self.letters.len());
        // Left of the first entry lies one that is too far, or the column of the empty term.
        let outer = from.checked_sub(1);
        let mut diagonal = outer.and_then(|place| row.get(place)).copied();
        let Some(band) = row.get_mut(from..=to) else {
            return FAR;
        };
        let mut least = FAR;
        let mut left = FAR;
        let wanted = (self.letters.iter()).skip(outer.unwrap_or(0));
        let mut cells = band.iter_mut();
        if outer.is_none()
            && let Some(first) = cells.next()
        {
            diagonal = Some(*first);
            *first = u8::try_from(at + 1).unwrap_or(FAR);
            (left, least) = (*first, *first);
        }
        let mut diagonal = diagonal.unwrap_or(FAR);
        for (cell, wanted) in cells.zip(wanted) {
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
        set.link();
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

    /// What a look at every word with every term finds: the whole table of distances, without parts or bands.
    fn slowly(terms: &[(&str, u8)], text: &str) -> Vec<(u16, Range<usize>)> {
        let text = letters(text);
        let mut found = Vec::new();
        for start in (0..text.len()).filter(|at| text[*at].letter != ' ' && begins_word(&text, *at))
        {
            for (pattern, (term, distance)) in (0..).zip(terms) {
                let term: Vec<char> = letters(term).iter().map(|letter| letter.letter).collect();
                let most = usize::from(*distance).min(term.len() / 4);
                let mut row: Vec<usize> = (0..=term.len()).collect();
                let mut best: Option<(usize, usize)> = None;
                for (at, letter) in text[start..].iter().enumerate() {
                    let before = row.clone();
                    row[0] = at + 1;
                    for place in 1..=term.len() {
                        let change = usize::from(term[place - 1] != letter.letter);
                        row[place] = (before[place - 1] + change)
                            .min(before[place] + 1)
                            .min(row[place - 1] + 1);
                    }
                    let distance = row[term.len()];
                    if letter.letter != ' '
                        && ends_word(&text, start + at)
                        && distance <= most
                        && best.is_none_or(|(least, _)| distance < least)
                    {
                        best = Some((distance, letter.end));
                    }
                }
                found.extend(best.map(|(_, end)| (pattern, text[start].start..end)));
            }
        }
        found
    }

    #[test]
    fn parts_and_bands_lose_nothing() {
        let terms = [
            ("confidential", 3),
            ("confident", 1),
            ("safety interlock", 2),
            ("aaaa aaaa", 2),
            ("bomb", 1),
            ("project apollo", 0),
            ("apollo", 0),
            ("机密文件资料", 1),
            ("mississippi", 2),
        ];
        let mut set = TermSet::default();
        for (pattern, (term, distance)) in (0..).zip(terms) {
            set.add(pattern, term, distance);
        }
        set.link();
        let pieces = [
            "confid", "ential", "safety", " inter", "lock", "aaaa", " ", "b", "omb", "project",
            "apollo", "机密", "文件", "资料", "mis", "sis", "sippi", "x", "e", "-", "nt",
        ];
        let mut random = 7_usize;
        let mut hits = 0;
        for _ in 0..3000 {
            let text: String = (0..8)
                .map(|_| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    pieces[(random >> 33) % pieces.len()]
                })
                .collect();
            let mut found = Vec::new();
            set.scan(&Window::whole(&text), &mut found);
            let mut found: Vec<_> = found
                .into_iter()
                .map(|hit| (hit.pattern, hit.range))
                .collect();
            let mut expected = slowly(&terms, &text);
            found.sort_by_key(|(pattern, range)| (*pattern, range.start, range.end));
            expected.sort_by_key(|(pattern, range)| (*pattern, range.start, range.end));
            assert_eq!(found, expected, "{text}");
            hits += expected.len();
        }
        assert!(hits > 300, "{hits}");
    }

    #[test]
    fn a_word_that_may_go_on_is_open() {
        let mut set = TermSet::default();
        set.add(0, "apollo", 1);
        set.link();
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
