//! Inspection of the strings of a JSON body, shared by requests and responses.

use std::ops::Range;

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
                let raw = self.raw(&node.range);
                if let Some(skipped) = unreadable(path, raw) {
                    self.skip(skipped);
                } else if path.last().is_some_and(|member| member.is("arguments")) {
                    self.arguments(node.range.clone(), escaped);
                } else {
                    self.text(node.range.clone(), escaped);
                }
                self.defer(node.range.clone(), path);
            }
            Kind::Name { escaped } => self.text(node.range.clone(), escaped),
            Kind::Number if node.range.len() >= MIN_NUMBER_DIGITS => {
                self.number(node.range.clone());
            }
            _ => {}
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

    /// Judges the string whose inside lies at `range`.
    fn text(&mut self, range: Range<usize>, escaped: bool) {
        let raw = self.raw(&range);
        let text = json::decode(raw, escaped);
        self.judge(&text);
        if self.end.is_some() {
            return;
        }
        let mut places = json::RawPlaces::new(raw, escaped);
        for span in &self.tally.sightings.marks {
            let (start, end) = (places.raw(span.range.start), places.raw(span.range.end));
            let (mut marker, mut encoded) = (String::new(), Vec::new());
            let value = text.get(span.range.clone()).unwrap_or_default();
            self.chain.redactor().write(span.label, value, &mut marker);
            json::encode(&marker, &mut encoded);
            self.edits
                .replace(range.start + start..range.start + end, encoded);
        }
    }

    /// Judges a string that is JSON itself, so that it stays JSON when a value in it is replaced.
    fn arguments(&mut self, range: Range<usize>, escaped: bool) {
        let text = json::decode(self.raw(&range), escaped);
        let mut hold = HoldBack::for_arguments();
        let mut released = String::with_capacity(text.len());
        let judged = hold
            .push(&text, self.chain, self.phase, self.tally, &mut released)
            .and_then(|()| hold.finish(self.chain, self.phase, self.tally, &mut released));
        self.stop(judged.err().as_ref());
        if self.end.is_none() && released != text {
            let mut encoded = Vec::with_capacity(released.len());
            json::encode(&released, &mut encoded);
            self.edits.replace(range, encoded);
        }
    }

    /// Judges a whole number as the text it is; a value becomes a string, since a marker is no number. Fractions
    /// are measurements and embeddings.
    fn number(&mut self, range: Range<usize>) {
        let text = self.raw(&range);
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return;
        }
        self.judge(text);
        if self.end.is_none() && !self.tally.sightings.marks.is_empty() {
            let mut marked = String::from("\"");
            append_redacted(
                text,
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

/// A string that holds, or points to, something other than text, in one of the members meant for it.
fn unreadable(path: &[Step<'_>], raw: &str) -> Option<Skipped> {
    let mut steps = path.iter().rev();
    let (member, parent) = (member_name(steps.next()), member_name(steps.next()));
    let field = match (parent, member) {
        ("image_url", "url") => "image_url.url",
        (_, "image_url") => "image_url",
        ("input_audio", "data") => "input_audio.data",
        ("audio", "data") => "audio.data",
        (_, "file_data") => "file_data",
        (_, "file_url") => "file_url",
        (_, "file_id") => "file_id",
        (_, "b64_json") => "b64_json",
        ("", "embedding") => "embedding",
        _ => return None,
    };
    let reason = match field {
        "file_id" | "file_url" => "remote",
        "image_url.url" | "image_url"
            if raw.starts_with("https://") || raw.starts_with("http://") =>
        {
            "remote"
        }
        _ if is_base64_data(raw, field) => "base64",
        _ => return None,
    };
    Some(Skipped { field, reason })
}

/// The name of a member; nothing for an element of an array.
fn member_name<'p>(step: Option<&'p Step<'_>>) -> &'p str {
    match step {
        Some(Step::Key(name)) => name,
        _ => "",
    }
}

/// Base64, bare or as a `data:` URL. Anything else in such a member is read as text.
fn is_base64_data(raw: &str, field: &str) -> bool {
    let data = match raw.strip_prefix("data:") {
        Some(rest) => rest
            .split_once(";base64,")
            .filter(|(media_type, _)| media_type.len() <= 64)
            .map(|(_, data)| data),
        None => (!field.starts_with("image_url")).then_some(raw),
    };
    data.is_some_and(|data| {
        // One vector pass: an image costs no more than a look at its bytes.
        data.bytes().fold(true, |fine, byte| {
            fine & (byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_'))
        })
    })
}
