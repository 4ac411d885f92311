//! Inspection of a streamed response: server-sent events that carry JSON.
//!
//! The text of a stream is cut into deltas at random places, so it is judged per *channel*: deltas that belong
//! together (see [`chunk`]). Every event leaves in the callback in which it came, with the text of its
//! channels that is settled by then. Text still waiting when its channel ends leaves in the ending event, or in a
//! chunk of its own before it.

mod channel;
mod channels;
mod chunk;
mod ends;
mod halves;
mod identity;
mod joined;
mod json_end;
mod members;
mod turns;
mod write;

use std::ops::Range;

use channels::Channels;
pub(super) use chunk::Key;
use chunk::{Chunk, Ending};
use joined::{Joined, Left};
use json_end::JsonEnd;
use kt_routing::Failure;
pub(super) use members::Member;

use super::{
    StreamStep, Usage,
    inspect::Inspector,
    response::{self, TokenData, hide, token_data, unreadable},
    usage::UsageOnly,
};
use crate::{
    block_answer::Begun,
    body_shape::{BYTE_ORDER_MARK, BodyShape},
    engine::Engine,
    error::ErrorReply,
    json::{self, Kind, Step},
    policies::quality_scorer::worst,
    quality::Subject,
    splice::Edits,
    sse::{SseDecoder, SseEvent},
    tally::Tally,
    verdict::{Phase, Verdict},
};

/// Most bytes of memory that the texts of one stream take, beside its open event.
const MAX_KEPT: usize = 16 << 20;

/// An event may become larger by its markers, but not by more than this factor.
const MAX_GROWTH: usize = 4;

/// The state of one streamed response.
#[derive(Debug)]
pub(super) struct StreamInspector {
    decoder: SseDecoder,
    shape: BodyShape,
    /// The beginning, while it does not say what the body is; all of it when it is no event stream.
    collected: Vec<u8>,
    /// How much white space, and a mark in front of it, that begins with.
    blank: usize,
    /// Where the JSON ends that was collected.
    json: JsonEnd,
    max_event_bytes: usize,
    texts: Texts,
    is_done: bool,
    /// Whether the answer was said to be complete, or to have failed.
    is_ended: bool,
    is_scored: bool,
    /// Events with a payload.
    payloads: usize,
    /// How many bytes may be written: events may become larger by their markers, but not without limit, however they are cut.
    credit: usize,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It has no payload.
    Nothing,
    /// The answer goes on.
    More,
    /// The answer is said to be over.
    Ended,
    /// `[DONE]`.
    Done,
}

/// What is kept of a stream's texts.
#[derive(Debug, Default)]
struct Texts {
    channels: Channels,
    joined: Joined,
}

/// Everything that judging an event needs.
pub(super) struct Pass<'p> {
    pub(super) engine: &'p Engine,
    pub(super) tally: &'p mut Tally,
    pub(super) usage: &'p mut Usage,
    /// Events of usage alone do not leave.
    pub(super) hides_usage: bool,
    pub(super) out: &'p mut Vec<u8>,
    /// Why the end is no proper one.
    pub(super) broken_off: Option<Failure>,
    /// The newest message of the request.
    pub(super) prompt: &'p str,
}

impl StreamInspector {
    /// An inspector that refuses events of more than this.
    pub(super) fn new(max_event_bytes: usize) -> Self {
        Self {
            decoder: SseDecoder::with_limit(max_event_bytes),
            shape: BodyShape::Undecided,
            collected: Vec::new(),
            blank: 0,
            json: JsonEnd::default(),
            max_event_bytes,
            texts: Texts::default(),
            is_done: false,
            is_ended: false,
            is_scored: false,
            payloads: 0,
            credit: MAX_GROWTH * max_event_bytes,
        }
    }

    /// Takes the next bytes; an error is for the client, after what is already written.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        end: bool,
        pass: &mut Pass<'_>,
    ) -> Result<StreamStep, ErrorReply> {
        if matches!(self.shape, BodyShape::Undecided | BodyShape::Json) {
            self.collect(bytes, pass)?;
        } else {
            self.take(bytes, pass)?;
        }
        if end {
            self.end(pass)?;
        }
        Ok(StreamStep::Continue)
    }

    /// Finds out what the body is. If it is no event stream, it is judged when it is complete.
    fn collect(&mut self, bytes: &[u8], pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        self.collected.extend_from_slice(bytes);
        self.blank = blank_to(&self.collected, self.blank);
        let mut new = bytes;
        // White space alone says nothing, so it is not read again with all that follows.
        if self.shape == BodyShape::Undecided && self.blank < self.collected.len() {
            self.shape = BodyShape::of(&self.collected);
            new = &self.collected;
        }
        match self.shape {
            _ if self.blank > self.max_event_bytes => Err(unreadable()),
            BodyShape::Json if self.collected.len() > self.max_event_bytes => Err(unreadable()),
            // Lines of JSON, say, which would else be collected to their end for nothing.
            BodyShape::Json if self.json.goes_on(new) => Err(unreadable()),
            BodyShape::Undecided | BodyShape::Json => Ok(()),
            BodyShape::Events | BodyShape::Other => {
                let beginning = std::mem::take(&mut self.collected);
                self.take(&beginning, pass)
            }
        }
    }

    fn take(&mut self, bytes: &[u8], pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        self.decoder.push(bytes);
        self.drain(pass)?;
        if self.is_done {
            self.score(pass);
        }
        Ok(())
    }

    fn end(&mut self, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        if let Some(failure) = pass.broken_off.filter(|_| !self.is_done && !self.is_ended) {
            return Err(ErrorReply::interrupted(failure));
        }
        let collected = std::mem::take(&mut self.collected);
        if self.shape == BodyShape::Json {
            return judge_whole(&collected, pass);
        }
        self.decoder.push(&collected);
        self.decoder.finish();
        self.drain(pass)?;
        let from = pass.out.len();
        let finished = self.texts.channels.finish(pass);
        self.texts
            .channels
            .let_leave(from, finished.is_err(), pass.out);
        finished?;
        pass.tally.check_steps(Phase::Output)?;
        if self.payloads == 0 && pass.tally.dropped_lines > 0 {
            // Text that claims to be events: there is nothing in it that can be judged.
            return Err(unreadable());
        }
        self.score(pass);
        Ok(())
    }

    /// How far the stream has come.
    pub(super) fn begun(&self) -> Begun {
        Begun {
            events: self.payloads,
            ..self.texts.channels.begun()
        }
    }

    /// The most bytes that any channel holds back.
    pub(super) fn held(&self) -> usize {
        self.texts.channels.held()
    }

    /// How many bytes of memory the stream takes.
    pub(super) fn footprint(&self) -> usize {
        self.decoder.footprint() + self.collected.capacity() + self.texts.footprint()
    }

    /// Scores the answers, now that they are complete. What has left cannot be taken back.
    fn score(&mut self, pass: &mut Pass<'_>) {
        if let Some(scorer) = pass.engine.quality().filter(|_| !self.is_scored) {
            self.is_scored = true;
            let reports = self.texts.channels.answers().map(|answer| {
                scorer.judge(&Subject {
                    prompt: pass.prompt,
                    answer: &answer.text,
                    is_cut: answer.is_cut,
                })
            });
            if let Some(report) = worst(reports) {
                pass.tally.note_quality(report, Verdict::Allow);
            }
        }
    }

    /// Judges all events that are complete.
    fn drain(&mut self, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        while let Some(event) = self.decoder.next_event().map_err(|_| unreadable())? {
            if self.is_done {
                continue;
            }
            let (from, came) = (pass.out.len(), event.raw.len());
            let taken = self.texts.take(&event, pass);
            let written = pass.out.len() - from;
            self.texts
                .channels
                .let_leave(from, taken.is_err(), pass.out);
            let taken = taken?;
            self.payloads += usize::from(taken != Taken::Nothing);
            self.is_done = taken == Taken::Done;
            self.is_ended |= taken == Taken::Ended;
            self.spend(came, written)?;
        }
        Ok(())
    }

    /// Keeps account of what an event of `came` bytes wrote.
    fn spend(&mut self, came: usize, written: usize) -> Result<(), ErrorReply> {
        let most = MAX_GROWTH * self.max_event_bytes;
        self.credit = (self.credit + MAX_GROWTH * came).min(most);
        match self.credit.checked_sub(written) {
            Some(credit) if self.texts.footprint() <= MAX_KEPT => {
                self.credit = credit;
                Ok(())
            }
            _ => Err(ErrorReply::upstream_failed(
                "The provider's answer takes too much memory",
            )),
        }
    }
}

/// Up to where a body is a byte order mark and white space; up to `known` it is.
fn blank_to(body: &[u8], known: usize) -> usize {
    let rest = body.get(known..).unwrap_or_default();
    let marked = rest
        .strip_prefix(BYTE_ORDER_MARK)
        .filter(|_| known == 0)
        .unwrap_or(rest);
    body.len() - marked.trim_ascii_start().len()
}

/// Judges a body that is no event stream although it claims to be one.
fn judge_whole(body: &[u8], pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
    let patch = response::inspect(body, pass.engine, pass.tally, pass.usage)?;
    if let Some(quality) = pass.engine.quality()
        && let Some(report) = quality.judge_body(pass.prompt, body)
    {
        let verdict = report.verdict();
        if let Some(stop) = pass.tally.note_quality(report, verdict) {
            return Err(ErrorReply::stopped(&stop));
        }
    }
    match patch {
        Some(patch) => pass.out.extend_from_slice(&patch.apply(body)),
        None => pass.out.extend_from_slice(body),
    }
    Ok(())
}

/// Whether nothing is found in the event's `id`; if something is, the line is dropped.
fn keeps_id(event: &SseEvent<'_>, pass: &mut Pass<'_>) -> bool {
    let Some(id) = event.id() else { return true };
    let sightings = &mut pass.tally.sightings;
    let chain = pass.engine.chain();
    chain.scan_whole(Phase::Output, id, sightings);
    let keeps = sightings.is_empty();
    pass.tally.dropped_lines += usize::from(!keeps);
    keeps
}

/// Writes `reply` as the last event of a stream.
pub(super) fn write_error(reply: &ErrorReply, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&reply.body());
    out.extend_from_slice(b"\n\ndata: [DONE]\n\n");
}

impl Texts {
    fn footprint(&self) -> usize {
        self.channels.footprint() + self.joined.footprint()
    }

    /// Judges one event and writes what may leave of it.
    fn take(&mut self, event: &SseEvent<'_>, pass: &mut Pass<'_>) -> Result<Taken, ErrorReply> {
        pass.tally.dropped_lines += event.dropped();
        if event.has_json_line() {
            return Err(unreadable());
        }
        let Some(payload) = event.data() else {
            event.write(None, keeps_id(event, pass), pass.out);
            return Ok(Taken::Nothing);
        };
        if payload.trim_ascii() == b"[DONE]" {
            self.channels.finish(pass)?;
            pass.tally.check_steps(Phase::Output)?;
            event.write(Some(b"[DONE]"), keeps_id(event, pass), pass.out);
            return Ok(Taken::Done);
        }
        self.take_payload(event, &payload, pass)
    }

    fn take_payload(
        &mut self,
        event: &SseEvent<'_>,
        payload: &[u8],
        pass: &mut Pass<'_>,
    ) -> Result<Taken, ErrorReply> {
        let body = std::str::from_utf8(payload).map_err(|_| unreadable())?;
        pass.tally.sightings.steps.grant(payload.len());
        let (body, covered) = halves::cover(body);
        let mut chunk = Chunk::named(event.name());
        let mut usage_only = UsageOnly::default();
        let mut edits = self.read(&body, &mut chunk, &mut usage_only, pass)?;
        self.judge_joined(&body, &chunk, &edits, pass)?;
        // Of a chunk with text: what comes before, such as Azure's verdict on the prompt, has names of its own.
        if !chunk.pieces.is_empty() {
            let repeated = chunk.head.iter();
            self.channels
                .note_head(repeated.map(|(name, node)| (*name, raw_of(&body, node))));
        }
        match chunk.ending() {
            Ending::Items => {
                let item = chunk.item(&mut self.channels.numbers);
                self.channels
                    .end_item(item.map_err(|_| unreadable())?, pass)?;
            }
            Ending::Stream => self.channels.end_all(pass, |_| true)?,
            Ending::Nothing => {}
        }
        self.channels.advance(&body, &mut chunk, &covered, pass)?;
        self.channels.note_cut(&chunk);
        let keeps_id = keeps_id(event, pass);
        pass.tally.check_steps(Phase::Output)?;
        if pass.hides_usage && usage_only.is_all() {
            // The client did not ask for it.
        } else if self.channels.ends.is_opening() {
            self.channels.hold(event, &chunk, edits, keeps_id);
        } else {
            for piece in &chunk.pieces {
                if let Kind::String { escaped } = piece.node.kind {
                    let range = piece.node.range.clone();
                    replace_text(&body, range, escaped, &piece.released, &mut edits);
                }
            }
            event.write_edited(payload, edits, keeps_id, pass.out);
        }
        let is_finished = chunk.choices.iter().any(|choice| choice.is_finished);
        let is_over = chunk.is_error() || is_finished || chunk.ending() == Ending::Stream;
        Ok(if is_over { Taken::Ended } else { Taken::More })
    }

    /// Reads an event and judges what is no text of a channel.
    fn read<'b>(
        &mut self,
        body: &'b str,
        chunk: &mut Chunk<'b>,
        usage_only: &mut UsageOnly,
        pass: &mut Pass<'_>,
    ) -> Result<Edits, ErrorReply> {
        let hides_tokens = pass.engine.chain().may_redact(Phase::Output);
        let mut inspector = Inspector::new(body, pass.engine, pass.tally, Phase::Output);
        json::walk(body, &mut |path, node| {
            pass.usage.note(body, path, node);
            usage_only.note(body, path, node);
            match token_data(path) {
                TokenData::Value if hides_tokens => hide(node, &mut inspector.edits),
                TokenData::Inside if hides_tokens => {}
                TokenData::Elsewhere if chunk.note(body, path, node) => {}
                _ => inspector.inspect(path, node),
            }
        })
        .map_err(|_| unreadable())?;
        let whole = chunk.settle(&mut self.channels.numbers);
        if let Some(node) = whole.map_err(|_| unreadable())? {
            let path = match chunk.kind() {
                // Sound, which is base64 in each delta for itself.
                Some(kind) if kind.strip_suffix("audio.delta").is_some() => {
                    vec![Step::Key("audio".into()), Step::Key("data".into())]
                }
                _ => vec![Step::Key("delta".into())],
            };
            inspector.inspect(&path, &node);
            if path.len() == 1 {
                chunk.others.push(joined::Candidate::new(0, &path, &node));
            }
        }
        let edits = inspector.finish()?;
        chunk.hide_names(|range| edits.within(range).is_some());
        Ok(edits)
    }

    /// Judges strings that are no text together with those before them.
    fn judge_joined(
        &mut self,
        body: &str,
        chunk: &Chunk<'_>,
        edits: &Edits,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        if !chunk.may_continue() {
            return Ok(());
        }
        for candidate in &chunk.others {
            let Kind::String { escaped } = candidate.node.kind else {
                continue;
            };
            let range = candidate.node.range.clone();
            let decoded = |range| json::decode(body.get(range).unwrap_or_default(), escaped);
            let edited = edits.within(&range);
            let (start, end) = match &edited {
                None => (decoded(range), None),
                Some(edited) => (
                    decoded(range.start..edited.start),
                    Some(decoded(edited.end..range.end)),
                ),
            };
            let left = Left::of(&start, end.as_deref());
            self.joined
                .judge(candidate, left, pass.engine.chain(), pass.tally)?;
        }
        Ok(())
    }
}

/// A string or number as it stands in the JSON, quotes included.
fn raw_of(body: &str, node: &json::Node) -> String {
    let raw = body.get(node.range.clone()).unwrap_or_default();
    match node.kind {
        Kind::String { .. } => format!("\"{raw}\""),
        _ => raw.to_owned(),
    }
}

/// Puts what may leave in the place of what came.
fn replace_text(body: &str, range: Range<usize>, escaped: bool, text: &str, edits: &mut Edits) {
    let raw = body.get(range.clone()).unwrap_or_default();
    if json::decode(raw, escaped) != text {
        let mut encoded = Vec::with_capacity(text.len());
        json::encode(text, &mut encoded);
        edits.replace(range, encoded);
    }
}
