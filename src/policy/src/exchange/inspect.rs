//! Inspection of the strings of a JSON body, shared by requests and responses.

use std::{borrow::Cow, ops::Range};

use super::{binary, numbers, unread};
use crate::{
    chain::Chain,
    detect::Span,
    engine::Engine,
    error::ErrorReply,
    filter_config::FailMode,
    json::{self, Kind, Node, Step},
    markers::{Markers, apply},
    redact::Redactor,
    splice::Edits,
    tally::{Skipped, Stop, Tally},
    verdict::Phase,
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
        }
    }

    /// The edits, or why the exchange ends.
    pub(super) fn finish(mut self) -> Result<Edits, ErrorReply> {
        if let Some(stop) = self
            .deferred
            .take()
            .filter(|stop| stop.turn == self.newest_turn)
        {
            self.tally.stop_after_all(&stop);
            self.stop(Some(&stop));
        }
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
        match node.kind {
            Kind::String { escaped } => {
                self.string(path, node.range.clone(), escaped);
                self.defer(node.range.clone(), path);
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
            Kind::Number => self.number(node.range.clone()),
            Kind::Object if self.items.is_reference(path) => self.skip(unread::ITEM),
            _ => {}
        }
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
        let mut subject = Subject::new(text, range, escaped, is_json);
        let mut start = 0;
        for piece in binary {
            self.text(&mut subject, start..piece.start);
            start = piece.end;
        }
        let end = subject.text.len();
        self.text(&mut subject, start..end);
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

    /// Replaces a string of the conversation that ended the exchange, where the policy wants that: the exchange ends only if the
    /// string's message turns out to be the newest one.
    fn defer(&mut self, range: Range<usize>, path: &[Step<'_>]) {
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
        let is_json = path.last().is_some_and(|member| member.is("arguments"));
        self.edits.replace(
            range,
            if is_json {
                b"{}".to_vec()
            } else {
                REMOVED.to_vec()
            },
        );
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
        let raw = self.raw(&subject.range);
        for (range, with) in subject.replace(
            raw,
            piece,
            &self.tally.sightings.marks,
            self.chain.redactor(),
        ) {
            self.edits.replace(range, with);
        }
    }

    /// Judges a number as the text of its whole part; a value becomes a string, since a marker is no number.
    fn number(&mut self, range: Range<usize>) {
        // The shortest notation of a long number: `1e9`.
        if range.len() < MIN_NUMBER_DIGITS && !self.raw(&range).contains(['e', 'E']) {
            return;
        }
        let Some(text) = numbers::whole_part(self.raw(&range))
            .filter(|digits| digits.len() >= MIN_NUMBER_DIGITS)
        else {
            return;
        };
        self.judge(&text);
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

    fn judge(&mut self, text: &str) {
        self.chain
            .scan_whole(self.phase, text, &mut self.tally.sightings);
        let stop = self.tally.judge(self.chain, self.phase, 0..text.len(), 0);
        self.tally.trace(self.chain, text);
        self.stop(stop.as_ref());
    }
}

/// A string of the body that is judged piece by piece.
struct Subject<'b> {
    text: Cow<'b, str>,
    /// Where its inside lies in the body, and whether it has escapes there.
    range: Range<usize>,
    escaped: bool,
    markers: Markers,
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
            range,
            escaped,
            markers,
            read: 0,
        }
    }

    /// The edits of the body that replace `marks` in a piece. `raw` is the string as the body has it.
    fn replace(
        &mut self,
        raw: &str,
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
        let mut places = json::RawPlaces::new(raw, self.escaped);
        let edit = |(replaced, with): (Range<usize>, String)| {
            let (start, end) = (places.raw(replaced.start), places.raw(replaced.end));
            let mut encoded = Vec::new();
            json::encode(&with, &mut encoded);
            (self.range.start + start..self.range.start + end, encoded)
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
