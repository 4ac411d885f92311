//! Detectors: what a text contains, and from where its fate is still open.
//!
//! A detector decides at each position from at most [`CONTEXT`] bytes to the left and a bounded number of
//! bytes to the right. That locality is what makes any cut of a stream give the same findings as the whole
//! text: the text before the first open position can leave at once and never has to be looked at again.

mod api_key;
mod au_medicare;
mod au_tfn;
mod bank_account;
mod bank_routing;
mod br_cpf;
mod ca_sin;
mod cardholder_name;
mod checks;
mod credit_card;
mod crypto;
mod cvv;
mod date_of_birth;
mod de_tax_id;
mod dea_number;
mod digits;
mod drivers_license;
mod email;
mod entity;
mod es_nie;
mod es_nif;
mod form;
mod fr_nir;
mod iban;
mod in_aadhaar;
mod in_pan;
mod insurance_id;
mod ip_address;
mod it_fiscal_code;
mod mac_address;
mod mrn;
mod named_secret;
mod nl_bsn;
mod npi;
mod passport;
mod phone;
mod pl_pesel;
mod reader;
mod runs;
mod shaped_key;
mod street_address;
mod uk_nhs;
mod uk_nino;
mod url_credentials;
mod us_ein;
mod us_itin;
mod us_ssn;
mod vin;

use std::{cell::Cell, ops::Range};

pub use entity::Entity;
use form::{Form, Forms};
pub use named_secret::{is_password, is_password_name};

use crate::{present::Present, steps::MAX_FINDINGS};

/// How many bytes before a value a detector may look at.
pub const CONTEXT: usize = 64;

/// A key of letters and underscores alone has at least as many bytes.
const SHORTEST_WORDY_KEY: usize = 16;

/// Identifiers of a fixed form.
static FORMS: [&Form; 30] = [
    &cvv::FORM,
    &vin::FORM,
    &vin::NAMED,
    &us_itin::FORM,
    &us_ein::FORM,
    &uk_nino::FORM,
    &uk_nhs::FORM,
    &ca_sin::FORM,
    &de_tax_id::FORM,
    &fr_nir::FORM,
    &es_nif::FORM,
    &es_nie::FORM,
    &it_fiscal_code::FORM,
    &nl_bsn::FORM,
    &in_aadhaar::FORM,
    &in_pan::FORM,
    &br_cpf::FORM,
    &au_tfn::FORM,
    &au_medicare::FORM,
    &pl_pesel::FORM,
    &passport::FORM,
    &drivers_license::FORM,
    &drivers_license::BRITISH,
    &mrn::FORM,
    &npi::FORM,
    &dea_number::FORM,
    &insurance_id::FORM,
    &insurance_id::MEDICARE,
    &bank_routing::FORM,
    &bank_account::FORM,
];

/// Detectors that look for their own anchors.
const TEXT_DETECTORS: [(Entity, TextDetector, Anchors); 8] = [
    (Entity::ApiKey, api_key::scan, api_key::anchors),
    (Entity::ApiKey, named_secret::scan, named_secret::anchors),
    (Entity::ApiKey, shaped_key::scan, shaped_key::anchors),
    (
        Entity::UrlCredentials,
        url_credentials::scan,
        url_credentials::anchors,
    ),
    (Entity::Email, email::scan, email::anchors),
    (
        Entity::CardholderName,
        cardholder_name::scan,
        cardholder_name::anchors,
    ),
    (Entity::IpAddress, ip_address::scan_v6, ip_address::anchors),
    (Entity::MacAddress, mac_address::scan, mac_address::anchors),
];

/// Detectors that are tried wherever a group of digits begins.
const DIGIT_DETECTORS: [(Entity, DigitDetector, Anchors); 6] = [
    (Entity::CreditCard, credit_card::judge, credit_card::anchors),
    (Entity::Ssn, us_ssn::judge, us_ssn::anchors),
    (Entity::Phone, phone::judge, phone::anchors),
    (Entity::IpAddress, ip_address::judge_v4, ip_address::anchors),
    (
        Entity::DateOfBirth,
        date_of_birth::judge,
        date_of_birth::anchors,
    ),
    (
        Entity::StreetAddress,
        street_address::judge,
        street_address::anchors,
    ),
];

/// What all detectors look for, and nearly find: from the tables, so that a new one is among them.
pub fn anchors() -> Vec<String> {
    let text = TEXT_DETECTORS.iter().flat_map(|(.., anchors)| anchors());
    let digits = DIGIT_DETECTORS.iter().flat_map(|(.., anchors)| anchors());
    let forms = FORMS.iter().flat_map(|form| form::anchors(form));
    let others = iban::anchors().into_iter().chain(crypto::anchors());
    text.chain(digits).chain(forms).chain(others).collect()
}

fn texts(anchors: &[&str]) -> Vec<String> {
    anchors.iter().map(|&anchor| anchor.to_owned()).collect()
}

/// A stretch of text under inspection.
#[derive(Debug, Clone, Copy)]
pub struct Window<'t> {
    /// The text, starting with up to [`CONTEXT`] bytes whose fate is settled.
    pub text: &'t str,
    /// Findings start here or later.
    pub from: usize,
    /// Whether the text ends here. If not, more may follow.
    pub complete: bool,
}

impl<'t> Window<'t> {
    /// A whole text.
    pub fn whole(text: &'t str) -> Self {
        Self {
            text,
            from: 0,
            complete: true,
        }
    }

    /// The text's bytes.
    pub fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// The byte at `at`, or 0 beyond the text.
    pub fn byte(&self, at: usize) -> u8 {
        self.bytes().get(at).copied().unwrap_or(0)
    }

    /// The byte before `at`, or 0 at the start.
    pub fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    /// Whether one of `words` (in lower case) stands within `near` bytes before `at`, as a word of its own. A word that ends in `*`
    /// may go on. Our own markers, which come back in the history of a conversation, give no context.
    pub fn has_words(&self, at: usize, near: usize, words: &[&str]) -> bool {
        self.words_end(at, near, words).is_some()
    }

    /// The same; where the last of them ends.
    ///
    /// An underscore counts as a space: `social_security_number`. Reads the context once: words are compared only where one begins, and only those with its first letter.
    pub fn words_end(&self, at: usize, near: usize, words: &[&str]) -> Option<usize> {
        let start = at.saturating_sub(near);
        let context = self.bytes().get(start..at).unwrap_or_default();
        let mut lower = [0; CONTEXT];
        for (place, byte) in lower.iter_mut().zip(context) {
            *place = if *byte == b'_' {
                b' '
            } else {
                byte.to_ascii_lowercase()
            };
        }
        // Digits and signs alone hold no word: vector code tells.
        let has_letter =
            |seen: bool, byte: &u8| seen | (byte.is_ascii_lowercase() | !byte.is_ascii());
        if !lower.iter().fold(false, has_letter) {
            return None;
        }
        let lower = lower.get(..context.len()).unwrap_or_default();
        let first_letters = words
            .iter()
            .filter_map(|word| word.as_bytes().first())
            .fold(0_u32, |seen, first| seen | 1 << (first & 31));
        let mut last = None;
        for (place, first) in lower.iter().enumerate() {
            let may_begin = first_letters & 1 << (first & 31) != 0 && *first > b'9';
            if !may_begin || !self.begins_word(start + place) {
                continue;
            }
            let rest = lower.get(place..).unwrap_or_default();
            let ends = words.iter().filter_map(|word| {
                let (word, may_go_on) = word
                    .strip_suffix('*')
                    .map_or((*word, false), |word| (word, true));
                let end = start + place + word.len();
                (rest.starts_with(word.as_bytes()) && self.is_word_end(end, may_go_on))
                    .then_some(end)
            });
            last = ends.max().max(last);
        }
        last
    }

    /// Whether a word begins at `at`: behind what is no letter or digit, or with a capital behind a small letter.
    fn begins_word(&self, at: usize) -> bool {
        let before = self.before(at);
        !before.is_ascii_alphanumeric()
            || before.is_ascii_lowercase() && self.byte(at).is_ascii_uppercase()
    }

    /// Whether a word ends at `end`, and is no part of a marker of ours.
    fn is_word_end(&self, end: usize, may_go_on: bool) -> bool {
        let rest = self.bytes().get(end..).unwrap_or_default();
        (may_go_on || self.ends_word(end)) && !rest.starts_with(b"_REDACTED")
    }

    /// Whether a word ends at `at`, perhaps after an `s`.
    fn ends_word(&self, at: usize) -> bool {
        let ends = |at: usize| !self.byte(at).is_ascii_lowercase();
        ends(at) || self.byte(at) == b's' && ends(at + 1)
    }
}

/// What a detector says of one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A value from `start` to `end`.
    Found {
        /// Its first byte.
        start: usize,
        /// The byte after its last.
        end: usize,
    },
    /// Text that has not arrived yet decides; a value may start at the given position.
    Open(usize),
    /// Nothing here.
    Nothing,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Of a kind that the gateway knows.
    Entity(Entity),
    /// A match of the pattern at this place among the users' patterns.
    Pattern(u16),
}

/// A value in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What it is.
    pub label: Label,
    /// Where it lies, in bytes of the window's text.
    pub range: Range<usize>,
}

/// Finds the configured entities in one pass per anchor.
#[derive(Debug, Clone)]
pub struct Scanner {
    text_detectors: Vec<(Entity, TextDetector)>,
    iban: bool,
    crypto: bool,
    date_of_birth: bool,
    forms: Forms,
    digit_detectors: Vec<(Entity, DigitDetector)>,
}

/// Texts that a detector looks for or nearly finds. The harness of the bounds makes its shapes of them.
type Anchors = fn() -> Vec<String>;

/// Reports every candidate of a window.
type TextDetector = fn(&Window<'_>, Present, &mut dyn FnMut(Outcome));

/// Judges the candidate that begins with the digit group at `at`.
type DigitDetector = fn(&Window<'_>, &digits::Groups<'_>) -> Outcome;

impl Scanner {
    /// A scanner for `entities`.
    pub fn new(entities: &[Entity]) -> Self {
        let is_wanted = |entity: Entity| entities.contains(&entity);
        Self {
            text_detectors: TEXT_DETECTORS
                .into_iter()
                .filter(|(entity, ..)| is_wanted(*entity))
                .map(|(entity, scan, _)| (entity, scan))
                .collect(),
            iban: is_wanted(Entity::Iban),
            crypto: is_wanted(Entity::Crypto),
            date_of_birth: is_wanted(Entity::DateOfBirth),
            forms: Forms::new(entities),
            digit_detectors: DIGIT_DETECTORS
                .into_iter()
                .filter(|(entity, ..)| is_wanted(*entity))
                .map(|(entity, judge, _)| (entity, judge))
                .collect(),
        }
    }

    /// Adds every settled value of `window` to `found` and returns the first position whose fate is open.
    pub fn scan(&self, window: &Window<'_>, found: &mut Vec<Span>) -> usize {
        let mut open = window.text.len();
        // One more than allowed says that there are too many; then nothing else matters.
        let is_full = Cell::new(false);
        let mut note = |entity, outcome| match outcome {
            _ if is_full.get() => {}
            Outcome::Found { start, end } if start >= window.from => {
                add(found, Label::Entity(entity), start..end);
                is_full.set(found.len() > MAX_FINDINGS);
            }
            Outcome::Open(start) => open = open.min(start.max(window.from)),
            _ => {}
        };
        let from = window.from.saturating_sub(CONTEXT);
        let present = Present::of(window.bytes().get(from..).unwrap_or_default());
        // Member names and other short words: what has no digit and no sign is no value, but for long keys.
        if window.complete && present.is_empty() && window.text.len() < SHORTEST_WORDY_KEY {
            return window.text.len();
        }
        for (entity, scan) in &self.text_detectors {
            scan(window, present, &mut |outcome| note(*entity, outcome));
        }
        if self.looks_at_digits() && present.has(b'0') {
            let mut reader = digits::GroupReader::default();
            digits::for_each_group(window, &mut |start, end| {
                if !is_full.get() {
                    self.judge_group(window, start..end, &mut reader, &mut note);
                }
            });
        }
        if !window.complete {
            open = open.min(self.open_tail(window).max(window.from));
        }
        open
    }

    fn looks_at_digits(&self) -> bool {
        self.iban || self.crypto || !self.forms.is_empty() || !self.digit_detectors.is_empty()
    }

    /// Judges everything that a run of digits anchors.
    fn judge_group(
        &self,
        window: &Window<'_>,
        Range { start, end }: Range<usize>,
        reader: &mut digits::GroupReader,
        note: &mut dyn FnMut(Entity, Outcome),
    ) {
        let before = window.before(start);
        if self.iban && before.is_ascii_alphabetic() {
            note(Entity::Iban, iban::judge(window, start));
        }
        if self.crypto {
            note(Entity::Crypto, crypto::judge(window, start));
        }
        self.forms.judge(window, start, end, note);
        if !before.is_ascii_alphanumeric() {
            let groups = reader.read(window, start, end);
            for (entity, judge) in &self.digit_detectors {
                note(*entity, judge(window, &groups));
            }
        }
    }

    /// The first position at the end of a text that goes on where something may begin.
    fn open_tail(&self, window: &Window<'_>) -> usize {
        let mut open = digits::open_tail(window);
        if !self.forms.is_empty() {
            open = open.min(Forms::open_tail(window));
        }
        if self.iban || self.crypto {
            open = open.min(iban::open_tail(window));
        }
        if self.date_of_birth {
            open = open.min(date_of_birth::open_tail(window));
        }
        open
    }
}

/// Adds a value. One that overlaps the last of its kind prolongs it, so that a text of anchors inside each other's values has few.
fn add(found: &mut Vec<Span>, label: Label, range: Range<usize>) {
    match found.last_mut() {
        Some(last) if last.label == label && last.range.contains(&range.start) => {
            last.range.end = last.range.end.max(range.end);
        }
        _ => found.push(Span { label, range }),
    }
}

/// Sorts `spans` and joins those that overlap; the longest of them gives the joined span its label.
pub fn join_overlaps(spans: &mut Vec<Span>) {
    if spans.len() < 2 {
        return;
    }
    let mut apart: Vec<Span> = std::mem::take(spans);
    apart.sort_by_key(|span| span.range.start);
    let mut longest = 0;
    for span in apart {
        let length = span.range.len();
        match spans.last_mut() {
            Some(last) if span.range.start < last.range.end => {
                last.range.end = last.range.end.max(span.range.end);
                if length > longest {
                    last.label = span.label;
                    longest = length;
                }
            }
            _ => {
                longest = length;
                spans.push(span);
            }
        }
    }
}

/// Drops the spans that reach beyond `open`, where something may still join them, and returns the first
/// position that is open now.
pub fn hold_straddling(found: &mut Vec<Span>, mut open: usize) -> usize {
    while let Some(last) = found.pop_if(|last| last.range.end > open) {
        open = open.min(last.range.start);
    }
    open
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn spans(text: &str) -> Vec<(Entity, &str)> {
        let mut found = Vec::new();
        let open = Scanner::new(Entity::ALL).scan(&Window::whole(text), &mut found);
        assert_eq!(open, text.len());
        join_overlaps(&mut found);
        found
            .into_iter()
            .map(|span| match span.label {
                Label::Entity(entity) => (entity, &text[span.range]),
                Label::Pattern(_) => unreachable!("no patterns here"),
            })
            .collect()
    }

    /// Asserts the values found in `text`, among those of all entities.
    pub(crate) fn check(text: &str, expected: &[(Entity, &str)]) {
        assert_eq!(spans(text), expected, "{text}");
    }

    #[test]
    fn overlapping_values_become_one() {
        check(
            "4111111111111111@example.com",
            &[(Entity::Email, "4111111111111111@example.com")],
        );
    }

    #[test]
    fn ordinary_prose_is_open_only_at_its_last_word() {
        let text = "The quick brown fox jumps";
        let mut found = Vec::new();
        let window = Window {
            text,
            from: 0,
            complete: false,
        };
        assert_eq!(
            Scanner::new(Entity::ALL).scan(&window, &mut found),
            text.len() - "jumps".len()
        );
    }
}
