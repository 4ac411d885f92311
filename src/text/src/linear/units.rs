//! Where people end what they say: sentences, lines and list items. Borders depend on the text alone.

/// A unit has at least this many bytes, if the text goes on: a number of a list or a `Yes.` says nothing.
const LEAST: usize = 12;
/// A unit ends at the next space after this many bytes.
const LONG: usize = 400;
/// A unit ends after this many bytes, space or not.
const LONGEST: usize = 1024;
/// Units of a text; in longer texts they are longer.
const MOST_UNITS: usize = 60_000;

/// What ends a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Borders {
    /// Where the unit begins.
    pub(super) start: usize,
    /// A unit has at least so many bytes.
    pub(super) least: usize,
    /// Whether the word that follows can end it. It has not come yet where a text grows.
    looks_ahead: bool,
}

impl Borders {
    /// Those of a text of `len` bytes that is complete.
    pub(super) fn of_whole(len: usize) -> Self {
        Self {
            start: 0,
            least: LEAST.max(len / MOST_UNITS),
            looks_ahead: true,
        }
    }

    fn of_growing() -> Self {
        Self {
            start: 0,
            least: LEAST,
            looks_ahead: false,
        }
    }
}

/// Where the unit ends; `None` when the end does not stand in `text`. It does not lie before `from`.
pub(super) fn end_of_unit(text: &str, from: usize, borders: &Borders) -> Option<usize> {
    let Borders {
        start,
        least,
        looks_ahead,
    } = *borders;
    let bytes = text.as_bytes();
    let first = from.max(start.saturating_add(least) - 1);
    for (at, byte) in bytes.iter().enumerate().skip(first) {
        let len = at - start;
        let ends = match byte {
            b'\n' => true,
            b' ' | b'\t' => {
                len >= LONG.max(least)
                    || ends_sentence(bytes, at)
                    || looks_ahead && begins_sentence(bytes, at)
            }
            _ => false,
        };
        if ends {
            return Some(at + 1);
        }
        if len >= LONGEST.max(2 * least) && text.is_char_boundary(at) {
            return Some(at);
        }
    }
    None
}

/// Whether a sentence ends before the space at `at`: behind a stop, which a quotation mark or bracket may follow. The dots of
/// numbers and initials are none.
fn ends_sentence(bytes: &[u8], at: usize) -> bool {
    let back = |by: usize| {
        at.checked_sub(by)
            .and_then(|place| bytes.get(place))
            .copied()
    };
    let closes = matches!(back(1), Some(b'"' | b'\'' | b')' | b']' | b'*'));
    let by = if closes { 2 } else { 1 };
    match back(by) {
        Some(b'!' | b'?') => true,
        Some(b'.') => {
            let is_initial = back(by + 1).is_some_and(|byte| byte.is_ascii_alphanumeric())
                && !back(by + 2).is_some_and(|byte| byte.is_ascii_alphanumeric());
            !is_initial
        }
        _ => false,
    }
}

/// Whether the word after the space at `at` begins a sentence though none was ended: a capital in front of a word that has
/// none elsewhere.
fn begins_sentence(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|place| bytes.get(place));
    let after = bytes.get(at + 1..).unwrap_or_default();
    if !before.is_some_and(u8::is_ascii_lowercase)
        || !after.first().is_some_and(u8::is_ascii_uppercase)
    {
        return false;
    }
    let len = after
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    matches!(
        after.get(..len).unwrap_or_default(),
        b"The"
            | b"It"
            | b"In"
            | b"This"
            | b"These"
            | b"That"
            | b"We"
            | b"You"
            | b"He"
            | b"She"
            | b"They"
            | b"There"
            | b"When"
            | b"While"
            | b"After"
            | b"Before"
            | b"If"
            | b"For"
            | b"As"
            | b"At"
            | b"But"
            | b"And"
            | b"Our"
            | b"My"
            | b"To"
            | b"What"
            | b"How"
            | b"Why"
            | b"Write"
            | b"Please"
            | b"Tell"
            | b"Give"
            | b"Explain"
            | b"Can"
            | b"An"
            | b"A"
    )
}

/// Reads a growing text unit by unit.
#[derive(Debug, Default)]
pub struct UnitReader {
    unit: String,
    /// How much of it was looked at.
    seen: usize,
}

impl UnitReader {
    /// Takes text up to the end of the unit: how many bytes, and whether the unit is complete.
    pub fn push(&mut self, text: &str) -> (usize, bool) {
        let before = self.unit.len();
        // No unit is longer, so that a long text is not copied for each of its units.
        let take = text.floor_char_boundary((LONGEST + 8).saturating_sub(before).max(8));
        self.unit.push_str(text.get(..take).unwrap_or_default());
        let Some(end) = end_of_unit(&self.unit, self.seen, &Borders::of_growing()) else {
            self.seen = self.unit.len();
            return (take, false);
        };
        self.unit.truncate(end);
        (end - before, true)
    }

    /// The unit, as far as it came.
    pub fn text(&self) -> &str {
        &self.unit
    }

    /// Begins the next unit.
    pub fn clear(&mut self) {
        self.unit.clear();
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<&str> {
        let (mut borders, mut found) = (Borders::of_whole(text.len()), Vec::new());
        while let Some(end) = end_of_unit(text, borders.start, &borders) {
            found.push(&text[borders.start..end]);
            borders.start = end;
        }
        found.push(&text[borders.start..]);
        found
    }

    #[test]
    fn sentences_and_lines_are_units() {
        let text = "The first one is here. \"Is it the second?\" It says so.\nA line of its own\n1. an item of a list\n2. J. R. Smith paid 3.5 dollars";
        assert_eq!(
            units(text),
            [
                "The first one is here. ",
                "\"Is it the second?\" ",
                "It says so.\n",
                "A line of its own\n",
                "1. an item of a list\n",
                "2. J. R. Smith paid 3.5 dollars"
            ]
        );
        assert_eq!(
            units("how to mend a roof The house was old then"),
            ["how to mend a roof ", "The house was old then"]
        );
    }

    #[test]
    fn units_are_bounded() {
        let words = "word ".repeat(1000);
        assert!(units(&words).iter().all(|unit| unit.len() <= 406));
        let blob = "ä".repeat(5000);
        assert!(units(&blob).iter().all(|unit| unit.len() <= 1026));
        assert_eq!(units(&blob).concat(), blob);
        assert!(units(&"\n".repeat(900_000)).len() <= MOST_UNITS + 1);
    }
}
