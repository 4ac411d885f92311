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
        _ => match latin(c) {
            Some(letter) => ascii(letter),
            None if c.is_alphanumeric() => Folded::Other(c),
            None => Folded::Boundary,
        },
    }
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
