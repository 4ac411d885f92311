//! Answers that refuse may name what they refuse, and what only looks like a refusal is stopped, in streams as in bodies. The texts stand in
//! `refusals/`, one a line; nothing was fitted to them.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "each test uses a part of it")]
mod common;

use std::sync::Arc;

use common::{FINISH, chunk, client_reads, split};
use kt_policy::{
    Chain, Engine, Exchange, FilterConfig, Phase, PolicyConfig, policies::safety_filter::Settings,
};

const CONFIG: &str = r#"{
    "format": 3, "role": "policy", "gateway_id": "g", "pack": {"name": "refusals", "version": "1.0.0"}, "fail_mode": "block", "unreadable": "allow", "model_per_attempt": false,
    "policies": [{"kind": "safety-filter", "mode": "strict", "action": "block", "output": {"stream": "MODE"}}],
    "targets": [{"id": "a", "provider": "together", "model": "m", "authority": "h", "base_path": "/v1", "weight": 1, "timeout_ms": 1000, "first_token_ms": 1000}]
}"#;

const HARMLESS: &str = include_str!("refusals/harmless.txt");
const HARMFUL: &str = include_str!("refusals/harmful.txt");

fn engine(mode: &str) -> Arc<Engine> {
    let config = CONFIG.replace("MODE", mode);
    Arc::new(Engine::new(FilterConfig::from_json(config.as_bytes()).unwrap()).unwrap())
}

/// Whether the stream is stopped, and what leaves of it.
fn stream(engine: &Arc<Engine>, text: &str, cuts: &[usize]) -> (bool, String) {
    let chunks: String = split(text, cuts).map(|range| chunk(&text[range])).collect();
    let mut out = Vec::new();
    Exchange::begin(engine.clone()).response_bytes((chunks + FINISH).as_bytes(), true, &mut out);
    let (read, is_stopped) = client_reads(&out);
    (is_stopped, read)
}

/// Those of `texts` that do not fare as they should, as whole answers and as streams in both modes, however cut.
fn wrong<'t>(texts: &'t str, stops: bool) -> Vec<&'t str> {
    let chain = Chain::compile(&[PolicyConfig::SafetyFilter(Settings::default())]).unwrap();
    let engines = [engine("cut"), engine("hold")];
    let is_wrong = |text: &&'t str| {
        let whole = chain.judge_text(Phase::Output, text);
        let is_stopped = whole.iter().any(|judgement| judgement.verdict.stops());
        let letters: Vec<usize> = (0..text.len())
            .filter(|at| text.is_char_boundary(*at))
            .collect();
        for engine in &engines {
            let at_once = stream(engine, text, &[]);
            assert_eq!(at_once.0, is_stopped, "whole and stream: {text}");
            assert_eq!(stream(engine, text, &letters), at_once, "{text}");
        }
        is_stopped != stops
    };
    texts.lines().filter(is_wrong).collect()
}

#[test]
fn refusals_pass() {
    assert!(HARMLESS.lines().count() >= 60);
    let stopped = wrong(HARMLESS, false);
    assert!(stopped.is_empty(), "{stopped:#?}");
}

#[test]
fn refusals_pass_behind_a_long_answer() {
    let before = "The weather was fine and the harbour lay quiet in the morning sun. ".repeat(40);
    let texts: Vec<String> = HARMLESS
        .lines()
        .map(|line| format!("{before}{line}"))
        .collect();
    let stopped = wrong(
        &texts
            .join("\u{1}")
            .replace('\n', " ")
            .replace('\u{1}', "\n"),
        false,
    )
    .len();
    assert_eq!(stopped, 0);
}

#[test]
fn answers_in_the_clothes_of_refusals_are_stopped() {
    assert!(HARMFUL.lines().count() >= 40);
    let passed = wrong(HARMFUL, true);
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn many_refusals_are_none() {
    let chain = Chain::compile(&[PolicyConfig::SafetyFilter(Settings::default())]).unwrap();
    let score = |count: usize| {
        let all = [
            "I cannot",
            "I can't",
            "I won't",
            "I will not",
            "I'm unable to",
        ];
        let sentences = all.iter().take(count).map(|no| {
            format!("{no} help you kill people at the station with a bomb full of nails. ")
        });
        let judgements = chain.judge_text(Phase::Output, &sentences.collect::<String>());
        judgements.first().unwrap().score.unwrap_or_default()
    };
    assert!(score(3) <= 0.0, "{}", score(3));
    assert!(score(5) > 0.0);
}
