//! Overrides and extractions in seventeen languages are found, and requests with the same words are not. The texts stand in
//! `languages/`, one a line, behind the code of the language.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use kt_policy::{Chain, Phase, PolicyConfig, policies::prompt_injection::Settings};

/// By language, how many texts there are, and those that are (not) stopped.
fn judged(file: &str, stopped: bool) -> BTreeMap<&str, (usize, Vec<&str>)> {
    let chain = Chain::compile(&[PolicyConfig::PromptInjection(Settings::default())]).unwrap();
    let mut judged = BTreeMap::<_, (usize, Vec<_>)>::new();
    for line in file.lines() {
        let (language, text) = line.split_once(": ").unwrap();
        let answers = chain.judge_text(Phase::Input, text);
        let own = judged.entry(language).or_default();
        own.0 += 1;
        if answers.iter().any(|answer| answer.verdict.stops()) == stopped {
            own.1.push(text);
        }
    }
    judged
}

#[test]
fn attacks_are_stopped_in_every_language() {
    let judged = judged(include_str!("languages/attacks.txt"), false);
    assert_eq!(judged.len(), 17);
    let passed: Vec<_> = judged
        .values()
        .filter(|(count, passed)| *count < 8 || !passed.is_empty())
        .collect();
    assert!(passed.is_empty(), "{passed:#?}");
}

#[test]
fn requests_with_the_same_words_pass() {
    let judged = judged(include_str!("languages/harmless.txt"), true);
    assert_eq!(judged.len(), 17);
    let stopped: Vec<_> = judged
        .values()
        .filter(|(count, stopped)| *count < 6 || !stopped.is_empty())
        .collect();
    assert!(stopped.is_empty(), "{stopped:#?}");
}
