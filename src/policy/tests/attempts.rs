//! Attempts of an answer to get past the policies, as a data file: framing, types, identity, ends, lies about the type.
//!
//! An entry is a body that came `as` a `stream` or `whole`. Those with `reads` are healthy: they leave, and that is what
//! their content reads; one that also `fails` is a failed attempt before the engine sees it (`tests/e2e/test_wire_attempts.py`). Of the others no reader, however lenient, may put a value together.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "the laws need more of it")]
mod common;

use std::collections::BTreeMap;

use common::engine;
use kt_policy::{BodyStep, Exchange, StreamStep};
use serde_json::Value;

const VALUES: [&str; 3] = ["bob@example.com", "219-09-9999", "example.com"];

/// What leaves, and whether the gateway refuses the rest. A stream is cut after every byte.
fn relay(entry: &Value) -> (String, bool) {
    let body = entry["body"].as_str().unwrap().as_bytes();
    let mut exchange = Exchange::begin(engine());
    if entry["as"] == "whole" {
        return match exchange.response_body(body) {
            BodyStep::Forward => (String::from_utf8(body.to_vec()).unwrap(), false),
            BodyStep::Patch(patch) => (String::from_utf8(patch.apply(body)).unwrap(), false),
            BodyStep::Reply(reply) => (String::from_utf8(reply.body()).unwrap(), true),
        };
    }
    let mut out = Vec::new();
    for at in 0..=body.len() {
        let end = at == body.len();
        let step = exchange.response_bytes(body.get(at..at + 1).unwrap_or_default(), end, &mut out);
        if step == StreamStep::Cut {
            return (String::from_utf8(out).unwrap(), true);
        }
    }
    (String::from_utf8(out).unwrap(), false)
}

/// Every string of a value by its names, with and without the positions of array elements.
fn strings(value: &Value, names: &str, places: &str, texts: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            for path in [format!("names{names}"), format!("places{places}")] {
                texts.entry(path).or_default().push_str(text);
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                strings(value, names, &format!("{places}/{at}"), texts);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                strings(
                    value,
                    &format!("{names}/{name}"),
                    &format!("{places}/{name}"),
                    texts,
                );
            }
        }
        _ => {}
    }
}

/// What lenient readers put together: lines end wherever anybody ends them, and anything that looks like data is data.
fn texts(out: &str) -> BTreeMap<String, String> {
    let ends = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    let mut texts = BTreeMap::new();
    texts.insert("raw".to_owned(), out.to_owned());
    for line in out.split(ends) {
        let line = line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let payload = line
            .split_once(':')
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("data"));
        let payload = payload.map_or(line, |(_, payload)| payload);
        if let Ok(value) = serde_json::from_str::<Value>(payload) {
            strings(&value, "", "", &mut texts);
        }
    }
    texts
}

#[test]
fn nothing_passes_and_nothing_healthy_is_refused() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attempts.json");
    let entries: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut bad, mut faults) = (0, Vec::new());
    for entry in &entries {
        let (out, is_refused) = relay(entry);
        let texts = texts(&out);
        let passed = texts
            .values()
            .any(|text| VALUES.iter().any(|value| text.contains(value)));
        let read = texts
            .get("names/choices/delta/content")
            .map_or("", String::as_str);
        let is_fine = match entry.get("reads") {
            None => {
                bad += 1;
                !passed
            }
            Some(reads) => !is_refused && reads.as_str().is_none_or(|reads| reads == read),
        };
        if !is_fine {
            faults.push(format!("{}: {out}", entry["name"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(
        bad >= 120 && entries.len() > bad + 20,
        "{bad} of {}",
        entries.len()
    );
}
