//! Inspection of a streamed response: server-sent events that carry JSON.
//!
//! The text of a stream is cut into deltas at random places, so it is judged per *channel*: deltas that belong
//! together (see [`super::chunk`]). Every event leaves in the callback in which it came, with the text of its
//! channels that is settled by then. Text still waiting when its channel ends leaves in the ending event, or in a
//! chunk of its own before it.

use kt_routing::Failure;

use super::{
    MAX_EVENT_BYTES, StreamStep, Usage,
    channels::Channels,
    chunk::{Chunk, Ending, Piece},
    inspect::Inspector,
    response::{TokenData, hide, token_data, unreadable},
};
use crate::{
    engine::Engine,
    error::ErrorReply,
    json::{self, Kind},
    policies::quality_scorer::worst,
    quality::Subject,
    splice::Edits,
    sse::{SseDecoder, SseEvent},
    tally::Tally,
    verdict::{Phase, Verdict},
};

/// The state of one streamed response.
#[derive(Debug)]
pub(super) struct StreamInspector {
    decoder: SseDecoder,
    channels: Channels,
    is_done: bool,
    /// Whether the answer was said to be complete, or to have failed.
    is_ended: bool,
    is_scored: bool,
}

impl Default for StreamInspector {
    fn default() -> Self {
        Self {
            decoder: SseDecoder::with_limit(MAX_EVENT_BYTES),
            channels: Channels::default(),
            is_done: false,
            is_ended: false,
            is_scored: false,
        }
    }
}

/// Everything that judging an event needs.
pub(super) struct Pass<'p> {
    pub(super) engine: &'p Engine,
    pub(super) tally: &'p mut Tally,
    pub(super) usage: &'p mut Usage,
    pub(super) out: &'p mut Vec<u8>,
    /// Why the end is no proper one.
    pub(super) broken_off: Option<Failure>,
    /// The newest message of the request.
    pub(super) prompt: &'p str,
}

impl StreamInspector {
    /// Takes the next bytes; an error is for the client, after what is already written.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        end: bool,
        pass: &mut Pass<'_>,
    ) -> Result<StreamStep, ErrorReply> {
        self.decoder.push(bytes).map_err(|_| unreadable())?;
        self.drain(pass)?;
        if self.is_done {
            self.score(pass);
        }
        if end {
            if let Some(failure) = pass.broken_off.filter(|_| !self.is_done && !self.is_ended) {
                return Err(ErrorReply::interrupted(failure));
            }
            self.decoder.finish();
            self.drain(pass)?;
            self.channels.finish_all(pass)?;
            self.score(pass);
        }
        Ok(StreamStep::Continue)
    }

    /// The most bytes that any channel holds back.
    pub(super) fn held(&self) -> usize {
        self.channels.held()
    }

    /// Scores the answers, now that they are complete. What has left cannot be taken back.
    fn score(&mut self, pass: &mut Pass<'_>) {
        if let Some(scorer) = pass.engine.quality().filter(|_| !self.is_scored) {
            self.is_scored = true;
            let reports = self.channels.answers().map(|answer| {
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

    fn drain(&mut self, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        while let Some(event) = self.decoder.next_event() {
            if self.is_done {
                continue;
            }
            match event.data().as_deref() {
                None => pass.out.extend_from_slice(event.raw),
                Some(b"[DONE]") => {
                    self.is_done = true;
                    self.channels.finish_all(pass)?;
                    pass.out.extend_from_slice(event.raw);
                }
                Some(payload) => {
                    self.is_ended |= inspect_event(&event, payload, &mut self.channels, pass)?;
                }
            }
        }
        Ok(())
    }
}

/// Writes `reply` as the last event of a stream.
pub(super) fn write_error(reply: &ErrorReply, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&reply.body());
    out.extend_from_slice(b"\n\ndata: [DONE]\n\n");
}

/// Judges one event and writes what may leave of it. True when it says that the answer is over.
fn inspect_event(
    event: &SseEvent<'_>,
    payload: &[u8],
    channels: &mut Channels,
    pass: &mut Pass<'_>,
) -> Result<bool, ErrorReply> {
    let body = std::str::from_utf8(payload).map_err(|_| unreadable())?;
    let hides_tokens = pass.engine.chain().may_redact(Phase::Output);
    let mut chunk = Chunk::default();
    let mut inspector = Inspector::new(body, pass.engine, pass.tally, Phase::Output);
    json::walk(body, &mut |path, node| {
        pass.usage.note(body, path, node);
        match token_data(path) {
            TokenData::Value if hides_tokens => hide(node, &mut inspector.edits),
            TokenData::Inside if hides_tokens => {}
            _ if chunk.note(body, path, node) => {}
            _ => inspector.inspect(path, node),
        }
    })
    .map_err(|_| unreadable())?;
    if chunk.is_too_wide() {
        return Err(unreadable());
    }
    for (path, node) in chunk.settle() {
        inspector.inspect(&path, &node);
    }
    let mut edits = inspector.finish()?;
    channels.note_head(&chunk);
    let ending = chunk.ending();
    if let Ending::Channel(_) | Ending::Stream = ending {
        channels.finish_ending(&ending, pass)?;
    }
    channels.advance(body, &mut chunk.pieces, pass)?;
    channels.note_cut(&chunk.ran_out());
    if let Ending::Choices(choices) = &ending {
        channels.finish_choices(choices, &mut chunk.pieces, pass)?;
    }
    for piece in &chunk.pieces {
        replace_text(body, piece, &mut edits);
    }
    if edits.is_empty() {
        pass.out.extend_from_slice(event.raw);
    } else {
        event.write_with(&edits.patch(payload).apply(payload), pass.out);
    }
    Ok(chunk.is_error() || matches!(ending, Ending::Choices(_) | Ending::Stream))
}

/// Puts what may leave in the place of what came.
fn replace_text(body: &str, piece: &Piece<'_>, edits: &mut Edits) {
    let Kind::String { escaped } = piece.node.kind else {
        return;
    };
    let raw = body.get(piece.node.range.clone()).unwrap_or_default();
    if json::decode(raw, escaped) != piece.released {
        let mut encoded = Vec::with_capacity(piece.released.len());
        json::encode(&piece.released, &mut encoded);
        edits.replace(piece.node.range.clone(), encoded);
    }
}
