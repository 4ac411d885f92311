//! Inspection of a request body.

use std::ops::Range;

use super::{inspect::Inspector, usage::UsageOption};
use crate::{
    endpoint::Endpoint,
    engine::Engine,
    error::ErrorReply,
    json::{self, Kind, Node, Step},
    limits::Lengths,
    memory::Memory,
    splice::{Edits, Patch},
    tally::Tally,
    verdict::Phase,
};

/// How the client wants its answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// `stream`
    pub(super) stream: bool,
    /// `stream_options.include_usage`
    pub(super) usage: bool,
    /// The client gets no chunk of usage, for which the gateway asked alone.
    pub(super) hides_usage: bool,
    /// How long the answer may be.
    pub(super) lengths: Lengths,
}

/// Members of the request that the gateway itself reads.
struct Envelope {
    endpoint: Endpoint,
    asked: Asked,
    model: Option<Range<usize>>,
    usage: UsageOption,
    counts_tokens: bool,
    has_text: bool,
    problem: Option<&'static str>,
}

impl Envelope {
    fn note(&mut self, path: &[Step<'_>], node: &Node) {
        if matches!(node.kind, Kind::Name { .. }) {
            return;
        }
        self.usage.note(path, node);
        let problem = match path {
            [] => (node.kind != Kind::Object).then_some("the body must be a JSON object"),
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
        usage: UsageOption::default(),
        counts_tokens: engine.config().limits.counts_tokens(),
        has_text: false,
        problem: None,
    };
    tally.sightings.steps.grant(body.len());
    let mut inspector = Inspector::new(text, engine, tally, Phase::Input);
    inspector.remember(memory);
    json::walk(text, &mut |path, node| {
        envelope.note(path, node);
        if envelope.counts_tokens {
            envelope.asked.lengths.note(text, path, node);
        }
        inspector.inspect(path, node);
    })
    .map_err(|invalid| refuse(&format!("{} (byte {})", invalid.reason, invalid.at)))?;
    *asked = envelope.asked;
    asked.usage = envelope.usage == UsageOption::Asked;
    if let Some(problem) = envelope.problem.or_else(|| asked.lengths.problem()) {
        return Err(refuse(problem));
    }
    if !envelope.has_text {
        return Err(refuse(&format!(
            "`{}` is missing",
            endpoint.required_member()
        )));
    }
    let mut edits = inspector.finish()?;
    let model = engine
        .common_model()
        .and_then(|model| replace_model(text, envelope.model, model, &mut edits));
    let asks = asked.stream && endpoint.has_usage_option() && engine.config().counts_usage;
    asked.hides_usage = asks && !asked.usage;
    let option = asked
        .hides_usage
        .then(|| envelope.usage.ask(text, &mut edits));
    let limited = engine
        .answer_limit(endpoint)
        .filter(|_| envelope.counts_tokens);
    let length =
        limited.and_then(|(member, tokens)| asked.lengths.limit(member, tokens, &mut edits));
    prepend(text, &[model, option.flatten(), length], &mut edits);
    Ok((!edits.is_empty()).then(|| edits.patch(body)))
}

fn refuse(problem: &str) -> ErrorReply {
    ErrorReply::invalid_request(format!("The request is not valid: {problem}"))
}

/// Sets the model. What is returned is a member to be added, where there is none yet.
fn replace_model(
    body: &str,
    current: Option<Range<usize>>,
    model: &str,
    edits: &mut Edits,
) -> Option<Vec<u8>> {
    let mut encoded = Vec::with_capacity(model.len());
    json::encode(model, &mut encoded);
    match current {
        Some(range) if body.as_bytes().get(range.clone()) == Some(encoded.as_slice()) => {}
        Some(range) => edits.replace_whole(range, encoded),
        None => return Some([b"\"model\":\"", encoded.as_slice(), b"\""].concat()),
    }
    None
}

/// Puts members at the beginning of the object that is the body.
fn prepend(body: &str, members: &[Option<Vec<u8>>], edits: &mut Edits) {
    let at = body.find('{').map_or(0, |brace| brace + 1);
    let mut added = members
        .iter()
        .flatten()
        .fold(Vec::new(), |mut all, member| {
            if !all.is_empty() {
                all.push(b',');
            }
            all.extend_from_slice(member);
            all
        });
    if added.is_empty() {
        return;
    }
    if !is_empty_after(body, at) {
        added.push(b',');
    }
    edits.replace(at..at, added);
}

/// Whether the object ends at `at`.
fn is_empty_after(body: &str, at: usize) -> bool {
    body.get(at..)
        .is_some_and(|rest| rest.trim_start().starts_with('}'))
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
    let added = replace_model(text, current, model, &mut edits);
    prepend(text, &[added], &mut edits);
    Some(edits.patch(body))
}
