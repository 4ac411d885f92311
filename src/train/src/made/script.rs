//! Patterns and their words as plain text: a line is a pattern, `@name a | b` lists what can stand in `{name}`, `#` begins a remark.

use crate::fit::Random;

/// Places that are filled in one text, those inside words included.
const MOST_PLACES: usize = 24;

/// Patterns and the words of their places.
pub(super) struct Script {
    patterns: Vec<&'static str>,
    words: Vec<(&'static str, Vec<&'static str>)>,
}

/// Up to `count` different texts from the patterns in `scripts`, whose lists of words they share.
pub(super) fn make(scripts: &[&'static str], count: usize, seed: u64) -> Vec<String> {
    let script = Script::read(scripts);
    let mut random = Random(seed);
    let mut made: Vec<String> = (0..count)
        .filter_map(|place| {
            // Every pattern comes as often as any other.
            let pattern = script.patterns.get(place % script.patterns.len())?;
            Some(script.fill(pattern, &mut random))
        })
        .collect();
    made.sort();
    made.dedup();
    made
}

impl Script {
    pub(super) fn read(scripts: &[&'static str]) -> Self {
        let (mut patterns, mut words) = (Vec::new(), Vec::new());
        for line in scripts.iter().flat_map(|script| script.lines()) {
            match line.strip_prefix('@').and_then(|list| list.split_once(' ')) {
                Some((name, list)) => words.push((name, list.split(" | ").collect())),
                None if line.starts_with('#') || line.is_empty() => {}
                None => patterns.push(line),
            }
        }
        Self { patterns, words }
    }

    pub(super) fn fill(&self, pattern: &str, random: &mut Random) -> String {
        let mut text = pattern.replace("\\n", "\n");
        for _ in 0..MOST_PLACES {
            let Some((start, end)) = place(&text) else {
                break;
            };
            let name = text.get(start + 1..end).unwrap_or_default();
            let list = self.words.iter().find(|(other, _)| *other == name);
            let word = list.and_then(|(_, list)| random.pick(list));
            text.replace_range(start..=end, word.unwrap_or_default());
        }
        text
    }
}

/// Where the first place to be filled stands: a name in braces. Other braces are text.
fn place(text: &str) -> Option<(usize, usize)> {
    text.match_indices('{').find_map(|(start, _)| {
        let end = start + text.get(start..)?.find('}')?;
        let name = text.get(start + 1..end)?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then_some((start, end))
    })
}
