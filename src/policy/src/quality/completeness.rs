//! Whether there is an answer, and all of it.

use super::{Subject, fall, share, words::Words};

/// A refusal is said at the beginning.
const BEGINNING: usize = 400;

/// Ways of refusing. After folding: lower case, straight apostrophes.
const REFUSALS: &[&str] = &[
    "i can't assist",
    "i cannot assist",
    "i can't help",
    "i cannot help",
    "i'm unable to",
    "i am unable to",
    "i am not able to",
    "i'm not able to",
    "i can't provide",
    "i cannot provide",
    "i can't fulfill",
    "i cannot fulfill",
    "i can't comply",
    "i cannot comply",
    "i can't do that",
    "i cannot do that",
    "i won't",
    "i will not provide",
    "i will not help",
    "i will not assist",
    "i can't create",
    "i cannot create",
    "i can't write",
    "i cannot write",
    "i can't generate",
    "i cannot generate",
    "i can't engage",
    "i cannot engage",
    "i can't support",
    "i cannot support",
    "i cannot encourage",
    "i cannot condone",
    "i can't condone",
    "i do not condone",
    "i don't condone",
    "i cannot recommend",
    "i cannot suggest",
    "i cannot promote",
    "i cannot participate",
    "i cannot answer",
    "i can't answer",
    "i cannot discuss",
    "i can't discuss",
    "i cannot give",
    "i can't give",
    "i cannot share",
    "i can't share",
    "i cannot in good",
    "i can't in good",
    "i must decline",
    "i have to decline",
    "i must refuse",
    "i refuse to",
    "i'm afraid i can't",
    "i'm afraid i cannot",
    "i am afraid i can't",
    "i would not be able to",
    "i wouldn't be able to",
    "cannot be answered",
    "not able to provide",
    "not able to assist",
    "not able to help",
    "not comfortable",
    "it is not appropriate",
    "it's not appropriate",
    "it is not ethical",
    "it's not ethical",
    "is not appropriate for me",
    "not within my programming",
    "goes against my",
    "against my programming",
    "as a responsible ai",
    "as an ethical ai",
    "can't help with",
    "cannot help with",
    "can't assist with",
    "cannot assist with",
    "cannot fulfill your request",
    "can't fulfill your request",
    "cannot fulfill that request",
    "cannot fulfill this request",
    "can't be of assistance",
    "i cannot tolerate",
    "i cannot and will not",
    "i can't and won't",
    "not provide instructions",
    "not provide information on",
    "unable to provide",
    "unable to assist",
    "unable to help",
    "unable to fulfill",
    "unable to comply",
    "i cannot advise",
    "i can't advise",
    "i strongly advise against",
    "i strongly discourage",
    "i don't feel comfortable",
    "i do not feel comfortable",
    "cannot satisfy your request",
    "can't satisfy your request",
    "would be inappropriate for me",
    "i'm just an ai",
    "i am just an ai",
    "i'm only an ai",
    "i cannot make",
    "i can't make",
    "i cannot offer",
    "i can't offer",
    "i cannot perform",
    "i cannot describe",
    "i cannot teach",
    "i can't teach",
    "i cannot tell you",
    "i can't tell you",
    "i cannot explain how",
    "i can't explain how",
    "i cannot endorse",
    "i cannot disclose",
    "i don't think it's appropriate",
    "i do not think it is appropriate",
    "i cannot express",
    "lo siento, pero no puedo",
    "je ne peux pas",
    "es tut mir leid, aber ich kann",
    "ich kann ihnen dabei nicht",
    "desculpe, mas não posso",
    "mi dispiace, ma non posso",
    "抱歉",
    "我无法",
    "申し訳",
];
/// What models say when they lecture instead of answering. Three of them at the beginning of an answer that is not long make a refusal.
const LECTURES: &[&str] = &[
    "as an ai",
    "unethical",
    "not appropriate",
    "inappropriate",
    "condone",
    "condemn",
    "harmful",
    "important to respect",
    "important to always",
    "important to remember",
    "safety and well",
    "well-being",
    "never acceptable",
    "is never",
    "not acceptable",
    "i must clarify",
    "i must emphasize",
    "i must point out",
    "i must politely",
    "against the law",
    "no reason why",
    "no inherent reason",
    "should not be",
    "should never",
    "discriminat",
    "stereotyp",
    "offensive",
    "consent",
    "seek help",
    "professional help",
    "emergency services",
    "ethical or",
    "not accurate or",
    "legal consequences",
    "serious crime",
    "moral",
    "respectful",
    "privacy",
    "regardless of",
    "dignity",
    "ethical guidelines",
    "human rights",
    "instead of",
    "constructive",
    "trusted",
    "counselor",
    "disrespectful",
    "i strongly",
    "equal",
    "sorry to hear",
    "is illegal",
    "not a good idea",
    "fundamental right",
];
const MANY: usize = 3;

/// Words that begin an apology.
const APOLOGIES: &[&str] = &[
    "i'm sorry",
    "i am sorry",
    "sorry,",
    "sorry but",
    "i apologize",
    "my apologies",
    "apologies,",
    "unfortunately, i",
    "i'm really sorry",
    "as an ai language model, i",
];
/// What begins again after an apology that is none.
const AND_YET: &[&str] = &[
    "however, i can",
    "but i can",
    "here is",
    "here's",
    "here are",
    "for the confusion",
    "for any confusion",
    "for the oversight",
    "for the mistake",
    "for the error",
    "for the misunderstanding",
    "corrected version",
];

/// Text that stands for an answer that was never written.
const PLACEHOLDERS: &[&str] = &[
    "[insert",
    "<insert",
    "{insert",
    "<your ",
    "[your answer",
    "lorem ipsum",
    "[todo",
    "todo:",
    "<placeholder",
    "[placeholder",
    "{{",
    "to be determined",
    "[answer",
    "<answer>",
    "[content",
    "answer goes here",
    "text goes here",
    "your text here",
    "response goes here",
    "[response",
    "<response>",
    "[redacted]",
    "{\"error\"",
    "internal server error",
    "{answer}",
    "{response}",
];
/// Answers that say nothing.
const NOTHINGS: &[&str] = &[
    "n/a",
    "tbd",
    "undefined",
    "null",
    "none",
    "xxx",
    "...",
    "nan",
    "todo",
    "error",
];

pub(super) fn measure(subject: &Subject<'_>, words: &Words<'_>) -> f32 {
    let text = subject.answer.trim();
    if !text.chars().any(says_something) && !is_empty_json(text) {
        return 0.0;
    }
    let refusal = if is_refusal(text) { 0.05 } else { 1.0 };
    let cut = if subject.is_cut { 0.1 } else { 1.0 };
    refusal * cut * placeholder(text, words) * ending(text, words)
}

/// Whether a character is an answer by itself: letters, digits, and signs that people answer with. Punctuation is not,
/// nor is what cannot be seen.
fn says_something(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(character,
            // Currencies, letters as signs, arrows, operators, technical signs, and pictures (Unicode 17, blocks).
            '\u{20a0}'..='\u{20cf}' | '\u{2100}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}'
            | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// What a program is told when there is nothing to list.
fn is_empty_json(text: &str) -> bool {
    let inside = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .or_else(|| {
            text.strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
        });
    inside.is_some_and(|inside| inside.trim().is_empty())
}

/// Whether the answer refuses to answer.
pub fn is_refusal(text: &str) -> bool {
    let beginning = text
        .trim_start()
        .get(..text.trim_start().floor_char_boundary(BEGINNING))
        .unwrap_or_default();
    let folded = beginning.to_lowercase().replace(['’', '‘', '`'], "'");
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| folded.contains(phrase));
    let first = folded
        .get(..folded.floor_char_boundary(160))
        .unwrap_or_default();
    let apologises = APOLOGIES.iter().any(|phrase| first.contains(phrase));
    if has(AND_YET) && text.len() > 3 * BEGINNING {
        return false;
    }
    // Without an apology the refusal must be among the first words: later ones speak of something else.
    REFUSALS.iter().any(|phrase| {
        if apologises {
            folded.contains(phrase)
        } else {
            first.contains(phrase)
        }
    }) || apologises && text.len() < BEGINNING && !has(AND_YET)
        || text.len() < 4 * BEGINNING
            && LECTURES
                .iter()
                .filter(|phrase| folded.contains(**phrase))
                .count()
                >= MANY
}

/// Short answers that are nothing but a placeholder.
fn placeholder(text: &str, words: &Words<'_>) -> f32 {
    let lower = text.to_lowercase();
    if NOTHINGS.contains(&lower.as_str()) {
        return 0.0;
    }
    let holds = PLACEHOLDERS
        .iter()
        .filter(|placeholder| lower.contains(**placeholder))
        .count();
    match (holds, words.len()) {
        (0, _) => 1.0,
        (_, 0..=30) => 0.0,
        (_, 31..=80) => 0.5,
        (1, _) => 1.0,
        (_, len) => fall(share(holds, len), 0.01, 0.05).max(0.5),
    }
}

/// Whether the text comes to an end.
fn ending(text: &str, words: &Words<'_>) -> f32 {
    let fences = text.matches("```").count();
    if fences % 2 == 1 {
        return 0.2;
    }
    if words.len() < 20 {
        return 1.0;
    }
    let last_line = text.lines().last().unwrap_or_default().trim();
    let is_ended = text.ends_with(|c: char| {
        !c.is_alphanumeric()
            && !matches!(
                c,
                ',' | '-' | '(' | '[' | '{' | '/' | '=' | '&' | '<' | '+' | ':' | ';'
            )
    }) || text.ends_with("```");
    if is_ended {
        return unclosed(text);
    }
    // A list may end in a word, a sentence does not.
    let is_item = last_line.starts_with(['-', '*', '•', '|', '#'])
        || last_line.starts_with(|c: char| c.is_ascii_digit());
    let line_words = last_line.split_whitespace().count();
    let ends_in_function_word = last_line
        .split_whitespace()
        .last()
        .is_some_and(|word| super::words::is_stop_word(&word.to_lowercase()));
    match (is_item, line_words) {
        _ if ends_in_function_word => 0.1,
        _ if text.ends_with([',', '(', '[', '{', '/', '=', '&', '<', '+', '-']) => 0.15,
        (true, 0..=6) => 0.7,
        (true, _) => 0.4,
        (false, 0..=3) => 0.5,
        (false, _) => 0.15,
    }
}

/// Brackets and quotes that were opened and not closed in the last line.
fn unclosed(text: &str) -> f32 {
    let last_line = text.lines().last().unwrap_or_default();
    let balance = |open: char, close: char| {
        last_line.matches(open).count() > last_line.matches(close).count()
    };
    let stars = last_line.matches("**").count() % 2 == 1;
    if balance('(', ')') || stars { 0.5 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_seen() {
        for text in [
            "I'm sorry, but I can’t assist with that.",
            "I cannot provide instructions for that. It is dangerous.",
            "As an AI language model, I am not able to help with this request.",
        ] {
            assert!(is_refusal(text), "{text}");
        }
        for text in [
            "Sure! Here is the code.",
            "You can't assist a process that has exited; restart it.",
            "The book describes how a man said he could not help.",
        ] {
            assert!(!is_refusal(text), "{text}");
        }
    }
}
