//! Letters that were moved apart, exchanged for digits, or written in Morse code.

/// `i g n o r e  a l l`, `i-g-n-o-r-e   a-l-l`: letters join, and a wider gap ends a word.
pub(super) fn join_letters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = 0;
    for c in text.chars() {
        if c.is_alphanumeric() {
            if gap > 1 {
                out.push(' ');
            }
            out.push(c);
            gap = 0;
        } else {
            gap += 1;
        }
    }
    out
}

/// `i-g-n-o-r-e a-l-l`: letters join, words stay. `None` when there are few such words.
pub(super) fn join_dashes(text: &str) -> Option<String> {
    const MIN_WORDS: usize = 3;
    let mut joined = 0;
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| {
            let is_split = word.len() >= 3
                && word.char_indices().all(|(at, c)| {
                    if at % 2 == 0 {
                        c.is_ascii_graphic()
                    } else {
                        matches!(c, '-' | '.' | '_' | '*' | '|' | '/')
                    }
                });
            joined += usize::from(is_split);
            if is_split {
                word.chars().step_by(2).collect()
            } else {
                word.to_owned()
            }
        })
        .collect();
    (joined >= MIN_WORDS).then(|| words.join(" "))
}

/// `1gn0r3 4ll`, `a11`: digits and signs that look like letters.
pub(super) fn letters_for_digits(text: &str) -> String {
    // Two in a row are those of `a11` and `fo110w`.
    text.replace("11", "ll")
        .chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | '!' | '|' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' | '+' => 't',
            '8' => 'b',
            '9' => 'g',
            _ => c,
        })
        .collect()
}

/// Letters of the International Morse code (ITU-R M.1677-1), from A to Z.
const MORSE: [&str; 26] = [
    ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--",
    "-.", "---", ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..",
];

/// Morse code: letters apart by spaces, words by `/` or wider gaps.
pub(super) fn morse(text: &str) -> Option<String> {
    const MIN_LETTERS: usize = 12;
    let mut out = String::new();
    let mut letters = 0;
    for token in text.split([' ', '\n']) {
        match MORSE
            .iter()
            .zip('a'..='z')
            .find(|(code, _)| **code == token)
        {
            Some((_, letter)) => {
                out.push(letter);
                letters += 1;
            }
            None if !out.ends_with(' ') => out.push(' '),
            None => {}
        }
    }
    (letters >= MIN_LETTERS).then_some(out)
}
/// A text in which every character stands twice. Ordinary ones differ within a few characters, where reading ends.
pub(super) fn halve(text: &str) -> Option<String> {
    const MIN_PAIRS: usize = 12;
    let mut pairs = Vec::new();
    let mut chars = text.chars();
    while let Some(one) = chars.next() {
        if chars.next() != Some(one) {
            return None;
        }
        pairs.push(one);
    }
    (pairs.len() >= MIN_PAIRS).then(|| pairs.into_iter().collect())
}
