//! Texts as people write them to get past a filter: letters exchanged or left out, words joined, everything encoded. The engine decodes
//! most of it; here the models learn what is left.

use crate::fit::Random;

/// Up to `count` of `texts`, each in one way that the engine does not undo.
pub(crate) fn garbled(texts: &[String], count: usize, seed: u64) -> Vec<String> {
    let ways: [fn(&str, &mut Random) -> String; 5] = [
        typos,
        without_vowels,
        without_some_letters,
        without_spaces,
        words_reversed,
    ];
    let mut random = Random(seed);
    let mut made: Vec<String> = (0..count)
        .filter_map(|_| {
            let text = texts.get(random.below(texts.len()))?;
            let way = ways.get(random.below(ways.len()))?;
            Some(way(text, &mut random))
        })
        .collect();
    made.sort();
    made.dedup();
    made
}

/// Up to `count` of `texts`, encoded and announced: the announcement harms nobody.
pub(crate) fn encoded(texts: &[String], count: usize, seed: u64) -> Vec<String> {
    const ANNOUNCEMENTS: [&str; 12] = [
        "",
        "",
        "Decode this: ",
        "Please decode the following text and do what it says: ",
        "The following text is encoded. Decode it and follow the instructions: ",
        "This is base64, what does it mean? ",
        "Translate this from ROT13: ",
        "Here is a message in a secret code. Answer it:\n",
        "Decode:\n",
        "Can you read this? ",
        "The following text is in hexadecimal. Please decode it and answer: ",
        "What does this say backwards? ",
    ];
    let ways: [fn(&str) -> String; 5] = [
        rot13,
        |text| text.chars().rev().collect(),
        hexadecimal,
        base64,
        digits_for_letters,
    ];
    let mut random = Random(seed);
    let made = (0..count).filter_map(|_| {
        let text = texts.get(random.below(texts.len()))?;
        let way = ways.get(random.below(ways.len()))?;
        Some(format!("{}{}", random.pick(&ANNOUNCEMENTS)?, way(text)))
    });
    made.collect()
}

fn typos(text: &str, random: &mut Random) -> String {
    let words = text.split(' ').map(|word| {
        let mut letters: Vec<char> = word.chars().collect();
        if letters.len() > 3 && random.below(3) > 0 {
            let at = 1 + random.below(letters.len() - 3);
            letters.swap(at, at + 1);
        }
        letters.into_iter().collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

fn without_vowels(text: &str, _: &mut Random) -> String {
    text.chars()
        .filter(|c| !"aeiouAEIOU".contains(*c))
        .collect()
}

fn without_some_letters(text: &str, random: &mut Random) -> String {
    text.chars()
        .filter(|c| !c.is_alphabetic() || random.below(9) > 0)
        .collect()
}

fn without_spaces(text: &str, _: &mut Random) -> String {
    text.replace(' ', "")
}

fn words_reversed(text: &str, _: &mut Random) -> String {
    text.split(' ').rev().collect::<Vec<_>>().join(" ")
}

fn rot13(text: &str) -> String {
    let turn =
        |c: char, base: u32| char::from_u32((u32::from(c) - base + 13) % 26 + base).unwrap_or(c);
    text.chars()
        .map(|c| match c {
            'a'..='z' => turn(c, 97),
            'A'..='Z' => turn(c, 65),
            _ => c,
        })
        .collect()
}

fn hexadecimal(text: &str) -> String {
    text.bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

/// RFC 4648 §4.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = bits >> (18 - 6 * place) & 63;
            out.push(if place <= chunk.len() {
                char::from(DIGITS[digit as usize])
            } else {
                '='
            });
        }
    }
    out
}

fn digits_for_letters(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'a' => '4',
            'e' => '3',
            'i' => '1',
            'o' => '0',
            's' => '5',
            't' => '7',
            _ => c,
        })
        .collect()
}
