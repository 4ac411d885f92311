//! Inspection of a request body.

use std::ops::Range;

use super::inspect::Inspector;
use crate::{
    endpoint::Endpoint,
    engine::Engine,
    error::ErrorReply,
    json::{self, Kind, Node, Step},
    memory::Memory,
    splice::{Edits, Patch},
    tally::Tally,
    verdict::Phase,
};

/// How the client wants its answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// `stream`
    pub(super) stream: bool,
    /// `stream_options.include_usage`
    pub(super) usage: bool,
}

/// Members of the request that the gateway itself reads.
struct Envelope {
    endpoint: Endpoint,
    asked: Asked,
    model: Option<Range<usize>>,
    has_text: bool,
    problem: Option<&'static str>,
}

impl Envelope {
    fn note(&mut self, path: &[Step<'_>], node: &Node) {
        if matches!(node.kind, Kind::Name { .. }) {
            return;
        }
        let problem = match path {
            [] => (node.kind != Kind::Object).then_some("the body must be a JSON object"),
            [options, member] if options.is("stream_options") && member.is("include_usage") => {
                self.asked.usage = node.kind == Kind::Bool(true);
                None
            }
            [Step::Key(name)] => self.member(name, node.kind, &node.range),
            [Step::Key(name), rest @ ..] if name == self.endpoint.required_member() => {
                self.element(rest, node.kind)
            }
            _ => None,
        };
        self.problem = self.problem.or(problem);
    }

    fn member(&mut self, name: &str, kind: Kind, range: &Range<usize>) -> Option<&'static str> {
        match (name, kind) {
            ("stream", Kind::Bool(stream)) => self.asked.stream = stream,
            ("stream", Kind::Null) => {}
            ("stream", _) => return Some("`stream` must be a boolean"),
            ("model", Kind::String { .. }) => self.model = Some(range.clone()),
            ("model", _) => return Some("`model` must be a string"),
            _ if name == self.endpoint.required_member() => {
                self.has_text = true;
                return self.text_member(kind);
            }
            _ => {}
        }
        None
    }

    fn text_member(&self, kind: Kind) -> Option<&'static str> {
        let fits = match self.endpoint {
            Endpoint::ChatCompletions => kind == Kind::Array,
            _ => matches!(kind, Kind::Array | Kind::String { .. }),
        };
        (!fits).then_some(match self.endpoint {
            Endpoint::ChatCompletions => "`messages` must be an array",
            Endpoint::Completions => "`prompt` must be a string or an array of strings",
            Endpoint::Embeddings => "`input` must be a string or an array of strings",
            Endpoint::Responses => "`input` must be a string or an array of items",
        })
    }

    /// Elements of the text member. Lists of token numbers are text that cannot be read.
    fn element(&self, below: &[Step<'_>], kind: Kind) -> Option<&'static str> {
        match (self.endpoint, below) {
            (Endpoint::ChatCompletions, [Step::Index(_)]) => {
                (kind != Kind::Object).then_some("each of `messages` must be an object")
            }
            (Endpoint::Completions | Endpoint::Embeddings, [Step::Index(_)]) => {
                (!matches!(kind, Kind::String { .. }))
                    .then_some("token arrays cannot be inspected; send text as strings")
            }
            (Endpoint::Responses, [Step::Index(_)]) => {
                (kind != Kind::Object).then_some("each of `input` must be an object")
            }
            _ => None,
        }
    }
}

/// Judges `body` and says how it goes on. `asked` is what the client asked for, also where it does not go on.
pub(super) fn inspect(
    body: &[u8],
    endpoint: Endpoint,
    engine: &Engine,
    tally: &mut Tally,
    memory: Option<&mut Memory>,
    asked: &mut Asked,
) -> Result<Option<Patch>, ErrorReply> {
    let text = std::str::from_utf8(body).map_err(|_| refuse("the body is not valid UTF-8"))?;
    let mut envelope = Envelope {
        endpoint,
        asked: Asked::default(),
        model: None,
        has_text: false,
        problem: None,
    };
    tally.sightings.steps.grant(body.len());
    let mut inspector = Inspector::new(text, engine, tally, Phase::Input);
    inspector.remember(memory);
    json::walk(text, &mut |path, node| {
        envelope.note(path, node);
        inspector.inspect(path, node);
    })
    .map_err(|invalid| refuse(&format!("{} (byte {})", invalid.reason, invalid.at)))?;
    if let Some(problem) = envelope.problem {
        return Err(refuse(problem));
    }
    *asked = envelope.asked;
    if !envelope.has_text {
        return Err(refuse(&format!(
            "`{}` is missing",
            endpoint.required_member()
        )));
    }
    let mut edits = inspector.finish()?;
    if let Some(model) = engine.common_model() {
        replace_model(text, envelope.model, model, &mut edits);
    }
    Ok((!edits.is_empty()).then(|| edits.patch(body)))
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

/// The `model` of a request body, before anything else of it is looked at. A body that cannot be read has none; judging it refuses it.
pub fn model_of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut model = None;
    json::walk(text, &mut |path, node| {
        if let ([member], Kind::String { escaped }) = (path, node.kind)
            && member.is("model")
        {
            let raw = text.get(node.range.clone()).unwrap_or_default();
            model = Some(json::decode(raw, escaped).into_owned());
        }
    })
    .ok()?;
    model
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
