//! Inspection of a streamed response: server-sent events that carry `chat.completion.chunk` objects.
//!
//! The text of a stream is cut into deltas at random places, so it is judged per *channel*: one member of one
//! choice (`delta.content` of choice 0, the arguments of tool call 1 …) whose deltas belong together. Every
//! event leaves in the callback in which it came, with the text of its channels that is settled by then. Text
//! still waiting when its choice finishes leaves in the finishing event, or in a chunk of its own before it.

use super::{
    MAX_EVENT_BYTES, StreamStep, Usage,
    inspect::Inspector,
    response::{LogProbs, hide, logprobs, unreadable},
};
use crate::{
    chain::Chain,
    error::ErrorReply,
    hold_back::HoldBack,
    json::{self, Kind, Node, Step},
    splice::Edits,
    sse::{SseDecoder, SseEvent},
    tally::{Stop, Tally},
    verdict::Phase,
};

/// The state of one streamed response.
#[derive(Debug)]
pub struct StreamInspector {
    decoder: SseDecoder,
    channels: Channels,
    is_done: bool,
}

impl Default for StreamInspector {
    fn default() -> Self {
        Self {
            decoder: SseDecoder::with_limit(MAX_EVENT_BYTES),
            channels: Channels::default(),
            is_done: false,
        }
    }
}

/// Everything that judging an event needs.
struct Pass<'p> {
    chain: &'p Chain,
    tally: &'p mut Tally,
    usage: &'p mut Usage,
    out: &'p mut Vec<u8>,
}

impl StreamInspector {
    /// Takes the next bytes; an error is for the client, after what is already in `out`.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        end: bool,
        chain: &Chain,
        tally: &mut Tally,
        usage: &mut Usage,
        out: &mut Vec<u8>,
    ) -> Result<StreamStep, ErrorReply> {
        let mut pass = Pass {
            chain,
            tally,
            usage,
            out,
        };
        self.decoder.push(bytes).map_err(|_| unreadable())?;
        self.drain(&mut pass)?;
        if end {
            self.decoder.finish();
            self.drain(&mut pass)?;
            self.channels.finish_all(&mut pass)?;
        }
        Ok(StreamStep::Continue)
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
                Some(payload) => self.channels.chunk(&event, payload, pass)?,
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

/// The channels of all choices.
#[derive(Debug, Default)]
struct Channels {
    channels: Vec<Channel>,
    finished: Vec<u64>,
    /// Members that every chunk of this stream repeats (`id`, `model` …), as the start of a JSON object.
    head: Vec<u8>,
}

/// Text that belongs together.
#[derive(Debug)]
struct Channel {
    choice: u64,
    /// Members that lead to the text inside its choice; numbers are the `index` of an array element.
    field: Vec<Segment>,
    hold: HoldBack,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Member(String),
    Index(u64),
}

/// A string of a chunk that continues a channel.
struct Piece<'a> {
    /// Steps below `choices`.
    path: Vec<Step<'a>>,
    node: Node,
    /// What may leave in its place.
    released: String,
}

/// The structure of one chunk.
#[derive(Default)]
struct Chunk<'a> {
    pieces: Vec<Piece<'a>>,
    /// `index` members: the path of the array element, below `choices`, and the number.
    indexes: Vec<(Vec<Step<'a>>, u64)>,
    /// Positions in `choices` that have a `finish_reason`.
    finished: Vec<usize>,
}

impl<'a> Chunk<'a> {
    /// Sorts a node below `choices`. Says whether it is text that continues a channel.
    fn note(&mut self, body: &str, path: &[Step<'a>], node: &Node) -> bool {
        let [Step::Index(choice), .., Step::Key(member)] = path else {
            return false;
        };
        match node.kind {
            Kind::Number if member == "index" => {
                if let Some(index) = body
                    .get(node.range.clone())
                    .and_then(|number| number.parse().ok())
                {
                    let element = path.get(..path.len() - 1).unwrap_or_default();
                    self.indexes.push((element.to_vec(), index));
                }
                false
            }
            Kind::String { .. } if member == "finish_reason" && path.len() == 2 => {
                self.finished.push(*choice);
                false
            }
            Kind::String { .. } if !is_whole(member) => {
                self.pieces.push(Piece {
                    path: path.to_vec(),
                    node: node.clone(),
                    released: String::new(),
                });
                true
            }
            _ => false,
        }
    }

    /// The `index` of the array element at `element`, or its position.
    fn index_of(&self, element: &[Step<'a>]) -> u64 {
        let stated = self
            .indexes
            .iter()
            .find(|(path, _)| path == element)
            .map(|(_, index)| *index);
        stated.unwrap_or(match element.last() {
            Some(Step::Index(position)) => *position as u64,
            _ => 0,
        })
    }

    /// The channel of a piece: its choice and the members below it.
    fn field(&self, path: &[Step<'a>]) -> Vec<Segment> {
        let below = path.iter().enumerate().skip(1);
        below
            .map(|(depth, step)| match step {
                Step::Key(name) => Segment::Member(name.to_string()),
                Step::Index(_) => {
                    Segment::Index(self.index_of(path.get(..=depth).unwrap_or_default()))
                }
            })
            .collect()
    }

    fn matches(&self, path: &[Step<'a>], field: &[Segment]) -> bool {
        path.len() == field.len() + 1
            && path
                .iter()
                .enumerate()
                .skip(1)
                .zip(field)
                .all(|((depth, step), segment)| match (step, segment) {
                    (Step::Key(name), Segment::Member(member)) => name == member,
                    (Step::Index(_), Segment::Index(index)) => {
                        self.index_of(path.get(..=depth).unwrap_or_default()) == *index
                    }
                    _ => false,
                })
    }
}

/// Members whose strings are complete in each chunk rather than cut into deltas.
fn is_whole(member: &str) -> bool {
    matches!(
        member,
        "role" | "id" | "type" | "name" | "object" | "finish_reason" | "stop_reason"
    )
}

impl Channels {
    /// Judges one chunk and writes what may leave.
    fn chunk(
        &mut self,
        event: &SseEvent<'_>,
        payload: &[u8],
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        let body = std::str::from_utf8(payload).map_err(|_| unreadable())?;
        let hides_logprobs = pass.chain.looks_for_pii(Phase::Output);
        let mut chunk = Chunk::default();
        let mut head = self.head.is_empty().then(Head::default);
        let mut inspector = Inspector {
            body,
            chain: pass.chain,
            tally: pass.tally,
            phase: Phase::Output,
            edits: Edits::default(),
            stop: None,
        };
        json::walk(body, &mut |path, node| {
            pass.usage.note(body, path, node);
            if let Some(head) = &mut head {
                head.note(body, path, node);
            }
            match (logprobs(path), path) {
                (LogProbs::Value, _) if hides_logprobs => hide(node, &mut inspector.edits),
                (LogProbs::Inside, _) if hides_logprobs => {}
                (_, [choices, below @ ..])
                    if choices.is("choices") && chunk.note(body, below, node) => {}
                _ => inspector.inspect(path, node),
            }
        })
        .map_err(|_| unreadable())?;
        let Inspector {
            mut edits, stop, ..
        } = inspector;
        if let Some(head) = head {
            self.head = head.members;
        }
        if let Some(stop) = stop {
            return Err(ErrorReply::stopped(&stop));
        }
        self.advance(&mut chunk, body, pass)?;
        self.finish_choices(&mut chunk, pass)?;
        for piece in &chunk.pieces {
            replace_text(body, piece, &mut edits);
        }
        if edits.is_empty() {
            pass.out.extend_from_slice(event.raw);
        } else {
            event.write_with(&edits.patch(payload).apply(payload), pass.out);
        }
        Ok(())
    }

    /// Moves every channel by its piece of the chunk. On a stop, what was released so far leaves in chunks of
    /// its own, without the rest of the event.
    fn advance(
        &mut self,
        chunk: &mut Chunk<'_>,
        body: &str,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        let mut pieces = std::mem::take(&mut chunk.pieces);
        let mut stop = None;
        for (at, piece) in pieces.iter_mut().enumerate() {
            let Kind::String { escaped } = piece.node.kind else {
                continue;
            };
            let delta = json::decode(
                body.get(piece.node.range.clone()).unwrap_or_default(),
                escaped,
            );
            let place = self.place(chunk, &piece.path)?;
            let Some(channel) = self.channels.get_mut(place) else {
                continue;
            };
            if let Err(reason) =
                channel
                    .hold
                    .push(&delta, pass.chain, pass.tally, &mut piece.released)
            {
                stop = Some((at, reason));
                break;
            }
        }
        if let Some((last, stop)) = stop {
            for piece in pieces.iter().take(last + 1) {
                let place = self.place(chunk, &piece.path)?;
                self.write_chunk(place, &piece.released, pass.out);
            }
            return Err(ErrorReply::stopped(&stop));
        }
        chunk.pieces = pieces;
        Ok(())
    }

    /// Where the channel of `path` is, new or known.
    fn place(&mut self, chunk: &Chunk<'_>, path: &[Step<'_>]) -> Result<usize, ErrorReply> {
        let choice = chunk.index_of(path.get(..1).unwrap_or_default());
        if self.finished.contains(&choice) {
            return Err(unreadable());
        }
        let known = self
            .channels
            .iter()
            .position(|channel| channel.choice == choice && chunk.matches(path, &channel.field));
        Ok(known.unwrap_or_else(|| {
            self.channels.push(Channel {
                choice,
                field: chunk.field(path),
                hold: HoldBack::default(),
            });
            self.channels.len() - 1
        }))
    }

    /// Releases the waiting text of every choice that ends with this chunk.
    fn finish_choices(
        &mut self,
        chunk: &mut Chunk<'_>,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        for position in std::mem::take(&mut chunk.finished) {
            let choice = chunk.index_of(&[Step::Index(position)]);
            for place in 0..self.channels.len() {
                self.finish_channel(place, choice, chunk, pass)?;
            }
            if !self.finished.contains(&choice) {
                self.finished.push(choice);
            }
        }
        Ok(())
    }

    fn finish_channel(
        &mut self,
        place: usize,
        choice: u64,
        chunk: &mut Chunk<'_>,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        let Some(channel) = self
            .channels
            .get_mut(place)
            .filter(|channel| channel.choice == choice)
        else {
            return Ok(());
        };
        let mut tail = String::new();
        let result = channel.hold.finish(pass.chain, pass.tally, &mut tail);
        let last = chunk.pieces.iter().rposition(|piece| {
            chunk.index_of(piece.path.get(..1).unwrap_or_default()) == choice
                && chunk.matches(&piece.path, &channel.field)
        });
        match (result, last.and_then(|at| chunk.pieces.get_mut(at))) {
            (Ok(()), Some(piece)) => piece.released.push_str(&tail),
            (Ok(()), None) => self.write_chunk(place, &tail, pass.out),
            (Err(stop), piece) => {
                let released = piece
                    .map_or_else(String::new, |piece| std::mem::take(&mut piece.released))
                    + &tail;
                self.write_chunk(place, &released, pass.out);
                return Err(self.cut(chunk, place, &stop, pass));
            }
        }
        Ok(())
    }

    /// Writes what other channels of the chunk released before a stop at its end.
    fn cut(
        &mut self,
        chunk: &Chunk<'_>,
        stopped: usize,
        stop: &Stop,
        pass: &mut Pass<'_>,
    ) -> ErrorReply {
        for piece in &chunk.pieces {
            if let Ok(place) = self.place(chunk, &piece.path)
                && place != stopped
            {
                self.write_chunk(place, &piece.released, pass.out);
            }
        }
        ErrorReply::stopped(stop)
    }

    /// The stream ends: everything that waits may leave.
    fn finish_all(&mut self, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        for place in 0..self.channels.len() {
            let mut tail = String::new();
            let Some(channel) = self.channels.get_mut(place) else {
                break;
            };
            let result = channel.hold.finish(pass.chain, pass.tally, &mut tail);
            self.write_chunk(place, &tail, pass.out);
            result.map_err(|stop| ErrorReply::stopped(&stop))?;
        }
        Ok(())
    }

    /// Writes a chunk that carries nothing but `text` for one channel.
    fn write_chunk(&self, place: usize, text: &str, out: &mut Vec<u8>) {
        let Some(channel) = self.channels.get(place).filter(|_| !text.is_empty()) else {
            return;
        };
        out.extend_from_slice(b"data: {");
        out.extend_from_slice(&self.head);
        out.extend_from_slice(format!("\"choices\":[{{\"index\":{},", channel.choice).as_bytes());
        if !matches!(channel.field.first(), Some(Segment::Member(name)) if name == "delta") {
            // Clients read `choices[0].delta` of every chunk without asking whether it is there.
            out.extend_from_slice(b"\"delta\":{},");
        }
        let mut closing = Vec::new();
        for (depth, segment) in channel.field.iter().enumerate() {
            match segment {
                Segment::Member(name) => {
                    if depth > 0 && matches!(channel.field.get(depth - 1), Some(Segment::Member(_)))
                    {
                        out.push(b'{');
                        closing.push(b'}');
                    }
                    out.push(b'"');
                    json::encode(name, out);
                    out.extend_from_slice(b"\":");
                }
                Segment::Index(index) => {
                    out.extend_from_slice(format!("[{{\"index\":{index},").as_bytes());
                    closing.extend_from_slice(b"]}");
                }
            }
        }
        out.push(b'"');
        json::encode(text, out);
        out.push(b'"');
        out.extend(closing.iter().rev());
        out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
    }
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

/// Collects the members that every chunk repeats.
#[derive(Default)]
struct Head {
    members: Vec<u8>,
}

impl Head {
    fn note(&mut self, body: &str, path: &[Step<'_>], node: &Node) {
        let [Step::Key(name)] = path else { return };
        if !matches!(&**name, "id" | "object" | "created" | "model") {
            return;
        }
        let raw = body.get(node.range.clone()).unwrap_or_default();
        let quote = match node.kind {
            Kind::String { .. } => "\"",
            Kind::Number => "",
            _ => return,
        };
        self.members
            .extend_from_slice(format!("\"{name}\":{quote}{raw}{quote},").as_bytes());
    }
}
