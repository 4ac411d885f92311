//! Whether an answer takes up what was asked, and does more than say it again.

use std::collections::BTreeSet;

use super::{Subject, fall, share, words::Words};

/// A prompt with fewer subjects says too little to be taken up.
const MIN_SUBJECTS: usize = 3;
/// Shorter answers need not take anything up.
const MIN_ANSWER: usize = 30;

pub(super) fn measure(subject: &Subject<'_>, answer: &Words<'_>) -> f32 {
    if subject.prompt.is_empty() {
        return 1.0;
    }
    let prompt = Words::of(subject.prompt);
    overlap(&prompt, answer) * echo(&prompt, answer)
}

/// The share of the prompt's subjects in the answer.
fn overlap(prompt: &Words<'_>, answer: &Words<'_>) -> f32 {
    let (asked, said) = (prompt.subjects(), answer.subjects());
    if asked.len() < MIN_SUBJECTS || answer.len() < MIN_ANSWER || is_other_script(prompt, answer) {
        return 1.0;
    }
    let taken = asked.keys().filter(|word| said.contains_key(*word)).count();
    // A long prompt brings material that the answer need not repeat: then the answer's own words are looked for in it.
    let grounded: usize = said
        .iter()
        .filter(|(word, _)| asked.contains_key(*word))
        .map(|(_, count)| count)
        .sum();
    let total: usize = said.values().sum();
    let best = share(taken, asked.len()).max(1.6 * share(grounded, total));
    1.0 - fall(best, 0.0, 0.34).powi(2) * 0.97
}

/// A translation shares no words with what it translates.
fn is_other_script(prompt: &Words<'_>, answer: &Words<'_>) -> bool {
    let ascii = |words: &Words<'_>| {
        share(
            words.folded.iter().filter(|word| word.is_ascii()).count(),
            words.len(),
        )
    };
    (ascii(prompt) - ascii(answer)).abs() > 0.4
}

/// An answer that is the prompt once more.
fn echo(prompt: &Words<'_>, answer: &Words<'_>) -> f32 {
    const LONG: usize = 5;
    if answer.len() < LONG || prompt.len() < LONG {
        return 1.0;
    }
    // Said twice, it is an echo too.
    let twice: Vec<String> = prompt
        .folded
        .iter()
        .chain(&prompt.folded)
        .cloned()
        .collect();
    let asked: BTreeSet<&[String]> = twice.windows(LONG).collect();
    let repeated = answer
        .folded
        .windows(LONG)
        .filter(|words| asked.contains(words))
        .count();
    fall(share(repeated, answer.len() - LONG + 1), 0.5, 0.9)
}
