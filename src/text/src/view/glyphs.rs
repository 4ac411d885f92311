//! Which character a detector takes for which: digits of all scripts, typographic dashes and spaces, wide, small, enclosed and
//! mathematical forms stand for the ASCII character that people read, and characters that nobody sees for nothing.
//!
//! Sources: Unicode Character Database 16.0, `DerivedGeneralCategory.txt` (Nd, Cf, Zs, Pd) and the compatibility
//! mappings of `UnicodeData.txt`; Unicode Technical Standard #46 §2.3 for the dots of domain names.

/// What a detector sees of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyph {
    /// The character itself.
    Same,
    /// Another one.
    As(char),
    /// Nothing: its neighbours touch.
    Unseen,
}

/// What a detector sees of `c`.
pub(super) fn glyph(c: char) -> Glyph {
    match c {
        '\t'..='\r' | ' '..='~' => Glyph::Same,
        // Letters with diacritics, but for what is among them.
        '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{588}' | '\u{58a}'..='\u{5ff}' => Glyph::Same,
        _ if is_unseen(c) => Glyph::Unseen,
        _ => match ascii(c)
            .or_else(|| letter_like(c))
            .or_else(|| digit(c))
            .or_else(|| small(c))
        {
            Some(ascii) => Glyph::As(ascii),
            None => Glyph::Same,
        },
    }
}

/// Controls, soft hyphens, zero-width and bidirectional controls, fillers, combining marks, variation selectors, tags.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}'
        | '\u{e}'..='\u{1f}'
        | '\u{7f}'..='\u{84}'
        | '\u{86}'..='\u{9f}'
        | '\u{ad}'
        | '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The ASCII character that `c` looks like, but for decimal digits.
fn ascii(c: char) -> Option<char> {
    Some(match c {
        '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{2800}'
        | '\u{3000}' => ' ',
        '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        '\u{2d7}'
        | '\u{1806}'
        | '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{207b}'
        | '\u{208b}'
        | '\u{2212}'
        | '\u{2796}'
        | '\u{2e3a}'
        | '\u{fe31}'
        | '\u{fe32}'
        | '\u{fe58}'
        | '\u{fe63}' => '-',
        '\u{2024}' | '\u{fe52}' | '\u{ff61}' => '.',
        '\u{2044}' | '\u{2215}' | '\u{29f8}' => '/',
        '\u{589}' | '\u{2236}' | '\u{a789}' | '\u{fe13}' | '\u{fe55}' => ':',
        '\u{207a}' | '\u{208a}' | '\u{2795}' | '\u{fe62}' => '+',
        '\u{207d}' | '\u{208d}' | '\u{fe59}' => '(',
        '\u{207e}' | '\u{208e}' | '\u{fe5a}' => ')',
        '\u{207c}' | '\u{208c}' | '\u{fe66}' => '=',
        '\u{fe33}'..='\u{fe34}' | '\u{fe4d}'..='\u{fe4f}' => '_',
        '\u{fe50}' => ',',
        '\u{fe54}' => ';',
        '\u{fe5f}' => '#',
        '\u{fe60}' => '&',
        '\u{fe68}' => '\\',
        '\u{fe6a}' => '%',
        '\u{fe6b}' => '@',
        // Wide forms
        '\u{ff01}'..='\u{ff5e}' => shifted(c, 0xff01, '!')?,
        // Enclosed letters
        '\u{249c}'..='\u{24b5}' => shifted(c, 0x249c, 'a')?,
        '\u{24b6}'..='\u{24cf}' => shifted(c, 0x24b6, 'A')?,
        '\u{24d0}'..='\u{24e9}' => shifted(c, 0x24d0, 'a')?,
        '\u{1f110}'..='\u{1f129}' => shifted(c, 0x1f110, 'A')?,
        '\u{1f130}'..='\u{1f149}' => shifted(c, 0x1f130, 'A')?,
        '\u{1f150}'..='\u{1f169}' => shifted(c, 0x1f150, 'A')?,
        '\u{1f170}'..='\u{1f189}' => shifted(c, 0x1f170, 'A')?,
        // Regional indicators, of which flags are made
        '\u{1f1e6}'..='\u{1f1ff}' => shifted(c, 0x1f1e6, 'A')?,
        // Mathematical letters: 26 capitals and 26 small ones of each style
        '\u{1d400}'..='\u{1d6a3}' => {
            let letter = (u32::from(c) - 0x1d400) % 52;
            let (base, place) = if letter < 26 {
                ('A', letter)
            } else {
                ('a', letter - 26)
            };
            char::from_u32(u32::from(base) + place)?
        }
        _ => return None,
    })
}

/// The letter that `c` is in a script or double-struck form of its own.
fn letter_like(c: char) -> Option<char> {
    Some(match c {
        '\u{2102}' => 'C',
        '\u{210a}' => 'g',
        '\u{210e}' => 'h',
        '\u{210b}'..='\u{210d}' => 'H',
        '\u{2110}'..='\u{2111}' => 'I',
        '\u{2112}' => 'L',
        '\u{2113}' => 'l',
        '\u{2115}' => 'N',
        '\u{2119}' => 'P',
        '\u{211a}' => 'Q',
        '\u{211b}'..='\u{211d}' => 'R',
        '\u{2124}' | '\u{2128}' => 'Z',
        '\u{212c}' => 'B',
        '\u{212d}' => 'C',
        '\u{212f}' => 'e',
        '\u{2130}' => 'E',
        '\u{2131}' => 'F',
        '\u{2133}' => 'M',
        '\u{2134}' => 'o',
        _ => return None,
    })
}

/// The letter that `c` is as a small capital, raised or lowered: forms that fonts of fancy text are made of.
fn small(c: char) -> Option<char> {
    SMALL
        .binary_search_by_key(&c, |(small, _)| *small)
        .ok()
        .and_then(|place| SMALL.get(place))
        .map(|(_, letter)| *letter)
}

/// Small capitals, modifier letters and subscripts of ASCII letters, in order (`UnicodeData.txt`; small capitals by their names).
const SMALL: [(char, char); 89] = [
    ('\u{262}', 'g'),
    ('\u{26a}', 'i'),
    ('\u{274}', 'n'),
    ('\u{280}', 'r'),
    ('\u{28f}', 'y'),
    ('\u{299}', 'b'),
    ('\u{29c}', 'h'),
    ('\u{29f}', 'l'),
    ('\u{2b0}', 'h'),
    ('\u{2b2}', 'j'),
    ('\u{2b3}', 'r'),
    ('\u{2b7}', 'w'),
    ('\u{2b8}', 'y'),
    ('\u{2e1}', 'l'),
    ('\u{2e2}', 's'),
    ('\u{2e3}', 'x'),
    ('\u{1d00}', 'a'),
    ('\u{1d04}', 'c'),
    ('\u{1d05}', 'd'),
    ('\u{1d07}', 'e'),
    ('\u{1d0a}', 'j'),
    ('\u{1d0b}', 'k'),
    ('\u{1d0d}', 'm'),
    ('\u{1d0f}', 'o'),
    ('\u{1d18}', 'p'),
    ('\u{1d1b}', 't'),
    ('\u{1d1c}', 'u'),
    ('\u{1d20}', 'v'),
    ('\u{1d21}', 'w'),
    ('\u{1d22}', 'z'),
    ('\u{1d2c}', 'A'),
    ('\u{1d2e}', 'B'),
    ('\u{1d30}', 'D'),
    ('\u{1d31}', 'E'),
    ('\u{1d33}', 'G'),
    ('\u{1d34}', 'H'),
    ('\u{1d35}', 'I'),
    ('\u{1d36}', 'J'),
    ('\u{1d37}', 'K'),
    ('\u{1d38}', 'L'),
    ('\u{1d39}', 'M'),
    ('\u{1d3a}', 'N'),
    ('\u{1d3c}', 'O'),
    ('\u{1d3e}', 'P'),
    ('\u{1d3f}', 'R'),
    ('\u{1d40}', 'T'),
    ('\u{1d41}', 'U'),
    ('\u{1d42}', 'W'),
    ('\u{1d43}', 'a'),
    ('\u{1d47}', 'b'),
    ('\u{1d48}', 'd'),
    ('\u{1d49}', 'e'),
    ('\u{1d4d}', 'g'),
    ('\u{1d4f}', 'k'),
    ('\u{1d50}', 'm'),
    ('\u{1d52}', 'o'),
    ('\u{1d56}', 'p'),
    ('\u{1d57}', 't'),
    ('\u{1d58}', 'u'),
    ('\u{1d5b}', 'v'),
    ('\u{1d62}', 'i'),
    ('\u{1d63}', 'r'),
    ('\u{1d64}', 'u'),
    ('\u{1d65}', 'v'),
    ('\u{1d9c}', 'c'),
    ('\u{1da0}', 'f'),
    ('\u{1dbb}', 'z'),
    ('\u{2071}', 'i'),
    ('\u{207f}', 'n'),
    ('\u{2090}', 'a'),
    ('\u{2091}', 'e'),
    ('\u{2092}', 'o'),
    ('\u{2093}', 'x'),
    ('\u{2095}', 'h'),
    ('\u{2096}', 'k'),
    ('\u{2097}', 'l'),
    ('\u{2098}', 'm'),
    ('\u{2099}', 'n'),
    ('\u{209a}', 'p'),
    ('\u{209b}', 's'),
    ('\u{209c}', 't'),
    ('\u{2c7c}', 'j'),
    ('\u{2c7d}', 'V'),
    ('\u{a730}', 'f'),
    ('\u{a731}', 's'),
    ('\u{a7af}', 'q'),
    ('\u{a7f2}', 'C'),
    ('\u{a7f3}', 'F'),
    ('\u{a7f4}', 'Q'),
];

/// The character as far behind `base` as `c` is behind `first`.
fn shifted(c: char, first: u32, base: char) -> Option<char> {
    char::from_u32(u32::from(c) - first + u32::from(base))
}

/// The zeros of all scripts with decimal digits, in order.
const ZEROS: [u32; 67] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0x2080, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
    0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0,
    0x11650, 0x116c0, 0x116d0, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0,
    0x11f50, 0x16a60, 0x16ac0, 0x16b50, 0x1ccf0, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950,
    0x1fbf0,
];

/// The digit that `c` is, in a script, as an exponent, or with something around it.
fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let digit = match code {
        0xb2 | 0xb3 => code - 0xb0,
        0xb9 => 1,
        0x2070 | 0x2074..=0x2079 => code - 0x2070,
        // Circled, in parentheses, with a full stop, negative, double and sans-serif
        0x2460..=0x2468 => code - 0x245f,
        0x2474..=0x247c => code - 0x2473,
        0x2488..=0x2490 => code - 0x2487,
        0x24ea | 0x24ff => 0,
        0x24f5..=0x24fd => code - 0x24f4,
        0x2776..=0x277e => code - 0x2775,
        0x2780..=0x2788 => code - 0x277f,
        0x278a..=0x2792 => code - 0x2789,
        0x1d7ce..=0x1d7ff => (code - 0x1d7ce) % 10,
        0x1f100 => 0,
        0x1f101..=0x1f10a => code - 0x1f101,
        _ => {
            let zero = ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?)?;
            Some(code - zero).filter(|digit| *digit < 10)?
        }
    };
    char::from_digit(digit, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> String {
        text.chars()
            .filter_map(|c| match glyph(c) {
                Glyph::Same => Some(c),
                Glyph::As(ascii) => Some(ascii),
                Glyph::Unseen => None,
            })
            .collect()
    }

    #[test]
    fn disguised_characters_are_seen_through() {
        for (text, expected) in [
            ("219\u{2011}09\u{2013}9999\u{a0}x", "219-09-9999 x"),
            ("４１１１＠ａ．Ｃ", "4111@a.C"),
            ("٢١٩۰۹९৯๒𝟗𝟡²⁹₉①❷", "219099929929912"),
            ("ⓐⒷ🄲🅓𝕒𝐙𝓶", "aBCDaZm"),
            ("2\u{200b}1\u{ad}9\u{fe0f}\u{20e3}\u{301}\u{0}", "219"),
            ("ᴊᴀɴᴇ ʲᵃⁿᵉ ⱼₐₙₑ 🇯🇦🇳🇪", "jane jane jane JANE"),
            ("é ß Ж 日本 — 😀", "é ß Ж 日本 - 😀"),
        ] {
            assert_eq!(seen(text), expected, "{text}");
        }
    }

    #[test]
    fn small_letters_are_in_order() {
        assert!(SMALL.is_sorted_by_key(|(small, _)| *small));
    }

    #[test]
    fn zeros_are_in_order_and_apart() {
        assert!(
            ZEROS
                .windows(2)
                .all(|pair| matches!(pair, [left, right] if left + 10 <= *right))
        );
        assert!(
            ZEROS
                .iter()
                .all(|zero| char::from_u32(*zero).and_then(digit) == Some('0'))
        );
    }

    #[test]
    fn every_glyph_takes_no_more_room() {
        for c in ('\0'..=char::MAX).filter(|c| !c.is_ascii_graphic()) {
            if let Glyph::As(ascii) = glyph(c) {
                assert!(ascii.is_ascii(), "{c}");
            }
        }
    }
}
