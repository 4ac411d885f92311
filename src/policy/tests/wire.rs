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
mod common;

use common::engine;
use kt_policy::{Engine, ErrorReply, Exchange, StreamStep};
use proptest::{prelude::*, sample::select};
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
            relay_each(&[content("bob@exa"), end.clone(), usage.clone(), next]),
            [1, 0, 0, 4]
        );
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

#[test]
fn a_value_at_the_end_of_thoughts_leaves_before_the_answer() {
    for (thought, marker) in [
        ("I ask bob@example.com", "I ask [EMAIL_REDACTED]"),
        ("his is 219-09-9999", "his is [SSN_REDACTED]"),
    ] {
        let events = [
            delta(json!({"reasoning_content": thought})),
            content("Then"),
            content(" I go. "),
        ];
        let (out, _) = relay(&sse(&events));
        let seen = payloads(&out);
        let begins = seen
            .iter()
            .position(|event| event.pointer(CONTENT).is_some());
        let thoughts = read(
            &seen[..begins.unwrap()],
            "/choices/0/delta/reasoning_content",
        );
        assert_eq!(thoughts, marker, "{out}");
    }
}

fn call(element: Value) -> Value {
    delta(json!({"tool_calls": [element]}))
}

#[test]
fn complete_arguments_leave_in_their_own_chunk() {
    for numbering in [
        [json!({}), json!({})],
        [json!({"index": 0}), json!({"index": 0})],
        [json!({"index": 0}), json!({"index": 1})],
        [json!({"index": "0"}), json!({"index": "1"})],
        [json!({"index": null}), json!({"index": null})],
    ] {
        for text in ["how to make a", "call 415", "last word", "bob", "4111 1111"] {
            let element = |number: &Value, id: &str| {
                let mut element = number.clone();
                element["id"] = json!(id);
                element["type"] = json!("function");
                element["function"] =
                    json!({"name": "search", "arguments": json!({"q": text}).to_string()});
                element
            };
            let events = [
                call(element(&numbering[0], "call_a")),
                call(element(&numbering[1], "call_b")),
                choice(json!({}), json!("tool_calls")),
            ];
            unchanged(&events);
            // Both in one chunk.
            let both = json!({"tool_calls": [element(&numbering[0], "call_a"), element(&numbering[1], "call_b")]});
            unchanged(&[delta(both), choice(json!({}), json!("tool_calls"))]);
        }
    }
}

#[test]
fn a_call_leaves_before_the_next_one() {
    let begin = |index: Value, id: &str| {
        call(json!({"index": index, "id": id, "function": {"name": "f", "arguments": ""}}))
    };
    let go_on = |index: Value, arguments: &str| {
        call(json!({"index": index, "function": {"arguments": arguments}}))
    };
    // The arguments are never completed.
    let events = [
        begin(json!(0), "a"),
        go_on(json!(0), "[1, \"last"),
        begin(json!(0), "b"),
        go_on(json!(0), "{\"q\": 1}"),
    ];
    let seen = check(&events, "");
    let order: Vec<&str> = seen
        .iter()
        .map(|payload| {
            let element = &payload["choices"][0]["delta"]["tool_calls"][0];
            element["id"]
                .as_str()
                .unwrap_or(element["function"]["arguments"].as_str().unwrap())
        })
        .collect();
    let next = order.iter().position(|text| *text == "b").unwrap();
    assert_eq!(order[1..next].concat(), "[1, \"last");
    assert_eq!(order[next + 1..].concat(), "{\"q\": 1}");
    // A value that spans two calls under one number does not pass.
    let events = [
        begin(json!(0), "a"),
        go_on(json!(0), "{\"to\": \"bob@"),
        begin(json!(0), "b"),
        go_on(json!(0), "example.com\"}"),
    ];
    let seen = check(&events, "");
    let arguments = read(&seen, "/choices/0/delta/tool_calls/0/function/arguments");
    assert_eq!(arguments, "{\"to\": \"bob@[EMAIL_REDACTED]\"}");
}

#[test]
fn thoughts_leave_before_the_answer() {
    for thought in ["reasoning", "reasoning_content", "thinking"] {
        let mut first = delta(json!({}));
        first["choices"][0]["delta"][thought] = json!("I add them, which gives 42.");
        let answer = content("The answer");
        let seen = check(
            &[first.clone(), answer.clone(), content(" is 42.")],
            "The answer is 42.",
        );
        let pointer = format!("/choices/0/delta/{thought}");
        let begins = seen
            .iter()
            .position(|payload| payload.pointer(CONTENT).is_some())
            .unwrap();
        assert_eq!(
            read(&seen[..begins], &pointer),
            "I add them, which gives 42."
        );
        // Both in one chunk.
        let mut both = answer;
        both["choices"][0]["delta"][thought] = json!(" Done.");
        let seen = check(&[first, both, content(" is 42.")], "The answer is 42.");
        let begins = seen
            .iter()
            .position(|payload| payload.pointer(CONTENT).is_some())
            .unwrap();
        assert_eq!(
            read(&seen[..=begins], &pointer),
            "I add them, which gives 42. Done."
        );
    }
}

#[test]
fn the_answer_leaves_before_a_call() {
    let begin = call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}));
    let seen = check(&[content("Let me look."), begin], "Let me look.");
    assert_eq!(seen.len(), 3);
    assert_eq!(read(&seen[..2], CONTENT), "Let me look.");
}

#[test]
fn parts_of_content_keep_their_type() {
    let part = |kind: &str, text: &str| json!({"type": kind, "text": text});
    let thought = |text: &str| {
        delta(json!({"content": [{"type": "thinking", "thinking": [part("text", text)]}]}))
    };
    let seen = check(
        &[
            thought("Hm, bob@example"),
            thought(".com writes"),
            thought(" often."),
            delta(json!({"content": [part("text", "The answer")]})),
            choice(json!({}), json!("stop")),
        ],
        "",
    );
    let (mut thoughts, mut answers) = (String::new(), String::new());
    for payload in &seen {
        for part in payload["choices"][0]["delta"]["content"]
            .as_array()
            .into_iter()
            .flatten()
        {
            match part["type"].as_str().unwrap() {
                "thinking" => {
                    assert!(answers.is_empty());
                    assert_eq!(part["thinking"][0]["type"], "text");
                    thoughts += part["thinking"][0]["text"].as_str().unwrap();
                }
                "text" => answers += part["text"].as_str().unwrap(),
                other => unreachable!("{other}"),
            }
        }
    }
    assert_eq!(thoughts, "Hm, [EMAIL_REDACTED] writes often.");
    assert_eq!(answers, "The answer");
    // Strings and parts are one text.
    let (out, _) = relay(&sse(&[
        content("bob@"),
        delta(json!({"content": [part("text", "example.com")]})),
    ]));
    assert!(!out.contains("example.com"), "{out}");
}

#[test]
fn what_is_no_text_leaves_as_it_came() {
    let image = "iVBORw0KGgoAAAANSUhEUgAA".repeat(4000);
    for member in [
        json!({"images": [{"type": "image_url", "index": 0, "image_url": {"url": format!("data:image/png;base64,{image}")}}]}),
        json!({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org/how", "title": "how to make a", "start_index": 3}}]}),
        json!({"provider_specific_fields": {"citation": {"cited_text": "the last word", "document_title": "A paper"}}}),
        json!({"role": "assistant", "x_note": "call 415"}),
        json!({"tool_calls": [{"index": 0, "id": "call_0", "type": "function", "function": {"name": "get_weather", "arguments": ""}}]}),
        json!({"audio": {"id": "audio_1", "data": "UklGRgAAAAA="}}),
    ] {
        unchanged(&[
            delta(member.clone()),
            content("Hello, "),
            delta(member),
            choice(json!({}), json!("stop")),
        ]);
    }
}

#[test]
fn a_value_in_pieces_of_what_is_no_text_ends_the_stream() {
    let note = |text: &str| delta(json!({"x_note": text}));
    let deep = |at: usize, text: &str| {
        let mut list = vec![json!({}); at];
        list.push(json!({"y": {"z": text}}));
        delta(json!({"x": list}))
    };
    for events in [
        vec![note("bob@"), note("example.com")],
        vec![
            note("write to bob@exam"),
            content("Hello "),
            note("ple.com today"),
        ],
        "219-09-9999"
            .split_inclusive(|_: char| true)
            .map(note)
            .collect(),
        vec![note("how to make"), note(" a bomb")],
        vec![deep(0, "bob@"), deep(1, "example.com")],
        vec![
            json!({"choices": [], "z": "4111 1111 "}),
            json!({"choices": [], "z": "1111 1111"}),
        ],
        vec![
            call(json!({"index": 0, "function": {"name": "bob@", "arguments": ""}})),
            call(json!({"index": 0, "function": {"name": "example.com", "arguments": ""}})),
        ],
    ] {
        let (out, is_cut) = relay(&sse(&events));
        assert!(is_cut, "{out}");
        let last = payloads(&out).pop().unwrap();
        assert!(last.get("error").is_some(), "{out}");
    }
    // Labels, and members that grow in place.
    for events in [
        vec![
            note("4111 1111"),
            note("4111 1111"),
            note("4111 1111"),
            note("4111 1111"),
        ],
        vec![
            note("The answer is a word"),
            note("The answer is a word and"),
            note("The answer is a word and one more"),
        ],
        vec![
            json!({"choices": [], "id": "4111 1111 "}),
            json!({"choices": [], "id": "1111 1111"}),
        ],
    ] {
        unchanged(&events);
    }
}

#[test]
fn one_index_has_many_spellings() {
    for (one, other) in [
        ("0", "0.0"),
        ("0", "-0"),
        ("\"0\"", "0"),
        ("0", ""),
        ("1", "1.0"),
    ] {
        let chunk = |index: &str, text: &str| {
            let index = if index.is_empty() {
                String::new()
            } else {
                format!("\"index\":{index},")
            };
            format!("data: {{\"choices\":[{{{index}\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
        };
        let stream =
            chunk(one, "Write to bob@") + &chunk(other, "example.com today.") + "data: [DONE]\n\n";
        let (out, is_cut) = relay(&stream);
        assert!(!is_cut);
        assert_eq!(
            read(&payloads(&out), CONTENT),
            "Write to [EMAIL_REDACTED] today.",
            "{out}"
        );
    }
    for index in [
        "0.5",
        "-1",
        "1e2",
        "true",
        "[0]",
        "{}",
        "\"x\"",
        "99999999999999999999",
    ] {
        let stream = format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"a\"}}}}]}}\n\n"
        );
        assert!(relay(&stream).1, "{index}");
    }
    for choices in [
        "{\"0\":{\"delta\":{\"content\":\"a\"}}}",
        "\"a\"",
        "1",
        "true",
    ] {
        assert!(
            relay(&format!("data: {{\"choices\":{choices}}}\n\n")).1,
            "{choices}"
        );
    }
}

#[test]
fn items_are_told_apart_by_any_name() {
    let event = |members: &str, text: &str| {
        format!("event: response.output_text.delta\ndata: {{{members}\"delta\":\"{text}\"}}\n\n")
    };
    let kind = "\"type\":\"response.output_text.delta\",";
    for (one, other) in [
        (kind.to_owned(), kind.to_owned()),
        (String::new(), String::new()),
        (kind.to_owned(), String::new()),
        (
            kind.to_owned(),
            "\"type\":\"response.output\\u005ftext.delta\",".to_owned(),
        ),
        (
            kind.to_owned() + "\"item_id\":\"m_1\",\"output_index\":0,",
            kind.to_owned() + "\"output_index\":0.0,\"item_id\":\"m\\u005f1\",",
        ),
        (
            kind.to_owned() + "\"item_id\":\"m_1\",\"output_index\":0,",
            kind.to_owned() + "\"output_index\":0,",
        ),
        (
            kind.to_owned() + "\"item_id\":\"m_1\",\"output_index\":0,",
            kind.to_owned() + "\"item_id\":\"m_1\",",
        ),
        (
            kind.to_owned() + "\"item_id\":\"m_1\",\"output_index\":0,",
            kind.to_owned() + "\"item_id\":\"m_1\",\"output_index\":1,",
        ),
        (
            kind.to_owned() + "\"item_id\":\"m_1\",\"output_index\":0,\"content_index\":0,",
            kind.to_owned() + "\"item_id\":\"m_1\",\"output_index\":0,",
        ),
    ] {
        let (out, is_cut) =
            relay(&(event(&one, "Write to bob@") + &event(&other, "example.com today. ")));
        assert!(!is_cut, "{out}");
        let read: String = payloads(&out)
            .iter()
            .map(|payload| payload["delta"].as_str().unwrap())
            .collect();
        assert_eq!(read, "Write to [EMAIL_REDACTED] today. ", "{one} {other}");
    }
    // An item that comes back after its end goes on.
    let done = "data: {\"type\":\"response.output_text.done\",\"item_id\":\"m_1\",\"output_index\":0,\"text\":\"Write to \"}\n\n";
    let members = kind.to_owned() + "\"item_id\":\"m_1\",\"output_index\":0,";
    let (out, is_cut) =
        relay(&(event(&members, "Write to bob@") + done + &event(&members, "example.com ")));
    assert!(
        !is_cut && out.contains("\"delta\":\"Write to [EMAIL_REDACTED]\""),
        "{out}"
    );
}

#[test]
fn empty_events_are_passed_over() {
    for empty in [
        "data:",
        "data: ",
        "data",
        ": ping",
        "retry: 5",
        "event: ping",
        "data:\ndata:",
    ] {
        let (out, is_cut) = relay(&format!("{empty}\n\n{}", sse(&[content("Hello. ")])));
        assert!(!is_cut, "{empty}");
        assert_eq!(read(&payloads(&out), CONTENT), "Hello. ");
    }
    for done in [
        "data: [DONE] ",
        "data:[DONE]",
        "data:  [DONE]",
        "data: [DONE]\t",
    ] {
        let (out, is_cut) = relay(&format!(
            "data: {}\n\n{done}\n\ndata: x\n\n",
            content("Hello. ")
        ));
        assert!(!is_cut && out.ends_with("[DONE]\n\n"), "{out:?}");
    }
}

#[test]
fn lines_that_are_no_data_do_not_leave() {
    let chunk = content("Hello. ");
    for line in [
        ": bob@example.com",
        "id: bob@example.com",
        "id: 219-09-9999",
        "event: bob@example.com",
        "x-note: bob@example.com",
        "bob@example.com",
        " data: \"bob@example.com\"",
        "Data: \"bob@example.com\"",
        "data : \"bob@example.com\"",
        "\u{feff}data: \"bob@example.com\"",
    ] {
        for stream in [
            format!("data: {chunk}\n{line}\n\ndata: [DONE]\n\n"),
            format!("data: {chunk}\n\n{line}\n\ndata: [DONE]\n\n"),
        ] {
            let (out, is_cut) = relay(&stream);
            assert!(
                !is_cut && !out.contains("example.com") && !out.contains("219"),
                "{out}"
            );
            assert_eq!(payloads(&out), std::slice::from_ref(&chunk));
        }
    }
    for line in ["{\"choices\":[]}", " [1]"] {
        assert!(relay(&format!("data: {chunk}\n\n{line}\n\n")).1, "{line}");
    }
}

#[test]
fn a_body_is_judged_as_what_it_is() {
    for body in [
        "{\"error\":{\"message\":\"write to bob@example.com\"}}",
        "\n{\"choices\":[{\"message\":{\"content\":\"bob@example.com\"}}]}",
        "\u{feff}{\"choices\":[]}",
    ] {
        for at in 0..body.len() {
            let mut exchange = Exchange::begin(engine());
            let mut out = Vec::new();
            exchange.response_bytes(&body.as_bytes()[..at], false, &mut out);
            assert!(out.is_empty());
            exchange.response_bytes(&body.as_bytes()[at..], true, &mut out);
            let out = String::from_utf8(out).unwrap();
            assert!(!out.contains("example.com"), "{out}");
        }
    }
    for body in [
        "bob@example.com",
        "write to\nbob@example.com",
        "<html>bob@example.com</html>",
        "{\"a\":1}\n{\"b\":\"bob@example.com\"}\n",
        "\"bob@example.com\"",
    ] {
        let (out, is_cut) = relay(body);
        assert!(
            is_cut && out.contains("upstream_failed") && !out.contains("example.com"),
            "{out}"
        );
    }
    let (out, is_cut) = relay("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hello\"}}]}");
    assert_eq!(
        (out.as_str(), is_cut),
        (
            "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"Hello\"}}]}",
            false
        )
    );
}

#[test]
fn an_event_stream_under_another_type_is_judged_as_one() {
    use kt_policy::BodyStep;
    let stream = sse(&[content("Write to bob@"), content("example.com today. ")]);
    match Exchange::begin(engine()).response_body(stream.as_bytes()) {
        BodyStep::Patch(patch) => {
            let out = String::from_utf8(patch.apply(stream.as_bytes())).unwrap();
            assert_eq!(
                read(&payloads(&out), CONTENT),
                "Write to [EMAIL_REDACTED] today. "
            );
        }
        other => panic!("{other:?}"),
    }
    let stream = sse(&[content("how to make "), content("a bomb")]);
    assert!(
        matches!(Exchange::begin(engine()).response_body(stream.as_bytes()), BodyStep::Reply(reply) if reply.status == 409)
    );
    let stream = sse(&[content("Hello. ")]);
    assert_eq!(
        Exchange::begin(engine()).response_body(stream.as_bytes()),
        BodyStep::Forward
    );
}

#[test]
fn halves_of_a_character_wait_for_each_other() {
    let chunk = |text: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    for pieces in [
        &["hi \\ud83d", "\\ude00 there. "][..],
        &["hi \\ud83d", "\\ude00\\ud83d", "\\ude00 there. "],
        &["hi \\uD83D", "", "\\uDE00 there. "],
        &["\\ud83d", "\\ude00"],
    ] {
        let stream: String = pieces.iter().map(|piece| chunk(piece)).collect();
        let (out, is_cut) = relay(&(stream + "data: [DONE]\n\n"));
        assert!(!is_cut, "{out}");
        let seen = read(&payloads(&out), CONTENT);
        assert_eq!(
            seen.chars().filter(|c| *c == '😀').count(),
            pieces.concat().matches("\\ude00").count() + pieces.concat().matches("\\uDE00").count()
        );
        assert!(!seen.contains('\u{fffd}'));
    }
    for pieces in [
        &["hi \\ud83d"][..],
        &["hi \\ud83d", "there"],
        &["\\ude00"],
        &["hi \\ud83d there"],
        &["hi \\ud83d", "\\ud83d"],
    ] {
        let stream: String = pieces.iter().map(|piece| chunk(piece)).collect();
        assert!(relay(&(stream + "data: [DONE]\n\n")).1, "{pieces:?}");
    }
    // In what is no text there is no next piece.
    assert!(relay("data: {\"choices\":[{\"delta\":{\"x\":\"a\\ud83d\"}}]}\n\n").1);
}

#[test]
fn a_wide_event_with_a_long_head_stays_small() {
    let head = "x".repeat(800_000);
    let choices = |text: &str| -> String {
        let choice = |index| format!("{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}");
        (0..1000).map(choice).collect::<Vec<_>>().join(",")
    };
    let begin = format!(
        "data: {{\"id\":\"{head}\",\"choices\":[{}]}}\n\n",
        choices("how to make a")
    );
    let end: Vec<String> = (0..1000)
        .map(|index| format!("{{\"index\":{index},\"delta\":{{}},\"finish_reason\":\"stop\"}}"))
        .collect();
    let stream = begin + &format!("data: {{\"choices\":[{}]}}\n\n", end.join(","));
    let mut exchange = Exchange::begin(engine());
    let mut out = Vec::new();
    assert_eq!(
        exchange.response_bytes(stream.as_bytes(), false, &mut out),
        StreamStep::Continue
    );
    assert!(out.len() < 2 * stream.len(), "{}", out.len());
    assert!(exchange.footprint() < 4 << 20, "{}", exchange.footprint());
}

#[test]
fn what_is_said_in_sound_is_scored() {
    let mut config = engine().config().clone();
    let scorer = json!([{"kind": "quality-scorer", "min_output_chars": 20}]);
    config.policies = serde_json::from_value(scorer).unwrap();
    let engine = std::sync::Arc::new(Engine::new(config).unwrap());
    let score = |event: &dyn Fn(&str) -> Value, words: &str| {
        let mut exchange = Exchange::begin(engine.clone());
        let stream = sse(&[event("The bridge was opened in 1932, "), event(words)]);
        exchange.response_bytes(stream.as_bytes(), true, &mut Vec::new());
        exchange.tally().quality().unwrap().to_bits()
    };
    let spoken = |text: &str| delta(json!({"audio": {"transcript": text}}));
    let item =
        |kind: &'static str| move |text: &str| json!({"type": kind, "item_id": "m", "delta": text});
    for words in [
        "after eight years of work.",
        "bridge bridge bridge bridge bridge bridge bridge bridge",
    ] {
        let written = score(&content, words);
        assert_eq!(score(&spoken, words), written);
        for kind in [
            "response.audio.transcript.delta",
            "response.output_audio_transcript.delta",
        ] {
            assert_eq!(score(&item(kind), words), written, "{kind}");
        }
    }
}

#[test]
fn items_keep_no_templates() {
    let mut exchange = Exchange::begin(engine());
    let note = "so it goes ".repeat(80_000);
    for item in 0..100 {
        let payload = json!({"type": "response.output_text.delta", "item_id": format!("m_{item}"), "output_index": item, "note": note, "delta": "hello"});
        let mut out = Vec::new();
        let event = format!("data: {payload}\n\n");
        assert_eq!(
            exchange.response_bytes(event.as_bytes(), false, &mut out),
            StreamStep::Continue
        );
        assert!(out.len() < event.len() + 1000);
    }
    assert!(exchange.footprint() < 4 << 20, "{}", exchange.footprint());
}

#[test]
fn the_largest_event_is_a_setting() {
    let mut config = engine().config().clone();
    config.max_event_bytes = 1 << 16;
    let engine = std::sync::Arc::new(Engine::new(config).unwrap());
    let event = |bytes: usize| {
        let image = "QUJD".repeat(bytes / 4);
        let payload = json!({"choices": [{"index": 0, "delta": {"image": image}}]});
        format!("data: {payload}\n\n")
    };
    for (stream, is_cut) in [
        (event(60_000), false),
        (event(60_000).repeat(20), false),
        (event(80_000), true),
        (format!("{{\"image\":\"{}\"}}", "QUJD".repeat(20_000)), true),
    ] {
        for size in [1000, 4096, 65_536, 1 << 20] {
            let mut exchange = Exchange::begin(engine.clone());
            let (mut out, mut step) = (Vec::new(), StreamStep::Continue);
            for piece in stream.as_bytes().chunks(size) {
                step = exchange.response_bytes(piece, false, &mut out);
                let holds = exchange.footprint();
                assert!(size > 1 << 16 || holds < 1 << 19, "{holds} by {size}");
                if step == StreamStep::Cut {
                    break;
                }
            }
            assert_eq!(
                step == StreamStep::Cut,
                is_cut,
                "{} by {size}",
                stream.len()
            );
            assert!(
                is_cut || out == stream.as_bytes(),
                "{} by {size}",
                stream.len()
            );
        }
    }
}

#[test]
fn at_the_limit_cuts_change_nothing() {
    for limit in [100, 1000, 4096] {
        let mut config = engine().config().clone();
        config.max_event_bytes = u32::try_from(limit).unwrap();
        let engine = std::sync::Arc::new(Engine::new(config).unwrap());
        let relay = |pieces: &[&str]| {
            let mut exchange = Exchange::begin(engine.clone());
            let mut out = Vec::new();
            for (at, piece) in pieces.iter().enumerate() {
                let end = at + 1 == pieces.len();
                if exchange.response_bytes(piece.as_bytes(), end, &mut out) == StreamStep::Cut {
                    return (String::from_utf8(out).unwrap(), true);
                }
            }
            (String::from_utf8(out).unwrap(), false)
        };
        let start = sse(&[json!({"choices": [], "x": "Hello."})]).replace("data: [DONE]\n\n", "");
        for bytes in [limit - 1, limit, limit + 1] {
            let event = format!("data: {{\"x\":\"{}\"}}\r\n\r\n", "a ".repeat(limit));
            let rest = event.len() - bytes;
            let event = event.replacen(&"a ".repeat(limit), &"a ".repeat(limit)[rest..], 1);
            assert_eq!(event.len(), bytes);
            let json = format!("{{\"x\":\"{}\"}}", "b".repeat(bytes - 8));
            let blank = "\n".repeat(bytes);
            for stream in [
                format!("{start}{event}{start}"),
                format!("{event}{event}"),
                json,
                format!("{blank}data: {{}}\n\n"),
                format!("{blank}[1]"),
            ] {
                let whole = relay(&[&stream]);
                let is_long =
                    bytes > limit || stream.starts_with(['{', '\n']) && stream.len() > limit;
                assert!(
                    whole.1 == is_long || stream.starts_with('\n'),
                    "{limit} {bytes} {}",
                    whole.0
                );
                let around = (0..stream.len()).filter(|at| {
                    at % 397 == 0 || at.abs_diff(limit) < 60 || at.abs_diff(start.len() + limit) < 4
                });
                for at in around {
                    let (one, other) = stream.split_at(at);
                    assert_eq!(
                        relay(&[one, other]),
                        whole,
                        "{limit} {bytes}, cut at {at}: {stream:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_stream_that_gets_no_room_ends_with_an_error() {
    let mut exchange = Exchange::begin(engine());
    let mut out = Vec::new();
    let event = sse(&[json!({"choices": [{"index": 0, "delta": {"content": "Hello. "}}]})]);
    exchange.response_bytes(event.as_bytes(), false, &mut out);
    assert!(exchange.footprint() > 0);
    assert_eq!(
        exchange.cut(ErrorReply::no_room(), &mut out),
        StreamStep::Cut
    );
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("rate_limited") && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
    assert_eq!(exchange.failure().unwrap().code, "rate_limited");
}

#[test]
fn texts_without_end_are_refused() {
    let mut exchange = Exchange::begin(engine());
    for index in 0..2000 {
        let payload = json!({"choices": [{"index": index, "delta": {"content": "a"}}]});
        let mut out = Vec::new();
        if exchange.response_bytes(format!("data: {payload}\n\n").as_bytes(), false, &mut out)
            == StreamStep::Cut
        {
            assert!(index >= 1000);
            return;
        }
    }
    unreachable!("2000 choices");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of a chunk with unknown members of every kind, at every place, all but text leaves byte for byte, at its place, in its chunk.
    #[test]
    fn all_but_text_leaves_as_it_came(
        form in select(FORMS),
        chunks in prop::collection::vec((members(), "[a-z ]{0,12}"), 1..8),
        reason in select(&["null", "\"\"", "\"stop\""][..]),
    ) {
        let (pointer, form) = form;
        let event = |members: &str, text: &str| {
            let payload = form.replace("MEMBERS", members).replace("REASON", reason).replace("TEXT", text);
            format!("data: {payload}\n\n")
        };
        let stream: String = chunks.iter().map(|(members, text)| event(members, text)).collect();
        let (out, is_cut) = relay(&stream);
        prop_assert!(!is_cut, "{}", out);
        let mut expected = chunks.iter().peekable();
        for sent in out.split_inclusive("\n\n") {
            let (_, data) = sent.split_once("data: ").unwrap();
            let payload: Value = serde_json::from_str(data).unwrap();
            let text = payload.pointer(pointer).unwrap().as_str().unwrap();
            if expected.next_if(|(members, _)| sent == event(members, text)).is_none() {
                // A chunk of our own carries text alone.
                prop_assert!(!sent.contains("x_") && !text.is_empty(), "{}", sent);
            }
        }
        prop_assert!(expected.next().is_none(), "{}", out);
        let whole: String = chunks.iter().map(|(_, text)| text.as_str()).collect();
        prop_assert_eq!(read(&payloads(&out), pointer), whole);
    }
}

/// Where text stands, and a chunk with it.
const FORMS: &[(&str, &str)] = &[
    (
        CONTENT,
        r#"{"id":"c",MEMBERS"choices":[{MEMBERS"index":0,"delta":{MEMBERS"content":"TEXT"},"finish_reason":REASON}]}"#,
    ),
    (
        "/choices/0/delta/reasoning",
        r#"{MEMBERS"choices":[{"delta":{"reasoning":"TEXT",MEMBERS"content":null},MEMBERS"finish_reason":REASON}]}"#,
    ),
    (
        "/choices/0/delta/content/0/text",
        r#"{MEMBERS"choices":[{"delta":{"content":[{MEMBERS"type":"text","text":"TEXT"}]},"finish_reason":REASON}]}"#,
    ),
    (
        "/choices/0/delta/tool_calls/0/function/arguments",
        r#"{"id":"c","choices":[{"index":0,"delta":{MEMBERS"tool_calls":[{MEMBERS"index":0,"function":{MEMBERS"arguments":"TEXT"}}]},"finish_reason":REASON}]}"#,
    ),
    (
        "/choices/0/text",
        r#"{MEMBERS"object":"text_completion","choices":[{MEMBERS"text":"TEXT","index":0,"finish_reason":REASON}]}"#,
    ),
    (
        "/delta",
        r#"{MEMBERS"type":"response.output_text.delta","item_id":"m","output_index":0,"delta":"TEXT"}"#,
    ),
];

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

/// Members of any kind that no API defines, as the start of an object.
fn members() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("false".to_owned()),
        "-?[1-9][0-9]{0,3}(\\.[0-9]{1,2})?([eE][+-]?[0-2])?".prop_map(|number| number),
        "[a-z\u{e9}\u{4e2d}\u{1f600}]{0,8}".prop_map(|text| format!("\"{text}\"")),
        "[a-z]{0,8}".prop_map(|text| format!("\"\\u00{:02x}{text}\\/\\ud83d\\ude00\\t\"", 0x41)),
        "[a-z]{0,8}".prop_map(|text| format!("[\"{text}\", {{\"b\":\"\\u00e9\"}}, [], {{}}, 0]")),
        "[a-z]{0,8}".prop_map(|text| format!("{{\"index\":3,\"type\":\"{text}\" ,\"y\":[[]]}}")),
        "[a-z]{0,8}"
            .prop_map(|text| format!("{{\"delta\":{{\"content\":\"{text}\"}},\"choices\":[]}}")),
        Just(format!(
            "\"data:image/png;base64,{}\"",
            "iVBORw0KGgo".repeat(40)
        )),
    ];
    prop::collection::btree_map("x_[a-z]{1,6}", value, 0..4).prop_map(|members| {
        let members = members.into_iter();
        members.fold(String::new(), |written, (name, value)| {
            written + "\"" + &name + "\" :" + &value + ", "
        })
    })
}
