//! Where the users' regular expressions match.
//!
//! One pass over the text finds where matches end. Only what stands at most [`MAX_MATCH`] bytes before such an end is read position by
//! position; each byte that is read there is a step, since an expression may read as far from every position.

use std::{ops::Range, sync::Mutex};

use regex_automata::{
    Anchored, Input, PatternID,
    hybrid::{
        LazyStateID,
        dfa::{Cache, DFA},
    },
};

use super::{MAX_MATCH, PatternMatch};
use crate::{
    detect::Window,
    steps::{MAX_FINDINGS, Steps},
};

/// Expressions that are looked for together.
pub(super) struct Regexes {
    dfa: DFA,
    /// States of the automaton that were needed so far.
    cache: Mutex<Cache>,
    /// For each expression its place among all patterns.
    places: Vec<u16>,
}

/// One search through a window.
struct Search<'s, 'w> {
    regexes: &'s Regexes,
    cache: &'s mut Cache,
    window: &'s Window<'w>,
    steps: &'s mut Steps,
    found: &'s mut Vec<PatternMatch>,
    /// From where each expression may match again.
    free: Vec<usize>,
}

impl Regexes {
    pub(super) fn new(dfa: DFA, places: Vec<u16>) -> Self {
        Self {
            cache: Mutex::new(dfa.create_cache()),
            dfa,
            places,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// What is found should the automaton fail, which its configuration rules out: all there is.
    pub(super) fn everything(&self, window: &Window<'_>) -> impl Iterator<Item = PatternMatch> {
        let range = window.from..window.text.len();
        self.places.iter().map(move |place| PatternMatch {
            pattern: *place,
            range: range.clone(),
        })
    }

    /// Adds the matches that begin in front of the first position that is open, and returns that. `None` should the automaton fail.
    pub(super) fn scan(
        &self,
        window: &Window<'_>,
        steps: &mut Steps,
        found: &mut Vec<PatternMatch>,
    ) -> Option<usize> {
        let mut cache = self.cache.lock().ok()?;
        let mut search = Search {
            regexes: self,
            cache: &mut cache,
            window,
            steps,
            found,
            free: vec![window.from; self.places.len()],
        };
        let open = if window.complete {
            window.text.len()
        } else {
            search.open()?
        };
        search.matches(open)?;
        Some(open)
    }
}

impl Search<'_, '_> {
    /// Looks at what stands in front of each end of a match, up to `until`.
    fn matches(&mut self, until: usize) -> Option<()> {
        let text = self.window.text;
        let (mut at, mut start) = (self.window.from, self.window.from);
        while start < until {
            let next = Input::new(text).range(at..).earliest(true);
            let Some(hit) = self.regexes.dfa.try_search_fwd(self.cache, &next).ok()? else {
                return Some(());
            };
            let near = text.floor_char_boundary(hit.offset().saturating_sub(MAX_MATCH));
            start = start.max(near);
            while start < until.min(hit.offset()) {
                if !self.at(start)? {
                    return Some(());
                }
                let next = text.ceil_char_boundary(start + 1);
                start = next.max(self.free.iter().copied().min().unwrap_or(next));
            }
            at = start.max(hit.offset());
        }
        Some(())
    }

    /// Adds the matches that begin at `start`. False when the search ends here.
    fn at(&mut self, start: usize) -> Option<bool> {
        let range = start..limit(self.window.text, start);
        let is_one = self.free.len() == 1;
        if !is_one && self.read(range.clone(), Anchored::Yes)? == start {
            return Some(!self.steps.are_spent());
        }
        for (place, pattern) in (0..self.free.len()).zip(0..) {
            if self.free.get(place).is_some_and(|free| start < *free) {
                continue;
            }
            let which = Anchored::Pattern(PatternID::must(pattern));
            let end = self.read(range.clone(), which)?;
            if end > start {
                self.add(place, start..end);
            }
        }
        Some(!self.steps.are_spent())
    }

    fn add(&mut self, place: usize, range: Range<usize>) {
        if let Some(free) = self.free.get_mut(place) {
            *free = range.end;
        }
        if self.found.len() >= MAX_FINDINGS {
            self.steps.spend();
        }
        let pattern = self.regexes.places.get(place);
        self.found.extend(pattern.map(|pattern| PatternMatch {
            pattern: *pattern,
            range,
        }));
    }

    /// Where the match ends that begins where `range` does: of all expressions the first that is seen, of one its own. Without one, where it
    /// begins.
    fn read(&mut self, range: Range<usize>, which: Anchored) -> Option<usize> {
        let is_enough = which == Anchored::Yes;
        let mut end = range.start;
        let mut state = self.begin(range.start, which)?;
        // A match shows one byte behind its end.
        let bytes = self.window.bytes().get(range.start..=range.end);
        let bytes = bytes.or_else(|| self.window.bytes().get(range.start..));
        let mut read = range.start;
        for byte in bytes.unwrap_or_default() {
            state = self.regexes.dfa.next_state(self.cache, state, *byte).ok()?;
            if state.is_match() {
                end = read;
            }
            read += 1;
            if state.is_tagged() && (state.is_dead() || is_enough && end > range.start) {
                break;
            }
        }
        if !state.is_dead() && range.end == self.window.text.len() && read == range.end {
            let last = self.regexes.dfa.next_eoi_state(self.cache, state).ok()?;
            end = if last.is_match() { read } else { end };
        }
        self.steps.take(read - range.start + 1);
        Some(end)
    }

    fn begin(&mut self, start: usize, which: Anchored) -> Option<LazyStateID> {
        let input = Input::new(self.window.text).range(start..).anchored(which);
        (self.regexes.dfa)
            .start_state_forward(self.cache, &input)
            .ok()
    }

    /// The first position from which a match may go on behind the end of the text.
    fn open(&mut self) -> Option<usize> {
        let text = self.window.text;
        let near = text.ceil_char_boundary(text.len().saturating_sub(MAX_MATCH));
        let mut start = near.max(self.window.from);
        while start < text.len() && !self.steps.are_spent() {
            let mut state = self.begin(start, Anchored::Yes)?;
            let mut rest = self.window.bytes().get(start..)?.iter();
            while !state.is_dead() {
                let Some(byte) = rest.next() else {
                    self.steps.take(text.len() - start);
                    return Some(start);
                };
                state = self.regexes.dfa.next_state(self.cache, state, *byte).ok()?;
            }
            self.steps.take(text.len() - start - rest.len());
            start = text.ceil_char_boundary(start + 1);
        }
        Some(start)
    }
}

/// Where a match that begins at `start` ends at the latest.
fn limit(text: &str, start: usize) -> usize {
    text.floor_char_boundary(start.saturating_add(MAX_MATCH))
}
