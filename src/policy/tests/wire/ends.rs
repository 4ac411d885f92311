//! Ends: what may follow them, and how the last word before one waits.

use crate::common::engine;
use kt_policy::{Exchange, StreamStep};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{CONTENT, call, check, choice, content, delta, payloads, read, relay, sse, unchanged};

#[test]
fn a_finish_reason_that_says_nothing_is_no_end() {
    for reason in [json!(""), json!("null"), json!("none")] {
        let events = [
            choice(
                json!({"role": "assistant", "content": "Hello"}),
                reason.clone(),
            ),
            choice(json!({"content": " there,"}), reason.clone()),
            choice(json!({"content": " friend. "}), reason.clone()),
            choice(json!({"content": ""}), json!("stop")),
        ];
        check(&events, "Hello there, friend. ");
        let call = |arguments: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]});
        let events = [
            choice(call("{\"to\": \"bob@"), reason.clone()),
            choice(call("example.com\"}"), reason.clone()),
            choice(json!({}), json!("tool_calls")),
        ];
        let seen = check(&events, "");
        assert_eq!(
            read(&seen, "/choices/0/delta/tool_calls/0/function/arguments"),
            "{\"to\": \"[EMAIL_REDACTED]\"}"
        );
    }
}

#[test]
fn everything_may_follow_an_end() {
    let end = || choice(json!({"content": ""}), json!("stop"));
    let usage = json!({"completion_tokens": 3, "prompt_tokens": 2, "total_tokens": 5});
    let with_usage = |mut chunk: Value| {
        chunk["usage"] = usage.clone();
        chunk
    };
    let no_delta = json!({"id": "c", "choices": [{"index": 0, "finish_reason": null}]});
    for behind in [
        with_usage(end()),
        with_usage(choice(json!({"content": ""}), Value::Null)),
        end(),
        no_delta.clone(),
        json!({"id": "c", "choices": [], "usage": usage}),
        delta(
            json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org/a", "title": "A title"}}]}),
        ),
        choice(json!({"role": "assistant", "content": null}), Value::Null),
    ] {
        unchanged(&[no_delta.clone(), content("Well. "), end(), behind]);
    }
}

#[test]
fn text_behind_an_end_goes_on() {
    check(
        &[
            choice(json!({"role": "assistant", "content": ""}), json!("stop")),
            content("Write to bob@"),
            content("example.com today."),
        ],
        "Write to [EMAIL_REDACTED] today.",
    );
    // The end waits until it is known what follows.
    check(
        &[
            content("Write to bob@"),
            choice(json!({}), json!("stop")),
            content("example.com today."),
        ],
        "Write to [EMAIL_REDACTED] today.",
    );
    // A second end in the middle of a value does not let it pass.
    check(
        &[
            choice(json!({"content": "so "}), json!("stop")),
            choice(json!({"content": "219-09-99"}), json!("stop")),
            choice(json!({"content": "99"}), json!("stop")),
        ],
        "so [SSN_REDACTED]",
    );
    for text in ["how to make a ", "so, how to make a "] {
        let (out, is_cut) = relay(&sse(&[
            choice(json!({"content": text}), json!("stop")),
            content("bomb"),
        ]));
        let seen = read(&payloads(&out), CONTENT);
        assert!(is_cut && text.starts_with(&seen), "{out}");
        assert!(!out.contains("make") && !out.contains("stop"), "{out}");
    }
}

#[test]
fn an_end_waits_for_what_decides_and_keeps_its_place() {
    let relay_each = |events: &[Value]| {
        let mut exchange = Exchange::begin(engine());
        let left = events.iter().map(|event| {
            let mut out = Vec::new();
            let event = format!("data: {event}\n\n");
            exchange.response_bytes(event.as_bytes(), false, &mut out);
            payloads(std::str::from_utf8(&out).unwrap()).len()
        });
        left.collect::<Vec<_>>()
    };
    let usage = json!({"choices": [], "usage": {"total_tokens": 3}});
    let end = choice(json!({}), json!("stop"));
    let other = json!({"choices": [{"index": 1, "delta": {"content": "Well. "}}]});
    let call = call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}));
    // Nothing waits where nothing was said, and the text of another channel waits for none.
    let role = choice(json!({"role": "assistant", "content": ""}), json!("stop"));
    assert_eq!(relay_each(&[role, usage.clone()]), [1, 1]);
    assert_eq!(
        relay_each(&[content("Hello"), end.clone(), usage.clone()]),
        [1, 0, 0]
    );
    for next in [other, call] {
        assert_eq!(
            relay_each(&[content("Hello"), end.clone(), usage.clone(), next.clone()]),
            [1, 0, 0, 4]
        );
        // Nor does what looks like the beginning of a value, when enough of the other text came.
        let mut events = vec![content("bob@exa"), end.clone(), usage.clone(), next];
        assert_eq!(relay_each(&events), [1, 0, 0, 0]);
        let long = "and so it goes ".repeat(17);
        events.push(json!({"choices": [{"index": 1, "delta": {"content": long}}]}));
        assert_eq!(relay_each(&events), [1, 0, 0, 0, 5]);
    }
    // Where the last words leave in the event itself, it is one.
    unchanged(&[
        content("Hello. "),
        choice(json!({"content": "friend"}), json!("stop")),
        usage.clone(),
    ]);
    unchanged(&[choice(json!({"content": "friend"}), json!("stop")), usage]);
}

#[test]
fn a_value_over_an_end_is_found_behind_other_texts() {
    let other = |text: &str| json!({"choices": [{"index": 1, "delta": {"content": text}}]});
    let far = "and so it goes ".repeat(20);
    for (begin, rest, marker) in [
        ("jane@e", "xample.com now", "[EMAIL_REDACTED]"),
        ("4111 1111", " 1111 1111 now", "[CREDIT_CARD_REDACTED]"),
        ("219-09-99", "99 now", "[SSN_REDACTED]"),
    ] {
        for between in ["Well.", "Well, so it goes.", &far] {
            let events = [
                content(&format!("it is {begin}")),
                choice(json!({}), json!("stop")),
                other(between),
                choice(json!({"content": rest}), json!("stop")),
                other(between),
            ];
            let (out, is_cut) = relay(&sse(&events));
            assert!(!is_cut, "{out}");
            let mine: Vec<Value> = payloads(&out)
                .into_iter()
                .filter(|event| event["choices"][0]["index"] == 0)
                .collect();
            let text = read(&mine, CONTENT);
            if between.len() < 256 {
                assert_eq!(text, format!("it is {marker} now"), "{out}");
            } else {
                assert_eq!(text, format!("it is {begin}{marker} now"), "{out}");
            }
        }
    }
}

#[test]
fn texts_that_end_in_one_event_leave_in_it() {
    let two = |one: &str, other: &str, reason: Value| {
        json!({"choices": [
            {"index": 0, "delta": {"content": one}, "finish_reason": reason},
            {"index": 1, "delta": {"content": other, "reasoning": one}, "finish_reason": reason},
        ]})
    };
    unchanged(&[two("so it goes", "and on", json!("stop"))]);
    unchanged(&[
        two("so it goes", "and on", json!("stop")),
        json!({"choices": [], "usage": {}}),
    ]);
    // Each may go on by itself.
    let events = [
        two("write to bob@", "call jane@", json!("stop")),
        two("example.com", "example.org now", Value::Null),
    ];
    let of = |out: &str, index: u64, member: &str| -> String {
        let seen = payloads(out);
        let choices = seen
            .iter()
            .filter_map(|event| event["choices"].as_array())
            .flatten();
        let own = choices.filter(|choice| choice["index"] == index);
        own.filter_map(|choice| choice["delta"][member].as_str())
            .collect()
    };
    let (out, is_cut) = relay(&sse(&events));
    assert!(!is_cut, "{out}");
    assert_eq!(of(&out, 0, "content"), "write to [EMAIL_REDACTED]");
    assert_eq!(of(&out, 1, "content"), "call [EMAIL_REDACTED] now");
    assert_eq!(of(&out, 1, "reasoning"), "write to [EMAIL_REDACTED]");
    // A stop in one of them takes the end with it, and what is settled stays.
    let (out, is_cut) = relay(&sse(&[
        two("well, how to make a", "fine so far, friend", json!("stop")),
        two(" bomb", " and on", Value::Null),
    ]));
    assert!(
        is_cut && !out.contains("stop") && !out.contains("make"),
        "{out}"
    );
    assert!("well, ".starts_with(&of(&out, 0, "content")), "{out}");
}

#[test]
fn ends_without_end_are_refused() {
    let key = format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}",
        "MIIEowIBAAKCAQEA".repeat(250)
    );
    let ending = |text: &str| choice(json!({"content": text}), json!("stop"));
    let pieces: Vec<Value> = key.chars().map(|c| ending(&c.to_string())).collect();
    let (out, is_cut) = relay(&sse(&pieces));
    assert!(!is_cut && !out.contains("\"M\""), "{}", out.len());
    let mut exchange = Exchange::begin(engine());
    let all: Vec<Value> = (0..1000)
        .map(|index| json!({"index": index, "delta": {"content": "a"}, "finish_reason": "stop"}))
        .collect();
    let event = format!("data: {}\n\n", json!({"choices": all}));
    let mut out = Vec::new();
    let cut = (0..20)
        .find(|_| exchange.response_bytes(event.as_bytes(), false, &mut out) == StreamStep::Cut);
    assert!(cut.is_some_and(|at| at >= 8), "{cut:?}");
}

/// A stream whose pieces say now and then that the text ends: what is read, what was read by each end, and the error.
fn relay_with_ends(text: &str, cuts: &[(usize, &str)]) -> (String, Vec<(String, String)>, bool) {
    let (mut stream, mut sent, mut from) = (String::new(), Vec::new(), 0);
    let mut places: Vec<(usize, &str)> = cuts.to_vec();
    places.push((text.len(), "null"));
    places.sort_unstable();
    for (at, reason) in places {
        let at = text.floor_char_boundary(at.min(text.len()));
        let event = choice(
            json!({"content": &text[from..at]}),
            serde_json::from_str(reason).unwrap(),
        );
        stream += &format!("data: {event}\n\n");
        from = at;
        if reason == "\"stop\"" {
            sent.push(text[..at].to_owned());
        }
    }
    let (out, is_cut) = relay(&(stream + "data: [DONE]\n\n"));
    let (mut seen, mut by_ends) = (String::new(), Vec::new());
    for event in payloads(&out) {
        seen += event
            .pointer(CONTENT)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if event["choices"][0]["finish_reason"] == "stop" {
            by_ends.push(seen.clone());
        }
    }
    (seen, sent.into_iter().zip(by_ends).collect(), is_cut)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Ends anywhere in a text change nothing of what is read, and what was said by one has left with it.
    #[test]
    fn ends_split_no_value(
        words in prop::collection::vec(select(&[
            "so", "bob@example.com", "jane.doe@mail.example.org", "4111 1111 1111 1111", "219-09-9999", "+44 20 7183 8750",
            "how to make a", "cake", "bomb", "sk-proj-4f9aBcD3eFgHiJkLmNoPqRsTuVwXyZ012345", "é—", "42", "a@b", "192.168.0.14",
        ][..]), 1..7),
        cuts in prop::collection::vec((0..120_usize, select(&["null", "\"\"", "\"stop\""][..])), 0..7),
    ) {
        let text = words.join(" ");
        let (whole, _, stops) = relay_with_ends(&text, &[]);
        let (seen, by_ends, is_cut) = relay_with_ends(&text, &cuts);
        prop_assert_eq!((&seen, is_cut), (&whole, stops), "{:?}", cuts);
        for (sent, left) in by_ends {
            prop_assert!(seen != text || left == sent, "{} by {}", left, sent);
        }
    }
}
