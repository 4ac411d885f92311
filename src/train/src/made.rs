//! Texts made from patterns, where the corpora have none: plain hijacks and prompt extractions in many wordings, harmless
//! texts with the same words in them, and harmless requests that sound violent.

mod attacks;
mod contrasts;
mod extractions;
mod hijacks;
mod languages;
mod moderation;
mod roles;
mod tasks;
mod triggers;

use crate::fit::Random;

/// Places in patterns, and what can stand there.
type Slots = &'static [(&'static str, &'static [&'static str])];

/// Fills `{name}` in patterns from lists of words.
struct Grammar {
    patterns: &'static [&'static str],
    words: &'static [Slots],
}

impl Grammar {
    fn make(&self, count: usize, seed: u64) -> Vec<String> {
        let mut random = Random(seed);
        let mut made: Vec<String> = (0..count)
            .filter_map(|_| {
                let pattern = random.pick(self.patterns)?.to_owned();
                Some(self.fill(pattern, &mut random))
            })
            .collect();
        made.sort();
        made.dedup();
        made
    }

    fn fill(&self, mut text: String, random: &mut Random) -> String {
        // Twice, since words may have places of their own.
        for (name, words) in self.words.iter().chain(self.words).copied().flatten() {
            let slot = format!("{{{name}}}");
            while text.contains(&slot) {
                text = text.replacen(&slot, random.pick(words).unwrap_or_default(), 1);
            }
        }
        text
    }
}

/// Attempts to replace the instructions, and to read them.
pub(crate) fn attacks() -> Vec<String> {
    attacks::ATTACKS.make(1500, 1)
}

/// Ordinary requests with the words of attacks.
pub(crate) fn trigger_words() -> Vec<String> {
    triggers::TRIGGERS.make(2600, 2)
}

/// Ordinary requests, the payloads of attacks among them.
pub(crate) fn tasks() -> Vec<String> {
    tasks::TASKS.make(2200, 4)
}

/// Ordinary requests in other languages, so that a language alone says nothing.
pub(crate) fn languages() -> Vec<String> {
    languages::LANGUAGES.make(900, 5)
}

/// Ordinary requests with the words of harm.
pub(crate) fn contrasts() -> Vec<String> {
    contrasts::CONTRASTS.make(1500, 3)
}

/// Hijacks as people write them who know that there are instructions: separators, faked roles, games with words.
pub(crate) fn hijacks() -> Vec<String> {
    hijacks::HIJACKS.make(3000, 6)
}

/// Attempts to read what stands before the message.
pub(crate) fn extractions() -> Vec<String> {
    extractions::EXTRACTIONS.make(2600, 7)
}

/// The words of extractions in ordinary requests.
pub(crate) fn readings() -> Vec<String> {
    extractions::READINGS.make(4000, 8)
}

/// Roles and rules without any attack.
pub(crate) fn roles() -> Vec<String> {
    roles::ROLES.make(3000, 14)
}

/// Hateful, violent, sexual texts and those of people in danger, which the corpora have few of.
pub(crate) fn moderation() -> Vec<String> {
    moderation::MODERATION.make(2600, 9)
}

/// Texts about the same matters that harm nobody.
pub(crate) fn discussions() -> Vec<String> {
    moderation::DISCUSSIONS.make(2600, 10)
}

/// Pieces of harmless texts with an attack in the middle, as in mails and documents that carry one.
pub(crate) fn embedded(texts: &[&str]) -> Vec<String> {
    let mut random = Random(11);
    let attacks: Vec<String> = hijacks::HIJACKS
        .make(1400, 12)
        .into_iter()
        .chain(extractions::EXTRACTIONS.make(600, 13))
        .filter(|attack| attack.len() < 220)
        .collect();
    let mut made = Vec::new();
    for attack in &attacks {
        let text = texts
            .get(random.below(texts.len()))
            .copied()
            .unwrap_or_default();
        let at = |byte: usize| text.floor_char_boundary(byte);
        let around = 360_usize.saturating_sub(attack.len()) / 2;
        let middle = around + random.below(text.len().saturating_sub(2 * around).max(1));
        let middle = at(middle.min(text.len()));
        // Attacks come between sentences.
        let middle = text
            .get(..middle)
            .and_then(|before| before.rfind(['.', '\n']))
            .map_or(middle, |end| end + 1);
        let before = text
            .get(at(middle.saturating_sub(around))..middle)
            .unwrap_or_default();
        let after = text.get(middle..at(middle + around)).unwrap_or_default();
        made.push(format!("{before} {attack} {after}"));
    }
    made.sort();
    made.dedup();
    made
}
