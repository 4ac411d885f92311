//! What users demand of an answer. Types are those of the product's reference that need no judging model.

use serde::{Deserialize, Serialize};

use super::{Dimensions, Subject, completeness::is_refusal};
use kt_text::{
    detect::Window,
    patterns::{Pattern, PatternSet},
    steps::Steps,
};

/// Whether a failed assertion has consequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It counts.
    #[default]
    Enforce,
    /// It is listed in the event.
    Audit,
    /// The same; for assertions that are being tried out.
    Shadow,
}

/// How much a failed assertion matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The answer fails, whatever the others say.
    #[default]
    Critical,
    /// The answer fails, unless `pass_policy` averages.
    Warning,
    /// Listed only.
    Info,
}

/// What is demanded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type", content = "value")]
pub enum Check {
    /// The answer is this text.
    Equals(String),
    /// All of these occur.
    ContainsAll(Vec<String>),
    /// One of these occurs.
    ContainsAny(Vec<String>),
    /// It begins with this text.
    StartsWith(String),
    /// It ends with this text.
    EndsWith(String),
    /// The expression matches somewhere.
    Regex(Pattern),
    /// All of it is JSON.
    IsJson,
    /// A JSON object or array occurs in it.
    ContainsJson,
    /// From so many to so many characters.
    Length(usize, usize),
    /// From so many to so many words.
    WordCount(usize, usize),
    /// From so many to so many sentences.
    SentenceCount(usize, usize),
    /// It refuses to answer.
    Refusal,
    /// It repeats itself; scored by coherence.
    Repetition,
}

/// One assertion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assertion {
    /// For events.
    pub name: String,
    /// What is demanded.
    pub check: Check,
    /// Whether the opposite is demanded.
    pub negate: bool,
    /// Whether capitals count. Default true.
    pub case_sensitive: bool,
    /// The value from which it passes. Default 1.
    pub threshold: f32,
    /// How much it counts in an average. Default 1.
    pub weight: f32,
    /// Default enforce.
    pub mode: Mode,
    /// Default critical.
    pub severity: Severity,
}

/// What became of one assertion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssertionResult {
    /// Its name.
    pub name: String,
    /// From 0 to 1.
    pub score: f32,
    /// Whether it passed.
    pub passed: bool,
}

/// An assertion, ready to judge.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) assertion: Assertion,
    regex: PatternSet,
}

impl Compiled {
    pub(crate) fn new(assertion: &Assertion) -> Result<Self, String> {
        let pattern = match &assertion.check {
            Check::Regex(pattern) => Some((0, pattern)),
            _ => None,
        };
        Ok(Self {
            regex: PatternSet::compile(pattern.into_iter())?,
            assertion: assertion.clone(),
        })
    }

    pub(crate) fn judge(&self, subject: &Subject<'_>, dimensions: &Dimensions) -> AssertionResult {
        let score = self.score(subject.answer, dimensions);
        let score = if self.assertion.negate {
            1.0 - score
        } else {
            score
        };
        AssertionResult {
            name: self.assertion.name.clone(),
            score,
            passed: score >= self.assertion.threshold,
        }
    }

    fn score(&self, answer: &str, dimensions: &Dimensions) -> f32 {
        let fold = |text: &str| {
            if self.assertion.case_sensitive {
                text.to_owned()
            } else {
                text.to_lowercase()
            }
        };
        let text = || fold(answer);
        let within = |count: usize, least: usize, most: usize| (least..=most).contains(&count);
        let passed = match &self.assertion.check {
            Check::Equals(wanted) => text().trim() == fold(wanted).trim(),
            Check::ContainsAll(wanted) => {
                let text = text();
                wanted.iter().all(|wanted| text.contains(&fold(wanted)))
            }
            Check::ContainsAny(wanted) => {
                let text = text();
                wanted.iter().any(|wanted| text.contains(&fold(wanted)))
            }
            Check::StartsWith(wanted) => text().trim_start().starts_with(&fold(wanted)),
            Check::EndsWith(wanted) => text().trim_end().ends_with(&fold(wanted)),
            Check::Regex(_) => {
                let (mut found, mut steps) = (Vec::new(), Steps::default());
                steps.grant(answer.len());
                self.regex
                    .scan(&Window::whole(answer), &mut steps, &mut found);
                !found.is_empty()
            }
            Check::IsJson => is_json(answer.trim()),
            Check::ContainsJson => contains_json(answer),
            Check::Length(least, most) => within(answer.chars().count(), *least, *most),
            Check::WordCount(least, most) => {
                within(answer.split_whitespace().count(), *least, *most)
            }
            Check::SentenceCount(least, most) => within(sentences(answer), *least, *most),
            Check::Refusal => is_refusal(answer),
            Check::Repetition => return 1.0 - dimensions.coherence,
        };
        f32::from(u8::from(passed))
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Whether a JSON object or array begins somewhere, and ends.
fn contains_json(text: &str) -> bool {
    /// Places that are tried.
    const MOST: usize = 64;
    text.match_indices(['{', '[']).take(MOST).any(|(start, _)| {
        let rest = text.get(start..).unwrap_or_default();
        let mut values =
            serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
        matches!(values.next(), Some(Ok(_)))
    })
}

/// How many sentences: full stops, question and exclamation marks behind a word.
pub(crate) fn sentences(text: &str) -> usize {
    let mut count = 0;
    let mut in_sentence = false;
    for c in text.chars() {
        let ends = matches!(c, '.' | '!' | '?' | '。' | '！' | '？');
        count += usize::from(ends && in_sentence);
        in_sentence = !ends && (in_sentence || c.is_alphanumeric());
    }
    count + usize::from(in_sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(check: Check, negate: bool, case_sensitive: bool, answer: &str) -> bool {
        let assertion = Assertion {
            name: "a".into(),
            check,
            negate,
            case_sensitive,
            threshold: 1.0,
            weight: 1.0,
            mode: Mode::Enforce,
            severity: Severity::Critical,
        };
        let subject = Subject {
            answer,
            ..Subject::default()
        };
        Compiled::new(&assertion)
            .unwrap()
            .judge(&subject, &Dimensions::of(&subject))
            .passed
    }

    #[test]
    fn assertions_hold_or_fail() {
        let list = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(passes(
            Check::ContainsAll(list(&["Paris"])),
            false,
            true,
            "It is Paris."
        ));
        assert!(!passes(
            Check::ContainsAll(list(&["paris"])),
            false,
            true,
            "It is Paris."
        ));
        assert!(passes(
            Check::ContainsAll(list(&["paris"])),
            false,
            false,
            "It is Paris."
        ));
        assert!(passes(
            Check::ContainsAny(list(&["x", "y"])),
            true,
            true,
            "abc"
        ));
        assert!(
            passes(Check::IsJson, false, true, " {\"a\": [1]} ")
                && !passes(Check::IsJson, false, true, "{a}")
        );
        assert!(
            passes(Check::ContainsJson, false, true, "Here: {\"a\": 1}, done")
                && !passes(Check::ContainsJson, false, true, "{ no")
        );
        assert!(
            passes(Check::Length(2, 4), false, true, "äöü")
                && !passes(Check::WordCount(3, 9), false, true, "two words")
        );
        assert!(passes(Check::SentenceCount(2, 2), false, true, "One. Two"));
        assert!(passes(
            Check::Refusal,
            false,
            true,
            "I'm sorry, but I can't help with that."
        ));
        let pattern = Pattern {
            name: "r".into(),
            find: kt_text::patterns::Find::Regex(r"\d{3}".into()),
        };
        assert!(passes(Check::Regex(pattern), false, true, "call 123"));
    }
}
