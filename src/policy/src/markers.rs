//! What stands in the place of the values of a text: markers, written so that JSON in the text stays JSON.

use std::ops::Range;

use crate::{
    detect::Span,
    redact::Redactor,
    view::{Nesting, is_of_number},
};

/// Writes the markers of one text, stretch by stretch.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    nesting: Nesting,
    /// A number was replaced whose last digits may still come.
    cuts_number: bool,
}

/// A range of the text, and what takes its place.
pub(crate) type Replacement = (Range<usize>, String);

impl Markers {
    /// For a text that is JSON as a whole.
    pub(crate) fn of_json() -> Self {
        Self {
            nesting: Nesting::of_json(),
            cuts_number: false,
        }
    }

    /// What becomes of `text[range]`, which follows what was given before, with `marks` in it. What may stand before a number stands
    /// in the same stretch.
    pub(crate) fn replace(
        &mut self,
        text: &str,
        range: Range<usize>,
        marks: &[Span],
        redactor: &Redactor,
    ) -> Vec<Replacement> {
        let mut replacements = Vec::new();
        let mut read = range.start;
        let number_end = |from: usize| {
            let rest = text.as_bytes().get(from..range.end).unwrap_or_default();
            from + rest.iter().take_while(|byte| is_of_number(**byte)).count()
        };
        if self.cuts_number {
            let end = number_end(read);
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
            let mut marker = String::new();
            redactor.write(mark.label, value, &mut marker);
            let mut replaced = span.clone();
            if let Some(quote) = self
                .nesting
                .quote_for(value, text.as_bytes().get(span.end).copied())
            {
                replaced.start -= usize::from(before.ends_with('-'));
                replaced.end = number_end(span.end);
                self.cuts_number = replaced.end == range.end;
                marker = format!("{quote}{marker}{quote}");
            } else {
                marker = self.nesting.escaped(marker);
            }
            self.nesting
                .advance(text.get(span.start..replaced.end).unwrap_or_default());
            read = replaced.end;
            replacements.push((replaced, marker));
        }
        self.nesting
            .advance(text.get(read..range.end).unwrap_or_default());
        replacements
    }
}

/// Appends `text[range]` with `replacements` made.
pub(crate) fn apply(
    text: &str,
    range: Range<usize>,
    replacements: &[Replacement],
    out: &mut String,
) {
    let mut copied = range.start;
    for (replaced, with) in replacements {
        out.push_str(text.get(copied..replaced.start).unwrap_or_default());
        out.push_str(with);
        copied = replaced.end;
    }
    out.push_str(text.get(copied..range.end).unwrap_or_default());
}
