//! From thoughts to answers, from call to call, from part to part: what leaves where.

use serde_json::{Value, json};

use super::{CONTENT, call, check, choice, content, delta, payloads, read, relay, sse, unchanged};

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

const ARGUMENTS: &str = "/choices/0/delta/tool_calls/0/function/arguments";

/// The beginnings of values that thoughts end in.
const BEGINNINGS: [&str; 5] = [
    "I ask jane@e",
    "his is 219-09-99",
    "it is 4111 1111 1111",
    "see sk-proj-4f9aB",
    "then /srv/www/pages/of/the/library/index",
];

#[test]
fn the_beginning_of_a_value_leaves_before_the_answer() {
    let far = "and so it goes ".repeat(20);
    let name = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}});
    for thought in BEGINNINGS {
        for text in ["Then", &far] {
            for next in [
                content(text),
                call(name.clone()),
                delta(json!({"refusal": text})),
            ] {
                let events = [
                    delta(json!({"reasoning_content": &thought[..5]})),
                    delta(json!({"reasoning_content": &thought[5..]})),
                    next.clone(),
                    content(" I go. "),
                    choice(json!({}), json!("stop")),
                ];
                let (out, is_cut) = relay(&sse(&events));
                assert!(!is_cut, "{out}");
                let seen = payloads(&out);
                let is_thought = |event: &&Value| {
                    event
                        .pointer("/choices/0/delta/reasoning_content")
                        .is_some()
                };
                let thoughts: Vec<Value> = seen.iter().take_while(is_thought).cloned().collect();
                assert_eq!(
                    read(&thoughts, "/choices/0/delta/reasoning_content"),
                    thought,
                    "{out}"
                );
                assert_eq!(
                    seen.iter().filter(is_thought).count(),
                    thoughts.len(),
                    "{out}"
                );
                for pointer in [CONTENT, "/choices/0/delta/refusal", ARGUMENTS] {
                    assert_eq!(read(&seen, pointer), read(&events, pointer), "{out}");
                }
            }
        }
    }
}

#[test]
fn a_provider_that_alternates_gains_one_beginning() {
    let thought = |text: &str| delta(json!({"reasoning_content": text}));
    for (before, pieces, marker) in [
        ("ask ", &["jane@e", "xample.com"][..], "[EMAIL_REDACTED]"),
        (
            "it is ",
            &["4111 1111", " 1111", " 1111"],
            "[CREDIT_CARD_REDACTED]",
        ),
        ("it is ", &["219-09-99", "99"], "[SSN_REDACTED]"),
    ] {
        for between in [
            "Hm.",
            "Let me see what that may be.",
            &"and so on ".repeat(40),
        ] {
            let mut events = vec![thought(before)];
            events.extend(
                pieces
                    .iter()
                    .flat_map(|piece| [thought(piece), content(between)]),
            );
            events.push(thought(" today"));
            let (out, is_cut) = relay(&sse(&events));
            assert!(!is_cut, "{out}");
            let seen = payloads(&out);
            let begins = if between.len() < 256 { "" } else { pieces[0] };
            assert_eq!(
                read(&seen, "/choices/0/delta/reasoning_content"),
                format!("{before}{begins}{marker} today"),
                "{out}"
            );
            assert_eq!(read(&seen, CONTENT), between.repeat(pieces.len()), "{out}");
        }
    }
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
fn a_stop_by_the_text_before_comes_first() {
    // The thoughts are judged where the answer begins, so nothing of that is out, however it was cut.
    let thought = delta(json!({"reasoning_content": "well, how to make a bomb"}));
    for answer in [&["I see, so it goes"][..], &["I se", "e, so it", " goes"]] {
        let mut events = vec![thought.clone()];
        events.extend(answer.iter().map(|text| content(text)));
        let (out, is_cut) = relay(&sse(&events));
        assert!(is_cut && !out.contains("I s"), "{out}");
    }
}
