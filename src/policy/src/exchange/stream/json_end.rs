//! Where JSON ends that comes in pieces.

/// Finds where a JSON object or array ends.
#[derive(Debug, Default)]
pub(super) struct JsonEnd {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    /// Whether the first one ended.
    is_complete: bool,
}

impl JsonEnd {
    /// The place behind the end, if it is in `text`. What follows counts as another one.
    pub(super) fn end(&mut self, text: &[u8]) -> Option<usize> {
        for (at, byte) in text.iter().copied().enumerate() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Whether more follows behind the first object or array than white space.
    pub(super) fn goes_on(&mut self, text: &[u8]) -> bool {
        let behind = if self.is_complete {
            text
        } else {
            let Some(end) = self.end(text) else {
                return false;
            };
            self.is_complete = true;
            text.get(end..).unwrap_or_default()
        };
        !behind.trim_ascii().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_json_is_found_however_it_is_cut() {
        let text = r#"{"a":"}\"}{","b":[{}]} {"c":1}"#;
        let ends = |pieces: &[&str]| {
            let (mut json, mut ends, mut before) = (JsonEnd::default(), Vec::new(), 0);
            for piece in pieces {
                let mut rest = *piece;
                while let Some(end) = json.end(rest.as_bytes()) {
                    rest = &rest[end..];
                    ends.push(before + piece.len() - rest.len());
                }
                before += piece.len();
            }
            ends
        };
        assert_eq!(ends(&[text]), [22, 30]);
        for cut in 0..text.len() {
            assert_eq!(
                ends(&[&text[..cut], &text[cut..]]),
                [22, 30],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn what_follows_is_seen_however_it_is_cut() {
        for (text, goes_on) in [
            ("{\"a\":\"}{\"}\n", false),
            ("\u{feff} [1]\r\n ", false),
            ("{\"a\":1}\n{\"b\":2}", true),
            ("[] x", true),
        ] {
            for cut in 0..=text.len() {
                let (start, end) = text.as_bytes().split_at(cut);
                let mut json = JsonEnd::default();
                let seen = json.goes_on(start) | json.goes_on(end);
                assert_eq!(seen, goes_on, "{text:?}, cut at {cut}");
            }
        }
    }
}
