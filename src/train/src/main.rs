//! Fits the linear models of `kt-policy` to labelled texts, measures them, and writes their weights.
//!
//! `kt-train CORPORA OUT`. Every figure comes from a fit that did not see the text, nor others of its source (with the
//! exception of [`has_no_kin`]). The threshold is a quantile of the negatives so scored, each source counting by the root of
//! its size.

#![expect(
    clippy::indexing_slicing,
    reason = "places come from the lists that they index"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks on its standard streams"
)]

mod corpus;
mod fit;
mod garble;
mod made;

use std::{collections::BTreeMap, fs, io::Write as _, path::Path, process::ExitCode};

use corpus::{Sample, Source};
use fit::{Example, Fitted, fit};
use kt_policy::linear::{BUCKETS, Calibration, Header, features};
use serde_json::{Value, json};

/// Parts of the sources that have no kin.
const PARTS: usize = 5;
/// Share of the negatives that lie below the threshold: a false alarm of the injection filter ends a conversation, one of
/// the safety filter a request.
const QUANTILES: [f32; 2] = [0.996, 0.989];

/// Sources made of attacks inside the texts of another.
const EMBEDDED: [(&str, &str); 2] = [
    ("made/embedded_in_documents", "benign/long_docs_code"),
    ("made/embedded_in_answers", "benign/arena_hard_answers"),
];

const GARBLED_REQUESTS: &str = "made/garbled_requests";

/// What a source is made of: a fit that does not know it must not know others of the same.
fn origin(file: &str) -> &str {
    if file == GARBLED_REQUESTS {
        return "safety/catqa_en";
    }
    EMBEDDED
        .iter()
        .find(|(made, _)| *made == file)
        .map_or(file, |(_, carrier)| carrier)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [corpora, out] = arguments.as_slice() else {
        eprintln!("usage: kt-train CORPORA OUT");
        return ExitCode::from(2);
    };
    match run(Path::new(corpora), Path::new(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(corpora: &Path, out: &Path) -> Result<(), String> {
    let models = [
        injection(corpora)?.train(QUANTILES[0]),
        safety(corpora)?.train(QUANTILES[1]),
    ];
    write(out, &models).map_err(|error| format!("{}: {error}", out.display()))
}

/// Harmless texts that were made, for garbling.
fn harmless() -> Vec<String> {
    [
        made::tasks(),
        made::readings(),
        made::roles(),
        made::trigger_words(),
    ]
    .concat()
}

fn injection(corpora: &Path) -> Result<Task, String> {
    let mut task = Task::read("injection", corpora, corpus::injection())?;
    let attacks = [made::hijacks(), made::extractions(), made::attacks()].concat();
    task.add("made/attacks", 1.0, true, made::attacks());
    task.add("made/hijacks", 1.0, true, made::hijacks());
    task.add("made/extractions", 1.0, true, made::extractions());
    for (name, carrier) in EMBEDDED {
        let carriers = task.carriers(carrier);
        let texts: Vec<&str> = carriers.iter().map(String::as_str).collect();
        task.add(name, 0.8, true, made::embedded(&texts));
    }
    task.add(
        "made/garbled_attacks",
        0.6,
        true,
        garble::garbled(&attacks, 2400, 21),
    );
    task.add(
        "made/garbled_tasks",
        1.5,
        false,
        garble::garbled(&harmless(), 3600, 22),
    );
    task.add(
        "made/encoded_tasks",
        1.0,
        false,
        garble::encoded(&harmless(), 2400, 23),
    );
    task.add("made/readings", 2.0, false, made::readings());
    task.add("made/roles", 2.0, false, made::roles());
    task.add("made/discussions", 0.7, false, made::discussions());
    task.add("made/trigger_words", 3.0, false, made::trigger_words());
    task.add("made/tasks", 1.5, false, made::tasks());
    task.add("made/languages", 1.5, false, made::languages());
    Ok(task)
}

fn safety(corpora: &Path) -> Result<Task, String> {
    let mut task = Task::read("safety", corpora, corpus::safety())?;
    let requests = task.positives("safety/catqa_en");
    task.add(
        GARBLED_REQUESTS,
        0.4,
        true,
        garble::garbled(&requests, 1200, 24),
    );
    task.add("made/moderation", 0.7, true, made::moderation());
    task.add(
        "made/garbled_tasks",
        1.0,
        false,
        garble::garbled(&harmless(), 2400, 25),
    );
    task.add(
        "made/encoded_tasks",
        0.7,
        false,
        garble::encoded(&harmless(), 1800, 26),
    );
    task.add("made/discussions", 1.5, false, made::discussions());
    task.add("made/readings", 0.7, false, made::readings());
    task.add("made/roles", 0.7, false, made::roles());
    task.add("made/contrasts", 1.5, false, made::contrasts());
    task.add("made/trigger_words", 1.0, false, made::trigger_words());
    task.add("made/tasks", 1.0, false, made::tasks());
    task.add("made/languages", 1.5, false, made::languages());
    Ok(task)
}

/// A model and what it learns from.
struct Task {
    name: &'static str,
    sources: Vec<Source>,
    samples: Vec<Sample>,
}

/// A trained model.
struct Trained {
    weights: Vec<i8>,
    calibration: Calibration,
    about: Value,
}

impl Task {
    fn read(name: &'static str, corpora: &Path, sources: Vec<Source>) -> Result<Self, String> {
        let samples = corpus::read(corpora, &sources)?;
        Ok(Self {
            name,
            sources,
            samples,
        })
    }

    /// Harmless texts of a source that are long enough to carry an attack.
    fn carriers(&self, file: &str) -> Vec<String> {
        let is_carrier = |sample: &&Sample| {
            !sample.is_positive
                && sample.text.len() > 800
                && self.sources[sample.source].file == file
        };
        self.samples
            .iter()
            .filter(is_carrier)
            .map(|sample| sample.text.clone())
            .collect()
    }

    /// The positive texts of a source.
    fn positives(&self, file: &str) -> Vec<String> {
        let is_of =
            |sample: &&Sample| sample.is_positive && self.sources[sample.source].file == file;
        self.samples
            .iter()
            .filter(is_of)
            .map(|sample| sample.text.clone())
            .collect()
    }

    fn add(&mut self, name: &'static str, weight: f32, is_positive: bool, texts: Vec<String>) {
        let source = self.sources.len();
        self.samples.extend(texts.into_iter().map(|text| Sample {
            text,
            is_positive,
            source,
        }));
        self.sources.push(Source {
            file: name,
            label: None,
            weight,
        });
    }

    fn train(&self, share: f32) -> Trained {
        let examples = self.examples();
        let all: Vec<usize> = (0..examples.len()).collect();
        let logits = self.unseen_logits(&examples);
        let threshold = quantile(&examples, &logits, share);
        let figures = self.figures(&logits, threshold);
        let model = fit(&examples, &all);
        let (weights, scale) = quantize(&model);
        Trained {
            weights,
            calibration: Calibration {
                scale,
                bias: model.bias,
                threshold,
            },
            about: json!({"model": self.name, "texts": self.samples.len(), "shares_above_threshold": figures}),
        }
    }

    /// What the fit sees. A source counts by the root of its size.
    fn examples(&self) -> Vec<Example> {
        let mut sizes = vec![0_u32; self.sources.len()];
        for sample in &self.samples {
            sizes[sample.source] += 1;
        }
        self.samples
            .iter()
            .map(|sample| {
                let mut found = Vec::new();
                features(&sample.text, |_, feature| found.push(feature));
                found.sort_unstable();
                found.dedup();
                #[expect(clippy::cast_precision_loss, reason = "a source has few texts")]
                let size = sizes[sample.source] as f32;
                Example {
                    features: found,
                    is_positive: sample.is_positive,
                    calibrates: is_asked(self.sources[sample.source].file),
                    weight: self.sources[sample.source].weight * 20.0 / size.sqrt(),
                }
            })
            .collect()
    }

    /// The logit of every text by a fit that did not see it.
    fn unseen_logits(&self, examples: &[Example]) -> Vec<f32> {
        let mut logits = vec![0.0; examples.len()];
        let mut score = |places: Vec<usize>, file: &str| {
            let seen: Vec<usize> = {
                let mut left_out = vec![false; examples.len()];
                for place in &places {
                    left_out[*place] = true;
                }
                let is_kin = |place: usize| {
                    let other = self.sources[self.samples[place].source].file;
                    other != file && origin(other) == origin(file)
                };
                (0..examples.len())
                    .filter(|place| !left_out[*place] && !is_kin(*place))
                    .collect()
            };
            let model = fit(examples, &seen);
            for place in places {
                logits[place] = model.logit(&examples[place].features);
            }
        };
        let with = |keep: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..examples.len()).filter(|place| keep(*place)).collect()
        };
        for (source, Source { file, .. }) in self.sources.iter().enumerate() {
            let is_of = |place: usize| self.samples[place].source == source;
            if has_no_kin(file) {
                for part in 0..PARTS {
                    score(with(&|place| is_of(place) && place % PARTS == part), file);
                }
            } else {
                score(with(&is_of), file);
            }
        }
        logits
    }

    /// Share of each source's texts above the threshold.
    fn figures(&self, logits: &[f32], threshold: f32) -> Value {
        let mut counts: BTreeMap<(bool, &str), (u32, u32)> = BTreeMap::new();
        for (sample, logit) in self.samples.iter().zip(logits) {
            let key = (sample.is_positive, self.sources[sample.source].file);
            let (above, total) = counts.entry(key).or_default();
            *above += u32::from(*logit >= threshold);
            *total += 1;
        }
        let figures = counts.into_iter().map(|((is_positive, source), (above, total))| {
            let share = f64::from(above) / f64::from(total);
            println!(
                "{:9} {:4} {source:36} {above:5} of {total:5} = {share:.3}",
                self.name,
                if is_positive { "pos" } else { "neg" }
            );
            json!({"source": source, "positive": is_positive, "texts": total, "share": (share * 1000.0).round() / 1000.0})
        });
        figures.collect()
    }
}

/// The logit that this share of the negatives do not exceed, each source counting as much as it does in the fit.
fn quantile(examples: &[Example], logits: &[f32], share: f32) -> f32 {
    let mut negatives: Vec<(f32, f32)> = examples
        .iter()
        .zip(logits)
        .filter(|(example, _)| !example.is_positive && example.calibrates)
        .map(|(example, logit)| (*logit, example.weight))
        .collect();
    negatives.sort_by(|left, right| left.0.total_cmp(&right.0));
    let total: f32 = negatives.iter().map(|(_, weight)| weight).sum();
    let mut left = total * share;
    for (logit, weight) in &negatives {
        left -= weight;
        if left <= 0.0 {
            return *logit;
        }
    }
    0.0
}

/// Whether people send such texts to models. Posts of social media teach what hate is, and say nothing of false alarms.
fn is_asked(file: &str) -> bool {
    !matches!(file, "safety/davidson_tweets" | "safety/surge_toxicity")
}

/// Sources that alone say what is harmless in their kind: without them nobody would know. They are measured part by part.
fn has_no_kin(file: &str) -> bool {
    matches!(
        file,
        "benign/cyberseceval_frr_multi"
            | "made/trigger_words"
            | "made/readings"
            | "made/garbled_attacks"
            | "made/garbled_tasks"
            | "made/encoded_tasks"
            | "made/roles"
            | "made/discussions"
            | "made/contrasts"
            | "made/tasks"
            | "made/languages"
    )
}

/// Eight bits per weight.
fn quantize(model: &Fitted) -> (Vec<i8>, f32) {
    let mut sizes: Vec<f32> = model.weights.iter().map(|weight| weight.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    // A few large weights are cut rather than all small ones lost.
    let largest = sizes[BUCKETS - 64].max(1e-6);
    let scale = largest / 127.0;
    #[expect(clippy::cast_possible_truncation, reason = "clamped")]
    let weights = model
        .weights
        .iter()
        .map(|weight| (weight / scale).round().clamp(-127.0, 127.0) as i8)
        .collect();
    (weights, scale)
}

fn write(out: &Path, models: &[Trained; 2]) -> std::io::Result<()> {
    let header = Header {
        calibrations: [models[0].calibration, models[1].calibration],
        about: json!([models[0].about, models[1].about]),
    };
    let mut file = fs::File::create(out)?;
    serde_json::to_writer(&mut file, &header)?;
    file.write_all(b"\n")?;
    let pairs = models[0].weights.iter().zip(&models[1].weights);
    let bytes: Vec<u8> = pairs
        .flat_map(|(injection, safety)| [injection.to_ne_bytes()[0], safety.to_ne_bytes()[0]])
        .collect();
    file.write_all(&bytes)
}
