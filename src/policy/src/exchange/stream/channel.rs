//! One text of a stream, and what of it waits.

use crate::{
    chain::Chain,
    exchange::places,
    hold_back::HoldBack,
    narrowing::Place as Spot,
    quality::{answers::Answer, loops::LoopGuard},
    tally::{Stop, Tally},
    verdict::Phase,
};

use super::{
    chunk::{Key, Piece, Place},
    halves::{self, Half},
    identity::Unclear,
    json_end::JsonEnd,
    write::OwnPlace,
};

/// So many digits make a number that may become a value.
const MANY_DIGITS: usize = 7;
/// A word that is longer may become a key.
const LONG_WORD: usize = 20;
/// So many bytes of other texts wait behind what looks like the beginning of a value.
const PATIENCE: usize = 256;

/// A text with what is held back of it.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) key: Key,
    pub(super) place: OwnPlace,
    hold: HoldBack,
    json: Option<JsonEnd>,
    /// Half of a character, whose other half is to come.
    half: Option<u16>,
    /// Whether it was said to end.
    has_ended: bool,
    /// How many bytes of other texts still wait for the rest of this one.
    patience: usize,
    /// What was said so far, where its quality is judged.
    pub(super) answer: Option<Answer>,
    loops: LoopGuard,
    /// Where it stands, for exceptions.
    spot: Spot,
}

impl Channel {
    /// Says that this text is judged next.
    pub(super) fn announce(&self, chain: &Chain, tally: &mut Tally) {
        if !chain.narrowing().is_empty() {
            tally.scene.place.clone_from(&self.spot);
        }
    }

    /// Whether it was said to end.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn new(key: Key, place: OwnPlace, judges_quality: bool) -> Self {
        let is_json = key.is_arguments();
        Self {
            hold: if is_json {
                HoldBack::for_arguments()
            } else {
                HoldBack::default()
            },
            json: is_json.then(JsonEnd::default),
            half: None,
            has_ended: false,
            patience: 0,
            answer: (judges_quality && key.is_answer()).then(Answer::default),
            loops: LoopGuard::default(),
            spot: places::of_stream(&key, place.member()),
            key,
            place,
        }
    }

    /// How many bytes wait.
    pub(super) fn held(&self) -> usize {
        self.hold.held()
    }

    /// How many bytes of memory the text takes.
    pub(super) fn footprint(&self) -> usize {
        let answer = self.answer.as_ref().map_or(0, |answer| answer.text.len());
        size_of::<Self>() + self.hold.footprint() + answer
    }

    /// Takes more text. What may leave is added to `out`.
    pub(super) fn push(
        &mut self,
        delta: &str,
        chain: &Chain,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        let until = self.note(delta);
        let mut rest = delta
            .get(..until.unwrap_or(delta.len()))
            .unwrap_or_default();
        // Nothing may follow complete arguments, so what waits of them leaves with them.
        while let Some(end) = self
            .json
            .as_mut()
            .and_then(|json| json.end(rest.as_bytes()))
        {
            let (complete, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            self.hold.push(complete, chain, Phase::Output, tally, out)?;
            self.hold.flush(chain, Phase::Output, tally, out)?;
            rest = behind;
        }
        if !rest.is_empty() {
            self.hold.push(rest, chain, Phase::Output, tally, out)?;
        }
        match until {
            Some(_) => Err(tally.stop_by_loop()),
            None => Ok(()),
        }
    }

    /// Takes note of what is said. Returns where it has become a loop.
    fn note(&mut self, delta: &str) -> Option<usize> {
        let answer = self.answer.as_mut()?;
        answer.add(delta);
        self.loops.push(delta)
    }

    /// Another text goes on: what waits leaves, unless it looks like the beginning of a value.
    pub(super) fn pause(
        &mut self,
        chain: &Chain,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        if self.may_become_a_value(chain, tally) {
            return Ok(());
        }
        self.hold.flush(chain, Phase::Output, tally, out)
    }

    /// Whether what waits looks like the beginning of a value, and not only like values.
    pub(super) fn may_become_a_value(&self, chain: &Chain, tally: &mut Tally) -> bool {
        let waiting = self.hold.waiting();
        if !looks_like_a_beginning(waiting) {
            return false;
        }
        let sightings = &mut tally.sightings;
        chain.scan_whole(Phase::Output, waiting, sightings);
        let mut from = 0;
        let mut rest = |to: usize, next: usize| {
            let part = waiting.get(from..to).unwrap_or_default();
            from = next;
            looks_like_a_beginning(part)
        };
        let mut values = sightings.marks.iter().map(|mark| &mark.range);
        values.any(|value| rest(value.start, value.end)) || rest(waiting.len(), waiting.len())
    }

    /// Whether the verdict on what was said so far is open.
    pub(super) fn is_open(&self, chain: &Chain) -> bool {
        self.hold.is_open(chain)
    }

    /// The text is said to end here, by an event that waits.
    pub(super) fn note_end(&mut self, chain: &Chain, tally: &mut Tally) {
        self.hold.note_end();
        self.patience = if self.may_become_a_value(chain, tally) {
            PATIENCE
        } else {
            0
        };
    }

    /// Whether what waits goes on waiting when so many bytes of other texts come.
    pub(super) fn outlasts(&mut self, others: usize) -> bool {
        self.patience = self.patience.saturating_sub(others);
        self.patience > 0 || others == 0
    }

    /// Where ends lie in what left last.
    pub(super) fn take_passed(&mut self) -> Vec<usize> {
        self.hold.take_passed()
    }

    /// No event waits any more.
    pub(super) fn forget_ends(&mut self) {
        self.hold.forget_ends();
    }

    /// Another call begins under the same number: what waits of this one leaves.
    pub(super) fn cut(
        &mut self,
        chain: &Chain,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        self.hold.flush(chain, Phase::Output, tally, out)
    }

    /// The text is said to end. That it goes on all the same happens once; a provider that says so again and again
    /// lets no value pass in pieces.
    pub(super) fn end(
        &mut self,
        chain: &Chain,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        if std::mem::replace(&mut self.has_ended, true) {
            self.pause(chain, tally, out)
        } else {
            self.cut(chain, tally, out)
        }
    }

    /// Whether half of a character is all that came of it.
    pub(super) fn lacks_half(&self) -> bool {
        self.half.is_some()
    }

    /// The stream is over.
    pub(super) fn finish(
        &mut self,
        chain: &Chain,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        self.hold.finish(chain, Phase::Output, tally, out)
    }

    /// Whether `piece` belongs to another part of the text than the one before.
    pub(super) fn is_elsewhere(&self, piece: &Piece<'_>) -> bool {
        match (&piece.place, &self.place) {
            (Place::Choice { part, .. }, OwnPlace::Choice { part: own, .. }) => part != own,
            _ => false,
        }
    }

    /// Makes the halves at the edges of a piece whole. Returns the text, and how many halves it had.
    pub(super) fn complete<'t>(
        &mut self,
        text: &'t str,
        range: &std::ops::Range<usize>,
        covered: &[Half],
    ) -> Result<(Option<char>, &'t str, usize), Unclear> {
        if self.half.is_none() && covered.is_empty() {
            return Ok((None, text, 0));
        }
        let second = covered
            .iter()
            .find(|half| half.at == range.start && !half.is_first());
        let first = covered
            .iter()
            .find(|half| half.at + 6 == range.end && half.at >= range.start && half.is_first());
        let whole = match (self.half.take(), second) {
            (Some(one), Some(other)) => Some(halves::join(one, other.unit).ok_or(Unclear)?),
            (None, None) => None,
            _ => return Err(Unclear),
        };
        self.half = first.map(|half| half.unit);
        let mut text = text;
        for (half, strip) in [
            (
                second,
                str::strip_prefix as fn(&'t str, char) -> Option<&'t str>,
            ),
            (first, str::strip_suffix),
        ] {
            if half.is_some() {
                text = strip(text, '\u{fffd}').ok_or(Unclear)?;
            }
        }
        let count = usize::from(first.is_some()) + usize::from(second.is_some());
        Ok((whole, text, count))
    }
}

/// Whether text that waits may well be the beginning of a value: most of it is just the last word.
fn looks_like_a_beginning(waiting: &str) -> bool {
    let digits = waiting.bytes().filter(u8::is_ascii_digit).count();
    let mut words = waiting.split(|c: char| c.is_whitespace());
    digits >= MANY_DIGITS || waiting.contains('@') || words.any(|word| word.len() > LONG_WORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_no_beginning() {
        for waiting in ["42.", "here", "how to make a", "$1,234.50", "\"}"] {
            assert!(!looks_like_a_beginning(waiting), "{waiting}");
        }
        for waiting in [
            "bob@exam",
            "219-09-99",
            "4111 1111",
            "sk-proj-4f9aBcD3eFgHiJkL",
        ] {
            assert!(looks_like_a_beginning(waiting), "{waiting}");
        }
    }
}
