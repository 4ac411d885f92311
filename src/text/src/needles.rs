//! Many words looked for at once: the automaton of Aho and Corasick ("Efficient string matching", 1975) over folded letters.
//!
//! Each letter of a text costs a step or two, however many words there are and however often they begin.

use std::collections::{BTreeMap, VecDeque};

/// Words with a value each.
#[derive(Debug)]
pub(crate) struct Needles<T> {
    nodes: Vec<Node<T>>,
    /// From the root on, by ASCII letter: most letters of a text begin no word. 0 for none.
    first: Vec<u32>,
    /// The same for other letters.
    first_others: BTreeMap<char, u32>,
}

#[derive(Debug)]
struct Node<T> {
    /// Sorted by letter once built.
    next: Vec<(char, u32)>,
    /// The node of the longest proper ending that begins a word.
    fail: u32,
    /// The nearest node along `fail`, this one included, that ends a word; 0 for none.
    ends: u32,
    depth: u32,
    values: Vec<T>,
}

/// How far the words at the end of what was read have come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct State(u32);

impl<T> Default for Needles<T> {
    fn default() -> Self {
        let mut needles = Self {
            nodes: Vec::new(),
            first: vec![0; 128],
            first_others: BTreeMap::new(),
        };
        needles.new_node(0);
        needles
    }
}

impl<T> Needles<T> {
    fn new_node(&mut self, depth: u32) -> u32 {
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node {
            next: Vec::new(),
            fail: 0,
            ends: 0,
            depth,
            values: Vec::new(),
        });
        number
    }

    fn node(&self, number: u32) -> Option<&Node<T>> {
        self.nodes.get(usize::try_from(number).ok()?)
    }

    fn node_mut(&mut self, number: u32) -> Option<&mut Node<T>> {
        self.nodes.get_mut(usize::try_from(number).ok()?)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Adds a word. [`Needles::link`] comes after the last one.
    pub(crate) fn add(&mut self, word: &[char], value: T) {
        let mut at = 0;
        for (letter, depth) in word.iter().zip(1..) {
            at = self
                .goto(at, *letter)
                .unwrap_or_else(|| self.branch(at, *letter, depth));
        }
        if let Some(node) = self.node_mut(at).filter(|_| at != 0) {
            node.values.push(value);
        }
    }

    /// A new node behind `at`.
    fn branch(&mut self, at: u32, letter: char, depth: u32) -> u32 {
        let next = self.new_node(depth);
        if at == 0 {
            match self.first.get_mut(letter as usize) {
                Some(first) => *first = next,
                None => drop(self.first_others.insert(letter, next)),
            }
        }
        if let Some(node) = self.node_mut(at) {
            let place = node.next.partition_point(|(known, _)| *known < letter);
            node.next.insert(place, (letter, next));
        }
        next
    }

    fn goto(&self, at: u32, letter: char) -> Option<u32> {
        if at == 0 {
            return match self.first.get(letter as usize) {
                Some(next) => Some(*next).filter(|next| *next != 0),
                None => self.first_others.get(&letter).copied(),
            };
        }
        let next = &self.node(at)?.next;
        let place = next.binary_search_by_key(&letter, |(known, _)| *known);
        next.get(place.ok()?).map(|(_, next)| *next)
    }

    /// Finds out where to go on when a letter does not fit.
    pub(crate) fn link(&mut self) {
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            let (fail, next) = self
                .node(at)
                .map_or((0, Vec::new()), |node| (node.fail, node.next.clone()));
            for (letter, child) in next {
                let fail = if at == 0 {
                    0
                } else {
                    self.step(State(fail), letter).0
                };
                let behind = self.node(fail).map_or(0, |node| node.ends);
                if let Some(node) = self.node_mut(child) {
                    node.fail = fail;
                    node.ends = if node.values.is_empty() {
                        behind
                    } else {
                        child
                    };
                }
                queue.push_back(child);
            }
        }
    }

    /// Reads a letter.
    pub(crate) fn step(&self, state: State, letter: char) -> State {
        let mut at = state.0;
        loop {
            match self.goto(at, letter) {
                Some(next) => return State(next),
                None if at == 0 => return State(0),
                None => at = self.node(at).map_or(0, |node| node.fail),
            }
        }
    }

    /// The words that end here, with their lengths.
    pub(crate) fn ending(&self, state: State) -> impl Iterator<Item = (usize, &T)> {
        let mut at = self.node(state.0).map_or(0, |node| node.ends);
        let nodes = std::iter::from_fn(move || {
            let node = self.node(at).filter(|_| at != 0)?;
            at = self.node(node.fail).map_or(0, |node| node.ends);
            Some(node)
        });
        nodes.flat_map(|node| node.values.iter().map(|value| (node.depth as usize, value)))
    }

    /// How many of the last letters begin a word, the longest first.
    pub(crate) fn begun(&self, state: State) -> impl Iterator<Item = usize> {
        let mut at = state.0;
        std::iter::from_fn(move || {
            let node = self.node(at).filter(|_| at != 0)?;
            at = node.fail;
            Some(node.depth as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_seen_where_it_ends() {
        let words = ["he", "she", "his", "hers", "e"];
        let mut needles = Needles::default();
        for word in words {
            needles.add(&word.chars().collect::<Vec<_>>(), word);
        }
        needles.link();
        let text: Vec<char> = "ushershishe".chars().collect();
        let mut state = State::default();
        let mut seen = Vec::new();
        for (at, letter) in text.iter().enumerate() {
            state = needles.step(state, *letter);
            seen.extend(
                needles
                    .ending(state)
                    .map(|(len, word)| (at + 1 - len, *word)),
            );
        }
        let mut expected = Vec::new();
        for end in 1..=text.len() {
            for start in 0..end {
                let part: String = text[start..end].iter().collect();
                expected.extend(
                    words
                        .iter()
                        .filter(|word| **word == part)
                        .map(|word| (start, *word)),
                );
            }
        }
        assert_eq!(seen, expected);
        assert_eq!(needles.begun(state).collect::<Vec<_>>(), [3, 2, 1]);
    }
}
