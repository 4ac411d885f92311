//! Token counts of streams: asked for at the provider, hidden from clients that did not ask.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use kt_policy::{BodyStep, Endpoint, Engine, Exchange, FilterConfig, StreamStep, Usage};
use serde_json::{Value, json};

fn engine(counts_usage: bool, sets_model: bool) -> Arc<Engine> {
    let config = json!({
        "format": kt_policy::FORMAT, "role": "policy", "gateway_id": "g", "pack": {"name": "usage", "version": "1.0.0"},
        "fail_mode": "block", "unreadable": "allow", "model_per_attempt": !sets_model, "counts_usage": counts_usage,
        "policies": "POLICIES",
        "targets": [{"id": "a", "provider": "together", "model": "m", "authority": "h", "base_path": "/v1", "weight": 1,
                     "timeout_ms": 1000, "first_token_ms": 1000,
                     "pricing": {"prompt": "0.1", "completion": "0.2", "cached_prompt": "0.05"}}]
    });
    // `json!` sorts, and a policy begins with its kind.
    let policies = r#"[{"kind": "pii-detector", "action": "redact", "entities": ["EMAIL"]}]"#;
    let config = config.to_string().replace("\"POLICIES\"", policies);
    Arc::new(Engine::new(FilterConfig::from_json(config.as_bytes()).unwrap()).unwrap())
}

fn asked(engine: Arc<Engine>, endpoint: Endpoint, body: &str) -> (Exchange, Option<String>) {
    let mut exchange = Exchange::begin(engine);
    exchange.at(endpoint);
    let sent = match exchange.request_body(body.as_bytes()) {
        BodyStep::Forward => None,
        BodyStep::Patch(patch) => Some(String::from_utf8(patch.apply(body.as_bytes())).unwrap()),
        BodyStep::Reply(reply) => panic!("{reply:?}"),
    };
    (exchange, sent)
}

/// Every way to say it, what leaves, and whether the client gets the counts.
const OPTIONS: [(&str, &str, bool); 9] = [
    ("", r#""stream_options":{"include_usage":true},"#, false),
    (
        r#""stream_options": null,"#,
        r#""stream_options": {"include_usage":true},"#,
        false,
    ),
    (
        r#""stream_options": { },"#,
        r#""stream_options": {"include_usage":true },"#,
        false,
    ),
    (
        r#""stream_options": {"x": [1, {}]},"#,
        r#""stream_options": {"include_usage":true,"x": [1, {}]},"#,
        false,
    ),
    (
        r#""stream_options": {"include_usage": false, "x": 1},"#,
        r#""stream_options": {"include_usage": true, "x": 1},"#,
        false,
    ),
    (
        r#""stream_options": {"x": 1, "include_usage": null},"#,
        r#""stream_options": {"x": 1, "include_usage": true},"#,
        false,
    ),
    (
        r#""stream_options": {"include_usage": true},"#,
        r#""stream_options": {"include_usage": true},"#,
        true,
    ),
    (
        r#""stream_options": {"mail": "a@example.com"},"#,
        r#""stream_options": {"include_usage":true,"mail": "[EMAIL_REDACTED]"},"#,
        false,
    ),
    (
        r#""other": {"stream_options": {"include_usage": true}},"#,
        r#""stream_options":{"include_usage":true},"other": {"stream_options": {"include_usage": true}},"#,
        false,
    ),
];

const TAIL: &str =
    r#""model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;

fn usage() -> Value {
    json!({"prompt_tokens": 7, "completion_tokens": 12, "total_tokens": 19,
           "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 5}})
}

fn stream() -> (String, String) {
    let chunk = |members: Value| {
        let mut chunk = json!({"id": "c", "object": "chat.completion.chunk", "model": "m"});
        chunk
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        format!("data: {chunk}\n\n")
    };
    let delta =
        |text: &str| json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]);
    let filters = chunk(json!({"choices": [], "prompt_filter_results": [{"ok": true}]}));
    let text = [
        filters,
        chunk(json!({"choices": delta("Hello "), "usage": null})),
        chunk(json!({"choices": delta("there. "), "usage": null})),
        chunk(
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": null}),
        ),
    ]
    .concat();
    let counted = format!("id: 9\n{}", chunk(json!({"choices": [], "usage": usage()})));
    (
        format!("{text}{counted}data: [DONE]\n\n"),
        format!("{text}data: [DONE]\n\n"),
    )
}

fn read(exchange: &mut Exchange, pieces: &[&str]) -> String {
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let end = at + 1 == pieces.len();
        let step = exchange.response_bytes(piece.as_bytes(), end, &mut out);
        assert_eq!(step, StreamStep::Continue);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn streams_are_asked_for_usage_and_clients_get_what_they_asked_for() {
    let (with, without) = stream();
    for (option, leaves, client_asked) in OPTIONS {
        let body = format!("{{{option}{TAIL}");
        let (mut exchange, sent) = asked(engine(true, false), Endpoint::ChatCompletions, &body);
        let expected = format!("{{{leaves}{TAIL}");
        assert_eq!(sent.unwrap_or(body), expected);
        serde_json::from_str::<Value>(&expected).unwrap();
        let seen = read(&mut exchange, &[&with]);
        assert_eq!(
            seen,
            if client_asked { &*with } else { &*without },
            "{option}"
        );
        let counts = Usage {
            prompt_tokens: Some(7),
            completion_tokens: Some(12),
            cached_tokens: Some(3),
            reasoning_tokens: Some(5),
        };
        assert_eq!(exchange.usage(), counts);
        let attempts = [kt_routing::Attempt::begin("a")];
        // 4 × 0.1 + 3 × 0.05 + 12 × 0.2, for a million.
        assert_eq!(exchange.cost(&attempts).unwrap().to_string(), "0.00000295");
    }
}

#[test]
fn the_model_and_the_option_are_added_side_by_side() {
    let body = r#"{"stream": true, "messages": []}"#;
    let (_, sent) = asked(engine(true, true), Endpoint::ChatCompletions, body);
    assert_eq!(
        sent.unwrap(),
        r#"{"model":"m","stream_options":{"include_usage":true},"stream": true, "messages": []}"#
    );
}

#[test]
fn nothing_is_asked_where_nothing_is_counted_or_reported_anyway() {
    let whole = TAIL.replace("true", "false");
    let responses = r#"{"model": "m", "stream": true, "input": "hi"}"#;
    for (counts, endpoint, body) in [
        (false, Endpoint::ChatCompletions, format!("{{{TAIL}")),
        (true, Endpoint::ChatCompletions, format!("{{{whole}")),
        (true, Endpoint::Responses, responses.to_owned()),
    ] {
        let (_, sent) = asked(engine(counts, true), endpoint, &body);
        assert_eq!(sent, None, "{body}");
    }
    let strange = format!("{{\"stream_options\": 7, {TAIL}");
    let (_, sent) = asked(engine(true, true), Endpoint::ChatCompletions, &strange);
    assert_eq!(sent, None, "the provider refuses it as it is");
}

#[test]
fn cuts_change_nothing_about_what_is_hidden() {
    let (with, without) = stream();
    let body = format!("{{{TAIL}");
    for cut in 0..=with.len() {
        let (mut exchange, _) = asked(engine(true, true), Endpoint::ChatCompletions, &body);
        assert_eq!(
            read(&mut exchange, &[&with[..cut], &with[cut..]]),
            without,
            "{cut}"
        );
        assert_eq!(exchange.usage().completion_tokens, Some(12));
    }
}

#[test]
fn a_value_in_a_hidden_event_is_judged_all_the_same() {
    let event = r#"data: {"choices": [], "usage": {"prompt_tokens": 1, "note": "a@example.com"}}"#;
    let (mut exchange, _) = asked(
        engine(true, true),
        Endpoint::ChatCompletions,
        &format!("{{{TAIL}"),
    );
    let seen = read(&mut exchange, &[&format!("{event}\n\ndata: [DONE]\n\n")]);
    assert_eq!(seen, "data: [DONE]\n\n");
    assert_eq!(exchange.tally().redaction_count(), 1);
}
