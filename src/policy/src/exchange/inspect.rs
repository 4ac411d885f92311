//! Inspection of the strings of a JSON body, shared by requests and responses.

use std::{borrow::Cow, ops::Range};

use super::{
    binary, named,
    neighbours::{self, Group, Joined, Neighbours, Unit},
    numbers,
    places::{self, Turns},
    unread,
};
use crate::{
    chain::{Chain, Whereabouts},
    engine::Engine,
    error::ErrorReply,
    filter_config::FailMode,
    json::{self, Kind, Node, Step},
    memory::Memory,
    splice::Edits,
    tally::{Skipped, Stop, Tally},
    verdict::Phase,
};
use kt_text::{
    detect::{Entity, Span, Window},
    markers::{Markers, apply},
    redact::Redactor,
    steps::MAX_FINDINGS,
};

/// Whole numbers with fewer digits carry no value that a detector knows.
const MIN_NUMBER_DIGITS: usize = 9;

/// Judges complete texts of one body and collects the edits they need.
pub(super) struct Inspector<'b, 'e> {
    body: &'b str,
    chain: &'e Chain,
    tally: &'e mut Tally,
    phase: Phase,
    refuses_unreadable: bool,
    pub(super) edits: Edits,
    /// Why the exchange ends here. Once set, nothing more is scanned.
    end: Option<ErrorReply>,
    /// The last stop that ends the exchange only if its message is the newest one.
    deferred: Option<Stop>,
    newest_turn: Option<usize>,
    items: unread::Items,
    neighbours: Neighbours,
    memory: Option<&'e mut Memory>,
    turns: Turns,
}

/// What stands in the place of a message of the history that would have ended the exchange.
const REMOVED: &[u8] = b"[PROMPT_INJECTION_REMOVED]";

impl<'b, 'e> Inspector<'b, 'e> {
    pub(super) fn new(
        body: &'b str,
        engine: &'e Engine,
        tally: &'e mut Tally,
        phase: Phase,
    ) -> Self {
        let refuses_unreadable = engine.config().unreadable == FailMode::Block;
        Self {
            body,
            chain: engine.chain(),
            tally,
            phase,
            refuses_unreadable,
            edits: Edits::default(),
            end: None,
            deferred: None,
            newest_turn: None,
            items: unread::Items::default(),
            neighbours: Neighbours::default(),
            memory: None,
            turns: if phase == Phase::Input && engine.chain().narrowing().needs_turns() {
                Turns::of(body)
            } else {
                Turns::default()
            },
        }
    }

    /// Looks up in `memory` what was judged before.
    pub(super) fn remember(&mut self, memory: Option<&'e mut Memory>) {
        self.memory = memory;
    }

    /// The edits, or why the exchange ends.
    pub(super) fn finish(mut self) -> Result<Edits, ErrorReply> {
        self.neighbours.finish();
        self.judge_neighbours();
        if let Some(stop) = self
            .deferred
            .take()
            .filter(|stop| stop.turn == self.newest_turn)
        {
            self.tally.stop_after_all(&stop);
            self.stop(Some(&stop));
        }
        self.is_over();
        match self.end {
            Some(end) => Err(end),
            None => Ok(self.edits),
        }
    }

    /// Judges a string, member name or number; other nodes carry no text.
    pub(super) fn inspect(&mut self, path: &[Step<'_>], node: &Node) {
        if self.end.is_some() {
            return;
        }
        self.tally.turn = match path {
            [Step::Key(list), Step::Index(turn), ..]
                if self.phase == Phase::Input && matches!(&**list, "messages" | "input") =>
            {
                Some(*turn)
            }
            _ => None,
        };
        self.newest_turn = self.tally.turn.max(self.newest_turn);
        if let Some(trace) = &mut self.tally.trace {
            trace.field = written(path);
        }
        if !self.chain.narrowing().is_empty() {
            self.tally.scene.place = places::of(path, self.phase, &self.turns);
        }
        match node.kind {
            Kind::String { escaped } => {
                self.string(path, node.range.clone(), escaped);
                let is_json = path.last().is_some_and(|member| member.is("arguments"));
                let instead = if is_json { b"{}" } else { REMOVED };
                self.defer(std::iter::once(node.range.clone()), instead);
            }
            Kind::Name { escaped } => {
                self.items.member(path);
                let text = json::decode(self.raw(&node.range), escaped);
                let whole = 0..text.len();
                self.text(
                    &mut Subject::new(text, node.range.clone(), escaped, false),
                    whole,
                );
            }
            Kind::Number => self.number(path, node.range.clone()),
            Kind::Object => {
                if self.items.is_reference(path) {
                    self.skip(unread::ITEM);
                }
                self.neighbours.close(path);
            }
            _ => {}
        }
        self.judge_neighbours();
    }

    /// Judges a string, except for what in it is no text.
    fn string(&mut self, path: &[Step<'_>], range: Range<usize>, escaped: bool) {
        let text = json::decode(self.raw(&range), escaped);
        let member = unread::member_at(path);
        let binary = binary::stretches(&text, member.is_some());
        let listed = match member {
            Some(member) => member.skipped(&text, !binary.is_empty(), self.phase),
            None => unread::elsewhere(path, &text, &binary),
        };
        if let Some(skipped) = listed {
            self.skip(skipped);
        }
        let is_json = path.last().is_some_and(|member| member.is("arguments"));
        self.neighbours.note(path, &text);
        let mut subject = Subject::new(text, range, escaped, is_json);
        let mut start = 0;
        for piece in &binary {
            self.piece(path, &mut subject, start..piece.start);
            start = piece.end;
        }
        let end = subject.text.len();
        self.piece(path, &mut subject, start..end);
        if self.end.is_none() && binary.is_empty() && end <= named::MAX_VALUE {
            let mut subject = Subject::new(subject.text, subject.range, escaped, is_json);
            self.named(path, &mut subject);
        }
    }

    /// Judges a piece of a string, which may go on in other strings.
    fn piece(&mut self, path: &[Step<'_>], subject: &mut Subject<'_>, piece: Range<usize>) {
        self.text(subject, piece.clone());
        let raw = subject.pass(self.body, &piece);
        if self.end.is_none() && !self.tally.sightings.is_trusted && !subject.is_json {
            let escaped = subject.escaped;
            let is_blank = subject
                .text
                .get(piece)
                .is_some_and(|text| text.trim().is_empty());
            self.neighbours.text(
                path,
                Unit {
                    raw,
                    escaped,
                    part_of: None,
                    place: self.tally.scene.place.clone(),
                },
                is_blank,
            );
        }
    }

    /// Judges a short string once more behind its member's name.
    fn named(&mut self, path: &[Step<'_>], subject: &mut Subject<'_>) {
        if !self.scan_named(path, &subject.text) {
            return;
        }
        let (body, edits) = (self.body, &self.edits);
        self.tally
            .sightings
            .retain(|value| edits.overlapping(&subject.in_body(body, value)).is_none());
        self.narrow_again(&subject.text);
        if self.tally.sightings.marks.is_empty() {
            return;
        }
        self.judge_again(&subject.text);
        if self.end.is_none() {
            self.replace_in(subject, 0..subject.text.len());
        }
    }

    /// Looks for values in `text` behind the names of its member. True when there are some.
    fn scan_named(&mut self, path: &[Step<'_>], text: &str) -> bool {
        let contexts = [named::context(path), named::name(path)];
        for context in contexts.into_iter().flatten() {
            let named = format!("{context}{text}");
            let window = Window {
                text: &named,
                from: context.len(),
                complete: true,
            };
            let sightings = &mut self.tally.sightings;
            self.chain.scan_values(self.phase, &window, sightings);
            sightings.shift(context.len());
            if !sightings.marks.is_empty() {
                return true;
            }
        }
        named::is_password(path, text)
            && self
                .chain
                .note_whole(self.phase, Entity::ApiKey, text, &mut self.tally.sightings)
    }

    fn raw(&self, range: &Range<usize>) -> &'b str {
        self.body.get(range.clone()).unwrap_or_default()
    }

    /// Notes what cannot be read, and refuses it where that is configured.
    fn skip(&mut self, skipped: Skipped) {
        if self.refuses_unreadable {
            self.end = Some(ErrorReply::unreadable(self.phase, skipped.field));
        }
        if self.tally.skipped.len() < crate::tally::MAX_LISTED_REDACTIONS {
            self.tally.skipped.push(skipped);
        }
    }

    fn stop(&mut self, stop: Option<&Stop>) {
        self.end = stop.map(ErrorReply::stopped);
    }

    /// Replaces what ended the exchange in a message of the conversation, where the policy wants that: the exchange ends only if the
    /// message turns out to be the newest one.
    fn defer(&mut self, ranges: impl Iterator<Item = Range<usize>>, instead: &[u8]) {
        let Some(stop) = self
            .tally
            .stop()
            .filter(|stop| stop.turn.is_some())
            .cloned()
        else {
            return;
        };
        let is_turn_safe = self
            .chain
            .policy(stop.policy)
            .is_some_and(super::super::policy::Policy::is_turn_safe);
        if self.end.is_none() || !is_turn_safe {
            return;
        }
        self.end = None;
        self.tally.replace_instead(&stop);
        for (place, range) in ranges.enumerate() {
            let instead = if place == 0 { instead } else { b"" };
            self.edits.replace_whole(range, instead.to_vec());
        }
        self.deferred = Some(stop);
    }

    /// Judges a piece of a string. Values are replaced so that JSON in the string stays JSON.
    fn text(&mut self, subject: &mut Subject<'_>, piece: Range<usize>) {
        if self.end.is_some() || piece.is_empty() && !subject.text.is_empty() {
            return;
        }
        self.judge(subject.text.get(piece.clone()).unwrap_or_default());
        if self.end.is_some() || self.tally.sightings.marks.is_empty() {
            return;
        }
        self.replace_in(subject, piece);
    }

    /// Replaces what was seen in a piece of a string.
    fn replace_in(&mut self, subject: &mut Subject<'_>, piece: Range<usize>) {
        for (range, with) in subject.replace(
            self.body,
            piece,
            &self.tally.sightings.marks,
            self.chain.redactor(),
        ) {
            self.edits.replace(range, with);
        }
    }

    /// Judges a number as the text of its whole part; a value becomes a string, since a marker is no number.
    fn number(&mut self, path: &[Step<'_>], range: Range<usize>) {
        let is_element = matches!(path.last(), Some(Step::Index(_)));
        let Some(text) = numbers::whole_part(self.raw(&range)) else {
            return;
        };
        self.tally.sightings.clear();
        if text.len() >= MIN_NUMBER_DIGITS {
            self.judge(&text);
        }
        let may_be_named = text.len() >= named::MIN_DIGITS && text.len() <= named::MAX_VALUE;
        if self.tally.sightings.marks.is_empty()
            && may_be_named
            && (!is_element || text.len() >= MIN_NUMBER_DIGITS)
            && self.end.is_none()
            && self.scan_named(path, &text)
        {
            self.narrow_again(&text);
            self.judge_again(&text);
        }
        if self.end.is_none() && !self.tally.sightings.marks.is_empty() {
            let mut marked = String::from("\"");
            let marks = &self.tally.sightings.marks;
            let whole = 0..text.len();
            let replacements =
                Markers::default().replace(&text, whole.clone(), marks, self.chain.redactor());
            apply(&text, whole, &replacements, &mut marked);
            marked.push('"');
            self.edits.replace(range, marked.into_bytes());
        }
    }

    /// Ends the exchange where it has taken too many steps.
    fn is_over(&mut self) -> bool {
        if self.edits.len() > MAX_FINDINGS {
            self.tally.sightings.steps.spend();
        }
        let limit = self.tally.check_steps(self.phase).err();
        let is_over = limit.is_some();
        self.end = limit.or(self.end.take());
        is_over
    }

    fn scan_whole(&mut self, text: &str) {
        let sightings = &mut self.tally.sightings;
        let is_known = if let Some(memory) = &mut self.memory {
            memory.scan_whole(self.chain, self.phase, text, sightings)
        } else {
            self.chain.scan_whole(self.phase, text, sightings);
            false
        };
        self.tally.scene.place.is_known = is_known;
    }

    /// Applies exceptions and scopes to what was seen in a text that was judged before.
    fn narrow_again(&mut self, text: &str) {
        let chain = self.chain;
        chain.narrow_part(self.phase, text, &(0..0), false, self.tally);
    }

    /// The same for texts that are read as one.
    fn narrow_joined(&mut self, group: &Group, joined: &Joined) {
        if self.chain.narrowing().is_empty() {
            return;
        }
        let units = joined
            .pieces
            .iter()
            .map(|piece| group.units.get(piece.unit));
        let places: Vec<_> = units.flatten().map(|unit| unit.place.clone()).collect();
        let whereabouts = Whereabouts {
            places: &places,
            touched: &|range| joined.touched(range),
            part: &|at| {
                let piece = joined.pieces.get(at);
                piece.map_or(0..0, |piece| piece.at.clone())
            },
            is_new: &|range| joined.touched(range).len() > 1,
            is_whole: false,
        };
        let chain = self.chain;
        chain.narrow_at(self.phase, &joined.text, &whereabouts, self.tally);
    }

    fn judge(&mut self, text: &str) {
        self.scan_whole(text);
        if self.is_over() {
            return;
        }
        let chain = self.chain;
        chain.narrow(self.phase, text, self.tally);
        let stop = self.tally.judge(self.chain, self.phase, 0..text.len(), 0);
        self.tally.trace(self.chain, text);
        self.stop(stop.as_ref());
        if self.tally.sightings.is_cut && self.end.is_none() {
            self.skip(unread::ENCODED);
        }
    }

    /// What stands in the place of a value, as the inside of a JSON string.
    fn marker(&self, text: &str, span: &Span) -> Vec<u8> {
        let value = text.get(span.range.clone()).unwrap_or_default();
        let (mut marker, mut encoded) = (String::new(), Vec::new());
        self.chain
            .redactor()
            .write(span.label, value, true, &mut marker);
        json::encode(&marker, &mut encoded);
        encoded
    }

    /// Lets the policies answer on what was seen in a text that was judged before.
    fn judge_again(&mut self, text: &str) {
        let nothing_new = text.len()..text.len();
        let stop = self.tally.judge(self.chain, self.phase, nothing_new, 0);
        self.tally.trace(self.chain, text);
        self.stop(stop.as_ref());
    }

    /// Judges the groups of texts that are complete now, each as one text.
    fn judge_neighbours(&mut self) {
        for group in std::mem::take(&mut self.neighbours.done) {
            for between in ["", " "] {
                for joined in neighbours::joined(self.body, &group.units, between) {
                    if self.end.is_some() {
                        return;
                    }
                    self.judge_joined(&group, &joined);
                }
            }
        }
    }

    fn judge_joined(&mut self, group: &Group, joined: &Joined) {
        self.tally.turn = group.turn;
        self.scan_whole(&joined.text);
        if self.is_over() {
            return;
        }
        self.narrow_joined(group, joined);
        let sightings = &mut self.tally.sightings;
        sightings.retain(|range| joined.needs_neighbours(range));
        let marks = std::mem::take(&mut sightings.marks);
        let mut edits = Vec::new();
        for span in marks {
            let marker = self.marker(&joined.text, &span);
            if let Some(places) = self.new_places(group, joined, &span.range, &marker) {
                edits.push((places, marker));
                self.tally.sightings.marks.push(span);
            }
        }
        self.judge_again(&joined.text);
        if self.end.is_none() {
            self.replace_joined(edits);
        } else {
            self.defer(group.units.iter().map(|unit| unit.raw.clone()), REMOVED);
        }
    }

    /// Writes each marker where its value begins, and removes the rest of the value from the other texts.
    fn replace_joined(&mut self, edits: Vec<(Vec<Range<usize>>, Vec<u8>)>) {
        for (places, mut marker) in edits {
            for place in places {
                self.edits.replace_whole(place, std::mem::take(&mut marker));
            }
        }
    }

    /// Where a value of a joined text lies in the body. Nothing if it was replaced there, or something that it is a part of, or
    /// a value of its kind inside it in another text: with a neighbour's word at its end, an address is a longer address.
    fn new_places(
        &self,
        group: &Group,
        joined: &Joined,
        value: &Range<usize>,
        marker: &[u8],
    ) -> Option<Vec<Range<usize>>> {
        let pieces = joined.pieces.get(joined.touched(value))?;
        let mut places = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let unit = group.units.get(piece.unit)?;
            let inside =
                |at: usize| at.clamp(piece.at.start, piece.at.end) - piece.at.start + piece.start;
            let mut raw = json::RawPlaces::new(self.raw(&unit.raw), unit.escaped);
            let start = unit.raw.start + raw.raw(inside(value.start));
            places.push(start..unit.raw.start + raw.raw(inside(value.end)));
        }
        let replaced: Vec<_> = places
            .iter()
            .filter_map(|place| self.edits.overlapping(place).map(|edit| (place, edit)))
            .collect();
        let is_inside = |(place, edit): &(&Range<usize>, Range<usize>)| {
            edit.start >= place.start && edit.end <= place.end
        };
        let is_longer = !group.is_one_text(pieces)
            && replaced
                .iter()
                .any(|(_, edit)| self.edits.at(edit.start) == Some(marker));
        let is_known = is_longer
            || replaced.len() == places.len()
                && replaced.iter().all(|(place, edit)| *place == edit);
        let fits =
            replaced.is_empty() || places.len() > 1 && !is_known && replaced.iter().all(is_inside);
        fits.then_some(places)
    }
}

/// A string of the body that is judged piece by piece.
struct Subject<'b> {
    text: Cow<'b, str>,
    /// Where its inside lies in the body, and whether it has escapes there.
    range: Range<usize>,
    escaped: bool,
    is_json: bool,
    markers: Markers,
    /// Up to where it was judged: in the text and in the body.
    passed: (usize, usize),
    /// Up to where `markers` knows it.
    read: usize,
}

impl<'b> Subject<'b> {
    /// `is_json` says that the text is JSON as a whole.
    fn new(text: Cow<'b, str>, range: Range<usize>, escaped: bool, is_json: bool) -> Self {
        let markers = if is_json {
            Markers::of_json()
        } else {
            Markers::default()
        };
        Self {
            text,
            passed: (0, range.start),
            range,
            escaped,
            is_json,
            markers,
            read: 0,
        }
    }

    /// Where a part of the text lies in the body. `body` is all of that; the part does not begin before what was passed.
    fn in_body(&self, body: &str, part: &Range<usize>) -> Range<usize> {
        let rest = body.get(self.passed.1..self.range.end).unwrap_or_default();
        let mut places = json::RawPlaces::new(rest, self.escaped);
        let mut place = |at: usize| self.passed.1 + places.raw(at - self.passed.0);
        let start = place(part.start);
        start..place(part.end)
    }

    /// Leaves a piece behind and returns where it lies in the body.
    fn pass(&mut self, body: &str, piece: &Range<usize>) -> Range<usize> {
        let raw = self.in_body(body, piece);
        self.passed = (piece.end, raw.end);
        raw
    }

    /// The edits of the body that replace `marks` in a piece.
    fn replace(
        &mut self,
        body: &str,
        piece: Range<usize>,
        marks: &[Span],
        redactor: &Redactor,
    ) -> Vec<(Range<usize>, Vec<u8>)> {
        let marks: Vec<Span> = marks
            .iter()
            .map(|mark| Span {
                label: mark.label,
                range: piece.start + mark.range.start..piece.start + mark.range.end,
            })
            .collect();
        let known = std::mem::replace(&mut self.read, piece.end);
        let replacements = self
            .markers
            .replace(&self.text, known..piece.end, &marks, redactor);
        let rest = body.get(self.passed.1..self.range.end).unwrap_or_default();
        let mut places = json::RawPlaces::new(rest, self.escaped);
        let edit = |(replaced, with): (Range<usize>, String)| {
            let mut place = |at: usize| self.passed.1 + places.raw(at - self.passed.0);
            let start = place(replaced.start);
            let mut encoded = Vec::new();
            json::encode(&with, &mut encoded);
            (start..place(replaced.end), encoded)
        };
        replacements.into_iter().map(edit).collect()
    }
}

/// A path as people write it: `messages[0].content`.
fn written(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(name) if text.is_empty() => text.push_str(name),
            Step::Key(name) => text.extend([".", name]),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
