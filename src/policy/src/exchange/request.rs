//! Inspection of a chat-completion request body.

use std::ops::Range;

use super::inspect::Inspector;
use crate::{
    engine::Engine,
    error::ErrorReply,
    json::{self, Kind, Node, Step},
    splice::{Edits, Patch},
    tally::Tally,
    verdict::Phase,
};

/// A request that may go on.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) stream: bool,
    pub(super) patch: Option<Patch>,
}

/// Members of the request that the gateway itself reads.
#[derive(Default)]
struct Envelope {
    stream: bool,
    model: Option<Range<usize>>,
    has_messages: bool,
    problem: Option<&'static str>,
}

impl Envelope {
    fn note(&mut self, path: &[Step<'_>], node: &Node) {
        let problem = match path {
            [] => (node.kind != Kind::Object).then_some("the body must be a JSON object"),
            [member] if !matches!(node.kind, Kind::Name { .. }) => self.member(member, node),
            [list, Step::Index(_)] if list.is("messages") => {
                (node.kind != Kind::Object).then_some("each of `messages` must be an object")
            }
            _ => None,
        };
        self.problem = self.problem.or(problem);
    }

    fn member(&mut self, member: &Step<'_>, node: &Node) -> Option<&'static str> {
        let Step::Key(name) = member else { return None };
        match (&**name, node.kind) {
            ("stream", Kind::Bool(stream)) => self.stream = stream,
            ("stream", Kind::Null) => {}
            ("stream", _) => return Some("`stream` must be a boolean"),
            ("model", Kind::String { .. }) => self.model = Some(node.range.clone()),
            ("model", _) => return Some("`model` must be a string"),
            ("messages", Kind::Array) => self.has_messages = true,
            ("messages", _) => return Some("`messages` must be an array"),
            _ => {}
        }
        None
    }
}

/// Judges `body` and says how it goes on.
pub(super) fn inspect(body: &[u8], engine: &Engine, tally: &mut Tally) -> Result<Seen, ErrorReply> {
    let text = std::str::from_utf8(body).map_err(|_| refuse("the body is not valid UTF-8"))?;
    let mut envelope = Envelope::default();
    let mut inspector = Inspector {
        body: text,
        chain: engine.chain(),
        tally,
        phase: Phase::Input,
        edits: Edits::default(),
        stop: None,
    };
    json::walk(text, &mut |path, node| {
        envelope.note(path, node);
        inspector.inspect(path, node);
    })
    .map_err(|invalid| refuse(&format!("{} (byte {})", invalid.reason, invalid.at)))?;
    if let Some(problem) = envelope.problem {
        return Err(refuse(problem));
    }
    if !envelope.has_messages {
        return Err(refuse("`messages` is missing"));
    }
    if let Some(stop) = &inspector.stop {
        return Err(ErrorReply::stopped(stop));
    }
    let mut edits = inspector.edits;
    if let Some(target) = engine.only_target() {
        replace_model(text, envelope.model, &target.model, &mut edits);
    }
    let patch = (!edits.is_empty()).then(|| edits.patch(body));
    Ok(Seen {
        stream: envelope.stream,
        patch,
    })
}

fn refuse(problem: &str) -> ErrorReply {
    ErrorReply::invalid_request(format!("The request is not valid: {problem}"))
}

fn replace_model(body: &str, current: Option<Range<usize>>, model: &str, edits: &mut Edits) {
    let mut encoded = Vec::with_capacity(model.len());
    json::encode(model, &mut encoded);
    match current {
        Some(range) if body.as_bytes().get(range.clone()) == Some(encoded.as_slice()) => {}
        Some(range) => edits.replace_whole(range, encoded),
        None => {
            let at = body.find('{').map_or(0, |brace| brace + 1);
            let is_empty = body
                .get(at..)
                .is_some_and(|rest| rest.trim_start().starts_with('}'));
            let comma = if is_empty { "" } else { "," };
            let member = [b"\"model\":\"", encoded.as_slice(), b"\"", comma.as_bytes()].concat();
            edits.replace(at..at, member);
        }
    }
}

/// Sets `model` of a request body that was inspected before: the rewrite of one attempt for its target.
pub fn set_model(body: &[u8], model: &str) -> Option<Patch> {
    let text = std::str::from_utf8(body).ok()?;
    let mut current = None;
    json::walk(text, &mut |path, node| {
        if let ([member], Kind::String { .. }) = (path, node.kind)
            && member.is("model")
        {
            current = Some(node.range.clone());
        }
    })
    .ok()?;
    let mut edits = Edits::default();
    replace_model(text, current, model, &mut edits);
    Some(edits.patch(body))
}
