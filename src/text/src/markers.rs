//! What stands in the place of the values of a text: markers, written so that JSON in the text stays JSON.

use std::ops::Range;

use crate::{
    detect::Span,
    redact::Redactor,
    view::{Nesting, is_of_number},
};

/// Writes the markers of one text, stretch by stretch.
#[derive(Debug, Default)]
pub struct Markers {
    nesting: Nesting,
    /// A number was replaced whose last digits may still come.
    cuts_number: bool,
}

/// A range of the text, and what takes its place.
pub type Replacement = (Range<usize>, String);

impl Markers {
    /// For a text that is JSON as a whole.
    pub fn of_json() -> Self {
        Self {
            nesting: Nesting::of_json(),
            cuts_number: false,
        }
    }

    /// What becomes of `text[range]`, which follows what was given before, with `marks` in it. What may stand before a number stands
    /// in the same stretch.
    pub fn replace(
        &mut self,
        text: &str,
        range: Range<usize>,
        marks: &[Span],
        redactor: &Redactor,
    ) -> Vec<Replacement> {
        let mut replacements = Vec::new();
        let mut read = range.start;
        if self.cuts_number {
            let end = number_end(text, read..range.end);
            self.cuts_number = end == range.end;
            self.nesting
                .advance(text.get(read..end).unwrap_or_default());
            replacements.extend((end > read).then(|| (read..end, String::new())));
            read = end;
        }
        for mark in marks {
            if mark.range.end > range.end || mark.range.end <= read {
                continue;
            }
            let span = mark.range.start.max(read)..mark.range.end;
            let value = text.get(span.clone()).unwrap_or_default();
            let before = text.get(read..span.start).unwrap_or_default();
            self.nesting.advance(before);
            let mut from = read;
            read = span.start;
            let parts = self.nesting.parts(value);
            let is_whole = parts.is_none();
            for part in parts.unwrap_or_else(|| std::iter::once(0..value.len()).collect()) {
                let place = part_at(&span, &part);
                let mut marker = String::new();
                let part = text.get(place.clone()).unwrap_or_default();
                redactor.write(mark.label, part, is_whole, &mut marker);
                let replacement = self.replace_one(text, read..range.end, from, place, marker);
                read = replacement.0.end;
                from = read;
                replacements.push(replacement);
            }
            // Quotes and signs of JSON at its end, which stay.
            let rest = text.get(read..span.end).unwrap_or_default();
            self.nesting.advance(rest);
            read = read.max(span.end);
        }
        self.nesting
            .advance(text.get(read..range.end).unwrap_or_default());
        replacements
    }

    /// How `marker` takes the `place` in `range`, which follows what was given before. Nothing was replaced from `from` on.
    fn replace_one(
        &mut self,
        text: &str,
        range: Range<usize>,
        from: usize,
        place: Range<usize>,
        marker: String,
    ) -> Replacement {
        let before = text.get(from..place.start).unwrap_or_default();
        self.nesting
            .advance(text.get(range.start..place.start).unwrap_or_default());
        let value = text.get(place.clone()).unwrap_or_default();
        let next = text.as_bytes().get(place.end).copied();
        let mut replaced = place.clone();
        let marker = if let Some(quote) = self.nesting.quote_for(value, next) {
            replaced.start -= usize::from(before.ends_with('-'));
            replaced.end = number_end(text, place.end..range.end);
            self.cuts_number = replaced.end == range.end;
            format!("{quote}{marker}{quote}")
        } else {
            self.nesting.escaped(marker)
        };
        self.nesting
            .advance(text.get(place.start..replaced.end).unwrap_or_default());
        (replaced, marker)
    }
}

/// Where in the text the `part` of the value at `range` lies.
fn part_at(range: &Range<usize>, part: &Range<usize>) -> Range<usize> {
    range.start + part.start..range.start + part.end
}

/// Where the number ends that `text[range]` begins in the middle of.
fn number_end(text: &str, range: Range<usize>) -> usize {
    let rest = text.as_bytes().get(range.clone()).unwrap_or_default();
    range.start + rest.iter().take_while(|byte| is_of_number(**byte)).count()
}

/// Appends `text[range]` with `replacements` made.
pub fn apply(text: &str, range: Range<usize>, replacements: &[Replacement], out: &mut String) {
    let mut copied = range.start;
    for (replaced, with) in replacements {
        out.push_str(text.get(copied..replaced.start).unwrap_or_default());
        out.push_str(with);
        copied = replaced.end;
    }
    out.push_str(text.get(copied..range.end).unwrap_or_default());
}
