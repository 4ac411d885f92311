//! Events that say that a text ends, while its last words are not decided.
//!
//! Readers take a text for complete at its end, so its last words must leave before that; and should the text go on all
//! the same, a value may span the end. Hence the event waits, and everything behind it with it, until what follows decides:
//! more of the text, the text of another channel, or the end of the stream, which mostly follows at once.

use std::{collections::VecDeque, ops::Range};

use super::{halves, replace_text, write::OwnPlace};
use crate::{
    splice::Edits,
    sse::{HeldEvent, SseEvent},
};

/// More ends than wait for each other in any stream: the longest text that waits has half as many bytes.
const MAX_OPEN: usize = 8192;

/// A channel whose last words are not decided, by its number, and where they may leave.
#[derive(Debug)]
struct Open {
    channel: usize,
    place: OwnPlace,
}

/// A piece of text of an event that waits.
#[derive(Debug)]
pub(super) struct HeldPiece {
    pub(super) channel: usize,
    pub(super) place: OwnPlace,
    pub(super) range: Range<usize>,
    pub(super) escaped: bool,
    pub(super) released: String,
}

/// An event that waits, to be written when its texts are known.
#[derive(Debug)]
struct Held {
    event: HeldEvent,
    edits: Edits,
    keeps_id: bool,
    pieces: Vec<HeldPiece>,
}

/// What left between two ends: bytes, then the event with the end.
#[derive(Debug, Default)]
struct Entry {
    before: Vec<u8>,
    held: Option<Held>,
    open: Vec<Open>,
}

/// What waits of a stream, in order.
#[derive(Debug, Default)]
pub(super) struct Ends {
    entries: VecDeque<Entry>,
    /// What the event at hand ends.
    opening: Vec<Open>,
    /// The event at hand, if it has to wait.
    held: Option<Held>,
    /// What `entries` take, and how many last words they wait for: asked for with every event.
    bytes: usize,
    waiting: usize,
}

impl Ends {
    /// Whether anything waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.opening.is_empty()
    }

    /// How many bytes of memory all of it takes.
    pub(super) fn footprint(&self) -> usize {
        self.bytes
    }

    /// Whether a channel's last words are waited for.
    pub(super) fn waits_for(&self, channel: usize) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.open.iter().any(|open| open.channel == channel))
    }

    /// The channels that are waited for.
    pub(super) fn channels(&self) -> Vec<usize> {
        let open = self.entries.iter().flat_map(|entry| &entry.open);
        let mut channels: Vec<usize> = open.map(|open| open.channel).collect();
        channels.sort_unstable();
        channels.dedup();
        channels
    }

    /// The event at hand ends a channel. False when too many wait already.
    pub(super) fn open(&mut self, channel: usize, place: OwnPlace) -> bool {
        self.opening.push(Open { channel, place });
        self.waiting + self.opening.len() <= MAX_OPEN
    }

    /// Whether the event at hand has to wait.
    pub(super) fn is_opening(&self) -> bool {
        !self.opening.is_empty()
    }

    /// Keeps the event at hand.
    pub(super) fn hold(
        &mut self,
        event: &SseEvent<'_>,
        edits: Edits,
        keeps_id: bool,
        pieces: Vec<HeldPiece>,
    ) {
        self.held = Some(Held {
            event: event.hold(),
            edits,
            keeps_id,
            pieces,
        });
    }

    /// Puts what the event at hand wrote behind what waits, and the event itself if it waits.
    pub(super) fn enqueue(&mut self, written: Vec<u8>) {
        let (held, open) = (self.held.take(), std::mem::take(&mut self.opening));
        self.waiting += open.len();
        if let Some(last) = self.entries.back_mut().filter(|last| last.held.is_none()) {
            self.bytes -= last.footprint();
            last.before.extend_from_slice(&written);
            (last.held, last.open) = (held, open);
            self.bytes += last.footprint();
            return;
        }
        let entry = Entry {
            before: written,
            held,
            open,
        };
        self.bytes += entry.footprint();
        self.entries.push_back(entry);
    }

    /// Gives a channel's text to the first event that waits for it, and says whether that was all.
    pub(super) fn give(
        &mut self,
        channel: usize,
        text: &str,
        is_all: bool,
        write: impl FnOnce(&OwnPlace, &mut Vec<u8>),
    ) {
        let is_it = |open: &Open| open.channel == channel;
        let mut entries = self.entries.iter_mut();
        let Some(entry) = entries.find(|entry| entry.open.iter().any(is_it)) else {
            return;
        };
        self.bytes -= entry.footprint();
        let mut pieces = entry.held.iter_mut().flat_map(|held| &mut held.pieces);
        if let Some(piece) = pieces.rfind(|piece| piece.channel == channel) {
            piece.released.push_str(text);
        } else if let Some(open) = entry.open.iter().find(|open| is_it(open)) {
            write(&open.place, &mut entry.before);
        }
        if is_all {
            self.waiting -= entry.forget(channel);
        }
        self.bytes += entry.footprint();
    }

    /// A channel is waited for no longer.
    pub(super) fn give_up(&mut self, channel: usize) {
        for entry in &mut self.entries {
            let before = entry.footprint();
            self.waiting -= entry.forget(channel);
            self.bytes -= before - entry.footprint();
        }
    }

    /// Lets leave what is decided.
    pub(super) fn leave(&mut self, out: &mut Vec<u8>) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.open.is_empty()) {
            self.bytes -= entry.footprint();
            out.extend_from_slice(&entry.before);
            if let Some(held) = entry.held {
                held.write(out);
            }
        }
    }

    /// The stream is cut: what is decided leaves, and of the first event that is not and all behind it, what is settled of
    /// their texts.
    pub(super) fn cut(
        &mut self,
        out: &mut Vec<u8>,
        write: impl Fn(usize, &OwnPlace, &str, &mut Vec<u8>),
    ) {
        self.leave(out);
        for entry in &self.entries {
            out.extend_from_slice(&entry.before);
            for piece in entry.held.iter().flat_map(|held| &held.pieces) {
                write(piece.channel, &piece.place, &piece.released, out);
            }
        }
        *self = Self::default();
    }
}

impl Entry {
    fn footprint(&self) -> usize {
        let piece = |piece: &HeldPiece| size_of::<HeldPiece>() + piece.released.len();
        let held =
            |held: &Held| held.event.footprint() + held.pieces.iter().map(piece).sum::<usize>();
        let held = self.held.as_ref().map_or(0, held);
        size_of::<Self>() + self.before.len() + held + self.open.len() * size_of::<Open>()
    }

    /// Waits for a channel no longer, and says for how many ends of it that was.
    fn forget(&mut self, channel: usize) -> usize {
        let before = self.open.len();
        self.open.retain(|open| open.channel != channel);
        before - self.open.len()
    }
}

impl Held {
    fn write(mut self, out: &mut Vec<u8>) {
        let event = self.event.event();
        let Some(payload) = event.data() else { return };
        let (body, _) = halves::cover(std::str::from_utf8(&payload).unwrap_or_default());
        for piece in &self.pieces {
            let range = piece.range.clone();
            replace_text(
                &body,
                range,
                piece.escaped,
                &piece.released,
                &mut self.edits,
            );
        }
        event.write_edited(&payload, self.edits, self.keeps_id, out);
    }
}
