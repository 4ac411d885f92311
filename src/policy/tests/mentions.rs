//! Texts that speak of attacks pass, and attacks in their clothes do not. The texts stand in `mentions/`, one a line, with `\n`
//! for a line break.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use kt_policy::{Chain, Phase, PolicyConfig, policies::prompt_injection::Settings};

/// The texts of `file` that are (not) stopped, and how many there are.
fn judged(file: &str, stopped: bool) -> (Vec<String>, usize) {
    let chain = Chain::compile(&[PolicyConfig::PromptInjection(Settings::default())]).unwrap();
    let texts: Vec<String> = file.lines().map(|line| line.replace("\\n", "\n")).collect();
    let count = texts.len();
    let is = |text: &String| {
        let answers = chain.judge_text(Phase::Input, text);
        answers.iter().any(|answer| answer.verdict.stops()) == stopped
    };
    (texts.into_iter().filter(is).collect(), count)
}

#[test]
fn what_speaks_of_attacks_passes() {
    let (stopped, count) = judged(include_str!("mentions/harmless.txt"), true);
    assert!(count >= 60);
    assert!(stopped.len() * 50 <= count, "{stopped:#?}");
}

#[test]
fn attacks_in_the_clothes_of_mentions_are_stopped() {
    let (passed, count) = judged(include_str!("mentions/attacks.txt"), false);
    assert!(count >= 60);
    assert!(passed.is_empty(), "{passed:#?}");
}

/// System prompts as operators write them, most of which speak of attacks.
#[test]
fn what_operators_write_passes() {
    let (stopped, count) = judged(include_str!("mentions/operators.txt"), true);
    assert!(count >= 100);
    assert!(stopped.len() * 50 <= count, "{stopped:#?}");
}

/// The same prompts with an attack behind them, as a request that is one text has it, are stopped: each with another attack.
#[test]
fn attacks_behind_what_operators_write_are_stopped() {
    let attacks: Vec<&str> = include_str!("mentions/operators_attacks.txt")
        .lines()
        .collect();
    let prompts = include_str!("mentions/operators.txt").lines();
    let attacked = prompts.zip(attacks.iter().cycle());
    let attacked: Vec<String> = attacked
        .map(|(prompt, attack)| format!("{prompt}\\n\\n{attack}"))
        .collect();
    let (passed, count) = judged(&attacked.join("\n"), false);
    assert!(count >= 40);
    assert!(passed.is_empty(), "{passed:#?}");
}
