//! What a body is, by its first bytes: content types are often wrong.

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyShape {
    /// Too little is there to say.
    Undecided,
    /// A JSON object or array.
    Json,
    /// Server-sent events.
    Events,
    /// Neither.
    Other,
}

/// A mark that texts in UTF-8 may begin with.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl BodyShape {
    /// Judges the bytes that came so far.
    pub fn of(bytes: &[u8]) -> Self {
        if BYTE_ORDER_MARK.starts_with(bytes) {
            return Self::Undecided;
        }
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        match bytes.trim_ascii_start() {
            [] => return Self::Undecided,
            [b'{' | b'[', ..] => return Self::Json,
            _ => {}
        }
        let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let mut lines = bytes.split(is_line_end).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let is_whole = lines.next().is_some() || bytes.last().is_some_and(is_line_end);
        Self::of_line(first, is_whole)
    }

    fn of_line(line: &[u8], is_whole: bool) -> Self {
        let fields: [&[u8]; 4] = [b"data", b"event", b"id", b"retry"];
        match memchr::memchr(b':', line) {
            Some(colon) => {
                let name = line.get(..colon).unwrap_or_default();
                if name.is_empty() || fields.contains(&name) {
                    Self::Events
                } else {
                    Self::Other
                }
            }
            None if is_whole && fields.contains(&line) => Self::Events,
            None if !is_whole && fields.iter().any(|field| field.starts_with(line)) => {
                Self::Undecided
            }
            None => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        use BodyShape::{Events, Json, Other, Undecided};
        for (bytes, shape) in [
            ("", Undecided),
            (" \r\n", Undecided),
            ("\u{feff}", Undecided),
            ("{", Json),
            ("\n\n [1]", Json),
            ("\u{feff}{}", Json),
            ("dat", Undecided),
            ("data", Undecided),
            ("data\n", Events),
            ("data: {}", Events),
            ("\n\nevent: x\n", Events),
            (": hi", Events),
            ("id", Undecided),
            ("retry: 3\n", Events),
            ("Data: {}\n", Other),
            (" data: {}\n", Other),
            ("database is down", Other),
            ("<html>", Other),
            ("\"text\"", Other),
            ("upstream error", Other),
        ] {
            assert_eq!(BodyShape::of(bytes.as_bytes()), shape, "{bytes:?}");
        }
        assert_eq!(BodyShape::of(b"\xef\xbb"), Undecided);
    }
}
