//! Inspection of the strings of a JSON body, shared by requests and responses.

use std::ops::Range;

use super::{binary, numbers, unread};
use crate::{
    chain::Chain,
    detect::Window,
    engine::Engine,
    error::ErrorReply,
    filter_config::FailMode,
    hold_back::{HoldBack, append_redacted},
    json::{self, Kind, Node, Step},
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
                self.text(&text, 0..text.len(), &node.range, escaped);
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
        if binary.is_empty() && path.last().is_some_and(|member| member.is("arguments")) {
            return self.arguments(&text, range);
        }
        let mut start = 0;
        for piece in binary
            .iter()
            .chain(std::iter::once(&(text.len()..text.len())))
        {
            if self.end.is_none() && (start < piece.start || text.is_empty()) {
                self.text(&text, start..piece.start, &range, escaped);
            }
            start = piece.end;
        }
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

    /// Judges a piece of `text`, the string whose inside lies at `range`.
    fn text(&mut self, text: &str, piece: Range<usize>, range: &Range<usize>, escaped: bool) {
        let judged = text.get(piece.clone()).unwrap_or_default();
        self.judge(judged);
        if self.end.is_some() {
            return;
        }
        let mut places = json::RawPlaces::new(self.raw(range), escaped);
        for span in &self.tally.sightings.marks {
            let start = places.raw(piece.start + span.range.start);
            let end = places.raw(piece.start + span.range.end);
            let (mut marker, mut encoded) = (String::new(), Vec::new());
            let value = judged.get(span.range.clone()).unwrap_or_default();
            self.chain.redactor().write(span.label, value, &mut marker);
            json::encode(&marker, &mut encoded);
            self.edits
                .replace(range.start + start..range.start + end, encoded);
        }
    }

    /// Judges a string that is JSON itself, so that it stays JSON when a value in it is replaced.
    fn arguments(&mut self, text: &str, range: Range<usize>) {
        let mut hold = HoldBack::for_arguments();
        let mut released = String::with_capacity(text.len());
        let judged = hold
            .push(text, self.chain, self.phase, self.tally, &mut released)
            .and_then(|()| hold.finish(self.chain, self.phase, self.tally, &mut released));
        self.stop(judged.err().as_ref());
        if self.end.is_none() && released != text {
            let mut encoded = Vec::with_capacity(released.len());
            json::encode(&released, &mut encoded);
            self.edits.replace(range, encoded);
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
            append_redacted(
                &text,
                0..text.len(),
                &self.tally.sightings.marks,
                self.chain.redactor(),
                &mut marked,
            );
            marked.push('"');
            self.edits.replace(range, marked.into_bytes());
        }
    }

    fn judge(&mut self, text: &str) {
        self.chain
            .scan(self.phase, &Window::whole(text), &mut self.tally.sightings);
        let stop = self.tally.judge(self.chain, self.phase, 0..text.len(), 0);
        self.tally.trace(self.chain, text);
        self.stop(stop.as_ref());
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
