//! The laws that fuzzing checks, one function per parser. Each takes any bytes and panics when a law is broken.
//!
//! `make fuzz` runs them under libFuzzer (`tests/fuzz`, nightly Rust); `make test` runs them on the kept seeds and
//! on mutations of them (`tests/fuzz_short.rs`).

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a broken law is reported by panicking"
)]

use std::sync::{Arc, LazyLock};

use kt_policy::{
    BodyStep, Endpoint, Engine, Exchange, FilterConfig, Opening, StreamStep,
    json::{self, Kind},
    sse::SseDecoder,
};
use kt_routing::{TargetState, Trail, retry_after_ms};
use kt_text::detect::Entity;

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| engine(&serde_json::json!([])));

/// An engine with all policies and entities, and these patterns of users.
fn engine(patterns: &serde_json::Value) -> Arc<Engine> {
    let config = r#"{
        "format": 3, "role": "policy", "gateway_id": "g", "pack": {"name": "fuzz", "version": "1.0.0"},
        "fail_mode": "block", "unreadable": "allow", "model_per_attempt": false,
        "policies": [
            {"kind": "prompt-injection", "threshold": 0.8, "action": "block"},
            {"kind": "pii-detector", "action": "redact", "entities": [ENTITIES], "patterns": PATTERNS},
            {"kind": "dlp-filter", "action": "redact", "entities": [], "rules": [{"pattern": {"name": "TERM", "find": {"term": {"text": "Project Apollo", "max_distance": 2}}}, "action": "redact"}]},
            {"kind": "safety-filter", "mode": "strict", "action": "block"},
            {"kind": "quality-scorer"}],
        "targets": [{"id": "a", "provider": "together", "model": "a \"model\"", "authority": "h", "base_path": "/v1", "weight": 1, "timeout_ms": 1000, "first_token_ms": 1000}]
    }"#;
    let entities: Vec<String> = Entity::ALL
        .iter()
        .map(|entity| format!("\"{}\"", entity.name()))
        .collect();
    let config = config
        .replace("ENTITIES", &entities.join(","))
        .replace("PATTERNS", &patterns.to_string());
    let config = FilterConfig::from_json(config.as_bytes()).unwrap();
    Arc::new(Engine::new(config).unwrap())
}

/// Cuts `bytes` into pieces whose lengths follow from `seed`.
fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed) | 0x100;
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let len = 1 + (state >> 24) as usize % (1 + usize::from(seed) / 2);
        let (piece, behind) = rest.split_at(len.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

type Event = (Vec<u8>, Option<Vec<u8>>);

fn decode(pieces: &[&[u8]]) -> Vec<Event> {
    let mut decoder = SseDecoder::with_limit(1 << 20);
    let mut events = Vec::new();
    let mut drain = |decoder: &mut SseDecoder| {
        while let Some(event) = decoder.next_event().unwrap() {
            events.push((
                event.raw.to_vec(),
                event.data().map(std::borrow::Cow::into_owned),
            ));
        }
    };
    for piece in pieces {
        decoder.push(piece);
        drain(&mut decoder);
    }
    decoder.finish();
    drain(&mut decoder);
    events
}

/// Framing: any cut gives the same events, no byte is lost, and an event can be written with another payload.
pub fn sse(input: &[u8]) {
    let Some((seed, stream)) = input.split_first() else {
        return;
    };
    let whole = decode(&[stream]);
    assert_eq!(decode(&pieces(stream, *seed)), whole);
    let raw: Vec<u8> = whole.iter().flat_map(|(raw, _)| raw.clone()).collect();
    assert!(raw == stream || raw == [stream, b"\n\n"].concat());
    let mut decoder = SseDecoder::with_limit(1 << 20);
    decoder.push(stream);
    while let Some(event) = decoder.next_event().unwrap() {
        if event.data().is_some() {
            let mut out = Vec::new();
            event.write(Some(b"{\"a\":\n1}"), true, &mut out);
            let payloads: Vec<_> = decode(&[&out])
                .into_iter()
                .filter_map(|(_, data)| data)
                .collect();
            assert_eq!(
                payloads,
                [b"{\"a\": 1}"],
                "{}",
                String::from_utf8_lossy(&out)
            );
        }
        let mut replayed = Vec::new();
        event.write(event.data().as_deref(), true, &mut replayed);
        let mut second = SseDecoder::with_limit(1 << 20);
        second.push(&replayed);
        second.push(b"\n");
        while let Some(event) = second.next_event().unwrap() {
            assert_eq!(event.dropped(), 0, "{}", String::from_utf8_lossy(&replayed));
        }
    }
}

/// The reader accepts nothing that `serde_json` refuses, reads the same strings, and edits keep a body valid.
pub fn json(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut strings = Vec::new();
    let accepted = json::walk(text, &mut |_, node| {
        if let Kind::String { escaped } = node.kind {
            let raw = &text[node.range.clone()];
            let decoded = json::decode(raw, escaped).into_owned();
            let mut places = json::RawPlaces::new(raw, escaped);
            assert_eq!((places.raw(0), places.raw(decoded.len())), (0, raw.len()));
            let mut encoded = Vec::new();
            json::encode(&decoded, &mut encoded);
            assert_eq!(
                json::decode(std::str::from_utf8(&encoded).unwrap(), true),
                decoded
            );
            strings.push(decoded);
        }
    })
    .is_ok();
    let reference = serde_json::from_str::<serde_json::Value>(text);
    if accepted {
        match &reference {
            Ok(value) => assert_eq!(count_strings(value), strings.len()),
            // The one thing it refuses that RFC 8259 allows: numbers beyond its range.
            Err(error) => assert!(error.to_string().contains("number out of range"), "{error}"),
        }
    }
    for endpoint in Endpoint::ALL {
        let mut exchange = Exchange::begin(ENGINE.clone());
        exchange.at(endpoint);
        if let BodyStep::Patch(patch) = exchange.request_body(input) {
            let patched = patch.apply(input);
            assert_eq!(patched.len(), patch.patched_len(input.len()));
            let patched = std::str::from_utf8(&patched).unwrap();
            json::walk(patched, &mut |_, _| {})
                .unwrap_or_else(|error| panic!("{error:?}: {patched}"));
        }
    }
    let mut exchange = Exchange::begin(ENGINE.clone());
    if let BodyStep::Patch(patch) = exchange.response_body(input) {
        let patched = patch.apply(input);
        let patched = std::str::from_utf8(&patched).unwrap();
        // Redacted member names may collide; everything else stays as strict as it was.
        if let Err(error) = json::walk(patched, &mut |_, _| {}) {
            assert!(
                error.reason.contains("same member twice"),
                "{error:?}: {patched}"
            );
        }
    }
}

fn count_strings(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::String(_) => 1,
        serde_json::Value::Array(items) => items.iter().map(count_strings).sum(),
        serde_json::Value::Object(members) => members.values().map(count_strings).sum(),
        _ => 0,
    }
}

fn run(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    run_in(&ENGINE, pieces)
}

fn run_in(engine: &Arc<Engine>, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut exchange = Exchange::begin(engine.clone());
    let mut out = Vec::new();
    for piece in pieces {
        if exchange.response_bytes(piece, false, &mut out) == StreamStep::Cut {
            return (out, true);
        }
        assert!(
            exchange.held() <= 8192,
            "{} bytes are held",
            exchange.held()
        );
    }
    let cut = exchange.response_bytes(&[], true, &mut out) == StreamStep::Cut;
    (out, cut)
}

/// The stream engine: bytes may be cut anywhere, and so may deltas, in content and in arguments.
pub fn stream(input: &[u8]) {
    let Some((seed, rest)) = input.split_first() else {
        return;
    };
    assert_eq!(run(&pieces(rest, *seed)), run(&[rest]));
    let text = String::from_utf8_lossy(rest);
    let content = |chunk: &serde_json::Value| -> Option<String> {
        Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())
    };
    let arguments = |chunk: &serde_json::Value| -> Option<String> {
        Some(
            chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
                .as_str()?
                .to_owned(),
        )
    };
    deltas(
        &text,
        *seed,
        &|delta| serde_json::json!({ "content": delta }),
        &content,
    );
    deltas(
        &text,
        *seed,
        &|delta| serde_json::json!({"tool_calls": [{"index": 0, "function": {"arguments": delta}}]}),
        &arguments,
    );
}

fn deltas(
    text: &str,
    seed: u8,
    member: &dyn Fn(&str) -> serde_json::Value,
    read: &dyn Fn(&serde_json::Value) -> Option<String>,
) {
    let event = |delta: &str| {
        format!(
            "data: {}\n\n",
            serde_json::json!({"choices": [{"index": 0, "delta": member(delta)}]})
        )
    };
    let whole = event(text);
    let mut cut = String::new();
    let mut at = 0;
    for piece in pieces(text.as_bytes(), seed) {
        let end = text.ceil_char_boundary(at + piece.len());
        cut.push_str(&event(&text[at..end.max(at)]));
        at = end.max(at);
    }
    let texts = [whole, cut].map(|stream| {
        let (out, stopped) = run(&[stream.as_bytes()]);
        let events = decode(&[&out]).into_iter().filter_map(|(_, data)| data);
        let text: String = events
            .filter_map(|data| serde_json::from_slice(&data).ok())
            .filter_map(|chunk| read(&chunk))
            .collect();
        (text, stopped)
    });
    assert_eq!(texts[0], texts[1]);
}

/// What providers and other workers say about attempts: any bytes are a state, a trail or none; the opening of a stream is
/// what it was with less of it, once it was decided; and `Retry-After` is within its bounds.
pub fn routing(input: &[u8]) {
    let state = TargetState::from_bytes(input);
    assert_eq!(TargetState::from_bytes(&state.to_bytes()), state);
    if let Some(trail) = Trail::from_bytes(input, "") {
        let bytes = trail.to_bytes("x");
        assert_eq!(Trail::from_bytes(&bytes, "x"), Some(trail));
        assert_eq!(Trail::from_bytes(&bytes, "y"), None);
    }
    let mut before = Opening::Undecided;
    for end in 0..=input.len() {
        let opening = Opening::of(&input[..end], true, false);
        assert!(before == Opening::Undecided || opening == before);
        before = opening;
    }
    let text = String::from_utf8_lossy(input);
    let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
    if let Some(wait_ms) = retry_after_ms(Some(first), Some(second), 1_795_252_327_000_000) {
        assert!(wait_ms <= 1000 * 86_400 * 366 * 8000);
    }
}

/// A line with an expression, and a text: what is not refused compiles, and how the text is cut does not matter.
pub fn pattern(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (expression, text) = text.split_once('\n').unwrap_or((&text, ""));
    if kt_text::patterns::check(expression).is_err() {
        return;
    }
    let engine = engine(&serde_json::json!([{"name": "P", "find": {"regex": expression}}]));
    let event = |delta: &str| {
        format!(
            "data: {}\n\n",
            serde_json::json!({"choices": [{"index": 0, "delta": {"content": delta}}]})
        )
    };
    let whole = event(text);
    let cut: String = text
        .chars()
        .map(|c| event(c.encode_utf8(&mut [0; 4])))
        .collect();
    let read = |bytes: &[u8]| -> String {
        let events = decode(&[bytes])
            .into_iter()
            .filter_map(|(_, data)| serde_json::from_slice::<serde_json::Value>(&data?).ok());
        events
            .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
            .collect()
    };
    let (first, second) = (
        run_in(&engine, &[whole.as_bytes()]),
        run_in(&engine, &[cut.as_bytes()]),
    );
    assert_eq!((read(&first.0), first.1), (read(&second.0), second.1));
}

/// Any text is a gateway or a report with places that exist; a gateway gives one output.
pub fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match kt_config::load(&text) {
        Ok((gateway, warnings)) => {
            let options = kt_envoy_gen::Options::default();
            let yaml = kt_envoy_gen::bootstrap_yaml(&gateway, &options);
            assert_eq!(yaml, kt_envoy_gen::bootstrap_yaml(&gateway, &options));
            assert!(!warnings.has_errors());
        }
        Err(report) => {
            assert!(report.has_errors());
            assert!(!report.render("policy-config.yaml", &text).is_empty());
            for diagnostic in report.diagnostics() {
                assert!(diagnostic.position.line >= 1 && diagnostic.position.column >= 1);
                assert!(!diagnostic.hint.is_empty() && !diagnostic.message.is_empty());
            }
        }
    }
}

/// Bytes of the texts that are made of one part.
const REPEATED: usize = 1024;
/// What leaves for each byte that came: markers are longer than values.
const MAX_WRITTEN: usize = 16;
/// What is kept of a stream for each byte of its text, and besides.
const MAX_KEPT: (usize, usize) = (8, 256 << 10);

/// A part that repeats makes no more bytes than a bound per byte allows, in memory or on the wire, and the same ones in each run. Its first
/// byte says how long deltas are. (Steps are counted in `tests/bounds.rs`.)
pub fn bounds(input: &[u8]) {
    let Some((seed, part)) = input.split_first().filter(|(_, part)| !part.is_empty()) else {
        return;
    };
    let part = String::from_utf8_lossy(part);
    let text = part.repeat(REPEATED.div_ceil(part.len()));
    let size = usize::from(*seed).max(16);
    let one = repeated(&text, size);
    assert_eq!(one, repeated(&text, size));
    assert!(one <= MAX_WRITTEN * (text.len() + 100 * (text.len() / size + 1)));
    let body = serde_json::json!({"messages": [{"role": "user", "content": text}]}).to_string();
    if let BodyStep::Patch(patch) = Exchange::begin(ENGINE.clone()).request_body(body.as_bytes()) {
        assert!(patch.bytes.len() <= MAX_WRITTEN * body.len());
    }
}

/// Streams `text` in deltas of at least `size` bytes and says how many bytes leave.
fn repeated(text: &str, size: usize) -> usize {
    let mut exchange = Exchange::begin(ENGINE.clone());
    let (mut out, mut start) = (Vec::new(), 0);
    while start < text.len() {
        let end = text.ceil_char_boundary((start + size).min(text.len()));
        let delta =
            serde_json::json!({"choices": [{"index": 0, "delta": {"content": &text[start..end]}}]});
        let event = format!("data: {delta}\n\n");
        if exchange.response_bytes(event.as_bytes(), false, &mut out) == StreamStep::Cut {
            break;
        }
        assert!(exchange.footprint() <= MAX_KEPT.0 * text.len() + MAX_KEPT.1);
        start = end;
    }
    out.len()
}
