//! Streams as providers really send them: what is text is judged over its pieces, everything else leaves as it came.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking, and is written to be read"
)]

#[expect(dead_code, reason = "the laws need more of it")]
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod framing;
mod limits;
mod members;
mod switches;

use common::engine;
use kt_policy::{Exchange, StreamStep};
use serde_json::{Value, json};

/// What leaves for the client.
fn relay(stream: &str) -> (String, bool) {
    let mut exchange = Exchange::begin(engine());
    let mut out = Vec::new();
    let step = exchange.response_bytes(stream.as_bytes(), true, &mut out);
    (String::from_utf8(out).unwrap(), step == StreamStep::Cut)
}

fn sse(payloads: &[Value]) -> String {
    let events = payloads
        .iter()
        .map(|payload| format!("data: {payload}\n\n"));
    events.collect::<String>() + "data: [DONE]\n\n"
}

fn payloads(stream: &str) -> Vec<Value> {
    let lines = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let payloads = lines.filter(|line| *line != "[DONE]");
    payloads
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn choice(delta: Value, finish_reason: Value) -> Value {
    json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})
}

fn delta(delta: Value) -> Value {
    choice(delta, Value::Null)
}

fn content(text: &str) -> Value {
    delta(json!({"content": text}))
}

/// The texts below `pointer` of a stream's chunks, joined.
fn read(payloads: &[Value], pointer: &str) -> String {
    let texts = payloads
        .iter()
        .filter_map(|payload| payload.pointer(pointer)?.as_str());
    texts.collect()
}

const CONTENT: &str = "/choices/0/delta/content";

/// The whole stream leaves, and this is what the client reads.
fn check(events: &[Value], text: &str) -> Vec<Value> {
    let (out, is_cut) = relay(&sse(events));
    assert!(!is_cut, "{out}");
    assert!(out.ends_with("data: [DONE]\n\n"), "{out}");
    let seen = payloads(&out);
    assert_eq!(read(&seen, CONTENT), text, "{out}");
    seen
}

/// Every event leaves as it came.
fn unchanged(events: &[Value]) {
    let stream = sse(events);
    assert_eq!(relay(&stream), (stream.clone(), false));
}

fn call(element: Value) -> Value {
    delta(json!({"tool_calls": [element]}))
}
