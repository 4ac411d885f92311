//! What a stream may hold, and what it gets when that is too much.

use crate::common::engine;
use kt_policy::{Engine, ErrorReply, Exchange, StreamStep};
use serde_json::json;

use super::sse;

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
