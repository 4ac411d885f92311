//! Identifiers of a fixed form: letters and digits in given places, check digits, and words that must stand before them.
//!
//! One [`Form`] per entity, as a constant in the entity's file. All forms share one anchor, the first run of digits in the
//! value, and a table by the length of that run, so that a run of digits is compared with a few forms only.

use super::{Entity, Outcome, Window};

/// Longest run of digits with forms of its own.
const MAX_RUN: usize = 20;
/// How far a required word may stand before a value.
const NEAR: usize = 48;
/// How far a word may stand that says what else a value is, and such words.
const NEXT: usize = 20;
const OTHER_THINGS: &[&str] = &[
    "code", "error", "sku", "part", "model", "version", "build", "serial",
];
/// Digits in a row that are a number of their own.
const OTHER_NUMBER: usize = 4;
/// Longest value.
const MAX_VALUE: usize = 64;
/// Most letters before the first digit of a word.
const MAX_LEAD: usize = 9;

/// What an identifier looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// `9` a digit, `A` a letter, `X` either; anything else stands for itself.
    Mask(&'static str),
    /// From this many digits to that many, in one run.
    Digits(usize, usize),
    /// A word of letters and digits, from this many to that many, hyphens between them not counted.
    Word(usize, usize),
}

/// When words before a value decide.
#[derive(Debug, Clone, Copy)]
pub(super) enum Context {
    /// Never: form and check digits are enough.
    None,
    /// When the value is written without separators.
    Bare(&'static [&'static str]),
    /// Always.
    Always(&'static [&'static str]),
}

/// How an entity is written and checked.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) entity: Entity,
    pub(super) shapes: &'static [Shape],
    /// Judges the letters, in capitals, and digits of a value.
    pub(super) is_valid: fn(&[u8]) -> bool,
    pub(super) context: Context,
}

/// The forms that are looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Forms {
    /// By the length of the first run of digits: masks with how many bytes stand before that run.
    by_run: Vec<Vec<(&'static Form, &'static str, usize)>>,
    digits: Vec<(&'static Form, usize, usize)>,
    words: Vec<(&'static Form, usize, usize)>,
}

impl Forms {
    pub(super) fn new(entities: &[Entity]) -> Self {
        let mut forms = Self {
            by_run: vec![Vec::new(); MAX_RUN + 1],
            ..Self::default()
        };
        for form in super::FORMS
            .iter()
            .filter(|form| entities.contains(&form.entity))
        {
            for shape in form.shapes {
                match *shape {
                    Shape::Mask(mask) => forms.add_mask(form, mask),
                    Shape::Digits(min, max) => forms.digits.push((form, min, max)),
                    Shape::Word(min, max) => forms.words.push((form, min, max)),
                }
            }
        }
        forms
    }

    fn add_mask(&mut self, form: &'static Form, mask: &'static str) {
        let lead = mask.bytes().take_while(|byte| *byte != b'9').count();
        let run = mask
            .bytes()
            .skip(lead)
            .take_while(|byte| *byte == b'9')
            .count();
        if let Some(forms) = self.by_run.get_mut(run) {
            forms.push((form, mask, lead));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.digits.is_empty() && self.words.is_empty() && self.by_run.iter().all(Vec::is_empty)
    }

    /// Judges everything whose first run of digits lies from `start` to `end`.
    pub(super) fn judge(
        &self,
        window: &Window<'_>,
        start: usize,
        end: usize,
        note: &mut dyn FnMut(Entity, Outcome),
    ) {
        let is_cut = end == window.text.len() && !window.complete;
        let runs = if is_cut {
            end - start..=MAX_RUN
        } else {
            end - start..=end - start
        };
        for (form, mask, lead) in runs.filter_map(|run| self.by_run.get(run)).flatten() {
            if let Some(first) = start.checked_sub(*lead) {
                note(form.entity, form.masked(window, first, mask));
            }
        }
        if !self.digits.is_empty() && !window.before(start).is_ascii_alphanumeric() {
            for (form, min, max) in &self.digits {
                if (*min..=*max).contains(&(end - start)) || is_cut && end - start <= *max {
                    note(form.entity, form.settle(window, start, end, false, 0));
                }
            }
        }
        if !self.words.is_empty() {
            self.words(window, start, note);
        }
    }

    fn words(&self, window: &Window<'_>, digit: usize, note: &mut dyn FnMut(Entity, Outcome)) {
        let Some((start, end)) = word(window, digit) else {
            return;
        };
        let value = window.bytes().get(start..end).unwrap_or_default();
        let len = value.iter().filter(|byte| **byte != b'-').count();
        let is_cut = end == window.text.len() && !window.complete;
        for (form, min, max) in &self.words {
            if (*min..=*max).contains(&len) || is_cut && len <= *max {
                note(form.entity, form.settle(window, start, end, false, 0));
            }
        }
    }

    /// Where letters at the end of the text may be the beginning of a value.
    pub(super) fn open_tail(window: &Window<'_>) -> usize {
        let len = window.text.len();
        let (gap, most) = match window.before(len) {
            b'-' => (1, MAX_LEAD),
            // Two capital letters only: short words are everywhere.
            b' ' if window
                .bytes()
                .get(len.wrapping_sub(3)..len - 1)
                .is_some_and(|pair| pair.iter().all(u8::is_ascii_uppercase)) =>
            {
                (1, 2)
            }
            b' ' => return len,
            _ => (0, MAX_LEAD),
        };
        let letters = window
            .bytes()
            .get(..len - gap)
            .unwrap_or_default()
            .iter()
            .rev()
            .take(most + 1);
        let letters = letters
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        if (1..=most).contains(&letters) {
            len - gap - letters
        } else {
            len
        }
    }
}

/// The word around the digit at `digit`, if that is its first one: letters, perhaps a hyphen, then digits, letters and hyphens.
fn word(window: &Window<'_>, digit: usize) -> Option<(usize, usize)> {
    let bytes = window.bytes();
    let hyphen = usize::from(window.before(digit) == b'-');
    let before = bytes.get(..digit - hyphen)?;
    let letters = before
        .iter()
        .rev()
        .take(MAX_LEAD + 1)
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let start = match letters {
        0 => digit,
        1..=MAX_LEAD => digit - hyphen - letters,
        _ => return None,
    };
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
    let run = bytes
        .get(digit..)?
        .iter()
        .take(MAX_VALUE - MAX_LEAD)
        .take_while(part);
    Some((start, digit + run.count()))
}

impl Form {
    /// Judges the text at `start` against a mask.
    fn masked(&self, window: &Window<'_>, start: usize, mask: &str) -> Outcome {
        let mut end = start;
        let mut separated = 0;
        let has_gap = mask.as_bytes().get(2) == Some(&b' ');
        for place in mask.bytes() {
            if end >= window.text.len() {
                let may_begin = !window.complete && !joins_before(window, start);
                return if may_begin {
                    Outcome::Open(start)
                } else {
                    Outcome::Nothing
                };
            }
            let byte = window.byte(end);
            let fits = match place {
                b'9' => byte.is_ascii_digit(),
                // Where a space follows the first letters, they are capitals: see `open_tail`.
                b'A' if has_gap && end < start + 2 => byte.is_ascii_uppercase(),
                b'A' => byte.is_ascii_alphabetic(),
                b'X' => byte.is_ascii_alphanumeric(),
                other => {
                    separated = other;
                    byte == other
                }
            };
            if !fits {
                return Outcome::Nothing;
            }
            end += 1;
        }
        self.settle(window, start, end, separated != 0, separated)
    }

    /// Judges a value that has the form, by what stands around it and by its check digits.
    fn settle(
        &self,
        window: &Window<'_>,
        start: usize,
        end: usize,
        is_separated: bool,
        separator: u8,
    ) -> Outcome {
        // Groups of digits behind others are a table, unless words say what they are.
        let (gap, outer) = (window.before(start), window.before(start.saturating_sub(1)));
        let is_in_row = separator == b' '
            && gap == separator
            && outer.is_ascii_digit()
            && window.byte(start).is_ascii_digit()
            && matches!(self.context, Context::Bare(_));
        if joins_before(window, start) || is_in_row {
            return Outcome::Nothing;
        }
        match joins_behind(window, end, separator) {
            None => return Outcome::Open(start),
            Some(true) => return Outcome::Nothing,
            Some(false) => {}
        }
        let mut value = [0; MAX_VALUE];
        let mut len = 0;
        for byte in window
            .bytes()
            .get(start..end)
            .unwrap_or_default()
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
        {
            let Some(place) = value.get_mut(len) else {
                return Outcome::Nothing;
            };
            *place = byte.to_ascii_uppercase();
            len += 1;
        }
        let is_value = (self.is_valid)(value.get(..len).unwrap_or_default())
            && self.has_context(window, start, is_separated);
        if is_value {
            Outcome::Found { start, end }
        } else {
            Outcome::Nothing
        }
    }

    fn has_context(&self, window: &Window<'_>, start: usize, is_separated: bool) -> bool {
        let words = match self.context {
            Context::None => return true,
            Context::Bare(_) if is_separated && !window.has_words(start, NEXT, OTHER_THINGS) => {
                return true;
            }
            Context::Bare(words) | Context::Always(words) => words,
        };
        window.words_end(start, NEAR, words).is_some_and(|end| {
            // The words mean the first number behind them.
            let between = window.bytes().get(end..start).unwrap_or_default();
            !between
                .windows(OTHER_NUMBER)
                .any(|run| run.iter().all(u8::is_ascii_digit))
        })
    }
}

/// What a form looks for, and nearly finds: a value of each shape, and each word before one.
pub(super) fn anchors(form: &Form) -> Vec<String> {
    let values = form.shapes.iter().map(|shape| match *shape {
        Shape::Mask(mask) => mask
            .chars()
            .map(|place| match place {
                '9' => '1',
                'X' => 'A',
                other => other,
            })
            .collect(),
        Shape::Digits(_, max) => "1".repeat(max),
        Shape::Word(_, max) => format!("A{}", "1".repeat(max - 1)),
    });
    let values: Vec<String> = values.collect();
    let words = match form.context {
        Context::None => [].as_slice(),
        Context::Bare(words) | Context::Always(words) => words,
    };
    let first = values.first().map_or("", String::as_str);
    let named = words
        .iter()
        .map(|word| format!("{} {first} ", word.trim_end_matches('*')));
    named.chain(values.iter().cloned()).collect()
}

/// Whether what stands before `start` makes it part of something longer.
fn joins_before(window: &Window<'_>, start: usize) -> bool {
    match window.before(start) {
        b'-' | b'.' | b'/' | b'+' | b'_' => window
            .before(start.saturating_sub(1))
            .is_ascii_alphanumeric(),
        before => {
            before.is_ascii_alphanumeric()
                || before >= 0x80
                    && window
                        .text
                        .get(..start)
                        .and_then(|text| text.chars().next_back())
                        .is_some_and(char::is_alphanumeric)
        }
    }
}

/// Whether what stands behind `end` makes it part of something longer; `None` while that is open.
fn joins_behind(window: &Window<'_>, end: usize, separator: u8) -> Option<bool> {
    let len = window.text.len();
    if end >= len {
        return window.complete.then_some(false);
    }
    let next = window.byte(end);
    if next.is_ascii_alphanumeric() {
        return Some(true);
    }
    if !(matches!(next, b'-' | b'/' | b'.') || next == separator) {
        return Some(false);
    }
    if end + 1 >= len {
        return window.complete.then_some(false);
    }
    let behind = window.byte(end + 1);
    Some(if next == b'.' || next == b' ' {
        behind.is_ascii_digit()
    } else {
        behind.is_ascii_alphanumeric()
    })
}

/// For identifiers without check digits.
pub(super) fn any(_: &[u8]) -> bool {
    true
}

/// At least four digits: what carries a number rather than a word.
pub(super) fn four_digits(value: &[u8]) -> bool {
    value.iter().filter(|byte| byte.is_ascii_digit()).count() >= 4
}
