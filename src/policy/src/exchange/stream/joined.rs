//! Strings of a stream that are no text by the API, but that a reader may append all the same.
//!
//! Each is judged whole in its own event and leaves with it. So that no value passes in pieces, the strings of the same
//! member in following events are judged joined too, over the last [`TAIL`] bytes that left: a value or phrase that spans
//! the seam ends the stream, since its beginning is gone. The same member means the same names, in the same choice,
//! whatever the positions in arrays. Two kinds of strings are taken for what they are: one that is the same from its
//! first event on is a label, and one that repeats all of the one before grows in place.

use crate::{
    chain::{Chain, decisive},
    error::ErrorReply,
    json::{Node, Step},
    narrowing::Place,
    tally::Tally,
    verdict::Phase,
};

use super::{super::binary, identity};

/// As much of what left is judged with what follows; a phrase spans at most as much.
const TAIL: usize = 1024;
/// More members than any provider has that change from event to event.
const MAX_MEMBERS: usize = 1024;
/// From this length on a string that begins with the one before is taken to repeat it.
const MIN_REPEATED: usize = 16;

/// A string that is no text.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its names, hashed.
    member: u64,
    pub(super) node: Node,
}

impl Candidate {
    pub(super) fn new(choice: u32, path: &[Step<'_>], node: &Node) -> Self {
        let mut member = u64::from(choice);
        for step in path {
            if let Step::Key(name) = step {
                member = member.rotate_left(7) ^ identity::hash(name);
            }
        }
        Self {
            member,
            node: node.clone(),
        }
    }
}

/// What left of the members so far.
#[derive(Debug, Default)]
pub(super) struct Joined {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: u64,
    tail: String,
    /// Whether all strings so far were the same.
    is_label: bool,
    /// Length of the last string.
    last: usize,
}

/// What left of a string and may be appended: from its start to the first thing that is none, and from the last to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'t> {
    start: &'t str,
    end: &'t str,
    is_whole: bool,
}

impl<'t> Left<'t> {
    /// Of a string that left as it came, or else of its start and its end.
    pub(super) fn of(start: &'t str, end: Option<&'t str>) -> Self {
        // What is binary is appended to nothing that could be read.
        let (from, to) = (start, end.unwrap_or(start));
        let first = binary::stretches(from, false).into_iter().next();
        let last = binary::stretches(to, false).pop();
        Self {
            is_whole: end.is_none() && first.is_none(),
            start: from
                .get(..first.map_or(from.len(), |first| first.start))
                .unwrap_or_default(),
            end: to
                .get(last.map_or(0, |last| last.end)..)
                .unwrap_or_default(),
        }
    }
}

impl Joined {
    /// How many bytes of memory the tails take.
    pub(super) fn footprint(&self) -> usize {
        let tails: usize = self
            .members
            .iter()
            .map(|member| member.tail.capacity())
            .sum();
        tails + self.members.capacity() * size_of::<Member>()
    }

    /// Judges what a string continues.
    pub(super) fn judge(
        &mut self,
        candidate: &Candidate,
        left: Left<'_>,
        chain: &Chain,
        tally: &mut Tally,
    ) -> Result<(), ErrorReply> {
        let Some(member) = self
            .members
            .iter_mut()
            .find(|member| member.name == candidate.member)
        else {
            if self.members.len() >= MAX_MEMBERS {
                return Err(ErrorReply::upstream_failed(
                    "The provider's answer has too many parts",
                ));
            }
            let mut member = Member {
                name: candidate.member,
                tail: String::new(),
                is_label: true,
                last: 0,
            };
            member.keep(left.end);
            self.members.push(member);
            return Ok(());
        };
        let whole = start_of(left.start);
        let before = member
            .tail
            .get(member.tail.len() - member.last..)
            .unwrap_or_default();
        if left.is_whole && member.is_label && before == left.start {
            return Ok(());
        }
        let grows = before.len() >= MIN_REPEATED && left.start.starts_with(before);
        member.is_label = false;
        if grows {
            member.tail.clear();
        } else {
            spans(&member.tail, whole, chain, tally)?;
        }
        if !left.is_whole {
            member.tail.clear();
        }
        member.keep(left.end);
        Ok(())
    }
}

impl Member {
    fn keep(&mut self, text: &str) {
        let from = text.floor_char_boundary(text.len().saturating_sub(TAIL));
        let kept = text.get(from..).unwrap_or_default();
        self.tail.push_str(kept);
        let drop = self
            .tail
            .floor_char_boundary(self.tail.len().saturating_sub(TAIL));
        self.tail.drain(..drop);
        self.last = kept.len();
    }
}

fn start_of(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TAIL))
        .unwrap_or_default()
}

/// Refuses what begins in `tail` and ends in `next`.
fn spans(tail: &str, next: &str, chain: &Chain, tally: &mut Tally) -> Result<(), ErrorReply> {
    if tail.is_empty() || next.is_empty() {
        return Ok(());
    }
    let text = [tail, next].concat();
    let seam = tail.len();
    let sightings = &mut tally.sightings;
    chain.scan_whole(Phase::Output, &text, sightings);
    let crosses = |range: &std::ops::Range<usize>| range.start < seam && seam < range.end;
    sightings.values.retain(|value| crosses(&value.range));
    sightings.patterns.retain(|hit| crosses(&hit.range));
    sightings.phrases.retain(|hit| crosses(&hit.range));
    sightings.marks.clear();
    sightings.opinions = None;
    if sightings.is_empty() {
        return Ok(());
    }
    // Nobody can say which member a reader would make of it.
    tally.scene.place = Place::default();
    chain.narrow_part(Phase::Output, &text, &(0..seam), false, tally);
    let sightings = &mut tally.sightings;
    sightings.marks.clear();
    // What policies would have replaced had it come in one piece.
    let verdict = decisive(Phase::Output, chain.judge(Phase::Output, sightings));
    let scanned = tally.scanned_bytes;
    let stop = tally.judge(chain, Phase::Output, 0..seam, 0);
    tally.scanned_bytes = scanned;
    match (stop, verdict) {
        (Some(stop), _) => Err(ErrorReply::stopped(&stop)),
        (None, Some(_)) => Err(ErrorReply::upstream_failed(
            "The provider's answer holds a value in pieces that left one by one",
        )),
        (None, None) => Ok(()),
    }
}
