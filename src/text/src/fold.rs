//! Folding of characters before words are compared: case, width, look-alikes, invisible characters.
//!
//! Source of the look-alikes: Unicode Technical Standard #39, confusables, reduced to the Cyrillic and Greek
//! letters that pass for Latin ones in common fonts.

/// What a character contributes to a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folded {
    /// This ASCII letter or digit.
    Ascii(u8),
    /// A letter of another script.
    Other(char),
    /// Part of the word it stands in, but invisible.
    Invisible,
    /// The end of a word.
    Boundary,
}

/// Folds one character.
pub(crate) fn fold(c: char) -> Folded {
    match c {
        'a'..='z' | '0'..='9' => ascii(c),
        'A'..='Z' => ascii(c.to_ascii_lowercase()),
        '\'' | '’' => Folded::Invisible,
        _ if c.is_ascii() => Folded::Boundary,
        _ => fold_unicode(c),
    }
}

fn ascii(c: char) -> Folded {
    u8::try_from(u32::from(c)).map_or(Folded::Boundary, Folded::Ascii)
}

fn fold_unicode(c: char) -> Folded {
    match c {
        // Fullwidth forms
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(c) - 0xfee0).map_or(Folded::Boundary, fold)
        }
        // Mathematical alphanumeric letters: 26 + 26 of each style
        '\u{1d400}'..='\u{1d6a3}' => {
            let letter = (u32::from(c) - 0x1d400) % 26;
            char::from_u32(u32::from('a') + letter).map_or(Folded::Boundary, ascii)
        }
        // Soft hyphen, combining marks, zero-width and bidirectional controls, variation selectors, tags
        '\u{ad}'
        | '\u{300}'..='\u{36f}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => Folded::Invisible,
        // Vowel signs of Arabic and its stretched line, and the signs that join or change consonants in Hindi
        '\u{640}' | '\u{64b}'..='\u{652}' | '\u{93c}' | '\u{94d}' => Folded::Invisible,
        _ => match latin(c).or_else(|| accented(c)) {
            Some(letter) => ascii(letter),
            None if c.is_alphanumeric() => Folded::Other(lower(c)),
            None => Folded::Boundary,
        },
    }
}

/// Capitals of Cyrillic and Greek that look like no Latin letter, as small ones.
fn lower(c: char) -> char {
    let distance = match c {
        '\u{391}'..='\u{3a9}' | '\u{410}'..='\u{42f}' => 0x20,
        '\u{400}'..='\u{40f}' => 0x50,
        'Ґ' => 1,
        _ => 0,
    };
    char::from_u32(u32::from(c) + distance).unwrap_or(c)
}

/// The letter under the accents of Central European languages, Turkish and Vietnamese.
fn accented(c: char) -> Option<char> {
    Some(match c {
        '\u{100}'..='\u{105}' | '\u{1ea0}'..='\u{1eb7}' => 'a',
        '\u{106}'..='\u{10d}' => 'c',
        '\u{10e}'..='\u{111}' => 'd',
        '\u{112}'..='\u{11b}' | '\u{1eb8}'..='\u{1ec7}' => 'e',
        '\u{11c}'..='\u{123}' => 'g',
        '\u{128}'..='\u{131}' | '\u{1ec8}'..='\u{1ecb}' => 'i',
        '\u{139}'..='\u{142}' => 'l',
        '\u{143}'..='\u{148}' => 'n',
        '\u{14c}'..='\u{151}' | '\u{1a0}' | '\u{1a1}' | '\u{1ecc}'..='\u{1ee3}' => 'o',
        '\u{154}'..='\u{159}' => 'r',
        '\u{15a}'..='\u{161}' | '\u{218}' | '\u{219}' => 's',
        '\u{162}'..='\u{167}' | '\u{21a}' | '\u{21b}' => 't',
        '\u{168}'..='\u{173}' | '\u{1af}' | '\u{1b0}' | '\u{1ee4}'..='\u{1ef1}' => 'u',
        '\u{174}' | '\u{175}' => 'w',
        '\u{176}'..='\u{178}' | '\u{1ef2}'..='\u{1ef9}' => 'y',
        '\u{179}'..='\u{17e}' => 'z',
        _ => return None,
    })
}

/// Whether words of the script of `c` are not parted by spaces, or not only by them: Chinese, Japanese, Korean.
pub(crate) fn runs_together(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// The Latin letter that `c` looks like.
fn latin(c: char) -> Option<char> {
    Some(match c {
        'À'..='Å' | 'à'..='å' | 'А' | 'а' | 'Α' | 'α' | 'ɑ' => 'a',
        'В' | 'в' | 'Β' | 'β' => 'b',
        'Ç' | 'ç' | 'С' | 'с' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'È'..='Ë' | 'è'..='ë' | 'Е' | 'е' | 'Ё' | 'ё' | 'Ε' | 'ε' => 'e',
        'ɡ' => 'g',
        'Н' | 'н' | 'Η' | 'һ' => 'h',
        'Ì'..='Ï' | 'ì'..='ï' | 'І' | 'і' | 'Ι' | 'ι' | 'ı' => 'i',
        'Ј' | 'ј' => 'j',
        'К' | 'к' | 'Κ' | 'κ' => 'k',
        'Ⅼ' | 'ⅼ' | 'ӏ' => 'l',
        'М' | 'м' | 'Μ' => 'm',
        'Ñ' | 'ñ' | 'Ν' => 'n',
        'Ò'..='Ö' | 'ò'..='ö' | 'О' | 'о' | 'Ο' | 'ο' => 'o',
        'Р' | 'р' | 'Ρ' | 'ρ' => 'p',
        'ԛ' => 'q',
        'Ѕ' | 'ѕ' => 's',
        'Т' | 'т' | 'Τ' | 'τ' => 't',
        'Ù'..='Ü' | 'ù'..='ü' | 'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' => 'w',
        'Х' | 'х' | 'Χ' | 'χ' => 'x',
        'Ý' | 'ý' | 'ÿ' | 'У' | 'у' | 'Υ' => 'y',
        'Ζ' => 'z',
        _ => return None,
    })
}
