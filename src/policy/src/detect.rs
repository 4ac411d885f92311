//! Detectors: what a text contains, and from where its fate is still open.
//!
//! A detector decides at each position from at most [`CONTEXT`] bytes to the left and a bounded number of
//! bytes to the right. That locality is what makes any cut of a stream give the same findings as the whole
//! text: the text before the first open position can leave at once and never has to be looked at again.

mod api_key;
mod credit_card;
mod digits;
mod email;
mod iban;
mod ip_address;
mod phone;
mod us_ssn;

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// How many bytes before a value a detector may look at.
pub const CONTEXT: usize = 64;

/// A kind of personal data. Names follow the product's markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Entity {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A United States social security number.
    Ssn,
    /// A payment card number.
    CreditCard,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// An international bank account number.
    Iban,
    /// A key or token of a service, or a private key.
    ApiKey,
}

impl Entity {
    /// Every entity, in the order that decides between equally long findings.
    pub const ALL: [Self; 7] = [
        Self::ApiKey,
        Self::Email,
        Self::CreditCard,
        Self::Iban,
        Self::Ssn,
        Self::Phone,
        Self::IpAddress,
    ];

    /// The product's name, as in markers and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Phone => "PHONE",
            Self::Ssn => "SSN",
            Self::CreditCard => "CREDIT_CARD",
            Self::IpAddress => "IP_ADDRESS",
            Self::Iban => "IBAN",
            Self::ApiKey => "API_KEY",
        }
    }

    /// What replaces the value: `[EMAIL_REDACTED]` and so on.
    pub fn marker(self) -> &'static str {
        match self {
            Self::Email => "[EMAIL_REDACTED]",
            Self::Phone => "[PHONE_REDACTED]",
            Self::Ssn => "[SSN_REDACTED]",
            Self::CreditCard => "[CREDIT_CARD_REDACTED]",
            Self::IpAddress => "[IP_ADDRESS_REDACTED]",
            Self::Iban => "[IBAN_REDACTED]",
            Self::ApiKey => "[API_KEY_REDACTED]",
        }
    }

    /// The entity that a configuration names; Presidio's names are accepted too.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "EMAIL" | "EMAIL_ADDRESS" => Self::Email,
            "PHONE" | "PHONE_NUMBER" => Self::Phone,
            "SSN" | "US_SSN" => Self::Ssn,
            "CREDIT_CARD" => Self::CreditCard,
            "IP_ADDRESS" => Self::IpAddress,
            "IBAN" | "IBAN_CODE" => Self::Iban,
            "API_KEY" => Self::ApiKey,
            _ => return None,
        })
    }
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

    pub(crate) fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// The byte at `at`, or 0 beyond the text.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes().get(at).copied().unwrap_or(0)
    }

    /// The byte before `at`, or 0 at the start.
    pub(crate) fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    /// Whether one of `words` (lower-case ASCII) stands in the [`CONTEXT`] bytes before `at`. Our own markers,
    /// which come back in the history of a conversation, give no context.
    pub(crate) fn has_context(&self, at: usize, words: &[&str]) -> bool {
        let context = self
            .bytes()
            .get(at.saturating_sub(CONTEXT)..at)
            .unwrap_or_default();
        words.iter().any(|word| {
            let ends_marker = |end: usize| context.get(end) == Some(&b'_');
            let mut candidates = context.windows(word.len()).enumerate();
            candidates.any(|(at, candidate)| {
                candidate.eq_ignore_ascii_case(word.as_bytes()) && !ends_marker(at + word.len())
            })
        })
    }
}

/// What a detector says of one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A value from `start` to `end`.
    Found { start: usize, end: usize },
    /// Text that has not arrived yet decides; a value may start at the given position.
    Open(usize),
    /// Nothing here.
    Nothing,
}

/// A personal value in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PiiSpan {
    /// What it is.
    pub entity: Entity,
    /// Where it lies, in bytes of the window's text.
    pub range: Range<usize>,
}

/// Finds the configured entities in one pass per anchor.
#[derive(Debug, Clone)]
pub struct Scanner {
    /// Detectors that look for their own anchors.
    text_detectors: Vec<(Entity, TextDetector)>,
    iban: bool,
    /// Detectors that are tried wherever a group of digits begins.
    digit_detectors: Vec<(Entity, DigitDetector)>,
}

/// Reports every candidate of a window.
type TextDetector = fn(&Window<'_>, &mut dyn FnMut(Outcome));

/// Judges the candidate that begins with the digit group at `at`.
type DigitDetector = fn(&Window<'_>, &digits::Groups) -> Outcome;

impl Scanner {
    /// A scanner for `entities`.
    pub fn new(entities: &[Entity]) -> Self {
        let digit_detectors = Entity::ALL
            .into_iter()
            .filter(|entity| entities.contains(entity))
            .filter_map(|entity| {
                let detector: DigitDetector = match entity {
                    Entity::CreditCard => credit_card::judge,
                    Entity::Ssn => us_ssn::judge,
                    Entity::Phone => phone::judge,
                    Entity::IpAddress => ip_address::judge_v4,
                    Entity::Email | Entity::Iban | Entity::ApiKey => return None,
                };
                Some((entity, detector))
            })
            .collect();
        let own_anchors: [(Entity, TextDetector); 3] = [
            (Entity::Email, email::scan),
            (Entity::ApiKey, api_key::scan),
            (Entity::IpAddress, ip_address::scan_v6),
        ];
        Self {
            text_detectors: own_anchors
                .into_iter()
                .filter(|(entity, _)| entities.contains(entity))
                .collect(),
            iban: entities.contains(&Entity::Iban),
            digit_detectors,
        }
    }

    /// Adds every settled value of `window` to `found` and returns the first position whose fate is open.
    ///
    /// Overlapping values are joined; the longest of them gives the joined span its entity.
    pub fn scan(&self, window: &Window<'_>, found: &mut Vec<PiiSpan>) -> usize {
        let first = found.len();
        let mut open = window.text.len();
        let mut note = |entity, outcome| match outcome {
            Outcome::Found { start, end } if start >= window.from => found.push(PiiSpan {
                entity,
                range: start..end,
            }),
            Outcome::Open(start) => open = open.min(start.max(window.from)),
            _ => {}
        };
        for (entity, scan) in &self.text_detectors {
            scan(window, &mut |outcome| note(*entity, outcome));
        }
        if self.iban || !self.digit_detectors.is_empty() {
            digits::for_each_group(window, &mut |start, end| match window.before(start) {
                b'a'..=b'z' | b'A'..=b'Z' if self.iban => {
                    note(Entity::Iban, iban::judge(window, start));
                }
                before if !before.is_ascii_alphanumeric() => {
                    let groups = digits::read(window, start, end);
                    for (entity, judge) in &self.digit_detectors {
                        note(*entity, judge(window, &groups));
                    }
                }
                _ => {}
            });
        }
        if !window.complete {
            open = open.min(digits::open_tail(window));
            if self.iban {
                open = open.min(iban::open_tail(window).max(window.from));
            }
        }
        join_overlaps(found, first);
        open
    }
}

/// Joins overlapping spans of `found[first..]`, leaving them sorted.
fn join_overlaps(found: &mut Vec<PiiSpan>, first: usize) {
    if found.len() < first + 2 {
        return;
    }
    let mut spans: Vec<PiiSpan> = found.drain(first..).collect();
    spans.sort_by_key(|span| span.range.start);
    let mut longest = 0;
    for span in spans {
        let length = span.range.len();
        match found.get_mut(first..).and_then(<[_]>::last_mut) {
            Some(last) if span.range.start < last.range.end => {
                last.range.end = last.range.end.max(span.range.end);
                if length > longest {
                    last.entity = span.entity;
                    longest = length;
                }
            }
            _ => {
                longest = length;
                found.push(span);
            }
        }
    }
}

/// Drops the spans that reach beyond `open`, where something may still join them, and returns the first
/// position that is open now.
pub(crate) fn hold_straddling(found: &mut Vec<PiiSpan>, mut open: usize) -> usize {
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
        let open = Scanner::new(&Entity::ALL).scan(&Window::whole(text), &mut found);
        assert_eq!(open, text.len());
        found
            .into_iter()
            .map(|span| (span.entity, &text[span.range]))
            .collect()
    }

    /// Asserts the values found in `text`.
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
            Scanner::new(&Entity::ALL).scan(&window, &mut found),
            text.len() - "jumps".len()
        );
    }
}
