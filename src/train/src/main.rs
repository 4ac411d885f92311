//! Fits the linear models of `kt-policy` to labelled texts, measures them, and writes their weights.
//!
//! `kt-train CORPORA DIR [MODEL]` writes `DIR/<model>.bin` for one model or all. Every figure comes from a fit that did not see the
//! text, nor others of its source (with the exception of [`has_no_kin`]), and from the score that the engine gives, with its
//! weights of eight bits and all its windows. The threshold is a quantile of the negatives so scored, each source counting by the
//! root of its size.

#![expect(
    clippy::indexing_slicing,
    reason = "places come from the lists that they index"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks on its standard streams"
)]

mod code;
mod corpus;
mod fit;
mod garble;
mod made;
mod tasks;
mod unseen;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    process::ExitCode,
};

use corpus::{Sample, Source};
use fit::{Example, Fitted, fit};
use kt_text::{
    answers,
    linear::{self, BUCKETS, Calibration, Header, Model, Weights, features},
};
use serde_json::{Value, json};
use tasks::{answers, harmful_parts, has_no_kin, injection, is_asked, origin, safety};

/// Parts of the sources that have no kin.
const PARTS: usize = 3;
/// Groups of the other sources; those of a group are left out together.
const GROUPS: usize = 8;

/// How strict a model is.
struct Bar {
    /// Share of the negatives that lie below the threshold.
    quantile: f32,
    /// [`Calibration::allowance`].
    allowance: f32,
    /// [`Calibration::spread`].
    spread: f32,
}

/// A false alarm of the injection filter ends a conversation, one of the safety filter a request.
fn bar(model: Model) -> Bar {
    let (quantile, allowance, spread) = match model {
        Model::Injection => (0.995, 0.35, 1.0),
        Model::Safety => (0.978, 0.05, 0.0),
        Model::Answers => (0.99, 0.35, 0.5),
    };
    Bar {
        quantile,
        allowance,
        spread,
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (corpora, out, models) = match arguments.as_slice() {
        [corpora, out] => (corpora, out, Model::ALL.to_vec()),
        [corpora, out, name] => {
            let named = Model::ALL.into_iter().filter(|model| model.name() == name);
            (corpora, out, named.collect())
        }
        _ => return usage(),
    };
    if models.is_empty() {
        return usage();
    }
    for model in models {
        if let Err(problem) = run(Path::new(corpora), Path::new(out), model) {
            eprintln!("error: {problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names = Model::ALL.map(Model::name).join("|");
    eprintln!("usage: kt-train CORPORA DIR [{names}]");
    ExitCode::from(2)
}

fn run(corpora: &Path, folder: &Path, model: Model) -> Result<(), String> {
    let task = match model {
        Model::Injection => {
            let sources = std::env::var("KT_SOURCES").unwrap_or_else(|_| "target/sources".into());
            injection(corpora, Path::new(&sources))?
        }
        Model::Safety => safety(corpora)?,
        Model::Answers => answers(corpora)?,
    };
    let out = folder.join(format!("{}.bin", model.name()));
    write(&out, &task.train()).map_err(|error| format!("{}: {error}", out.display()))
}

/// A model and what it learns from.
struct Task {
    model: Model,
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
    fn read(model: Model, corpora: &Path, sources: Vec<Source>) -> Result<Self, String> {
        let samples = corpus::read(corpora, &sources, harmful_parts(model))?;
        Ok(Self {
            model,
            sources,
            samples,
        })
    }

    /// Harmless texts of a source that are long enough to carry an attack.
    fn carriers(&self, file: &str) -> Vec<String> {
        let is_carrier = |sample: &&Sample| {
            !sample.is_positive
                && !sample.is_part
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
        for text in texts {
            corpus::push(
                &mut self.samples,
                &text,
                is_positive,
                source,
                harmful_parts(self.model),
            );
        }
        self.sources.push(Source {
            file: name,
            label: None,
            weight,
        });
    }

    fn train(&self) -> Trained {
        let Bar {
            quantile,
            allowance,
            spread,
        } = bar(self.model);
        let examples = self.examples();
        let logits = self.unseen_logits(&examples, allowance, spread);
        let threshold = self.threshold(&examples, &logits, quantile);
        let mut figures = self.figures(&logits, threshold);
        let all: Vec<usize> = (0..examples.len()).collect();
        let model = fit(&examples, &all);
        let (weights, scale) = quantize(&model);
        let calibration = Calibration {
            scale,
            bias: model.bias,
            threshold,
            allowance,
            spread,
        };
        figures.extend(self.unseen_figures(calibration, &weights));
        Trained {
            weights,
            calibration,
            about: json!({"model": self.model.name(), "texts": self.samples.len(), "shares_above_threshold": figures}),
        }
    }

    /// Share of the texts above the threshold that no fit sees, by the weights that are written.
    fn unseen_figures(&self, calibration: Calibration, weights: &[i8]) -> Vec<Value> {
        let weights = Weights::fitted(self.model, calibration, weights);
        linear::forget();
        let kinds = unseen::of(self.model).into_iter();
        kinds
            .map(|kind| {
                let is_above = |text: &&String| self.logit(&weights, text) >= calibration.threshold;
                let above = kind.texts.iter().filter(is_above).count();
                self.figure(kind.name, kind.is_positive, above, kind.texts.len())
            })
            .collect()
    }

    /// Prints a figure, and says it for the file.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn figure(&self, source: &str, is_positive: bool, above: usize, total: usize) -> Value {
        let share = above as f64 / total as f64;
        println!(
            "{:9} {:4} {source:36} {above:5} of {total:5} = {share:.3}",
            self.model.name(),
            if is_positive { "pos" } else { "neg" }
        );
        json!({"source": source, "positive": is_positive, "texts": total, "share": (share * 1000.0).round() / 1000.0})
    }

    /// What the fit sees. A source counts by the root of its texts, and its parts together at most four times as much.
    fn examples(&self) -> Vec<Example> {
        let mut sizes = vec![[0_u32; 2]; self.sources.len()];
        for sample in &self.samples {
            sizes[sample.source][usize::from(sample.is_part)] += 1;
        }
        let weight = |sample: &Sample| {
            #[expect(clippy::cast_precision_loss, reason = "a source has few texts")]
            let [texts, parts] = sizes[sample.source].map(|size| size as f32);
            let share = if sample.is_part {
                (4.0 * texts / parts).min(1.0)
            } else {
                1.0
            };
            self.sources[sample.source].weight * 20.0 / texts.sqrt() * share
        };
        self.samples
            .iter()
            .map(|sample| {
                let mut found = Vec::new();
                features(&sample.text, |_, feature| found.push(feature));
                found.sort_unstable();
                found.dedup();
                Example {
                    features: found,
                    is_positive: sample.is_positive,
                    calibrates: !sample.is_part && is_asked(self.sources[sample.source].file),
                    weight: weight(sample),
                }
            })
            .collect()
    }

    /// The logit of every text by a fit that did not see it.
    fn unseen_logits(&self, examples: &[Example], allowance: f32, spread: f32) -> Vec<f32> {
        let mut logits = vec![f32::MIN; examples.len()];
        for fold in self.folds() {
            let kin: BTreeSet<&str> = fold.iter().map(|place| origin(self.file(*place))).collect();
            let mut left_out = vec![false; examples.len()];
            for place in &fold {
                left_out[*place] = true;
            }
            let is_kin = |place: usize| {
                !has_no_kin(self.file(place)) && kin.contains(origin(self.file(place)))
            };
            let seen: Vec<usize> = (0..examples.len())
                .filter(|place| !left_out[*place] && !is_kin(*place))
                .collect();
            let model = fit(examples, &seen);
            let (weights, scale) = quantize(&model);
            let calibration = Calibration {
                scale,
                bias: model.bias,
                threshold: 0.0,
                allowance,
                spread,
            };
            let weights = Weights::fitted(self.model, calibration, &weights);
            linear::forget();
            for place in fold
                .into_iter()
                .filter(|place| !self.samples[*place].is_part)
            {
                logits[place] = self.logit(&weights, &self.samples[place].text);
            }
        }
        logits
    }

    /// The logit that the engine gives a text.
    fn logit(&self, weights: &Weights, text: &str) -> f32 {
        if self.model == Model::Answers {
            return answers::judge(text, weights).map_or(f32::MIN, |opinion| opinion.logit);
        }
        let (opinions, _) = weights.judge(text);
        opinions.map_or(f32::MIN, |all| all[self.model as usize].logit)
    }

    /// The places of samples that are left out together: those of a group of sources, or a part of those of all sources without kin.
    fn folds(&self) -> Vec<Vec<usize>> {
        let with = |keep: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..self.samples.len())
                .filter(|place| keep(*place))
                .collect()
        };
        let whole: Vec<usize> = self
            .sources
            .iter()
            .enumerate()
            .filter(|(_, source)| !has_no_kin(source.file))
            .map(|(place, _)| place)
            .collect();
        // Neighbours in the list resemble each other, so that a group takes sources from all over it.
        let mut folds: Vec<Vec<usize>> = (0..GROUPS.min(whole.len()))
            .map(|group| {
                with(&|place| {
                    let source = self.samples[place].source;
                    whole
                        .iter()
                        .position(|other| *other == source)
                        .is_some_and(|at| at % GROUPS == group)
                })
            })
            .collect();
        // Parts of a text stay with it.
        let mut texts = 0;
        let texts: Vec<usize> = self
            .samples
            .iter()
            .map(|sample| {
                texts += usize::from(!sample.is_part);
                texts
            })
            .collect();
        for part in 0..PARTS {
            folds.push(with(&|place| {
                has_no_kin(self.file(place)) && texts[place] % PARTS == part
            }));
        }
        folds
    }

    fn file(&self, place: usize) -> &'static str {
        self.sources[self.samples[place].source].file
    }

    /// The logit that this share of the negatives do not exceed, each source counting by the root of its size.
    fn threshold(&self, examples: &[Example], logits: &[f32], share: f32) -> f32 {
        let mut texts = vec![0_u32; self.sources.len()];
        for sample in self.samples.iter().filter(|sample| !sample.is_part) {
            texts[sample.source] += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "a source has few texts")]
        let weight = |place: usize| {
            let source = self.samples[place].source;
            self.sources[source].weight / (texts[source] as f32).sqrt()
        };
        let mut negatives: Vec<(f32, f32)> = (0..examples.len())
            .filter(|place| !examples[*place].is_positive && examples[*place].calibrates)
            .map(|place| (logits[place], weight(place)))
            .collect();
        negatives.sort_by(|left, right| right.0.total_cmp(&left.0));
        let total: f32 = negatives.iter().map(|(_, weight)| weight).sum();
        let mut left = total * (1.0 - share);
        for (logit, weight) in &negatives {
            left -= weight;
            if left <= 0.0 {
                return *logit;
            }
        }
        0.0
    }

    /// Share of each source's texts above the threshold.
    fn figures(&self, logits: &[f32], threshold: f32) -> Vec<Value> {
        let mut harmless: Vec<f32> = (self.samples.iter().zip(logits))
            .filter(|(sample, _)| !sample.is_part && !sample.is_positive)
            .map(|(_, logit)| *logit)
            .collect();
        harmless.sort_by(f32::total_cmp);
        let mut counts: BTreeMap<(bool, &str), (usize, usize, u64)> = BTreeMap::new();
        for (sample, logit) in self.samples.iter().zip(logits) {
            if sample.is_part {
                continue;
            }
            let key = (sample.is_positive, self.sources[sample.source].file);
            let (above, total, ranks) = counts.entry(key).or_default();
            *above += usize::from(*logit >= threshold);
            *total += 1;
            *ranks += harmless.partition_point(|other| other < logit) as u64;
        }
        let figures = counts
            .into_iter()
            .map(|((is_positive, source), (above, total, ranks))| {
                let mut figure = self.figure(source, is_positive, above, total);
                if is_positive {
                    // How often a text of the source has a higher score than a harmless one.
                    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
                    let auc = ranks as f64 / (total as f64 * harmless.len() as f64);
                    figure["auc"] = json!((auc * 10000.0).round() / 10000.0);
                }
                figure
            });
        figures.collect()
    }
}

/// The largest weight, in steps.
const LARGEST: f32 = 31.0;

/// Whole steps instead of weights.
fn quantize(model: &Fitted) -> (Vec<i8>, f32) {
    let mut sizes: Vec<f32> = model.weights.iter().map(|weight| weight.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    // A few large weights are cut rather than all small ones lost.
    let largest = sizes[BUCKETS - 64].max(1e-6);
    let scale = largest / LARGEST;
    #[expect(clippy::cast_possible_truncation, reason = "clamped")]
    let weights = model
        .weights
        .iter()
        .map(|weight| (weight / scale).round().clamp(-LARGEST, LARGEST) as i8)
        .collect();
    (weights, scale)
}

fn write(out: &Path, model: &Trained) -> std::io::Result<()> {
    let header = Header {
        calibration: model.calibration,
        about: model.about.clone(),
    };
    let mut file = fs::File::create(out)?;
    serde_json::to_writer(&mut file, &header)?;
    file.write_all(b"\n")?;
    file.write_all(&linear::pack(&model.weights))
}
