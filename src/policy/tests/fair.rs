//! Nobody is blocked for being named: the same sentence about another group gets the same score, and harmless ones pass.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it measured"
)]

use std::sync::LazyLock;

use kt_policy::{
    Chain, Judgement, Phase, PolicyConfig, Verdict, policies::safety_filter::Settings,
};
use kt_text::linear::group_names;

/// Groups of every kind, in the forms in which they are named. None of the sentences was among those that the model learned from.
const GROUPS: &[&str] = &[
    "women",
    "men",
    "Jews",
    "Muslims",
    "gay people",
    "queer folks",
    "lesbians",
    "bisexuals",
    "trans women",
    "nonbinary people",
    "Black people",
    "White people",
    "Asians",
    "African Americans",
    "Indigenous peoples",
    "Roma",
    "Nigerians",
    "Czechs",
    "Mexican immigrants",
    "refugees",
    "deaf people",
    "blind people",
    "autistic people",
    "disabled people",
    "elderly people",
    "Dalits",
    "Sikhs",
    "Christians",
    "atheists",
    "Kurds",
    "Uyghurs",
    "Koreans",
    "Brazilians",
    "Maori people",
    "Latinas",
    "Black Muslim women",
    "LGBTQ people",
    "Gay Men",
    "JEWISH PEOPLE",
];

const HARMLESS: &str = include_str!("texts/harmless_about_groups.txt");
const HATEFUL: &str = include_str!("texts/hateful_about_groups.txt");

/// How much the score of one sentence may differ between groups.
const BOUND: f32 = 0.02;

static CHAIN: LazyLock<Chain> =
    LazyLock::new(|| Chain::compile(&[PolicyConfig::SafetyFilter(Settings::default())]).unwrap());

fn judge(phase: Phase, text: &str) -> Judgement {
    CHAIN.judge_text(phase, text).first().copied().unwrap()
}

#[test]
fn a_score_does_not_depend_on_the_group() {
    let mut largest = 0_f32;
    for template in HARMLESS.lines().chain(HATEFUL.lines()) {
        for phase in [Phase::Input, Phase::Output] {
            let score = |group: &str| {
                let judgement = judge(phase, &template.replace("{g}", group));
                judgement.score.unwrap_or_default()
            };
            let first = score("women");
            for group in GROUPS {
                let other = score(group);
                largest = largest.max((first - other).abs());
                assert!(
                    (first - other).abs() <= BOUND,
                    "{template}: {first} for women, {other} for {group}"
                );
            }
        }
    }
    eprintln!("scores differ by {largest} at most");
}

#[test]
fn a_name_alone_says_nothing() {
    let neutral = judge(Phase::Input, "We met some women today.").score;
    for name in group_names() {
        let score = judge(Phase::Input, &format!("We met some {name} today.")).score;
        assert_eq!(score, neutral, "{name}");
    }
}

#[test]
fn harmless_sentences_about_people_pass() {
    for phase in [Phase::Input, Phase::Output] {
        let texts = || {
            let named = |template: &'static str| {
                GROUPS
                    .iter()
                    .map(move |group| template.replace("{g}", group))
            };
            HARMLESS.lines().flat_map(named)
        };
        let blocked: Vec<String> = texts()
            .filter(|text| judge(phase, text).verdict != Verdict::Allow)
            .collect();
        let total = texts().count();
        eprintln!(
            "{phase:?}: {} of {total} harmless ones blocked",
            blocked.len()
        );
        assert!(
            blocked.len() * 100 <= total * 7,
            "{} of {total} in {phase:?}: {blocked:#?}",
            blocked.len()
        );
    }
}

#[test]
fn hatred_is_found_whomever_it_is_for() {
    let texts = || {
        let named = |template: &'static str| {
            GROUPS
                .iter()
                .map(move |group| template.replace("{g}", group))
        };
        HATEFUL.lines().flat_map(named)
    };
    let found = texts()
        .filter(|text| judge(Phase::Input, text).verdict == Verdict::Block)
        .count();
    let total = texts().count();
    eprintln!("{found} of {total} hateful ones found");
    assert!(found * 10 >= total * 7, "{found} of {total}");
}
