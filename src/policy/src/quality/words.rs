//! The words of a text, read once for all signals.

use std::collections::BTreeMap;

/// More are not looked at.
const MOST: usize = 20_000;

/// Words that carry no subject: the most frequent ones of English, and their like in the languages that are asked most.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "but", "by", "can", "could", "do", "does", "each", "for", "from", "get", "give", "had",
    "has", "have", "he", "her", "here", "his", "how", "i", "if", "in", "into", "is", "it", "its",
    "just", "like", "make", "may", "me", "more", "most", "my", "need", "no", "not", "of", "on",
    "one", "only", "or", "other", "our", "out", "over", "please", "she", "should", "so", "some",
    "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "to",
    "up", "use", "used", "using", "was", "we", "were", "what", "when", "where", "which", "while",
    "who", "why", "will", "with", "would", "write", "you", "your", "der", "die", "und", "das",
    "ist", "nicht", "ein", "eine", "zu", "mit", "le", "la", "les", "et", "des", "est", "une", "un",
    "de", "el", "los", "y", "en", "que", "es", "por", "il", "che", "di", "per", "e", "o", "não",
    "um",
];

/// A text by its words.
#[derive(Debug)]
pub(super) struct Words<'t> {
    /// As they stand, between white space.
    pub(super) raw: Vec<&'t str>,
    /// Letters and digits only, in lower case.
    pub(super) folded: Vec<String>,
}

impl<'t> Words<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let raw: Vec<&str> = text.split_whitespace().take(MOST).collect();
        let folded = raw
            .iter()
            .flat_map(|word| word.split(|c: char| !c.is_alphanumeric()))
            .filter(|word| !word.is_empty())
            .take(MOST)
            .map(str::to_lowercase);
        Self {
            folded: folded.collect(),
            raw,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.folded.len()
    }

    /// Words that name a subject, each once with how often it occurs.
    pub(super) fn subjects(&self) -> BTreeMap<&str, usize> {
        let mut subjects = BTreeMap::new();
        for word in self
            .folded
            .iter()
            .filter(|word| word.chars().count() > 2 && !is_stop_word(word))
        {
            *subjects.entry(stem(word)).or_default() += 1;
        }
        subjects
    }
}

pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(&word)
}

/// A word without the endings that English adds most: enough to see that `primes` takes up `prime`.
fn stem(word: &str) -> &str {
    for ending in ["ing", "ed", "es", "s", "ly", "d"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.chars().count() > 2
        {
            return stem;
        }
    }
    word
}
