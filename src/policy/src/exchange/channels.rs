//! The channels of one stream, each with the text that it holds back.

use super::{
    chunk::{Chunk, Ending, Key, Piece, Segment},
    response::unreadable,
    stream::Pass,
};
use crate::{
    error::ErrorReply,
    hold_back::HoldBack,
    json::{self, Kind},
    quality::{answers::Answer, loops::LoopGuard},
    tally::Stop,
    verdict::Phase,
};

impl Channel {
    /// Takes note of what is said. Returns where it has become a loop.
    fn note(&mut self, delta: &str) -> Option<usize> {
        let answer = self.answer.as_mut()?;
        answer.add(delta);
        self.loops.push(delta)
    }
}

/// More than any provider streams at once; a stream that opens more cannot be followed.
pub(super) const MAX_CHANNELS: usize = 1024;

/// All channels of a stream.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: Vec<Channel>,
    /// Choices that ended. More text for one of them could join what already left, so it is refused.
    finished: Vec<u64>,
    /// Start of every chunk, for chunks of our own.
    head: Vec<u8>,
}

#[derive(Debug)]
struct Channel {
    key: Key<'static>,
    hold: HoldBack,
    is_finished: bool,
    /// What was said so far, where its quality is judged.
    answer: Option<Answer>,
    loops: LoopGuard,
    /// For items: the last event, before and behind its delta.
    template: Option<(Vec<u8>, Vec<u8>)>,
}

impl Channels {
    /// The most bytes that any channel holds back.
    pub(super) fn held(&self) -> usize {
        self.channels
            .iter()
            .map(|channel| channel.hold.held())
            .max()
            .unwrap_or(0)
    }

    /// Remembers what chunks of our own begin with.
    pub(super) fn note_head(&mut self, chunk: &Chunk<'_>) {
        if self.head.is_empty() {
            self.head.clone_from(&chunk.head);
        }
    }

    /// Moves every channel by its piece. On a stop, what was released so far leaves in chunks of its own, without
    /// the rest of the event.
    pub(super) fn advance(
        &mut self,
        body: &str,
        pieces: &mut [Piece<'_>],
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        for at in 0..pieces.len() {
            let Some(piece) = pieces.get_mut(at) else {
                break;
            };
            let Kind::String { escaped } = piece.node.kind else {
                continue;
            };
            let delta = json::decode(
                body.get(piece.node.range.clone()).unwrap_or_default(),
                escaped,
            );
            let channel = self.channel(piece, body, pass.engine.judges_quality())?;
            let until = channel.note(&delta);
            let mut judged = channel.hold.push(
                delta
                    .get(..until.unwrap_or(delta.len()))
                    .unwrap_or_default(),
                pass.engine.chain(),
                Phase::Output,
                pass.tally,
                &mut piece.released,
            );
            if until.is_some() && judged.is_ok() {
                judged = Err(pass.tally.stop_by_loop());
            }
            if let Err(stop) = judged {
                let released = pieces.get(..=at).unwrap_or_default();
                return Err(self.stop(released, &stop, pass));
            }
        }
        Ok(())
    }

    /// Notes which choices ran out of tokens.
    pub(super) fn note_cut(&mut self, choices: &[u64]) {
        for channel in &mut self.channels {
            let is_cut =
                matches!(channel.key, Key::Choice { choice, .. } if choices.contains(&choice));
            if let Some(answer) = channel.answer.as_mut().filter(|_| is_cut) {
                answer.is_cut = true;
            }
        }
    }

    /// The answers, as far as they are judged by their quality.
    pub(super) fn answers(&self) -> impl Iterator<Item = &Answer> {
        let calls_tools = self
            .channels
            .iter()
            .any(|channel| channel.key.is_arguments());
        self.channels
            .iter()
            .filter_map(|channel| channel.answer.as_ref())
            .filter(move |answer| !calls_tools || !answer.text.is_empty())
    }

    /// Writes what the pieces released and turns the stop into its reply.
    fn stop(&self, pieces: &[Piece<'_>], stop: &Stop, pass: &mut Pass<'_>) -> ErrorReply {
        for piece in pieces {
            if let Some(channel) = self
                .channels
                .iter()
                .find(|channel| channel.key == piece.key)
            {
                self.write(channel, &piece.released, pass.out);
            }
        }
        ErrorReply::stopped(stop)
    }

    /// The channel of a piece, new or known.
    fn channel(
        &mut self,
        piece: &Piece<'_>,
        body: &str,
        judges_quality: bool,
    ) -> Result<&mut Channel, ErrorReply> {
        if matches!(piece.key, Key::Choice { choice, .. } if self.finished.contains(&choice)) {
            return Err(unreadable());
        }
        let place = match self
            .channels
            .iter()
            .position(|channel| channel.key == piece.key)
        {
            Some(place) => place,
            None if self.channels.len() >= MAX_CHANNELS => return Err(unreadable()),
            None => {
                let hold = if piece.key.is_arguments() {
                    HoldBack::for_arguments()
                } else {
                    HoldBack::default()
                };
                let key = piece.key.clone().into_owned();
                self.channels.push(Channel {
                    key,
                    hold,
                    is_finished: false,
                    answer: (judges_quality && piece.key.is_answer()).then(Answer::default),
                    loops: LoopGuard::default(),
                    template: None,
                });
                self.channels.len() - 1
            }
        };
        let channel = self
            .channels
            .get_mut(place)
            .filter(|channel| !channel.is_finished)
            .ok_or_else(unreadable)?;
        if matches!(piece.key, Key::Item { .. }) {
            let part = |range: std::ops::Range<usize>| {
                body.get(range)
                    .unwrap_or_default()
                    .replace('\n', " ")
                    .into_bytes()
            };
            channel.template = Some((
                part(0..piece.node.range.start),
                part(piece.node.range.end..body.len()),
            ));
        }
        Ok(channel)
    }

    /// Releases the waiting text of choices that end with an event, into its pieces where it has some.
    pub(super) fn finish_choices(
        &mut self,
        choices: &[u64],
        pieces: &mut [Piece<'_>],
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        for place in 0..self.channels.len() {
            let Some(channel) = self.channels.get_mut(place) else {
                break;
            };
            if !matches!(channel.key, Key::Choice { choice, .. } if choices.contains(&choice)) {
                continue;
            }
            let mut tail = String::new();
            let judged =
                channel
                    .hold
                    .finish(pass.engine.chain(), Phase::Output, pass.tally, &mut tail);
            let key = channel.key.clone();
            match pieces.iter_mut().rfind(|piece| piece.key == key) {
                Some(piece) => piece.released.push_str(&tail),
                None => self.write_at(place, &tail, pass.out),
            }
            judged.map_err(|stop| self.stop(pieces, &stop, pass))?;
        }
        self.finished.extend_from_slice(choices);
        Ok(())
    }

    /// Releases the waiting text of the items that end with an event, before it.
    pub(super) fn finish_ending(
        &mut self,
        ending: &Ending<'_>,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        for place in 0..self.channels.len() {
            let ends = self
                .channels
                .get(place)
                .is_some_and(|channel| match ending {
                    Ending::Channel(key) => channel.key == *key,
                    Ending::Stream => true,
                    _ => false,
                });
            if ends {
                self.finish(place, pass)?;
            }
        }
        Ok(())
    }

    /// The stream ends: everything that waits may leave.
    pub(super) fn finish_all(&mut self, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        self.finish_ending(&Ending::Stream, pass)
    }

    fn finish(&mut self, place: usize, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        let Some(channel) = self.channels.get_mut(place) else {
            return Ok(());
        };
        let mut tail = String::new();
        let judged = channel
            .hold
            .finish(pass.engine.chain(), Phase::Output, pass.tally, &mut tail);
        channel.is_finished = true;
        self.write_at(place, &tail, pass.out);
        judged.map_err(|stop| ErrorReply::stopped(&stop))
    }

    fn write_at(&self, place: usize, text: &str, out: &mut Vec<u8>) {
        if let Some(channel) = self.channels.get(place) {
            self.write(channel, text, out);
        }
    }

    /// Writes a chunk that carries nothing but `text` for one channel.
    fn write(&self, channel: &Channel, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        match (&channel.key, &channel.template) {
            (Key::Item { kind, .. }, Some((before, behind))) => {
                out.extend_from_slice(format!("event: {kind}.delta\ndata: ").as_bytes());
                out.extend_from_slice(before);
                json::encode(text, out);
                out.extend_from_slice(behind);
            }
            (Key::Choice { choice, field }, _) => self.write_choice(*choice, field, text, out),
            (Key::Item { .. }, None) => return,
        }
        out.extend_from_slice(b"\n\n");
    }

    fn write_choice(&self, choice: u64, field: &[Segment<'_>], text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: {");
        out.extend_from_slice(&self.head);
        out.extend_from_slice(format!("\"choices\":[{{\"index\":{choice},").as_bytes());
        if !matches!(field.first(), Some(Segment::Member(name)) if name == "delta") {
            // Clients read `choices[0].delta` of every chunk without asking whether it is there.
            out.extend_from_slice(b"\"delta\":{},");
        }
        let mut closing = Vec::new();
        let mut follows_member = false;
        for segment in field {
            match segment {
                Segment::Member(name) => {
                    if follows_member {
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
            follows_member = matches!(segment, Segment::Member(_));
        }
        out.push(b'"');
        json::encode(text, out);
        out.push(b'"');
        out.extend(closing.iter().rev());
        out.extend_from_slice(b",\"finish_reason\":null}]}");
    }
}
