//! What adversarial texts cost the engine. The same code runs natively, where it takes time, and in an interpreter, where steps are counted.

pub mod shapes;

use std::sync::Arc;

use shapes::Shape;

use kt_policy::{Engine, Exchange, FilterConfig, StreamStep, json};
use kt_text::detect::Entity;

/// Ordinary text, which the others are compared with.
pub const PROSE: &str = "The committee met on Tuesday afternoon to go over the plan for the new library. Most of the hour was spent on the reading room: \
whether it should face the garden, how many desks it needs, and who would pay for the lamps. Anna said that a quiet corner for children matters more \
than another row of shelves, and nobody disagreed. The builder expects to finish the roof before the winter; the heating will follow in 2 or 3 weeks. \
Some questions stay open. The old catalogue has to be moved, and the software that was bought for it cannot read the records from before the fire. \
A volunteer offered to type them in, which would take her about a month. \"Let us try with one drawer first,\" the chair suggested, \"and count the errors.\" \
After that the talk turned to the summer programme, a concert in the yard, and the price of coffee. ";

/// How a text reaches the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As the message of a request, judged whole.
    Request,
    /// As a tool call's arguments in a request.
    Arguments,
    /// As an answer, judged whole.
    Answer,
    /// As an answer in deltas of four bytes.
    Stream,
    /// As a tool call's arguments in deltas of four bytes.
    ArgumentStream,
    /// As raw JSON, elements of a list in a request.
    Body,
    /// As the raw bytes of an event stream.
    Frames,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Request,
        Self::Arguments,
        Self::Answer,
        Self::Stream,
        Self::ArgumentStream,
        Self::Body,
        Self::Frames,
    ];

    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Arguments => "arguments",
            Self::Answer => "answer",
            Self::Stream => "stream",
            Self::ArgumentStream => "argument-stream",
            Self::Body => "body",
            Self::Frames => "frames",
        }
    }

    /// Ordinary text as it comes this way, to be repeated.
    pub fn prose(self) -> String {
        let sentence = PROSE.split_inclusive(". ").next().unwrap_or(PROSE);
        match self {
            Self::Body => format!("\"{sentence}\","),
            Self::Frames => frame(sentence),
            _ => PROSE.to_owned(),
        }
    }

    /// The text of a shape: where its parts have a form, whole ones.
    pub fn text(self, shape: &Shape, len: usize) -> String {
        match self {
            Self::Body | Self::Frames => shape.whole(len),
            _ => shape.text(len),
        }
    }

    /// The shapes that come this way.
    pub fn shapes(self, anchors: &[String], pairs: usize) -> Vec<Shape> {
        match self {
            Self::Body => shapes::of_parts(&shapes::structures(anchors)),
            Self::Frames => shapes::of_parts(&shapes::frames(anchors)),
            _ => shapes::shapes(anchors, pairs),
        }
    }

    /// The way with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    /// The bytes that carry `text`, in pieces as they arrive.
    pub fn bytes(self, text: &str) -> Vec<u8> {
        let wrapped =
            |before: &str, after: &str| format!("{before}{}{after}", escaped(text)).into_bytes();
        match self {
            Self::Request => wrapped(
                "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"",
                "\"}]}",
            ),
            Self::Arguments => wrapped(
                "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"",
                "\"}}]}]}",
            ),
            Self::Answer => wrapped(
                "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
                "\"},\"finish_reason\":\"stop\"}]}",
            ),
            Self::Stream => stream(text, "{\"content\":\"", "\"}"),
            Self::Body => format!(
                "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"metadata\":[{}]}}",
                text.trim_end_matches(',')
            )
            .into_bytes(),
            Self::Frames => text.as_bytes().to_vec(),
            Self::ArgumentStream => stream(
                text,
                "{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"",
                "\"}}]}",
            ),
        }
    }
}

/// An event of a stream with `text`.
pub(crate) fn frame(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        escaped(text)
    )
}

/// Bytes of a delta.
const DELTA: usize = 4;

fn stream(text: &str, before: &str, after: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let end = text.ceil_char_boundary((start + DELTA).min(text.len()));
        let delta = escaped(text.get(start..end).unwrap_or_default());
        let chunk = format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{before}{delta}{after},\"finish_reason\":null}}]}}\n\n"
        );
        bytes.extend_from_slice(chunk.as_bytes());
        start = end;
    }
    bytes.extend_from_slice(b"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    bytes
}

pub(crate) fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    json::encode(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// An engine with every policy, entity, pattern and term that a configuration can have, and nothing that stops: an attack would end the work.
pub fn engine() -> Option<Arc<Engine>> {
    let entities: Vec<String> = Entity::ALL
        .iter()
        .map(|entity| format!("\"{}\"", entity.name()))
        .collect();
    let terms: Vec<String> = (0..200).map(term).collect();
    let config = r#"{
        "format": 3, "role": "policy", "gateway_id": "g", "pack": {"name": "probe", "version": "1.0.0"}, "fail_mode": "block", "unreadable": "allow", "model_per_attempt": false,
        "policies": [
            {"kind": "prompt-injection", "threshold": 1.0, "action": "block"},
            {"kind": "pii-detector", "action": "redact", "entities": [ENTITIES], "patterns": [{"name": "EMPLOYEE", "find": {"regex": "EMP-[0-9]{4,8}(?-u:\\b)"}}]},
            {"kind": "dlp-filter", "action": "redact", "entities": [], "rules": [TERMS]},
            {"kind": "safety-filter", "mode": "strict", "action": "block"}],
        "targets": [{"id": "a", "provider": "together", "model": "m", "authority": "h", "base_path": "/v1", "weight": 1, "timeout_ms": 1000, "first_token_ms": 1000}]
    }"#;
    let config = config
        .replace("ENTITIES", &entities.join(","))
        .replace("TERMS", &terms.join(","));
    let config = FilterConfig::from_json(config.as_bytes()).ok()?;
    Engine::new(config).ok().map(Arc::new)
}

/// A term of a user: every other one may be misspelt.
fn term(number: usize) -> String {
    const SYLLABLES: [&str; 16] = [
        "ka", "lo", "mi", "ter", "sun", "pro", "vex", "dal", "qui", "nor", "bel", "zet", "ram",
        "ost", "fin", "gra",
    ];
    let syllable = |at: usize| SYLLABLES.get(at % SYLLABLES.len()).copied().unwrap_or("ka");
    let text = [number, number / 16 + 3, number * 7 / 5 + 1]
        .map(syllable)
        .concat();
    let distance = number % 2;
    format!(
        r#"{{"pattern": {{"name": "TERM", "find": {{"term": {{"text": "project {text}", "max_distance": {distance}}}}}}}, "action": "redact"}}"#
    )
}

/// Sends `bytes` through the engine, and says how many bytes came out.
#[inline(never)]
pub fn judge(engine: &Arc<Engine>, way: Way, bytes: &[u8]) -> usize {
    let mut exchange = Exchange::begin(engine.clone());
    let mut out = Vec::new();
    match way {
        Way::Request | Way::Arguments | Way::Body => {
            exchange.request_body(bytes);
        }
        Way::Answer => {
            exchange.response_body(bytes);
        }
        Way::Frames => {
            for piece in bytes.chunks(DELTA) {
                if exchange.response_bytes(piece, false, &mut out) == StreamStep::Cut {
                    break;
                }
            }
        }
        Way::Stream | Way::ArgumentStream => {
            // As events arrive.
            let mut rest = bytes;
            while let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") {
                let (event, behind) = rest.split_at(end + 2);
                if exchange.response_bytes(event, behind.is_empty(), &mut out) == StreamStep::Cut {
                    break;
                }
                rest = behind;
            }
        }
    }
    out.len() + exchange.tally().redaction_count()
}
