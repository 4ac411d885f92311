//! Text of a stream that is not decided yet.

use std::ops::Range;

use crate::{
    chain::Chain,
    detect::{CONTEXT, Window},
    tally::{Stop, Tally},
    verdict::Phase,
};

/// The text of one channel of a stream: what may leave, leaves at once; what is open waits.
///
/// It never grows without limit: detectors and phrases leave a position open for a bounded number of bytes only.
#[derive(Debug, Default)]
pub struct HoldBack {
    /// Up to [`CONTEXT`] released bytes, then what waits.
    text: String,
    /// Where the waiting text starts. Always a character boundary.
    settled: usize,
    /// Bytes that came before `text`.
    offset: usize,
}

impl HoldBack {
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
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        self.text.push_str(delta);
        self.release(false, chain, tally, out)
    }

    /// The text is complete: everything may leave.
    pub(crate) fn finish(
        &mut self,
        chain: &Chain,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        if self.held() == 0 {
            Ok(())
        } else {
            self.release(true, chain, tally, out)
        }
    }

    fn release(
        &mut self,
        complete: bool,
        chain: &Chain,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        let window = Window {
            text: &self.text,
            from: self.settled,
            complete,
        };
        let open = chain.scan(Phase::Output, &window, &mut tally.sightings);
        let stop = tally.judge(chain, Phase::Output, self.settled..open, self.offset);
        let end = stop.as_ref().map_or(open, |stop| stop.at);
        append_redacted(&self.text, self.settled..end, &tally.sightings.pii, out);
        self.settled = end;
        self.forget();
        stop.map_or(Ok(()), Err)
    }

    /// Drops what no detector may look back at.
    fn forget(&mut self) {
        // In steps, so that not every delta moves the text.
        if self.settled < 4 * CONTEXT {
            return;
        }
        let keep = self.text.floor_char_boundary(self.settled - CONTEXT);
        self.text.drain(..keep);
        self.offset += keep;
        self.settled -= keep;
    }
}

/// Appends `text[range]` with the values in it replaced by markers.
pub(crate) fn append_redacted(
    text: &str,
    range: Range<usize>,
    pii: &[crate::detect::PiiSpan],
    out: &mut String,
) {
    let mut copied = range.start;
    for span in pii.iter().filter(|span| span.range.end <= range.end) {
        out.push_str(text.get(copied..span.range.start).unwrap_or_default());
        out.push_str(span.entity.marker());
        copied = span.range.end;
    }
    out.push_str(text.get(copied..range.end).unwrap_or_default());
}
