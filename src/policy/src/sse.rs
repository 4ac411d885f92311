//! Server-sent events as bytes (WHATWG HTML, §9.2.6 "Interpreting an event stream").
//!
//! Framing never looks into the payload: lines end in LF, CR LF or CR, a blank line ends an event, and every
//! byte belongs to exactly one event, so an untouched event can be replayed as it came.

use std::borrow::Cow;
use std::ops::Range;

/// An event grew beyond the decoder's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTooLong;

/// Cuts a byte stream into events.
#[derive(Debug)]
pub struct SseDecoder {
    buffer: Vec<u8>,
    /// Start of the open event; everything before was handed out.
    event: usize,
    /// Start of the first line that has not been seen completely. Never before `event`.
    line: usize,
    /// No line end lies between `line` and here.
    searched: usize,
    /// Where the value of each `data:` line lies, relative to the start of its event.
    data: Vec<Range<usize>>,
    /// Whether `data` describes the event handed out last rather than the open one.
    handed_out: bool,
    at_stream_start: bool,
    limit: usize,
}

/// One event with all its bytes, the ending blank line included.
#[derive(Debug)]
pub struct SseEvent<'a> {
    /// Every byte of the event as it came.
    pub raw: &'a [u8],
    /// Values of its `data:` lines, as ranges of `raw`.
    lines: &'a [Range<usize>],
}

impl<'a> SseEvent<'a> {
    /// The payload: all `data:` values, joined by line feeds. `None` when the event has no `data:` line.
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        match self.lines {
            [] => None,
            [line] => Some(Cow::Borrowed(
                self.raw.get(line.clone()).unwrap_or_default(),
            )),
            lines => {
                let values: Vec<&[u8]> = lines
                    .iter()
                    .map(|line| self.raw.get(line.clone()).unwrap_or_default())
                    .collect();
                Some(Cow::Owned(values.join(&b'\n')))
            }
        }
    }

    /// Writes the event with `payload` in place of its data; comments and other fields stay.
    pub fn write_with(&self, payload: &[u8], out: &mut Vec<u8>) {
        let mut copied = 0;
        let mut values = payload.split(|&byte| byte == b'\n');
        for (at, line) in self.lines.iter().enumerate() {
            out.extend_from_slice(self.raw.get(copied..line.start).unwrap_or_default());
            if out.ends_with(b"data") {
                // A line `data` without a colon has an empty value; with a value it needs one.
                out.push(b':');
            }
            if at + 1 < self.lines.len() {
                out.extend_from_slice(values.next().unwrap_or_default());
            } else {
                write_lines(values.by_ref(), out);
            }
            copied = line.end;
        }
        out.extend_from_slice(self.raw.get(copied..).unwrap_or_default());
    }
}

/// Writes the remaining values, each but the first on a `data:` line of its own.
fn write_lines<'a>(values: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\ndata: ");
        }
        out.extend_from_slice(value);
    }
}

impl SseDecoder {
    /// A decoder that refuses events of more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            event: 0,
            line: 0,
            searched: 0,
            data: Vec::new(),
            handed_out: false,
            at_stream_start: true,
            limit,
        }
    }

    /// Takes the next bytes of the stream. All complete events must be drained before the next call.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), EventTooLong> {
        self.buffer.drain(..self.event);
        self.line -= self.event;
        self.searched -= self.event;
        self.event = 0;
        if self.buffer.len() > self.limit {
            return Err(EventTooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Marks the end of the stream: what is left becomes a last event, even without its blank line.
    pub fn finish(&mut self) {
        if self.event < self.buffer.len() {
            self.buffer.extend_from_slice(b"\n\n");
        }
    }

    /// The next complete event.
    pub fn next_event(&mut self) -> Option<SseEvent<'_>> {
        if std::mem::take(&mut self.handed_out) {
            self.data.clear();
        }
        loop {
            let line = self.line..self.line_end()?;
            let blank = line.is_empty();
            self.note_data(line);
            if blank {
                break;
            }
        }
        self.handed_out = true;
        let start = std::mem::replace(&mut self.event, self.line);
        Some(SseEvent {
            raw: self.buffer.get(start..self.line).unwrap_or_default(),
            lines: &self.data,
        })
    }

    /// Moves past the next complete line and says where it ended.
    fn line_end(&mut self) -> Option<usize> {
        let rest = self.buffer.get(self.searched..)?;
        let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + found;
        self.searched = end;
        let next = match (self.buffer.get(end), self.buffer.get(end + 1)) {
            // A CR at the very end may be half of a CR LF.
            (Some(b'\r'), None) => return None,
            (Some(b'\r'), Some(b'\n')) => end + 2,
            _ => end + 1,
        };
        self.line = next;
        self.searched = next;
        Some(end)
    }

    /// Remembers the value of a `data:` line: what follows the colon, less one space.
    fn note_data(&mut self, line: Range<usize>) {
        let mut start = line.start;
        let mut field = self.buffer.get(line.clone()).unwrap_or_default();
        if std::mem::take(&mut self.at_stream_start) && field.starts_with(b"\xef\xbb\xbf") {
            start += 3;
            field = field.get(3..).unwrap_or_default();
        }
        let Some(value) = field.strip_prefix(b"data") else {
            return;
        };
        match value {
            [] => self.data.push(line.end - self.event..line.end - self.event),
            [b':', value @ ..] => {
                let skip = 5 + usize::from(value.first() == Some(&b' '));
                self.data
                    .push(start + skip - self.event..line.end - self.event);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut decoder = SseDecoder::with_limit(1000);
        let mut seen = Vec::new();
        let mut drain = |decoder: &mut SseDecoder| {
            while let Some(event) = decoder.next_event() {
                seen.push((event.raw.to_vec(), event.data().map(Cow::into_owned)));
            }
        };
        for piece in pieces {
            decoder.push(piece).unwrap();
            drain(&mut decoder);
        }
        decoder.finish();
        drain(&mut decoder);
        seen
    }

    const STREAM: &[u8] =
        b": hi\r\n\r\ndata:{\"a\":\ndata: 1}\n\nid: 7\rdata: x\r\revent: e\ndata\n\ndata: last";

    #[test]
    fn every_cut_gives_the_same_events() {
        let whole = events(&[STREAM]);
        let payloads: Vec<_> = whole.iter().map(|(_, data)| data.clone()).collect();
        let expected: [Option<&[u8]>; 5] = [
            None,
            Some(b"{\"a\":\n1}"),
            Some(b"x"),
            Some(b""),
            Some(b"last"),
        ];
        assert_eq!(payloads, expected.map(|data| data.map(<[u8]>::to_vec)));
        for cut in 0..=STREAM.len() {
            assert_eq!(
                events(&[&STREAM[..cut], &STREAM[cut..]]),
                whole,
                "cut at {cut}"
            );
        }
        let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(events(&bytes), whole);
    }

    #[test]
    fn no_byte_is_lost() {
        let raw: Vec<u8> = events(&[STREAM])
            .into_iter()
            .flat_map(|(raw, _)| raw)
            .collect();
        assert_eq!(raw, [STREAM, b"\n\n"].concat());
    }

    #[test]
    fn a_new_payload_keeps_the_other_lines() {
        let mut decoder = SseDecoder::with_limit(1000);
        decoder
            .push(b": c\nid: 1\ndata: {\ndata:}\nevent: e\n\n")
            .unwrap();
        let mut out = Vec::new();
        decoder
            .next_event()
            .unwrap()
            .write_with(b"{\n\"a\":\n1}", &mut out);
        assert_eq!(
            out,
            b": c\nid: 1\ndata: {\ndata:\"a\":\ndata: 1}\nevent: e\n\n"
        );
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut decoder = SseDecoder::with_limit(10);
        decoder.push(b"data: 0123456789").unwrap();
        assert!(decoder.next_event().is_none());
        assert_eq!(decoder.push(b"x"), Err(EventTooLong));
    }
}
