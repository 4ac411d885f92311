//! What is no text leaves as it came, at its place; what clients may join is judged joined.

use crate::common::engine;
use kt_policy::{Engine, Exchange};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{CONTENT, call, check, choice, content, delta, payloads, read, relay, sse, unchanged};

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
fn what_repeats_the_text_token_by_token_is_emptied() {
    let tokens = json!(["ask", " jane", "@", "example", ".com"]);
    for (member, hidden) in [
        (
            json!({"x_groq": {"id": "req_1", "debug": {"output_tokens": tokens, "output_token_ids": [1, 2]}}}),
            json!({"x_groq": {"id": "req_1", "debug": null}}),
        ),
        (
            json!({"token_ids": [1, 2], "usage": {"output_tokens": 5}}),
            json!({"token_ids": [], "usage": {"output_tokens": 5}}),
        ),
    ] {
        let mut end = choice(json!({}), json!("stop"));
        let mut expected = end.clone();
        for (event, members) in [(&mut end, &member), (&mut expected, &hidden)] {
            for (name, value) in members.as_object().unwrap() {
                event[name] = value.clone();
            }
        }
        let seen = check(&[content("ask me "), end], "ask me ");
        assert_eq!(seen.last(), Some(&expected));
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of a chunk with unknown members of every kind, at every place, all but text leaves byte for byte, at its place, in its chunk.
    #[test]
    fn all_but_text_leaves_as_it_came(
        form in select(FORMS),
        chunks in prop::collection::vec((members(), WORDS), 1..8),
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

/// Pieces of ordinary words: random letters look harmful to the model of answers now and then.
const WORDS: &str = "(so|it| is|w|e |at|in| th|e| ){0,6}";

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
    // A name of these letters says nothing of its value, as `x_mbi` would.
    prop::collection::btree_map("x_[s-z]{1,6}", value, 0..4).prop_map(|members| {
        let members = members.into_iter();
        members.fold(String::new(), |written, (name, value)| {
            written + "\"" + &name + "\" :" + &value + ", "
        })
    })
}
