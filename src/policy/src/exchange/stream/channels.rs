//! The texts of one stream, and when what waits of them leaves.
//!
//! A text leaves as it is decided. What is undecided leaves when the text ends, or when another text of the same choice
//! goes on: readers take a call for complete when the next one begins, and thoughts for over when the answer does. Should
//! the text go on all the same, what left is judged together with what follows, and of a value that spans the two the
//! rest is replaced by its marker.

use super::{
    channel::Channel,
    chunk::{Chunk, Key, Piece},
    ends::{Ends, HeldPiece},
    halves::Half,
    identity::Numbers,
    turns::{Texts, Turn, turns},
    write::{self, OwnPlace},
};
use crate::{
    block_answer::Begun,
    error::ErrorReply,
    exchange::{response::unreadable, stream::Pass},
    json::{self, Kind},
    quality::answers::Answer,
    splice::Edits,
    sse::SseEvent,
    tally::Stop,
};

/// More than any provider streams at once; a stream that opens more cannot be followed.
pub(super) const MAX_CHANNELS: usize = 1024;

/// All channels of a stream.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: Vec<Channel>,
    /// Events that wait for the end of a text.
    pub(super) ends: Ends,
    pub(super) numbers: Numbers,
    /// Where the last channel was found: pieces of following events come in the same order.
    hint: usize,
    /// Start of every chunk, for chunks of our own.
    head: Vec<u8>,
    /// Bytes of memory that all texts take.
    footprint: usize,
}

/// How what waits may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// When the event that ends the text leaves.
    Wait,
    Pause,
    Cut,
    End,
    Finish,
}

impl Channels {
    /// The most bytes that any channel holds back.
    pub(super) fn held(&self) -> usize {
        self.channels.iter().map(Channel::held).max().unwrap_or(0)
    }

    /// How many bytes of memory the texts take.
    pub(super) fn footprint(&self) -> usize {
        self.footprint + self.ends.footprint()
    }

    /// What a last chunk of our own begins with, and the choices that it ends: the first one where none has said anything.
    pub(super) fn begun(&self) -> Begun {
        let open = self.channels.iter().filter(|channel| !channel.has_ended());
        let mut choices: Vec<u32> = open.filter_map(|channel| channel.key.choice()).collect();
        choices.sort_unstable();
        choices.dedup();
        if self.channels.is_empty() {
            choices.push(0);
        }
        Begun {
            head: String::from_utf8_lossy(&self.head).into_owned(),
            choices,
            events: 0,
        }
    }

    /// Remembers what chunks of our own begin with.
    pub(super) fn note_head(&mut self, head: impl Iterator<Item = (&'static str, String)>) {
        if self.head.is_empty() {
            for (name, value) in head {
                self.head
                    .extend_from_slice(format!("\"{name}\":{value},").as_bytes());
            }
        }
    }

    /// Moves every channel by its piece. On a stop, what was released so far leaves in chunks of its own, without
    /// the rest of the event.
    pub(super) fn advance(
        &mut self,
        body: &str,
        chunk: &mut Chunk<'_>,
        covered: &[Half],
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        let texts = Texts { body, covered };
        let turns = turns(chunk);
        self.settle_others(chunk, &texts, pass)?;
        self.turn(chunk, &turns, &texts, true, pass)?;
        let pieces = &mut chunk.pieces;
        for (choice, number) in &chunk.begun {
            let is_it = |key: &Key| matches!(key, Key::Choice { choice: of, call, .. } if of == choice && call == number);
            for place in self.places(is_it) {
                self.leave(place, Leave::Cut, pieces, 0, pass)?;
            }
        }
        let mut completed = 0;
        for at in 0..pieces.len() {
            completed += self.take(body, pieces, at, covered, pass)?;
        }
        if completed < covered.len() {
            return Err(unreadable());
        }
        self.turn(chunk, &turns, &texts, false, pass)
    }

    /// Moves the channel of one piece. Returns how many halves of characters it had.
    fn take(
        &mut self,
        body: &str,
        pieces: &mut [Piece<'_>],
        at: usize,
        covered: &[Half],
        pass: &mut Pass<'_>,
    ) -> Result<usize, ErrorReply> {
        let Some(piece) = pieces.get(at) else {
            return Ok(0);
        };
        let Kind::String { escaped } = piece.node.kind else {
            return Ok(0);
        };
        let raw = body.get(piece.node.range.clone()).unwrap_or_default();
        let begins = piece.begins;
        if raw.is_empty() && !begins {
            return Ok(0);
        }
        let place = self.place_of(piece, pass.engine.judges_quality())?;
        let is_elsewhere = self
            .channels
            .get(place)
            .is_some_and(|channel| channel.is_elsewhere(piece));
        if begins || is_elsewhere {
            let leave = if begins { Leave::Cut } else { Leave::Pause };
            self.leave(place, leave, pieces, at, pass)?;
        }
        let (Some(piece), Some(channel)) = (pieces.get_mut(at), self.channels.get_mut(place))
        else {
            return Ok(0);
        };
        channel.place.update(&piece.place);
        let before = channel.footprint();
        let text = json::decode(raw, escaped);
        let (whole, text, count) = channel
            .complete(&text, &piece.node.range, covered)
            .map_err(|_| unreadable())?;
        let (chain, tally) = (pass.engine.chain(), &mut *pass.tally);
        channel.announce(chain, tally);
        let judged = match whole {
            Some(whole) => {
                channel.push(&format!("{whole}{text}"), chain, tally, &mut piece.released)
            }
            None => channel.push(text, chain, tally, &mut piece.released),
        };
        self.footprint += channel.footprint();
        self.footprint -= before;
        self.hand_over(place, &mut piece.released);
        judged.map_err(|stop| self.stop(pieces.get(..=at).unwrap_or_default(), &stop, pass))?;
        Ok(count)
    }

    /// Gives of `text`, which a channel released, to the events that wait for it what stands before their ends.
    fn hand_over(&mut self, place: usize, text: &mut String) {
        let Some(channel) = self.channels.get_mut(place) else {
            return;
        };
        let passed = channel.take_passed();
        if !self.ends.waits_for(place) {
            return;
        }
        let mut from = 0;
        for to in passed {
            self.give(place, text.get(from..to).unwrap_or_default(), true);
            from = to;
        }
        if self.ends.waits_for(place) {
            self.give(place, text.get(from..).unwrap_or_default(), false);
            from = text.len();
        }
        text.drain(..from);
    }

    /// No event waits for the end of a text any more, decided or not.
    fn give_up(&mut self, place: usize) {
        self.ends.give_up(place);
        if let Some(channel) = self.channels.get_mut(place) {
            channel.forget_ends();
        }
    }

    fn give(&mut self, place: usize, text: &str, is_all: bool) {
        let Some(channel) = self.channels.get(place) else {
            return;
        };
        let head = &self.head;
        self.ends.give(place, text, is_all, |at, out| {
            write::write(&channel.key, at, head, text, out);
        });
    }

    /// Another text goes on: events wait no longer for the end of those that it is none of, or only for so much of it.
    fn settle_others(
        &mut self,
        chunk: &Chunk<'_>,
        texts: &Texts<'_>,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        if self.ends.is_empty() {
            return Ok(());
        }
        for place in self.ends.channels() {
            let Some(channel) = self.channels.get_mut(place) else {
                continue;
            };
            let (own, others) = texts.own_and_others(&channel.key, chunk);
            if own == 0 && !channel.outlasts(others) {
                self.leave(place, Leave::End, &mut [], 0, pass)?;
            }
        }
        Ok(())
    }

    /// The event at hand ends a text: it waits until the last words are decided.
    fn wait(&mut self, place: usize, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        let Some(channel) = self.channels.get_mut(place) else {
            return Ok(());
        };
        if channel.lacks_half() {
            return Err(unreadable());
        }
        if channel.is_open(pass.engine.chain()) {
            channel.note_end(pass.engine.chain(), pass.tally);
            if !self.ends.open(place, channel.place.clone()) {
                return Err(unreadable());
            }
        }
        Ok(())
    }

    /// Another text of the choice goes on: what waits of this one leaves. Where that looks like the beginning of a value, the
    /// event at hand waits behind it, as long as little of other texts comes.
    fn pause(
        &mut self,
        place: usize,
        chunk: &mut Chunk<'_>,
        texts: &Texts<'_>,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        if self.ends.waits_for(place) {
            return Ok(());
        }
        let last = chunk.pieces.len();
        self.leave(place, Leave::Pause, &mut chunk.pieces, last, pass)?;
        let Some(channel) = self.channels.get_mut(place) else {
            return Ok(());
        };
        // Once is enough: a provider that alternates has the rest of its values late.
        if channel.held() == 0 || channel.has_ended() || channel.lacks_half() {
            return Ok(());
        }
        let (_, others) = texts.own_and_others(&channel.key, chunk);
        channel.note_end(pass.engine.chain(), pass.tally);
        if channel.outlasts(others) {
            let is_noted = self.ends.open(place, channel.place.clone());
            return is_noted.then_some(()).ok_or_else(unreadable);
        }
        channel.forget_ends();
        self.leave(place, Leave::End, &mut chunk.pieces, last, pass)
    }

    /// Keeps the event at hand, until the texts that it ends are decided.
    pub(super) fn hold(
        &mut self,
        event: &SseEvent<'_>,
        chunk: &Chunk<'_>,
        edits: Edits,
        keeps_id: bool,
    ) {
        let pieces = chunk.pieces.iter().filter_map(|piece| {
            let Kind::String { escaped } = piece.node.kind else {
                return None;
            };
            let mut channels = self.channels.iter();
            Some(HeldPiece {
                channel: channels.position(|channel| channel.key == piece.key)?,
                place: OwnPlace::of(&piece.place),
                range: piece.node.range.clone(),
                escaped,
                released: piece.released.clone(),
            })
        });
        self.ends.hold(event, edits, keeps_id, pieces.collect());
    }

    /// Lets leave what no longer waits. What was written from `from` on comes behind what does; where the stream is cut, so
    /// does what is settled of the rest.
    pub(super) fn let_leave(&mut self, from: usize, is_cut: bool, out: &mut Vec<u8>) {
        if self.ends.is_empty() {
            return;
        }
        let written = out.split_off(from);
        if is_cut {
            let (channels, head) = (&self.channels, &self.head);
            self.ends.cut(out, |place, at, text, out| {
                if let Some(channel) = channels.get(place) {
                    write::write(&channel.key, at, head, text, out);
                }
            });
            out.extend_from_slice(&written);
        } else {
            self.ends.enqueue(written);
            self.ends.leave(out);
        }
    }

    /// Lets what waits leave where a choice goes on with another text, or ends. What the event has no piece of leaves before that
    /// is looked at, so that a stop does not depend on how much of the other text came with it.
    fn turn(
        &mut self,
        chunk: &mut Chunk<'_>,
        turns: &[Turn],
        texts: &Texts<'_>,
        is_before: bool,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        let goes_on = chunk.pieces.iter().find_map(|piece| match &piece.key {
            Key::Item { .. } if !piece.node.range.is_empty() => Some(piece.key.clone()),
            _ => None,
        });
        if turns.is_empty() && goes_on.is_none() {
            return Ok(());
        }
        for place in 0..self.channels.len() {
            let Some(channel) = self.channels.get(place) else {
                break;
            };
            let leave = match &channel.key {
                key @ Key::Item { .. } => goes_on
                    .as_ref()
                    .and_then(|goes_on| (key != goes_on).then_some(Leave::Pause)),
                Key::Choice { choice, text, call } => turns
                    .binary_search_by_key(choice, |turn| turn.choice)
                    .ok()
                    .and_then(|at| turns.get(at))
                    .and_then(|turn| turn.leave(text.section(), *call)),
            };
            let Some(leave) = leave else { continue };
            if leave == Leave::Wait {
                if !is_before {
                    self.wait(place, pass)?;
                }
            } else if is_before != chunk.pieces.iter().any(|piece| piece.key == channel.key) {
                self.pause(place, chunk, texts, pass)?;
            }
        }
        Ok(())
    }

    /// Notes which choices ran out of tokens.
    pub(super) fn note_cut(&mut self, chunk: &Chunk<'_>) {
        for choice in chunk.choices.iter().filter(|choice| choice.ran_out) {
            let number = choice.number();
            for channel in &mut self.channels {
                let answer = channel.answer.as_mut();
                if let Some(answer) = answer.filter(|_| channel.key.is_of(number)) {
                    answer.is_cut = true;
                }
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
            let channel = self
                .channels
                .iter()
                .find(|channel| channel.key == piece.key);
            if let Some(channel) = channel {
                self.write(channel, &piece.released, pass.out);
            }
        }
        ErrorReply::stopped(stop)
    }

    fn places(&self, is_it: impl Fn(&Key) -> bool) -> Vec<usize> {
        let places = self.channels.iter().enumerate();
        places
            .filter(|(_, channel)| is_it(&channel.key))
            .map(|(place, _)| place)
            .collect()
    }

    /// The place of a piece's channel, new or known.
    fn place_of(&mut self, piece: &Piece<'_>, judges_quality: bool) -> Result<usize, ErrorReply> {
        let len = self.channels.len();
        for step in 0..len {
            let place = (self.hint + step) % len;
            if self
                .channels
                .get(place)
                .is_some_and(|channel| channel.key == piece.key)
            {
                // The next piece is mostly of the next channel.
                self.hint = (place + 1) % len;
                return Ok(place);
            }
        }
        if len >= MAX_CHANNELS {
            return Err(unreadable());
        }
        let place = OwnPlace::of(&piece.place);
        let channel = Channel::new(piece.key.clone(), place, judges_quality);
        self.footprint += channel.footprint();
        self.channels.push(channel);
        Ok(len)
    }

    /// Lets what waits in the channel at `place` leave: in its last piece before `until`, or in a chunk of its own before
    /// the event.
    fn leave(
        &mut self,
        place: usize,
        leave: Leave,
        pieces: &mut [Piece<'_>],
        until: usize,
        pass: &mut Pass<'_>,
    ) -> Result<(), ErrorReply> {
        let Some(channel) = self.channels.get_mut(place) else {
            return Ok(());
        };
        let mut tail = String::new();
        let (chain, tally) = (pass.engine.chain(), &mut *pass.tally);
        channel.announce(chain, tally);
        let judged = match leave {
            Leave::Wait => Ok(()),
            Leave::Pause => channel.pause(chain, tally, &mut tail),
            Leave::Cut => channel.cut(chain, tally, &mut tail),
            Leave::End => channel.end(chain, tally, &mut tail),
            Leave::Finish => channel.finish(chain, tally, &mut tail),
        };
        let is_over = matches!(leave, Leave::End | Leave::Finish);
        let lacks_half = is_over && channel.lacks_half();
        self.hand_over(place, &mut tail);
        let is_decided = judged.is_ok() && !pass.tally.sightings.steps.are_spent();
        if leave != Leave::Pause && is_decided {
            self.give_up(place);
        }
        if lacks_half {
            return Err(unreadable());
        }
        let Some(channel) = self.channels.get(place) else {
            return Ok(());
        };
        let mut before = pieces.iter_mut().take(until);
        match before.rfind(|piece| piece.key == channel.key) {
            Some(piece) => piece.released.push_str(&tail),
            None => self.write_at(place, &tail, pass.out),
        }
        judged.map_err(|stop| self.stop(pieces.get(..until).unwrap_or_default(), &stop, pass))
    }

    /// The complete form of an item follows: what waits of it leaves.
    pub(super) fn end_item(&mut self, number: u32, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        self.end_all(
            pass,
            |key| matches!(key, Key::Item { item, .. } if *item == number),
        )
    }

    /// The texts are said to end. What looks like the beginning of a value is waited for.
    pub(super) fn end_all(
        &mut self,
        pass: &mut Pass<'_>,
        is_it: impl Fn(&Key) -> bool,
    ) -> Result<(), ErrorReply> {
        for place in self.places(is_it) {
            let (chain, tally) = (pass.engine.chain(), &mut *pass.tally);
            let channel = self.channels.get(place);
            if channel.is_some_and(|channel| channel.may_become_a_value(chain, tally)) {
                self.wait(place, pass)?;
            } else {
                self.leave(place, Leave::End, &mut [], 0, pass)?;
            }
        }
        Ok(())
    }

    /// The stream is over: everything that waits may leave.
    pub(super) fn finish(&mut self, pass: &mut Pass<'_>) -> Result<(), ErrorReply> {
        for place in 0..self.channels.len() {
            self.leave(place, Leave::Finish, &mut [], 0, pass)?;
        }
        Ok(())
    }

    fn write_at(&self, place: usize, text: &str, out: &mut Vec<u8>) {
        if let Some(channel) = self.channels.get(place) {
            self.write(channel, text, out);
        }
    }

    fn write(&self, channel: &Channel, text: &str, out: &mut Vec<u8>) {
        write::write(&channel.key, &channel.place, &self.head, text, out);
    }
}
