//! The laws of the engine, as properties over generated texts and cuts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::{ops::Range, sync::Arc};

use kt_policy::{
    BodyStep, Engine, Exchange, FilterConfig, StreamStep, Verdict, json, sse::SseDecoder,
};
use proptest::{prelude::*, sample::select};

fn engine() -> Arc<Engine> {
    let config = br#"{
        "format": 1, "role": "policy", "gateway_id": "g", "pack": {"name": "laws", "version": "1.0.0"}, "fail_mode": "block", "unreadable": "allow", "rewrite_per_attempt": false,
        "policies": [
            {"kind": "prompt-injection", "threshold": 0.8, "action": "block"},
            {"kind": "pii-detector", "action": "redact", "entities": ["EMAIL", "PHONE", "SSN", "CREDIT_CARD", "IP_ADDRESS"]},
            {"kind": "safety-filter", "mode": "strict", "action": "block"},
            {"kind": "audit-logger", "immutable": true, "retention_days": 30, "log_all_access": true}],
        "targets": [{"id": "a", "provider": "together", "model": "m", "authority": "h", "base_path": "/v1"}]
    }"#;
    Arc::new(Engine::new(FilterConfig::from_json(config).unwrap()))
}

/// Pieces that, put together at random, make values, near misses and harmful phrases.
fn fragment() -> impl Strategy<Value = String> {
    let known = select(vec![
        "bob.o-hara+x@mail.example.co.uk",
        "jörg@example.de",
        "@",
        "a@b",
        ".com",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "4111111111111111",
        "4111",
        " 1111",
        "219-09-9999",
        "219 09 9999",
        "SSN ",
        "ssn: 219099999",
        "+1 415 555 2671",
        "(415) 555-2671",
        "415.555.2671",
        "phone 4155552671",
        "+",
        "(",
        ")",
        "192.168.0.14",
        "2001:db8::8a2e:370:7334",
        "::",
        ":",
        "fe80::1",
        "1.2.3.4.5",
        "how to make a bomb",
        "how to ",
        "make a ",
        "bomb",
        "kill myself",
        "launder the ",
        "money",
        " ",
        "  ",
        "\n",
        ", ",
        ". ",
        "-",
        "/",
        "The quick brown fox",
        "über",
        "日本語",
        "јаilbreаk",
        "\u{200b}",
        "😀",
        "\"quoted\"",
        "back\\slash",
        "'",
        "’s",
        "0",
        "12",
        "345",
        "6789",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => "[a-z]{1,60}", 1 => "[0-9]{1,24}", 1 => "[0-9a-f:.]{1,60}", 1 => "\\PC{0,6}"]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..14).prop_map(|fragments| fragments.concat())
}

/// What a client ends up with.
#[derive(Debug, PartialEq)]
struct Seen {
    text: String,
    blocked: bool,
    verdict: Verdict,
}

fn json_string(text: &str) -> String {
    let mut out = Vec::new();
    json::encode(text, &mut out);
    String::from_utf8(out).unwrap()
}

fn chunk(content: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}},\"finish_reason\":null}}]}}\n\n",
        json_string(content)
    )
}

const FINISH: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// The contents of a stream's deltas, joined, and whether it ends in an error event.
fn client_reads(bytes: &[u8]) -> (String, bool) {
    let mut decoder = SseDecoder::with_limit(1 << 20);
    decoder.push(bytes).unwrap();
    let (mut text, mut blocked) = (String::new(), false);
    while let Some(event) = decoder.next_event() {
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

fn run_stream(pieces: &[&[u8]], mut watch: impl FnMut(&[u8])) -> Seen {
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
    }
}

/// The stream with one delta for the whole text.
fn uncut(text: &str) -> Seen {
    let body = chunk(text) + FINISH;
    run_stream(&[body.as_bytes()], |_| {})
}

fn cut_deltas(text: &str, cuts: &[usize]) -> Seen {
    let body: String = split(text, cuts)
        .map(|range| chunk(&text[range]))
        .collect::<String>()
        + FINISH;
    run_stream(&[body.as_bytes()], |_| {})
}

fn split<'t>(text: &'t str, cuts: &[usize]) -> impl Iterator<Item = Range<usize>> + use<'t> {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Law 3, over deltas: every two-way cut, per character, and random cuts.
    #[test]
    fn cutting_the_text_differently_changes_nothing(text in text(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let whole = uncut(&text);
        prop_assert_eq!(&cut_deltas(&text, &cuts), &whole);
        let every: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        prop_assert_eq!(&cut_deltas(&text, &every), &whole);
        for &at in &every {
            prop_assert_eq!(&cut_deltas(&text, &[at]), &whole, "cut at {}", at);
        }
    }

    /// Law 3, over bytes of the network.
    #[test]
    fn cutting_the_bytes_differently_changes_nothing(text in text(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let body: String = split(&text, &cuts).map(|range| chunk(&text[range])).collect::<String>() + FINISH;
        let whole = run_stream(&[body.as_bytes()], |_| {});
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.rotate_left(17) % (body.len() + 1)).collect();
        at.extend([0, body.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &body.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&run_stream(&pieces, |_| {}), &whole);
        let single: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        prop_assert_eq!(&run_stream(&single, |_| {}), &whole);
    }

    /// A stream reads like the response that is not one, and a stop cuts a prefix of it.
    #[test]
    fn a_stream_reads_like_the_whole_answer(text in text()) {
        let stream = uncut(&text);
        let body = format!("{{\"choices\":[{{\"index\":0,\"message\":{{\"content\":\"{}\"}}}}]}}", json_string(&text));
        let mut exchange = Exchange::begin(engine());
        match exchange.response_body(body.as_bytes()) {
            BodyStep::Forward => prop_assert_eq!(&stream.text, &text),
            BodyStep::Patch(patch) => {
                let patched: serde_json::Value = serde_json::from_slice(&patch.apply(body.as_bytes())).unwrap();
                prop_assert_eq!(&stream.text, patched["choices"][0]["message"]["content"].as_str().unwrap());
            }
            BodyStep::Reply(reply) => {
                prop_assert_eq!(reply.code, "output_blocked");
                prop_assert!(stream.blocked);
            }
        }
        prop_assert_eq!(stream.verdict, exchange.tally().outcome().0);
    }

    /// Law 4: what was released is never taken back and never holds a value.
    #[test]
    fn every_released_prefix_is_final(text in text()) {
        let body: String = text.char_indices().map(|(at, c)| chunk(&text[at..at + c.len_utf8()])).collect::<String>() + FINISH;
        let pieces: Vec<&[u8]> = body.split_inclusive("\n\n").map(str::as_bytes).collect();
        let mut released = Vec::new();
        let whole = run_stream(&pieces, |out| released.push(client_reads(out).0));
        for prefix in released {
            prop_assert!(whole.text.starts_with(&prefix), "{:?} is no prefix of {:?}", prefix, whole.text);
        }
    }

    /// Redacting twice is redacting once, for values that do not touch each other.
    #[test]
    fn redacted_text_has_no_finding(fragments in prop::collection::vec(fragment(), 0..8)) {
        let once = uncut(&fragments.join(" , "));
        if !once.blocked {
            prop_assert_eq!(&uncut(&once.text).text, &once.text);
        }
    }

    /// Law 2: a request without findings leaves byte for byte, and every edit keeps it valid JSON.
    #[test]
    fn requests_keep_their_bytes(texts in prop::collection::vec(text(), 1..4)) {
        let messages: Vec<String> =
            texts.iter().map(|text| format!("{{\"role\" :\"user\",\"content\":\"{}\",\"x\":1.50e1}}", json_string(text))).collect();
        let body = format!("{{\"messages\":[{}], \"model\":\"m\"}}", messages.join(" ,"));
        let mut exchange = Exchange::begin(engine());
        match exchange.request_body(body.as_bytes()) {
            BodyStep::Forward => prop_assert_eq!(exchange.tally().outcome().0, Verdict::Allow),
            BodyStep::Patch(patch) => {
                let patched = patch.apply(body.as_bytes());
                prop_assert_eq!(patched.len(), patch.patched_len(body.len()));
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&patched).is_ok());
                prop_assert_eq!(exchange.tally().outcome().0, Verdict::Redact);
            }
            BodyStep::Reply(reply) => prop_assert_eq!(reply.status, 409),
        }
    }
}
