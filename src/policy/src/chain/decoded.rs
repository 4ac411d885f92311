//! What a request says when it is decoded, and decoded again, until nothing decodes.
//!
//! A stretch of digits that says something is judged like a text of its own. It cannot be cut in its middle, so a value in it
//! takes the whole stretch with it, or the pieces in which it stands. Views of a whole text, such as an alphabet that was turned, are only
//! judged for what stops an exchange.

use std::{collections::BTreeSet, ops::Range};

use super::Scan;
use crate::policy::Sightings;
use kt_text::{
    detect::Window,
    linear::{Opinions, Shape, Weights, shape},
    redact::Redactor,
    view::Reading,
    views::{Stretch, stretches, views},
};

/// Decoded bytes for each byte of a text. Every layer is shorter by a quarter or more, so that all layers of a text together have
/// three for each; more takes stretches that say something in several ways at once.
const PER_BYTE: usize = 4;
const AT_LEAST: usize = 4096;

/// From a place in a decoded text to one in the text that it came from.
type Place<'p> = &'p dyn Fn(&Range<usize>) -> Range<usize>;

/// One text under inspection, with what may still be decoded.
pub(super) struct Decoder<'s> {
    scan: &'s Scan,
    redactor: &'s Redactor,
    sightings: &'s mut Sightings,
    /// Bytes that may still be decoded.
    budget: usize,
}

impl<'s> Decoder<'s> {
    pub(super) fn new(
        scan: &'s Scan,
        redactor: &'s Redactor,
        text: &str,
        sightings: &'s mut Sightings,
    ) -> Self {
        Self {
            scan,
            redactor,
            sightings,
            budget: text.len() * PER_BYTE + AT_LEAST,
        }
    }

    /// Judges what `text` says when it is decoded. `shape` is that of the text.
    pub(super) fn judge(&mut self, text: &str, reading: Option<&Reading>, shape: &Shape) {
        self.stretches(text, reading, shape, &Range::clone, true);
        if self.scan.models.is_none() && self.scan.phrases.is_empty() {
            return;
        }
        for view in views(text, shape) {
            let place = |_: &Range<usize>| view.range.clone();
            self.layer(&view.text, &place, false, true);
        }
    }

    /// Judges the stretches of `text` and those that its reading has besides. `place` tells where the places of `text` are, `replaces`
    /// whether values are replaced.
    fn stretches(
        &mut self,
        text: &str,
        reading: Option<&Reading>,
        shape: &Shape,
        place: Place<'_>,
        replaces: bool,
    ) {
        let known = stretches(text, shape);
        for stretch in &known {
            self.stretch(stretch, place, replaces);
        }
        let Some(reading) = reading else { return };
        let known: BTreeSet<&str> = known.iter().map(|stretch| stretch.text.as_str()).collect();
        let seen = reading.seen();
        let mut more = stretches(seen, &self::shape(seen));
        more.retain(|stretch| !known.contains(stretch.text.as_str()));
        for stretch in &more {
            self.stretch(stretch, &|range| place(&reading.original(range)), replaces);
        }
    }

    fn stretch(&mut self, stretch: &Stretch, place: Place<'_>, replaces: bool) {
        if self.pays(stretch.text.len()) {
            let place = |range: &Range<usize>| place(&stretch.place(range));
            let speaks = !stretch.is_base64 || self.scan.decodes_base64;
            self.layer(&stretch.text, &place, replaces, speaks);
        }
    }

    /// Whether so many bytes may be decoded.
    fn pays(&mut self, len: usize) -> bool {
        let left = self.budget.checked_sub(len);
        let left = left.filter(|_| !self.sightings.steps.are_spent());
        self.sightings.is_cut |= left.is_none();
        self.budget = left.unwrap_or(0);
        left.is_some()
    }

    /// Judges a decoded text and what is decoded from it. `speaks` says that its language counts.
    fn layer(&mut self, text: &str, place: Place<'_>, replaces: bool, speaks: bool) {
        let reading = Reading::of(text);
        let window = Window::whole(text);
        let mut found = self.sightings.fork();
        self.scan.look(&window, &mut found);
        if let Some(reading) = &reading {
            self.scan.look_again(&window, reading, &mut found);
        }
        self.sightings.take_steps(&mut found);
        let (opinions, shape) = self.opinions(text);
        if !replaces {
            found.values.clear();
            found
                .patterns
                .retain(|hit| !self.redactor.replaces(hit.pattern));
        }
        self.take(found, opinions, place, speaks && shape.is_language());
        self.stretches(text, reading.as_ref(), &shape, place, replaces);
    }

    fn opinions(&self, text: &str) -> (Option<Opinions>, Shape) {
        match &self.scan.models {
            Some(models) => Weights::judge(models, text),
            None => (None, shape(text)),
        }
    }

    /// Takes what was found in a decoded text; phrases and opinions only of language.
    fn take(
        &mut self,
        mut found: Sightings,
        opinions: Option<Opinions>,
        place: Place<'_>,
        is_language: bool,
    ) {
        for value in &mut found.values {
            value.range = place(&value.range);
        }
        for hit in &mut found.patterns {
            hit.range = place(&hit.range);
        }
        self.sightings.values.append(&mut found.values);
        self.sightings.patterns.append(&mut found.patterns);
        self.sightings.count();
        if !is_language {
            return;
        }
        for hit in &mut found.phrases {
            hit.range = place(&hit.range);
        }
        self.sightings.phrases.append(&mut found.phrases);
        if let Some(opinions) = opinions {
            self.sightings.heed(opinions, |range| place(&range));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chain::Chain, verdict::Phase};
    use kt_text::linear::shape;

    /// Beyond the budget nothing is decoded, and the text is listed as one that was not read to its end.
    #[test]
    fn more_than_the_budget_is_not_decoded_but_said() {
        let configs = r#"[{"kind": "pii-detector", "action": "redact", "entities": ["EMAIL"]}]"#;
        let chain = Chain::compile(&serde_json::from_str::<Vec<_>>(configs).unwrap()).unwrap();
        // "Please write to bob@example.com today."
        let text = "UGxlYXNlIHdyaXRlIHRvIGJvYkBleGFtcGxlLmNvbSB0b2RheS4=";
        for (budget, values) in [(4096, 1), (10, 0)] {
            let mut sightings = Sightings::default();
            let redactor = chain.redactor();
            let mut decoder =
                Decoder::new(chain.phase(Phase::Input), redactor, text, &mut sightings);
            assert!(decoder.budget >= text.len() * PER_BYTE);
            decoder.budget = budget;
            decoder.judge(text, None, &shape(text));
            assert_eq!(sightings.values.len(), values);
            assert_eq!(sightings.is_cut, values == 0);
        }
    }
}
