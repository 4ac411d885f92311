//! Whether an answer is text: not a loop, not garbled, not words or letters without order.

use std::collections::BTreeSet;

use super::{
    fall, share,
    words::{Words, is_stop_word},
};

/// Shorter texts repeat by chance.
const MIN_WORDS: usize = 12;
/// UTF-8 that was read as Windows-1252, and the replacement character.
const GARBLED: [&str; 7] = ["Ã", "â\u{80}", "â€", "Â\u{a0}", "ï¿½", "\u{fffd}", "Ð"];

pub(super) fn measure(text: &str, words: &Words<'_>) -> f32 {
    repetition(text, words)
        * tail_repetition(words)
        * garbling(text)
        * order(text, words)
        * letters(text, words)
}

/// Loops: sequences of words, and whole lines, that come again.
fn repetition(text: &str, words: &Words<'_>) -> f32 {
    if words.len() < MIN_WORDS {
        return 1.0;
    }
    let adjacent = words
        .folded
        .windows(2)
        .filter(|pair| matches!(pair, [left, right] if left == right))
        .count();
    let distinct: BTreeSet<&[String]> = words.folded.windows(6).collect();
    let repeated = 1.0 - share(distinct.len(), words.len().saturating_sub(5));
    // Code repeats itself by nature, prose hardly at all.
    let is_code = text.contains("```")
        || share(
            text.matches(['{', '}', ';', '(', '=', '|']).count(),
            text.len(),
        ) > 0.03;
    let by_sequence = if is_code {
        fall(repeated, 0.45, 0.75)
    } else {
        fall(repeated, 0.12, 0.45)
    };
    by_sequence * fall(share(adjacent, words.len()), 0.06, 0.3)
}

/// An answer that ends in a loop: its last words are the same few again and again.
fn tail_repetition(words: &Words<'_>) -> f32 {
    const LONGEST: usize = 24;
    let is_loop = |period: usize| {
        let back = words.raw.iter().rev();
        let run = back
            .clone()
            .zip(back.skip(period))
            .take_while(|(left, right)| left == right)
            .count();
        run >= (3 * period).max(12)
    };
    if (1..=LONGEST).any(is_loop) { 0.0 } else { 1.0 }
}

fn garbling(text: &str) -> f32 {
    let garbled: usize = GARBLED
        .iter()
        .map(|sequence| text.matches(sequence).count())
        .sum();
    fall(share(garbled, text.chars().count()), 0.001, 0.01)
}

/// Words out of order: sentences that begin in lower case, capitals in mid-sentence, articles before articles.
fn order(text: &str, words: &Words<'_>) -> f32 {
    if words.raw.len() < 2 * MIN_WORDS {
        return 1.0;
    }
    let mut odd = 0;
    for pair in words.raw.windows(2) {
        let [left, right] = pair else { continue };
        let (left_word, right_word) = (
            left.trim_matches(|c: char| !c.is_alphanumeric()),
            right.trim_matches(|c: char| !c.is_alphanumeric()),
        );
        odd += usize::from(
            is_odd_pair(left_word, right_word) && left.ends_with(char::is_alphanumeric),
        );
        // A full stop, and then no new sentence.
        odd += usize::from(
            left.len() > 3
                && left.ends_with('.')
                && left_word.chars().all(char::is_alphabetic)
                && right.starts_with(|c: char| c.is_lowercase()),
        );
        odd += usize::from(
            matches!(left_word, "the" | "a" | "an" | "of")
                && right.starts_with([')', ',', '.', '}', ';']),
        );
    }
    // Newlines go where the words of lists and code go astray.
    let flat = share(text.matches('\n').count(), words.raw.len());
    let limit = if flat < 0.02 { 0.008 } else { 0.02 };
    fall(share(odd, words.raw.len()), limit, 3.0 * limit)
}

/// Words that do not stand beside each other in English: "the of", "with by".
fn is_odd_pair(left: &str, right: &str) -> bool {
    const ARTICLES: [&str; 6] = ["the", "a", "an", "your", "my", "its"];
    const PREPOSITIONS: [&str; 8] = ["of", "in", "for", "with", "by", "from", "at", "into"];
    const NEVER_AFTER_ARTICLE: [&str; 22] = [
        "to", "of", "is", "are", "and", "or", "in", "on", "for", "with", "by", "from", "as",
        "that", "it", "this", "will", "you", "be", "if", "was", "the",
    ];
    const NEVER_AFTER_PREPOSITION: [&str; 10] = [
        "of", "and", "or", "is", "are", "to", "was", "be", "by", "if",
    ];
    ARTICLES.contains(&left) && NEVER_AFTER_ARTICLE.contains(&right)
        || PREPOSITIONS.contains(&left) && NEVER_AFTER_PREPOSITION.contains(&right)
}

/// Letters without order: hardly a word that is one.
fn letters(text: &str, words: &Words<'_>) -> f32 {
    if words.len() < MIN_WORDS || !text.is_ascii() {
        return 1.0;
    }
    let stop_words = words
        .folded
        .iter()
        .filter(|word| is_stop_word(word) && word.len() > 1)
        .count();
    let mixed = words
        .folded
        .iter()
        .filter(|word| {
            word.bytes().any(|byte| byte.is_ascii_digit())
                && word.bytes().any(|byte| byte.is_ascii_alphabetic())
        })
        .count();
    let vowelless = words
        .folded
        .iter()
        .filter(|word| {
            word.len() > 3
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphabetic() && !b"aeiouy".contains(&byte))
        })
        .count();
    let noise = share(mixed + vowelless, words.len());
    if share(stop_words, words.len()) > 0.08 {
        1.0
    } else {
        fall(noise, 0.2, 0.4)
    }
}
