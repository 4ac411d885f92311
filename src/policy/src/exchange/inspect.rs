//! Inspection of the strings of a JSON body, shared by requests and responses.

use std::ops::Range;

use crate::{
    chain::Chain,
    detect::Window,
    hold_back::append_redacted,
    json::{self, Kind, Node, Step},
    splice::Edits,
    tally::{Skipped, Stop, Tally},
    verdict::Phase,
};

/// Numbers with fewer digits carry no value that a detector knows.
const MIN_NUMBER_DIGITS: usize = 9;

/// Judges complete texts of one body and collects the edits they need.
pub(super) struct Inspector<'b, 'e> {
    pub(super) body: &'b str,
    pub(super) chain: &'e Chain,
    pub(super) tally: &'e mut Tally,
    pub(super) phase: Phase,
    pub(super) edits: Edits,
    /// The first policy stop. Once set, nothing more is scanned.
    pub(super) stop: Option<Stop>,
}

impl Inspector<'_, '_> {
    /// Judges a string, member name or number; other nodes carry no text.
    pub(super) fn inspect(&mut self, path: &[Step<'_>], node: &Node) {
        if self.stop.is_some() {
            return;
        }
        match node.kind {
            Kind::String { escaped } => {
                if let Some(skipped) = binary(path, self.raw(node)) {
                    self.skip(skipped);
                } else {
                    self.text(node.range.clone(), escaped);
                }
            }
            Kind::Name { escaped } => self.text(node.range.clone(), escaped),
            Kind::Number if node.range.len() >= MIN_NUMBER_DIGITS => {
                self.number(node.range.clone());
            }
            _ => {}
        }
    }

    fn raw(&self, node: &Node) -> &str {
        self.body.get(node.range.clone()).unwrap_or_default()
    }

    fn skip(&mut self, skipped: Skipped) {
        if self.tally.skipped.len() < crate::tally::MAX_LISTED_REDACTIONS {
            self.tally.skipped.push(skipped);
        }
    }

    /// Judges the string whose inside lies at `range`.
    fn text(&mut self, range: Range<usize>, escaped: bool) {
        let raw = self.body.get(range.clone()).unwrap_or_default();
        let text = json::decode(raw, escaped);
        self.judge(&text);
        if self.stop.is_some() {
            return;
        }
        for span in &self.tally.sightings.pii {
            let at = json::raw_range(raw, escaped, &span.range);
            self.edits.replace(
                range.start + at.start..range.start + at.end,
                span.entity.marker().into(),
            );
        }
    }

    /// Judges a number as the text it is; a value becomes a string, since a marker is no number.
    fn number(&mut self, range: Range<usize>) {
        let text = self.body.get(range.clone()).unwrap_or_default();
        self.judge(text);
        if self.stop.is_none() && !self.tally.sightings.pii.is_empty() {
            let mut marked = String::from("\"");
            append_redacted(text, 0..text.len(), &self.tally.sightings.pii, &mut marked);
            marked.push('"');
            self.edits.replace(range, marked.into_bytes());
        }
    }

    fn judge(&mut self, text: &str) {
        self.chain
            .scan(self.phase, &Window::whole(text), &mut self.tally.sightings);
        self.stop = self.tally.judge(self.chain, self.phase, 0..text.len(), 0);
    }
}

/// A string that holds an encoded file rather than text: base64 in one of the members meant for it.
fn binary(path: &[Step<'_>], raw: &str) -> Option<Skipped> {
    let (parent, member) = match path {
        [.., Step::Key(parent), Step::Key(member)] => (&**parent, &**member),
        _ => return None,
    };
    let field = match (parent, member) {
        ("image_url", "url") => "image_url.url",
        ("input_audio", "data") => "input_audio.data",
        ("audio", "data") => "audio.data",
        ("file", "file_data") => "file.file_data",
        _ => return None,
    };
    let data = match raw.strip_prefix("data:") {
        Some(rest) => {
            rest.split_once(";base64,")
                .filter(|(media_type, _)| media_type.len() <= 64)?
                .1
        }
        None if field == "image_url.url" => return None,
        None => raw,
    };
    let is_base64 = data.bytes().fold(true, |fine, byte| {
        fine & (byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_'))
    });
    is_base64.then_some(Skipped {
        field,
        reason: "base64",
    })
}
