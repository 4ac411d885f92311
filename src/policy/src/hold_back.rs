//! Text of a stream that is not decided yet.

use std::ops::Range;

use crate::{
    chain::Chain,
    detect::{CONTEXT, Span, Window},
    redact::Redactor,
    tally::{Stop, Tally},
    verdict::Phase,
    view::ArgumentsView,
};

/// The text of one channel of a stream: what may leave, leaves at once; what is open waits.
///
/// It never grows without limit: detectors and phrases leave a position open for a bounded number of bytes only.
#[derive(Debug, Default)]
pub struct HoldBack {
    /// What detectors see: up to a few times [`CONTEXT`] settled bytes, then what waits.
    text: String,
    /// Where the waiting text starts. Always a character boundary.
    settled: usize,
    /// How much of the text was scanned.
    scanned: usize,
    /// Bytes that came before `text`.
    offset: usize,
    /// The original, where it is not what detectors see.
    arguments: Option<ArgumentsView>,
}

impl HoldBack {
    /// For text that is JSON itself, the arguments of a tool call: redacted, it stays valid.
    pub(crate) fn for_arguments() -> Self {
        Self {
            arguments: Some(ArgumentsView::default()),
            ..Self::default()
        }
    }

    /// How many bytes wait.
    pub fn held(&self) -> usize {
        self.text.len() - self.settled
    }

    /// Takes more text and appends to `out` what may leave now, redacted. On a stop, `out` has everything
    /// before the text that led to it.
    pub(crate) fn push(
        &mut self,
        delta: &str,
        chain: &Chain,
        phase: Phase,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        match &mut self.arguments {
            Some(arguments) => arguments.push(delta, &mut self.text),
            None => self.text.push_str(delta),
        }
        self.release(false, chain, phase, tally, out)
    }

    /// The text is complete: everything may leave.
    pub(crate) fn finish(
        &mut self,
        chain: &Chain,
        phase: Phase,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        if let Some(arguments) = &mut self.arguments {
            arguments.finish(&mut self.text);
        }
        if self.held() == 0 {
            Ok(())
        } else {
            self.release(true, chain, phase, tally, out)
        }
    }

    fn release(
        &mut self,
        complete: bool,
        chain: &Chain,
        phase: Phase,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        if !complete && !self.has_grown() {
            return Ok(());
        }
        self.scanned = self.text.len();
        let window = Window {
            text: &self.text,
            from: self.settled,
            complete,
        };
        let open = chain.scan(phase, &window, &mut tally.sightings);
        let stop = tally.judge(chain, phase, self.settled..open, self.offset);
        tally.trace(chain, &self.text);
        let end = stop.as_ref().map_or(open, |stop| stop.at);
        self.write(
            self.settled..end,
            &tally.sightings.marks,
            chain.redactor(),
            out,
        );
        self.settled = end;
        self.forget();
        stop.map_or(Ok(()), Err)
    }

    /// Whether enough has come to scan again what waits. A long value that is open is read again for every eighth that it grows,
    /// and not for every delta, so that each of its bytes costs eight readings however it was cut.
    fn has_grown(&self) -> bool {
        /// So many bytes wait for the next delta only.
        const FEW: usize = 128;
        let waited = self.scanned.saturating_sub(self.settled);
        self.text.len() - self.scanned >= waited.saturating_sub(FEW).div_ceil(8)
    }

    /// Appends the original of `range` with the values in it replaced by markers.
    fn write(&self, range: Range<usize>, marks: &[Span], redactor: &Redactor, out: &mut String) {
        let Some(arguments) = &self.arguments else {
            return append_redacted(&self.text, range, marks, redactor, out);
        };
        let mut copied = range.start;
        for span in marks.iter().filter(|span| span.range.end <= range.end) {
            out.push_str(arguments.original(copied, span.range.start));
            let quote = if arguments.is_in_string(span.range.start) {
                ""
            } else {
                "\""
            };
            out.push_str(quote);
            redactor.write(
                span.label,
                self.text.get(span.range.clone()).unwrap_or_default(),
                out,
            );
            out.push_str(quote);
            copied = span.range.end;
        }
        out.push_str(arguments.original(copied, range.end));
    }

    /// Drops what no detector may look back at.
    fn forget(&mut self) {
        // In steps, so that not every delta moves the text.
        if self.settled < 4 * CONTEXT {
            return;
        }
        let keep = self.text.floor_char_boundary(self.settled - CONTEXT);
        if let Some(arguments) = &mut self.arguments {
            arguments.forget(keep);
        }
        self.text.drain(..keep);
        self.offset += keep;
        self.settled -= keep;
        self.scanned -= keep;
    }
}

/// Appends `text[range]` with the values in it replaced by markers.
pub(crate) fn append_redacted(
    text: &str,
    range: Range<usize>,
    marks: &[Span],
    redactor: &Redactor,
    out: &mut String,
) {
    let mut copied = range.start;
    for span in marks.iter().filter(|span| span.range.end <= range.end) {
        out.push_str(text.get(copied..span.range.start).unwrap_or_default());
        redactor.write(
            span.label,
            text.get(span.range.clone()).unwrap_or_default(),
            out,
        );
        copied = span.range.end;
    }
    out.push_str(text.get(copied..range.end).unwrap_or_default());
}
