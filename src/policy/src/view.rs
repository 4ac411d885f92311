//! What detectors see of a text that is itself JSON: the arguments of a tool call.
//!
//! Arguments are JSON inside a JSON string. Their own escapes would hide values (`bob\u0040example.com`) and glue
//! letters to them (`\nbob@…`), and a marker in place of a bare number would break them. So detectors see the text
//! with the escapes inside its strings decoded, and every place of that view maps back to the original, which is
//! what leaves. The text need not be valid JSON: whatever is no escape in a string is seen as it is.

/// A growing text with its view.
#[derive(Debug, Default)]
pub(crate) struct ArgumentsView {
    /// The text as it came.
    raw: String,
    /// How much of `raw` the view covers. An escape that is cut waits.
    read: usize,
    /// Places where view and original drift apart, or a string begins or ends; in order of `view`.
    anchors: Vec<Anchor>,
    in_string: bool,
}

/// From `view` on, the original lies at `raw` plus the distance.
#[derive(Debug, Clone, Copy, Default)]
struct Anchor {
    view: usize,
    raw: usize,
    in_string: bool,
}

impl ArgumentsView {
    /// Takes more text and appends to `view` what detectors see of it.
    pub(crate) fn push(&mut self, delta: &str, view: &mut String) {
        self.raw.push_str(delta);
        while let Some(rest) = self.raw.get(self.read..).filter(|rest| !rest.is_empty()) {
            let stop = rest
                .bytes()
                .position(|byte| byte == b'"' || byte == b'\\')
                .unwrap_or(rest.len());
            view.push_str(rest.get(..stop).unwrap_or_default());
            self.read += stop;
            match rest.as_bytes().get(stop) {
                None => return,
                Some(b'"') => {
                    view.push('"');
                    self.read += 1;
                    self.in_string = !self.in_string;
                    self.anchor(view.len());
                }
                Some(_) if !self.in_string => {
                    view.push('\\');
                    self.read += 1;
                }
                Some(_) => match escape(rest.get(stop..).unwrap_or_default()) {
                    Some((width, seen)) => {
                        view.push(seen);
                        self.read += width;
                        self.anchor(view.len());
                    }
                    None => return,
                },
            }
        }
    }

    /// Ends the text: an escape that was cut is seen as it is.
    pub(crate) fn finish(&mut self, view: &mut String) {
        view.push_str(self.raw.get(self.read..).unwrap_or_default());
        self.read = self.raw.len();
    }

    fn anchor(&mut self, view: usize) {
        self.anchors.push(Anchor {
            view,
            raw: self.read,
            in_string: self.in_string,
        });
    }

    fn last_anchor(&self, view: usize) -> Anchor {
        let at = self.anchors.partition_point(|anchor| anchor.view <= view);
        at.checked_sub(1)
            .and_then(|at| self.anchors.get(at))
            .copied()
            .unwrap_or_default()
    }

    /// The original between two places of the view.
    pub(crate) fn original(&self, from: usize, to: usize) -> &str {
        let place = |view: usize| {
            let anchor = self.last_anchor(view);
            anchor.raw + (view - anchor.view)
        };
        self.raw.get(place(from)..place(to)).unwrap_or_default()
    }

    /// Whether the place lies inside a string of the JSON.
    pub(crate) fn is_in_string(&self, view: usize) -> bool {
        self.last_anchor(view).in_string
    }

    /// Drops what lies before a place of the view, which becomes the start of the view.
    pub(crate) fn forget(&mut self, view: usize) {
        let anchor = self.last_anchor(view);
        let raw = anchor.raw + (view - anchor.view);
        self.raw.drain(..raw);
        self.read -= raw;
        self.anchors.retain(|other| other.view > view);
        for other in &mut self.anchors {
            other.view -= view;
            other.raw -= raw;
        }
        self.anchors.insert(
            0,
            Anchor {
                view: 0,
                raw: 0,
                in_string: anchor.in_string,
            },
        );
    }
}

/// The escape at the start of `text`: its width and what it stands for. `None` while it may be cut.
fn escape(text: &str) -> Option<(usize, char)> {
    let mut chars = text.chars().skip(1);
    let seen = match chars.next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => return unicode_escape(text),
        plain @ ('"' | '\\' | '/') => plain,
        // No escape of JSON: the backslash stands for itself.
        _ => return Some((1, '\\')),
    };
    Some((2, seen))
}

fn unicode_escape(text: &str) -> Option<(usize, char)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 4)?;
        u32::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let digits = text
        .bytes()
        .skip(2)
        .take(4)
        .take_while(u8::is_ascii_hexdigit)
        .count();
    if digits < 4 {
        // Cut, or no escape.
        return if text.len() == 2 + digits {
            None
        } else {
            Some((1, '\\'))
        };
    }
    let high = unit(2)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Some((6, char::from_u32(high).unwrap_or('\u{fffd}')));
    }
    let second = text.get(6..).unwrap_or_default();
    let digits = second
        .bytes()
        .skip(2)
        .take(4)
        .take_while(u8::is_ascii_hexdigit)
        .count();
    let may_be_cut = "\\u".starts_with(second)
        || second.starts_with("\\u") && digits < 4 && second.len() == 2 + digits;
    if may_be_cut {
        return None;
    }
    let low = if second.starts_with("\\u") && digits == 4 {
        unit(8).and_then(|low| low.checked_sub(0xDC00))
    } else {
        None
    };
    match low.filter(|low| *low < 0x400) {
        Some(low) => Some((
            12,
            char::from_u32(0x10000 + ((high - 0xD800) << 10) + low).unwrap_or('\u{fffd}'),
        )),
        None => Some((6, '\u{fffd}')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"to": "bob\u0040example.com", "n": 4111, "x": "a\n\"b\" \ud83d\ude00\ud800 \q"} \u0041"#;
    const VIEW: &str =
        "{\"to\": \"bob@example.com\", \"n\": 4111, \"x\": \"a\n\"b\" 😀\u{fffd} \\q\"} \\u0041";

    fn view_of(pieces: &[&str]) -> (ArgumentsView, String) {
        let (mut arguments, mut view) = (ArgumentsView::default(), String::new());
        for piece in pieces {
            arguments.push(piece, &mut view);
        }
        arguments.finish(&mut view);
        (arguments, view)
    }

    #[test]
    fn every_cut_gives_the_same_view() {
        assert_eq!(view_of(&[TEXT]).1, VIEW);
        for cut in 0..TEXT.len() {
            assert_eq!(
                view_of(&[&TEXT[..cut], &TEXT[cut..]]).1,
                VIEW,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn places_map_back() {
        let (mut arguments, view) = view_of(&[TEXT]);
        let at = view.find("bob").unwrap();
        assert_eq!(
            arguments.original(at, at + "bob@example.com".len()),
            r"bob\u0040example.com"
        );
        assert!(arguments.is_in_string(at));
        let number = view.find("4111").unwrap();
        assert!(!arguments.is_in_string(number));
        assert_eq!(arguments.original(0, view.len()), TEXT);
        arguments.forget(number);
        assert_eq!(
            arguments.original(0, view.len() - number),
            &TEXT[TEXT.find("4111").unwrap()..]
        );
    }
}
