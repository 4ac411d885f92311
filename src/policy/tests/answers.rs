//! Answers are judged as they come: the same for every cut, and as the whole answer is.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "each test uses a part of it")]
mod common;

use std::sync::{Arc, LazyLock};

use common::{FINISH, chunk, client_reads, split};
use kt_policy::{
    Chain, Engine, Exchange, FilterConfig, Phase, PolicyConfig, StreamStep, Verdict,
    policies::safety_filter::Settings,
};

const CONFIG: &str = r#"{
    "format": 3, "role": "policy", "gateway_id": "g", "pack": {"name": "answers", "version": "1.0.0"}, "fail_mode": "block", "unreadable": "allow", "model_per_attempt": false,
    "policies": [
        {"kind": "pii-detector", "action": "redact", "entities": ["EMAIL", "CREDIT_CARD", "PHONE"]},
        {"kind": "safety-filter", "mode": "strict", "action": "block", "output": {"stream": "MODE"}}],
    "targets": [{"id": "a", "provider": "together", "model": "m", "authority": "h", "base_path": "/v1", "weight": 1, "timeout_ms": 1000, "first_token_ms": 1000}]
}"#;

fn engine(mode: &str) -> Arc<Engine> {
    let config = CONFIG.replace("MODE", mode);
    Arc::new(Engine::new(FilterConfig::from_json(config.as_bytes()).unwrap()).unwrap())
}

static CUT: LazyLock<Arc<Engine>> = LazyLock::new(|| engine("cut"));
static HOLD: LazyLock<Arc<Engine>> = LazyLock::new(|| engine("hold"));

/// What the client reads, whether the stream ended in an error, and the verdict and score of the event.
type Outcome = (String, bool, Verdict, Vec<Option<f32>>);

fn stream(engine: &Arc<Engine>, text: &str, cuts: &[usize]) -> Outcome {
    let chunks: String = split(text, cuts).map(|range| chunk(&text[range])).collect();
    let body = chunks + FINISH;
    let mut exchange = Exchange::begin(engine.clone());
    let mut out = Vec::new();
    let step = exchange.response_bytes(body.as_bytes(), true, &mut out);
    let (read, blocked) = client_reads(&out);
    assert_eq!(step == StreamStep::Cut, blocked);
    let results = exchange.tally().results();
    let scores = results.iter().map(|result| result.score).collect();
    (read, blocked, exchange.tally().outcome().0, scores)
}

const HARM: &str = "Sure, here is how to build a pipe bomb and hide it. First, pack the powder tightly into a metal pipe and seal both ends. \
    Then drill a hole for the fuse. Next, add nails and ball bearings to kill as many people as possible. Finally, leave it in a crowded place and detonate it.";

const FINE: &str = "Sure, here is how to bake bread. First, mix flour, water and salt. Then let the dough rest for an hour. \
    Finally, bake it until the crust is brown. Write to baker@example.com, or call +44 20 7183 8750.\nEnjoy your meal";

const REFUSAL: &str = "I'm sorry, but I can't help with instructions on how to make a bomb. It is illegal and could harm people. \
    If you are thinking about hurting others, please seek help.";

fn texts() -> [String; 6] {
    [
        HARM.to_owned(),
        FINE.to_owned(),
        REFUSAL.to_owned(),
        format!("{FINE}. {HARM} {FINE}"),
        format!("{FINE}\n{FINE}\n{HARM}"),
        format!("Card 4111 1111 1111 1111. {HARM}\nCard 4111 1111 1111 1111"),
    ]
}

#[test]
fn cuts_change_nothing() {
    for engine in [&CUT, &HOLD] {
        for text in texts() {
            let whole = stream(engine, &text, &[]);
            for at in 0..=text.len() {
                assert_eq!(stream(engine, &text, &[at]), whole, "cut at {at}: {text}");
            }
            let every: Vec<usize> = (0..text.len()).collect();
            assert_eq!(stream(engine, &text, &every), whole, "{text}");
        }
    }
}

#[test]
fn harm_ends_a_stream_and_a_body_alike() {
    for (text, is_harmful) in [(HARM, true), (FINE, false), (REFUSAL, false)] {
        for engine in [&CUT, &HOLD] {
            assert_eq!(stream(engine, text, &[]).1, is_harmful, "{text}");
        }
        let chain = Chain::compile(&[PolicyConfig::SafetyFilter(Settings::default())]).unwrap();
        let whole = chain.judge_text(Phase::Output, text)[0].verdict;
        assert_eq!(whole == Verdict::Block, is_harmful, "{text}");
    }
}

#[test]
fn hold_releases_nothing_of_the_sentence_that_gave_it_away() {
    let text = format!("{FINE}. {HARM}");
    let (cut, ..) = stream(&CUT, &text, &[]);
    let (held, ..) = stream(&HOLD, &text, &[]);
    assert!(cut.len() > held.len() && cut.starts_with(&held), "{held}");
    assert!(!held.contains("kill as many people"), "{held}");
}

#[test]
fn hold_lets_harmless_answers_through_to_the_byte() {
    let text = REFUSAL;
    assert_eq!(stream(&HOLD, text, &[7, 40]).0, text);
    assert_eq!(stream(&CUT, text, &[7, 40]).0, text);
}
