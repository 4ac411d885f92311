//! What the law tests share: an engine with all policies, streams, and a client that reads them.

use std::{
    ops::Range,
    sync::{Arc, LazyLock},
};

use kt_policy::{Engine, Exchange, FilterConfig, StreamStep, Verdict, json, sse::SseDecoder};
use kt_text::detect::Entity;

/// What users look for themselves.
const PATTERNS: &str = r#", "patterns": [{"name": "EMPLOYEE", "find": {"regex": "EMP-[0-9]{4,8}(?-u:\\b)"}}, {"name": "ANYTHING", "find": {"regex": "(?i)begin.{0,40}end"}}]},
            {"kind": "dlp-filter", "action": "redact", "entities": [], "rules": [{"pattern": {"name": "BLOCKED_TERM", "find": {"term": {"text": "Project Apollo", "max_distance": 2}}}, "action": "redact"}]"#;

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| compile(PATTERNS));

/// An engine with every policy and entity, and these patterns of users.
pub(crate) fn compile(patterns: &str) -> Arc<Engine> {
    let config = r#"{
        "format": 3, "role": "policy", "gateway_id": "g", "pack": {"name": "laws", "version": "1.0.0"}, "fail_mode": "block", "unreadable": "allow", "model_per_attempt": false,
        "policies": [
            {"kind": "prompt-injection", "threshold": 0.8, "action": "block"},
            {"kind": "pii-detector", "action": "redact", "entities": [ENTITIES] PATTERNS},
            {"kind": "safety-filter", "mode": "strict", "action": "block"},
            {"kind": "audit-logger", "immutable": true, "retention_days": 30, "log_all_access": true}],
        "targets": [{"id": "a", "provider": "together", "model": "m", "authority": "h", "base_path": "/v1", "weight": 1, "timeout_ms": 1000, "first_token_ms": 1000}]
    }"#;
    let entities: Vec<String> = Entity::ALL
        .iter()
        .map(|entity| format!("\"{}\"", entity.name()))
        .collect();
    let config = config
        .replace("ENTITIES", &entities.join(","))
        .replace(" PATTERNS", patterns);
    let config = FilterConfig::from_json(config.as_bytes()).unwrap();
    Arc::new(Engine::new(config).unwrap())
}

/// An engine with every policy and entity.
pub(crate) fn engine() -> Arc<Engine> {
    ENGINE.clone()
}

/// What a client ends up with.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) blocked: bool,
    pub(crate) verdict: Verdict,
    /// Where values were replaced, in the text as it was sent, and by what.
    pub(crate) redactions: Vec<(Range<usize>, String)>,
}

pub(crate) fn json_string(text: &str) -> String {
    let mut out = Vec::new();
    json::encode(text, &mut out);
    String::from_utf8(out).unwrap()
}

pub(crate) fn chunk(content: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}},\"finish_reason\":null}}]}}\n\n",
        json_string(content)
    )
}

pub(crate) const FINISH: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// The contents of a stream's deltas, joined, and whether it ends in an error event.
pub(crate) fn client_reads(bytes: &[u8]) -> (String, bool) {
    let mut decoder = SseDecoder::with_limit(1 << 20);
    decoder.push(bytes);
    let (mut text, mut blocked) = (String::new(), false);
    while let Some(event) = decoder.next_event().unwrap() {
        let data = event.data().unwrap();
        if &*data == b"[DONE]" {
            continue;
        }
        let chunk: serde_json::Value = serde_json::from_slice(&data).unwrap();
        blocked |= chunk.get("error").is_some();
        text += chunk["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap_or("");
    }
    (text, blocked)
}

pub(crate) fn run_stream(pieces: &[&[u8]], mut watch: impl FnMut(&[u8])) -> Seen {
    let mut exchange = Exchange::begin(engine());
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let step = exchange.response_bytes(piece, at + 1 == pieces.len(), &mut out);
        watch(&out);
        if step == StreamStep::Cut {
            break;
        }
    }
    let (text, blocked) = client_reads(&out);
    Seen {
        text,
        blocked,
        verdict: exchange.tally().outcome().0,
        redactions: exchange
            .tally()
            .redactions()
            .iter()
            .map(|redaction| (redaction.start..redaction.end, redaction.category.clone()))
            .collect(),
    }
}

/// The stream with one delta for the whole text.
pub(crate) fn uncut(text: &str) -> Seen {
    let body = chunk(text) + FINISH;
    run_stream(&[body.as_bytes()], |_| {})
}

/// The stream with its text cut into deltas at these places.
pub(crate) fn cut_deltas(text: &str, cuts: &[usize]) -> Seen {
    let body: String = split(text, cuts)
        .map(|range| chunk(&text[range]))
        .collect::<String>()
        + FINISH;
    run_stream(&[body.as_bytes()], |_| {})
}

/// The stretches of `text` between cuts, which are moved to character boundaries.
pub(crate) fn split<'t>(
    text: &'t str,
    cuts: &[usize],
) -> impl Iterator<Item = Range<usize>> + use<'t> {
    let mut at: Vec<usize> = cuts
        .iter()
        .map(|cut| text.floor_char_boundary(cut % (text.len() + 1)))
        .collect();
    at.extend([0, text.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|pair| pair[0]..pair[1])
        .collect::<Vec<_>>()
        .into_iter()
}
