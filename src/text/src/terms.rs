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
    steps::MAX_FINDINGS,
};

/// Longest term, in letters.
pub const MAX_LETTERS: usize = 200;

/// Most bytes that may be invisible between two letters of a word: what is settled is not kept for longer.
const MAX_GAP: usize = 32;

/// Terms to look for.
///
/// *Exact* ones are found by one automaton. A *misspelt* one has one of its parts unchanged: of `n + 1` parts, `n` wrong letters leave one.
/// So the parts are found by an automaton too, and terms are compared only where a part stands in its place.
#[derive(Debug, Default)]
pub(crate) struct TermSet {
    /// With their patterns.
    exact: Needles<u16>,
    misspelt: Misspelt,
    /// Parts of those that may be misspelt.
    parts: Needles<Part>,
}

/// A part of a term.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Letters before it.
    offset: usize,
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
        let (len, parts) = (letters.len(), usize::from(max_distance) + 1);
        for part in 0..parts {
            let (offset, end) = (part * len / parts, (part + 1) * len / parts);
            let word = letters.get(offset..end).unwrap_or_default();
            self.parts.add(
                word,
                Part {
                    offset,
                    max_distance,
                },
            );
        }
        self.misspelt.add(&letters, pattern, max_distance);
    }

    /// Makes the set ready to scan.
    pub(crate) fn link(&mut self) {
        self.exact.link();
        self.parts.link();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.parts.is_empty()
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
        if !self.parts.is_empty() {
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
                let range = self.bytes(start, at).filter(|_| self.begins(start));
                // One more than allowed says that there are too many.
                if let Some(range) = range.filter(|_| found.len() <= MAX_FINDINGS) {
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
        let mut rows = Vec::new();
        for start in self.candidates() {
            if let Some(first) = self.compare(start, &mut rows, found) {
                open = open.min(first);
            }
        }
        if self.window.complete {
            return open;
        }
        // The parts of a word at the end may not have arrived.
        let longest = self.set.misspelt.longest;
        let tail = self.text.len().saturating_sub(longest + 1);
        let mut words = (tail.max(self.from)..self.text.len()).filter(|at| self.begins(*at));
        let begun = words.find_map(|at| self.compare(at, &mut rows, &mut Vec::new()));
        begun.map_or(open, |begun| open.min(begun))
    }

    /// Words with which a term may begin, since one of its parts stands in its place.
    fn candidates(&self) -> Vec<usize> {
        let mut candidates = Vec::new();
        let mut state = State::default();
        for (at, letter) in self.text.iter().enumerate().skip(self.from) {
            state = self.set.parts.step(state, letter.letter);
            let mut last = None;
            for (len, part) in self.set.parts.ending(state) {
                let shift = usize::from(part.max_distance);
                // Letters before the part may be missing or too many.
                let nearest = (at + 1 + shift).checked_sub(len + part.offset);
                // Many terms have the same part.
                if last == Some((nearest, shift)) {
                    continue;
                }
                last = Some((nearest, shift));
                let starts = (0..=2 * shift).filter_map(|shift| nearest?.checked_sub(shift));
                candidates.extend(starts.filter(|start| self.begins(*start)));
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    /// Compares the text from a word's first letter on with all terms; the start of that word if a term may still become of it.
    fn compare(
        &self,
        start: usize,
        rows: &mut Vec<u8>,
        found: &mut Vec<PatternMatch>,
    ) -> Option<usize> {
        let first = self.text.get(start)?.start;
        let longest = (self.text.len()).min(start + self.set.misspelt.longest + 1);
        let letters = self.text.get(start..longest)?;
        let near = letters.partition_point(|letter| letter.end - first <= MAX_MATCH);
        let is_cut = start + near == self.text.len() && !self.window.complete;
        let mut walk = Walk {
            set: &self.set.misspelt,
            letters: letters.get(..near)?,
            text: self.text,
            start,
            rows,
            found: Vec::new(),
            is_open: false,
        };
        walk.all();
        let is_open = walk.is_open && is_cut;
        let room = (MAX_FINDINGS + 1).saturating_sub(found.len());
        found.extend(
            walk.found
                .iter()
                .take(room)
                .map(|(pattern, end)| PatternMatch {
                    pattern: *pattern,
                    range: first..*end,
                }),
        );
        is_open.then_some(first)
    }
}

/// Terms that may be misspelt, as a tree of their letters: what they begin with in common is compared once.
#[derive(Debug)]
struct Misspelt {
    nodes: Vec<Node>,
    /// Letters that the longest misspelling of a term can have.
    longest: usize,
}

impl Default for Misspelt {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            longest: 0,
        }
    }
}

#[derive(Debug, Default)]
struct Node {
    next: Vec<(char, usize)>,
    /// Patterns of the terms that end here, with the most letters that may differ.
    terms: Vec<(u16, u8)>,
    /// The most letters that may differ in a term that goes through here.
    max_distance: u8,
}

impl Misspelt {
    fn add(&mut self, letters: &[char], pattern: u16, max_distance: u8) {
        let mut at = 0;
        for letter in letters.iter().map(Some).chain([None]) {
            let count = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else {
                return;
            };
            node.max_distance = node.max_distance.max(max_distance);
            let Some(letter) = letter else {
                node.terms.push((pattern, max_distance));
                break;
            };
            let known = node.next.iter().find(|(known, _)| known == letter);
            at = known.map_or(count, |(_, next)| *next);
            if at == count {
                node.next.push((*letter, count));
                self.nodes.push(Node::default());
            }
        }
        self.longest = self.longest.max(letters.len() + usize::from(max_distance));
    }
}

/// Too far from anything.
const FAR: u8 = u8::MAX;

/// One comparison of a text with a tree of terms: for each node a row of the table of distances, of which only what lies near
/// the diagonal can be small enough.
struct Walk<'w> {
    set: &'w Misspelt,
    /// What is compared.
    letters: &'w [Letter],
    /// The whole text, in which `letters` begin at `start`.
    text: &'w [Letter],
    start: usize,
    /// By depth, a row for each.
    rows: &'w mut Vec<u8>,
    /// Patterns with the ends of what they match.
    found: Vec<(u16, usize)>,
    /// Whether more text could make a match.
    is_open: bool,
}

impl Walk<'_> {
    fn all(&mut self) {
        let width = self.letters.len() + 1;
        self.rows.clear();
        self.rows
            .extend((0..width).map(|cost| u8::try_from(cost).unwrap_or(FAR)));
        if let Some(root) = self.set.nodes.first() {
            let last = self.rows.last().copied().unwrap_or(FAR);
            self.is_open = last <= root.max_distance;
            self.below(root, 0);
        }
    }

    /// Compares what follows a node at this depth.
    fn below(&mut self, node: &Node, depth: usize) {
        for (letter, next) in &node.next {
            let Some(next) = self.set.nodes.get(*next) else {
                continue;
            };
            if self.row(*letter, next, depth + 1) <= next.max_distance {
                self.ends(next, depth + 1);
                self.below(next, depth + 1);
            }
        }
    }

    /// Fills the row of a node; returns its least entry.
    fn row(&mut self, letter: char, node: &Node, depth: usize) -> u8 {
        let width = self.letters.len() + 1;
        self.rows.resize(width * (depth + 1), FAR);
        let (above, row) = self.rows.split_at_mut(width * depth);
        let above = above.get(width * (depth - 1)..).unwrap_or_default();
        let distance = usize::from(node.max_distance);
        let from = depth.saturating_sub(distance);
        let to = (depth + distance).min(width - 1);
        // Beyond the near ones, what the next row looks at.
        for outer in [from.checked_sub(1), Some(to + 1)] {
            if let Some(cell) = outer.and_then(|outer| row.get_mut(outer)) {
                *cell = FAR;
            }
        }
        let (mut left, mut least) = (FAR, FAR);
        for place in from..=to {
            let up = above.get(place).copied().unwrap_or(FAR);
            let diagonal = match place.checked_sub(1) {
                None => FAR,
                Some(before) => {
                    let is_other =
                        (self.letters.get(before)).is_none_or(|own| own.letter != letter);
                    let cost = above.get(before).copied().unwrap_or(FAR);
                    cost.saturating_add(u8::from(is_other))
                }
            };
            let cost = diagonal
                .min(up.saturating_add(1))
                .min(left.saturating_add(1));
            if let Some(cell) = row.get_mut(place) {
                *cell = cost;
            }
            (left, least) = (cost, least.min(cost));
        }
        let last = row.last().copied().filter(|_| to == width - 1);
        self.is_open |= last.is_some_and(|cost| cost <= node.max_distance);
        least
    }

    /// Notes the terms that end at a node: each with the nearest of what it matches, the shortest of those.
    fn ends(&mut self, node: &Node, depth: usize) {
        let width = self.letters.len() + 1;
        let row = self.rows.get(width * depth..).unwrap_or_default();
        for (pattern, max_distance) in &node.terms {
            let distance = usize::from(*max_distance);
            let lengths = depth.saturating_sub(distance).max(1)..=(depth + distance).min(width - 1);
            let ends = lengths.filter_map(|len| {
                let letter = self.letters.get(len - 1)?;
                let cost = *row.get(len)?;
                let is_end = letter.letter != ' ' && ends_word(self.text, self.start + len - 1);
                (is_end && cost <= *max_distance).then_some((cost, letter.end))
            });
            let nearest = ends.min_by_key(|(cost, _)| *cost);
            self.found.extend(nearest.map(|(_, end)| (*pattern, end)));
        }
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
