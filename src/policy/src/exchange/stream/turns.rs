//! What an event says of the choices' texts: which goes on, and how much of which it has.

use super::{
    channels::Leave,
    chunk::{Chunk, Key, Piece},
    halves::Half,
    members::Section,
};
use crate::json::{self, Kind};

/// What an event says of a choice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) choice: u32,
    /// The latest section that goes on, and which call.
    goes_on: Option<(Section, u32)>,
    is_finished: bool,
}

/// An event's JSON, with halves of characters covered.
pub(super) struct Texts<'b> {
    pub(super) body: &'b str,
    pub(super) covered: &'b [Half],
}

impl Texts<'_> {
    /// How many bytes of this text the event has, and of all others.
    pub(super) fn own_and_others(&self, key: &Key, chunk: &Chunk<'_>) -> (usize, usize) {
        chunk.pieces.iter().fold((0, 0), |(own, others), piece| {
            let size = self.size(piece);
            if piece.key == *key {
                (own + size, others)
            } else {
                (own, others + size)
            }
        })
    }

    /// How many bytes of text a piece has. Halves of a character have two, so that cuts change no sum.
    fn size(&self, piece: &Piece<'_>) -> usize {
        let Kind::String { escaped } = piece.node.kind else {
            return 0;
        };
        let range = &piece.node.range;
        let raw = self.body.get(range.clone()).unwrap_or_default();
        let halves = self.covered.iter().filter(|half| range.contains(&half.at));
        json::decode(raw, escaped).len() - halves.count()
    }
}

/// What the event says of its choices, by their numbers.
pub(super) fn turns(chunk: &Chunk<'_>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = chunk
        .choices
        .iter()
        .map(|choice| Turn {
            choice: choice.number(),
            goes_on: choice.call.map(|call| (Section::Call, call)),
            is_finished: choice.is_finished,
        })
        .collect();
    turns.sort_by_key(|turn| turn.choice);
    turns.dedup_by(|later, turn| {
        let is_same = later.choice == turn.choice;
        if is_same {
            turn.is_finished |= later.is_finished;
            turn.goes_on = later.goes_on.or(turn.goes_on);
        }
        is_same
    });
    for piece in chunk
        .pieces
        .iter()
        .filter(|piece| !piece.node.range.is_empty())
    {
        if let Key::Choice { choice, text, call } = &piece.key
            && let Ok(at) = turns.binary_search_by_key(choice, |turn| turn.choice)
            && let Some(turn) = turns.get_mut(at)
        {
            let goes_on = (text.section(), *call);
            // Of the calls the last one goes on, of the sections the latest.
            if turn.goes_on.is_none_or(|(section, _)| section <= goes_on.0) {
                turn.goes_on = Some(goes_on);
            }
        }
    }
    turns
}

impl Turn {
    /// What becomes of a text of the choice.
    pub(super) fn leave(&self, section: Section, call: u32) -> Option<Leave> {
        if self.is_finished {
            return Some(Leave::Wait);
        }
        let (current, current_call) = self.goes_on?;
        let goes_on = section == current && (section != Section::Call || call == current_call);
        (!goes_on).then_some(Leave::Pause)
    }
}
