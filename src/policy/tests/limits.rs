//! What one exchange may cost, and what it is answered beyond: the same for the same bytes, however they are cut, and nothing gets past.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "the law tests use the rest of what is shared")]

mod common;

use std::sync::Arc;

use common::{FINISH, chunk, compile, engine, json_string};
use kt_policy::{BodyStep, Engine, Exchange, StreamStep, Verdict};

const CODE: &str = "inspection_limit_exceeded";

/// An engine with a user's expression that reads as far as a match may reach from every letter, and then settles for that letter.
fn far_reading() -> Arc<Engine> {
    compile(r#", "patterns": [{"name": "FAR", "find": {"regex": "a.*b|a"}}]"#)
}

fn message(text: &str) -> String {
    format!(
        "{{\"role\":\"user\",\"content\":\"{}\"}}",
        json_string(text)
    )
}

fn request(engine: Arc<Engine>, texts: &[String]) -> (BodyStep, Exchange) {
    let messages: Vec<String> = texts.iter().map(|text| message(text)).collect();
    let body = format!("{{\"model\":\"m\",\"messages\":[{}]}}", messages.join(","));
    let mut exchange = Exchange::begin(engine);
    (exchange.request_body(body.as_bytes()), exchange)
}

fn answer(engine: Arc<Engine>, text: &str) -> BodyStep {
    let body = format!(
        "{{\"choices\":[{{\"index\":0,\"message\":{}}}]}}",
        message(text)
    );
    Exchange::begin(engine).response_body(body.as_bytes())
}

fn status(step: &BodyStep) -> Option<(u16, &str)> {
    match step {
        BodyStep::Reply(reply) => Some((reply.status, reply.code)),
        _ => None,
    }
}

/// What a client reads of a stream whose bytes come in pieces of this size, and the most memory that it took.
fn stream(engine: Arc<Engine>, deltas: &[String], piece: usize) -> (String, usize) {
    let body: String = deltas.iter().map(|delta| chunk(delta)).collect::<String>() + FINISH;
    let mut exchange = Exchange::begin(engine);
    let (mut out, mut most) = (Vec::new(), 0);
    for bytes in body.as_bytes().chunks(piece) {
        if exchange.response_bytes(bytes, false, &mut out) == StreamStep::Cut {
            break;
        }
        most = most.max(exchange.footprint());
    }
    (String::from_utf8(out).unwrap(), most)
}

#[test]
fn expressions_that_read_far_end_the_exchange() {
    let text = "a c ".repeat(50_000);
    for _ in 0..2 {
        let (step, exchange) = request(far_reading(), std::slice::from_ref(&text));
        assert_eq!(status(&step), Some((413, CODE)));
        assert_eq!(exchange.failure().unwrap().reason_code(), CODE);
        assert_eq!(status(&answer(far_reading(), &text)), Some((502, CODE)));
    }
    // A text of which it reads little is no worse than before, nor one that is short.
    for text in ["b ".repeat(200_000), "a c ".repeat(700)] {
        assert_eq!(status(&request(far_reading(), &[text]).0), None);
    }
}

#[test]
fn steps_add_up_over_the_texts_of_an_exchange() {
    let texts = vec!["a c ".repeat(1_000); 60];
    assert_eq!(status(&request(far_reading(), &texts).0), Some((413, CODE)));
}

#[test]
fn a_stream_of_many_steps_ends_in_the_same_place_however_its_bytes_are_cut() {
    let deltas = vec!["a c ".repeat(1_000); 40];
    let (whole, _) = stream(far_reading(), &deltas, usize::MAX);
    assert!(whole.contains(CODE));
    assert!(whole.ends_with("data: [DONE]\n\n"));
    assert!(!whole.contains("a c"), "every letter is a match");
    for piece in [7, 1000, 65_537] {
        assert_eq!(stream(far_reading(), &deltas, piece).0, whole);
    }
}

#[test]
fn more_findings_than_a_text_may_hold_end_the_exchange() {
    let address = "10.1.2.3 ";
    let many = address.repeat(100_100);
    assert_eq!(
        status(&request(engine(), std::slice::from_ref(&many)).0),
        Some((413, CODE))
    );
    assert_eq!(status(&answer(engine(), &many)), Some((502, CODE)));
    let (out, _) = stream(engine(), std::slice::from_ref(&many), usize::MAX);
    assert!(
        out.contains(CODE),
        "{}",
        &out[out.len().saturating_sub(400)..]
    );
    assert!(!out.contains("10.1.2.3"));
    // Fewer are replaced one by one.
    let (step, exchange) = request(engine(), &[address.repeat(20_000)]);
    assert!(matches!(step, BodyStep::Patch(_)));
    assert_eq!(exchange.tally().redaction_count(), 20_000);
    assert_eq!(exchange.tally().outcome().0, Verdict::Redact);
}

#[test]
fn findings_add_up_over_the_texts_of_a_body() {
    let texts = vec!["10.1.2.3 ".repeat(1_000); 101];
    assert_eq!(status(&request(engine(), &texts).0), Some((413, CODE)));
}

/// Phrases and users' matches are kept in memory like values.
#[test]
fn too_many_matches_of_any_kind_end_the_exchange() {
    let few = compile(
        r#", "patterns": [{"name": "P", "find": {"regex": "x"}}, {"name": "T", "find": {"term": {"text": "zq"}}}]"#,
    );
    for text in ["x ", "zq "] {
        let (step, _) = request(few.clone(), &[text.repeat(100_001)]);
        assert_eq!(status(&step), Some((413, CODE)), "{text}");
    }
}

/// Values that overlap wait together: they take no more memory than the limit, and none of them leaves.
#[test]
fn values_that_never_end_take_bounded_memory() {
    let mut deltas = vec!["a".to_owned()];
    deltas.extend(std::iter::repeat_n("@b.co".to_owned(), 40_000));
    let (out, most) = stream(engine(), &deltas, 4096);
    assert!(out.contains(CODE));
    assert!(!out.contains("b.co"));
    assert!(most < 300_000, "{most} bytes");
    // Where they end in time they are replaced.
    deltas.truncate(2_000);
    let (out, _) = stream(engine(), &deltas, 4096);
    assert!(out.contains("[EMAIL_REDACTED]") && !out.contains("b.co"));
}
