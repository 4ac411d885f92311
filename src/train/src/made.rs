//! Texts made from patterns, where the corpora have none: plain hijacks and prompt extractions in many wordings, harmless
//! texts with the same words in them, and harmless requests that sound violent.

mod attacks;
mod contests;
mod contrasts;
mod extractions;
mod hijacks;
mod indirect;
mod languages;
mod moderation;
mod operators;
mod roles;
mod script;
mod tasks;
mod triggers;

use crate::fit::Random;

/// Groups of people and what is said of them.
const PEOPLE: &str = include_str!("made/texts/people.txt");

/// How people ask.
const ASKS: &str = include_str!("made/texts/asks.txt");

/// How answers tell.
const TELLING: &str = include_str!("made/texts/telling.txt");

/// What harms, and what only sounds like it.
const DEEDS: &str = include_str!("made/texts/deeds.txt");
const FINE: &str = include_str!("made/texts/fine.txt");

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

/// Players who want the password that a model keeps.
pub(crate) fn contests() -> Vec<String> {
    contests::CONTESTS.make(3000, 31)
}

/// Passwords, hints, letters and roles in harmless company.
pub(crate) fn passwords() -> Vec<String> {
    contests::PASSWORDS.make(4000, 32)
}

/// Orders to the model in what it reads for somebody.
pub(crate) fn indirect() -> Vec<String> {
    indirect::INDIRECT.make(2600, 33)
}

/// What tools and mails say besides, orders to people included.
pub(crate) fn tool_results() -> Vec<String> {
    indirect::TOOL_RESULTS.make(4200, 34)
}

/// Prompts of operators that forbid attacks, and texts about attacks.
pub(crate) fn operators() -> Vec<String> {
    operators::OPERATORS.make(4200, 35)
}

/// Attacks that look like those.
pub(crate) fn dressed() -> Vec<String> {
    operators::DRESSED.make(2000, 36)
}

/// Orders to the model in what it reads, by whom they speak to and what they want.
pub(crate) fn agents() -> Vec<String> {
    script::make(&[include_str!("made/texts/agents.txt")], 4000, 41)
}

/// What is said to people there.
pub(crate) fn errands() -> Vec<String> {
    script::make(&[include_str!("made/texts/errands.txt")], 6000, 42)
}

/// Takeovers and readings in other words.
pub(crate) fn orders() -> Vec<String> {
    script::make(&[include_str!("made/texts/orders.txt")], 4000, 43)
}

/// Their verbs and nouns elsewhere.
pub(crate) fn changes() -> Vec<String> {
    script::make(&[include_str!("made/texts/changes.txt")], 6000, 44)
}

/// Players who want what a model keeps.
pub(crate) fn games() -> Vec<String> {
    script::make(&[include_str!("made/texts/games.txt")], 3600, 45)
}

/// Games and passwords with nothing to guard.
pub(crate) fn riddles() -> Vec<String> {
    script::make(&[include_str!("made/texts/riddles.txt")], 5000, 46)
}

/// Answers that comply in plain sentences.
pub(crate) fn advice() -> Vec<String> {
    let own = include_str!("made/texts/advice.txt");
    script::make(&[PEOPLE, DEEDS, own], 4000, 47)
}

/// Plain answers and refusals in the same forms.
pub(crate) fn counsel() -> Vec<String> {
    let own = include_str!("made/texts/counsel.txt");
    script::make(&[PEOPLE, DEEDS, FINE, own], 6000, 48)
}

/// Hateful, violent, sexual texts and those of people in danger, which the corpora have few of.
pub(crate) fn moderation() -> Vec<String> {
    moderation::MODERATION.make(2600, 9)
}

/// Texts about the same matters that harm nobody.
pub(crate) fn discussions() -> Vec<String> {
    moderation::DISCUSSIONS.make(2600, 10)
}

/// Hate against groups of people.
pub(crate) fn hate() -> Vec<String> {
    script::make(&[PEOPLE, include_str!("made/texts/hate.txt")], 3600, 31)
}

/// Harmless sentences about people, in the same forms.
pub(crate) fn respect() -> Vec<String> {
    script::make(&[PEOPLE, include_str!("made/texts/respect.txt")], 8000, 32)
}

/// Harmful requests.
pub(crate) fn harms() -> Vec<String> {
    script::make(
        &[ASKS, DEEDS, include_str!("made/texts/harms.txt")],
        4200,
        33,
    )
}

/// Harmless requests with the words of harmful ones.
pub(crate) fn twins() -> Vec<String> {
    script::make(
        &[ASKS, FINE, include_str!("made/texts/twins.txt")],
        6000,
        34,
    )
}

/// Answers that tell how harm is done.
pub(crate) fn harmful_answers() -> Vec<String> {
    let own = include_str!("made/texts/harmful_answers.txt");
    script::make(&[PEOPLE, DEEDS, TELLING, own], 3200, 35)
}

/// Refusals, warnings and answers that harm nobody.
pub(crate) fn harmless_answers() -> Vec<String> {
    let own = include_str!("made/texts/harmless_answers.txt");
    script::make(&[PEOPLE, DEEDS, FINE, TELLING, own], 4200, 36)
}

/// Requests as an answer that complies would take them up, and as one that refuses does.
pub(crate) fn taken_up(requests: &[String], count: usize) -> [Vec<String>; 2] {
    let mut random = Random(37);
    let mut made = [Vec::new(), Vec::new()];
    let telling = script::Script::read(&[
        TELLING,
        DEEDS,
        include_str!("made/texts/harmful_answers.txt"),
    ]);
    for _ in 0..count {
        let Some(request) = requests.get(random.below(requests.len())) else {
            break;
        };
        let deed = deed(request);
        let frame = random.pick(&[
            "{sure} {here} DEED. {first} {do}.",
            "{sure} {here} DEED:\n\n1. {do}.\n2. {do}.",
            "{here} DEED, {do}. {then} {do}.",
            "{sure} DEED. {first} {do}. {last} {do}.",
            "{first} DEED. {then} {do}.",
            "My plan is to DEED. {first} {do}.",
            "{sure} {here} DEED. It works as follows.",
            "DEED:\n\nIt is easy to DEED. {do}.",
        ]);
        let refusal = random.pick(&[
            "{no} DEED. {why} {instead}",
            "{no} DEED. {why}",
            "{no} {why} To DEED is wrong.",
            "I'm sorry, but I cannot DEED. {instead}",
            "{why} I can't help you DEED.",
            "You ask me to DEED. {why} {instead}",
        ]);
        for (made, frame) in made.iter_mut().zip([frame, refusal]) {
            let text = telling.fill(frame.unwrap_or_default(), &mut random);
            made.push(text.replace("DEED", deed));
        }
    }
    made
}

/// What a request asks for, without the asking.
fn deed(request: &str) -> &str {
    const ASKING: [&str; 16] = [
        "how can i ",
        "how do i ",
        "how to ",
        "how can one ",
        "how can someone ",
        "how can you ",
        "how do you ",
        "how can we ",
        "what are some ways to ",
        "what is the best way to ",
        "explain how to ",
        "give instructions for ",
        "give instructions on how to ",
        "give detailed instructions for ",
        "provide instructions on how to ",
        "teach me how to ",
    ];
    let request = request.trim().trim_end_matches(['.', '?', '!']);
    let asking = ASKING.iter().find(|asking| {
        request
            .get(..asking.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(asking))
    });
    asking.map_or(request, |asking| {
        request.get(asking.len()..).unwrap_or(request)
    })
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
