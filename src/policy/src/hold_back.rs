//! Text of a stream that is not decided yet.

use std::ops::Range;

use crate::{
    chain::{Answers, Chain},
    tally::{Stop, Tally},
    verdict::Phase,
};
use kt_text::{
    answers::{StreamMode, Watch},
    detect::{CONTEXT, Span, Window},
    markers::{Markers, apply},
    redact::Redactor,
    refusal::LOOK_BACK,
    view::{Reading, may_differ},
};

/// Settled bytes that are kept: detectors look back [`CONTEXT`] bytes, refusals further. A reading may be longer than its text.
const KEPT: usize = 2 * LOOK_BACK;
const _: () = assert!(KEPT > CONTEXT);
/// Most bytes that wait. Each value is open for less, but values that overlap each other, such as `a@b.co@b.co@…`, wait together without
/// an end: then the stream ends.
const MAX_WAITING: usize = 64 * 1024;

/// The text of one channel of a stream: what may leave, leaves at once; what is open waits.
///
/// It never grows without limit: detectors and phrases leave a position open for a bounded number of bytes only, and so do escapes
/// and characters that nobody sees, which count at most 256 bytes each. Values that overlap wait together, up to [`MAX_WAITING`].
#[derive(Debug, Default)]
pub struct HoldBack {
    /// Up to [`KEPT`] and a few times [`CONTEXT`] settled bytes, then what waits.
    text: String,
    /// Where the waiting text starts. Always a character boundary, never inside an escape.
    settled: usize,
    /// How much of the text was scanned.
    scanned: usize,
    /// Where the text starts that has not left. Behind `settled` when the text was said to end here and left: should
    /// it go on, what left is judged together with what follows.
    left: usize,
    /// Where the text was said to end, and the event that said so waits for what stands before.
    ends: Vec<usize>,
    /// Where those ends that were passed lie in what left.
    passed: Vec<usize>,
    /// Bytes that came before `text`.
    offset: usize,
    /// What detectors see, where that is not the text.
    reading: Option<Reading>,
    markers: Markers,
    /// What is thought of the text, where it is an answer.
    watch: Watch,
    /// What waits to be judged before anything else looks at it.
    ahead: String,
}

impl HoldBack {
    /// For text that is JSON as a whole, the arguments of a tool call: redacted, it stays valid.
    pub(crate) fn for_arguments() -> Self {
        Self {
            markers: Markers::of_json(),
            ..Self::default()
        }
    }

    /// How many bytes wait.
    pub fn held(&self) -> usize {
        self.text.len() - self.settled.max(self.left) + self.ahead.len()
    }

    /// How many bytes of memory the text takes.
    pub(crate) fn footprint(&self) -> usize {
        // A reading is kept beside the text, with places that map one to the other.
        let factor = if self.reading.is_some() { 4 } else { 1 };
        self.text.len() * factor + self.ahead.len()
    }

    /// The text is said to end here, and what says so waits for the text before it.
    pub(crate) fn note_end(&mut self) {
        self.ends.push(self.text.len() + self.ahead.len());
    }

    /// Where ends lie in what left with the last call. What has not come to an end by now stands before it.
    pub(crate) fn take_passed(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.passed)
    }

    /// Nothing waits for what stands before the ends any more.
    pub(crate) fn forget_ends(&mut self) {
        self.ends.clear();
    }

    /// Whether the verdict on what was said so far is open.
    pub(crate) fn is_open(&self, chain: &Chain) -> bool {
        let is_judged = chain.answers(Phase::Output).is_none();
        self.held() > 0 || !is_judged && self.watch.waiting() > 0
    }

    /// The text that waits, with what left of it before it was decided; nothing where all of it left.
    pub(crate) fn waiting(&self) -> &str {
        let waits = self.left.max(self.settled) < self.text.len();
        let text = self.text.get(self.settled..).filter(|_| waits);
        text.unwrap_or_default()
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
        let Some(answers) = chain.answers(phase) else {
            return self.take(delta, false, chain, phase, tally, out);
        };
        let (taken, is_harmful) = self.watch(delta, chain, answers, tally);
        let judged = delta.get(..taken).unwrap_or_default();
        if answers.mode == StreamMode::Cut {
            self.take(judged, is_harmful, chain, phase, tally, out)?;
        } else {
            self.ahead.push_str(judged);
            let keep = if is_harmful {
                self.watch.last()
            } else {
                self.watch.waiting()
            };
            let mut ready = std::mem::take(&mut self.ahead);
            self.ahead = ready.split_off(ready.len().saturating_sub(keep));
            self.take(&ready, is_harmful, chain, phase, tally, out)?;
        }
        self.judge(chain, tally)
    }

    /// Lets the answer be judged as far as `delta` goes, or to the end of the sentence that gives it away.
    fn watch(
        &mut self,
        delta: &str,
        chain: &Chain,
        answers: &Answers,
        tally: &Tally,
    ) -> (usize, bool) {
        let mut taken = 0;
        while let Some(rest) = delta.get(taken..).filter(|rest| !rest.is_empty()) {
            let (used, ended) = self.watch.push(rest, &answers.weights);
            taken += used;
            if ended && self.is_harmful(chain, tally) {
                return (taken, true);
            }
        }
        (taken, false)
    }

    fn is_harmful(&self, chain: &Chain, tally: &Tally) -> bool {
        self.watch
            .opinion()
            .is_some_and(|opinion| chain.stops_answer(opinion, &tally.scene))
    }

    /// Tells the tally what is thought of the answer so far.
    fn judge(&self, chain: &Chain, tally: &mut Tally) -> Result<(), Stop> {
        let opinion = self.watch.opinion();
        let stop = opinion.and_then(|opinion| tally.judge_answer(chain, opinion));
        stop.map_or(Ok(()), Err)
    }

    /// Judges the last sentence of an answer. Returns what waited for that and may leave.
    fn last_sentence(&mut self, chain: &Chain, phase: Phase, tally: &Tally) -> String {
        let ahead = std::mem::take(&mut self.ahead);
        if let Some(answers) = chain.answers(phase) {
            self.watch.finish(&answers.weights);
            if self.is_harmful(chain, tally) {
                return String::new();
            }
        }
        ahead
    }

    /// Takes more text; `complete` says that no more of it will be looked at.
    fn take(
        &mut self,
        delta: &str,
        complete: bool,
        chain: &Chain,
        phase: Phase,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        if self.reading.is_none() && may_differ(delta) {
            self.reading = Some(Reading::of_stream(&self.text));
        }
        if let Some(reading) = &mut self.reading {
            reading.push(delta);
        }
        self.text.push_str(delta);
        if let Some(reading) = self.reading.as_mut().filter(|_| complete) {
            reading.finish();
        }
        let judged = self.release(complete, chain, phase, tally, out);
        if self.text.len() - self.settled > MAX_WAITING {
            tally.sightings.steps.spend();
        }
        self.forget();
        judged
    }

    /// The text is said to end here: everything may leave. If it goes on all the same, what follows is judged together
    /// with what left, and of a value that spans the two the rest is replaced.
    pub(crate) fn flush(
        &mut self,
        chain: &Chain,
        phase: Phase,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        let ahead = self.last_sentence(chain, phase, tally);
        if !ahead.is_empty() {
            self.take(&ahead, false, chain, phase, tally, out)?;
        }
        if self.held() > 0 {
            let settled = self.settled;
            let judged = self.release(true, chain, phase, tally, out);
            self.left = self.left.max(self.settled);
            self.settled = settled.min(self.settled);
            judged?;
        }
        self.judge(chain, tally)
    }

    /// The text is complete: everything may leave.
    pub(crate) fn finish(
        &mut self,
        chain: &Chain,
        phase: Phase,
        tally: &mut Tally,
        out: &mut String,
    ) -> Result<(), Stop> {
        let ahead = self.last_sentence(chain, phase, tally);
        if !ahead.is_empty() || self.held() > 0 {
            self.take(&ahead, true, chain, phase, tally, out)?;
        }
        self.judge(chain, tally)
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
        let reading = self.reading.as_ref();
        let open = chain.scan(phase, &window, reading, &mut tally.sightings);
        if tally.sightings.steps.are_spent() {
            return Ok(());
        }
        // What left before is out, and was judged when it left.
        let left = self.left;
        let new = self.settled.max(left)..open;
        chain.narrow_part(phase, &self.text, &new, false, tally);
        let marks = &mut tally.sightings.marks;
        marks.retain(|mark| mark.range.end > left);
        for mark in marks.iter_mut() {
            mark.range.start = mark.range.start.max(left);
        }
        let is_value = |at: usize| marks.last().is_some_and(|mark| mark.range.end > at);
        let sign = self
            .sign_before(open)
            .filter(|at| !is_value(*at) && !complete);
        let open = sign.unwrap_or(open);
        let from = self.settled.max(left);
        let stop = tally.judge(chain, phase, from.min(open)..open, self.offset);
        tally.trace(chain, &self.text);
        let end = stop.as_ref().map_or(open, |stop| stop.at);
        let from = self.write_to_ends(from, end, &tally.sightings.marks, chain.redactor(), out);
        if from < end {
            self.write(from..end, &tally.sightings.marks, chain.redactor(), out);
        }
        self.settled = end;
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

    /// Where the sign of a number stands just before `open`. It leaves with the number, which a marker replaces as a whole where it is
    /// one of JSON.
    fn sign_before(&self, open: usize) -> Option<usize> {
        let follows = self.text.as_bytes().get(open);
        let waits = self.text.get(self.settled..open)?;
        (waits.ends_with('-') && follows.is_none_or(u8::is_ascii_digit)).then(|| open - 1)
    }

    /// Appends the text from `from` up to the last end that lies before `to`, and notes the ends. A value that spans an end
    /// stands before it. Returns how far it came.
    fn write_to_ends(
        &mut self,
        from: usize,
        to: usize,
        marks: &[Span],
        redactor: &Redactor,
        out: &mut String,
    ) -> usize {
        let mut from = from;
        while let Some(end) = self.ends.first().copied().filter(|end| *end <= to) {
            let spans = |mark: &&Span| mark.range.start < end && end < mark.range.end;
            let end = marks.iter().find(spans).map_or(end, |mark| mark.range.end);
            let end = end.min(to);
            if from < end {
                self.write(from..end, marks, redactor, out);
                from = end;
            }
            self.ends.remove(0);
            self.passed.push(out.len());
        }
        from
    }

    /// Appends `range` with the values in it replaced by markers.
    fn write(
        &mut self,
        range: Range<usize>,
        marks: &[Span],
        redactor: &Redactor,
        out: &mut String,
    ) {
        let replacements = self
            .markers
            .replace(&self.text, range.clone(), marks, redactor);
        apply(&self.text, range, &replacements, out);
    }

    /// Drops what no detector may look back at.
    fn forget(&mut self) {
        // In steps, so that not every delta moves the text.
        if self.settled < KEPT + 3 * CONTEXT {
            return;
        }
        let mut keep = self.text.floor_char_boundary(self.settled - KEPT);
        if let Some(reading) = &mut self.reading {
            let seen = reading.place(self.settled).saturating_sub(KEPT);
            let seen = reading.seen().floor_char_boundary(seen);
            keep = reading.start(seen);
            reading.forget(seen);
        }
        self.reading.take_if(|reading| reading.is_plain());
        self.text.drain(..keep);
        self.offset += keep;
        self.settled -= keep;
        self.scanned -= keep;
        self.left = self.left.saturating_sub(keep);
        for end in &mut self.ends {
            *end = end.saturating_sub(keep);
        }
    }
}
