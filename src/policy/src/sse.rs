//! Server-sent events as bytes (WHATWG HTML, §9.2.6 "Interpreting an event stream").
//!
//! Framing never looks into the payload: lines end in LF, CR LF or CR, a blank line ends an event, and every
//! byte belongs to exactly one event, so an event of known lines can be replayed as it came. Of other lines nothing is
//! replayed: nobody judges what stands in comments and in fields that no reader knows, and lenient readers take some
//! of them for data.

use std::borrow::Cow;
use std::ops::Range;

use crate::splice::Edits;

/// An event grew beyond the decoder's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTooLong;

/// More lines than any event has that is not made to cost memory.
const MAX_LINES: usize = 4096;

/// Longest name of an event that is replayed; the longest of the Responses API has 45 letters.
const MAX_NAME: usize = 64;

/// Longest `id:` that is replayed.
const MAX_ID: usize = 128;

/// Most digits of a `retry:` that is replayed; a day has eight, in milliseconds.
const MAX_RETRY_DIGITS: usize = 8;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
    /// The lines of the event, relative to its start.
    lines: Lines,
    /// Whether `lines` describes the event handed out last rather than the open one.
    handed_out: bool,
    at_stream_start: bool,
    limit: usize,
}

/// What the lines of one event are.
#[derive(Debug, Clone, Default)]
struct Lines {
    /// Those that are known, in order; ranges of the event's bytes.
    known: Vec<(Field, Range<usize>)>,
    /// How many are not.
    dropped: usize,
    /// Whether one of those is JSON by its first byte.
    has_json: bool,
    /// Whether the event can be replayed as it came.
    is_plain: bool,
    data: usize,
}

/// What a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// `data`; the range is its value, that of the others the line.
    Data,
    /// `event`, with the name that it has.
    Event,
    /// `id`.
    Id,
    /// `retry`.
    Retry,
    /// A comment, of which only the colon is replayed.
    Comment,
}

/// One event with all its bytes, the ending blank line included.
#[derive(Debug)]
pub struct SseEvent<'a> {
    /// Every byte of the event as it came.
    pub raw: &'a [u8],
    lines: &'a Lines,
}

/// An event that is kept.
#[derive(Debug)]
pub(crate) struct HeldEvent {
    raw: Box<[u8]>,
    lines: Lines,
}

impl HeldEvent {
    pub(crate) fn event(&self) -> SseEvent<'_> {
        SseEvent {
            raw: &self.raw,
            lines: &self.lines,
        }
    }

    /// How many bytes of memory it takes.
    pub(crate) fn footprint(&self) -> usize {
        self.raw.len() + self.lines.known.len() * size_of::<(Field, Range<usize>)>()
    }
}

impl<'a> SseEvent<'a> {
    /// The payload: all `data:` values, joined by line feeds. `None` when the event has no `data:` line, or nothing but
    /// white space in it: such an event is not dispatched.
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        let mut values = self
            .lines
            .known
            .iter()
            .filter(|(field, _)| *field == Field::Data)
            .map(|(_, value)| self.raw.get(value.clone()).unwrap_or_default());
        let data = if self.lines.data > 1 {
            Cow::Owned(values.collect::<Vec<_>>().join(&b'\n'))
        } else {
            Cow::Borrowed(values.next()?)
        };
        (!data.trim_ascii().is_empty()).then_some(data)
    }

    /// The event's name.
    pub fn name(&self) -> Option<&'a str> {
        let line = self.last(Field::Event)?;
        std::str::from_utf8(value_of(line)).ok()
    }

    /// The event's `id`.
    pub fn id(&self) -> Option<&'a str> {
        let line = self.last(Field::Id)?;
        std::str::from_utf8(value_of(line)).ok()
    }

    fn last(&self, field: Field) -> Option<&'a [u8]> {
        let mut known = self.lines.known.iter();
        let (_, range) = known.rfind(|(other, _)| *other == field)?;
        self.raw.get(range.clone())
    }

    /// How many of its lines no reader knows, or hold what nobody judges.
    pub fn dropped(&self) -> usize {
        self.lines.dropped
    }

    /// Whether one of those lines is JSON, as if this were no event stream.
    pub fn has_json_line(&self) -> bool {
        self.lines.has_json
    }

    /// Writes the event with `payload` in place of its data. Known lines stay; of a comment its colon does, and an `id`
    /// does if `keeps_id`. Data that is not dispatched becomes a comment, which keeps the connection alive.
    pub fn write(&self, payload: Option<&[u8]>, keeps_id: bool, out: &mut Vec<u8>) {
        let is_plain = self.lines.is_plain && (keeps_id || self.last(Field::Id).is_none());
        if is_plain && self.lines.data == usize::from(payload.is_some()) {
            return self.write_plain(payload.unwrap_or_default(), out);
        }
        let before = out.len();
        let mut is_written = false;
        for (field, range) in &self.lines.known {
            match field {
                Field::Comment | Field::Data
                    if payload.is_none_or(|_| *field == Field::Comment) =>
                {
                    // A thousand comments keep a connection as alive as one.
                    if out.get(before..).unwrap_or_default().ends_with(b":\n") {
                        continue;
                    }
                    out.push(b':');
                }
                Field::Id if !keeps_id => continue,
                Field::Data => match payload {
                    Some(payload) if !is_written => {
                        is_written = true;
                        out.extend_from_slice(b"data: ");
                        write_line(payload, out);
                    }
                    _ => continue,
                },
                _ => out.extend_from_slice(self.raw.get(range.clone()).unwrap_or_default()),
            }
            out.push(b'\n');
        }
        if out.len() > before {
            out.push(b'\n');
        }
    }

    /// The same with `edits` to `payload`.
    pub(crate) fn write_edited(
        &self,
        payload: &[u8],
        edits: Edits,
        keeps_id: bool,
        out: &mut Vec<u8>,
    ) {
        if edits.is_empty() {
            return self.write(Some(payload), keeps_id, out);
        }
        self.write(Some(&edits.patch(payload).apply(payload)), keeps_id, out);
    }

    /// The event, to be kept.
    pub(crate) fn hold(&self) -> HeldEvent {
        HeldEvent {
            raw: self.raw.into(),
            lines: self.lines.clone(),
        }
    }

    fn write_plain(&self, payload: &[u8], out: &mut Vec<u8>) {
        let mut known = self.lines.known.iter();
        let Some((_, value)) = known.find(|(field, _)| *field == Field::Data) else {
            return out.extend_from_slice(self.raw);
        };
        out.extend_from_slice(self.raw.get(..value.start).unwrap_or_default());
        write_line(payload, out);
        out.extend_from_slice(self.raw.get(value.end..).unwrap_or_default());
    }
}

/// Writes an event that holds nothing but a JSON payload.
pub(crate) fn write_data(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    write_line(payload, out);
    out.extend_from_slice(b"\n\n");
}

/// Writes a JSON payload as one line for every reader: line ends between its tokens become spaces, and what some readers
/// take for a line end inside its strings (U+0085, U+2028, U+2029) is escaped.
fn write_line(payload: &[u8], out: &mut Vec<u8>) {
    let mut rest = payload;
    while let Some(at) = memchr::memchr3(0xc2, 0xe2, b'\n', rest) {
        let (before, behind) = rest.split_at(at);
        out.extend_from_slice(before);
        let (width, with): (_, &[u8]) = match behind {
            [b'\n', ..] => (1, b" "),
            [0xc2, 0x85, ..] => (2, b"\\u0085"),
            [0xe2, 0x80, 0xa8, ..] => (3, b"\\u2028"),
            [0xe2, 0x80, 0xa9, ..] => (3, b"\\u2029"),
            _ => (1, behind.get(..1).unwrap_or_default()),
        };
        out.extend_from_slice(with);
        rest = behind.get(width..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// What follows the colon of a line, less one space.
fn value_of(line: &[u8]) -> &[u8] {
    let colon = memchr::memchr(b':', line).map_or(line.len(), |colon| colon + 1);
    let value = line.get(colon..).unwrap_or_default();
    value.strip_prefix(b" ").unwrap_or(value)
}

impl SseDecoder {
    /// A decoder that refuses events of more than `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            event: 0,
            line: 0,
            searched: 0,
            lines: Lines::default(),
            handed_out: true,
            at_stream_start: true,
            limit,
        }
    }

    /// Takes the next bytes of the stream. All complete events must be drained before the next call.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.event);
        self.line -= self.event;
        self.searched -= self.event;
        self.event = 0;
        if self.buffer.is_empty() {
            // The memory of a large event is given back.
            self.buffer.shrink_to(64 * 1024);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes of memory the open event takes.
    pub fn footprint(&self) -> usize {
        self.buffer.capacity() + self.lines.known.capacity() * size_of::<(Field, Range<usize>)>()
    }

    /// Marks the end of the stream: what is left becomes a last event, even without its blank line.
    pub fn finish(&mut self) {
        if self.event < self.buffer.len() {
            self.buffer.extend_from_slice(b"\n\n");
        }
    }

    /// The next complete event. Whether one is too long depends on its own length, the blank line included, and not on the
    /// pieces in which it came.
    pub fn next_event(&mut self) -> Result<Option<SseEvent<'_>>, EventTooLong> {
        if std::mem::take(&mut self.handed_out) {
            self.lines.known.clear();
            self.lines.known.shrink_to(64);
            (self.lines.dropped, self.lines.has_json) = (0, false);
            (self.lines.is_plain, self.lines.data) = (true, 0);
        }
        loop {
            let start = self.line;
            let Some(end) = self.line_end() else {
                return if self.buffer.len() - self.event > self.limit {
                    Err(EventTooLong)
                } else {
                    Ok(None)
                };
            };
            self.note(start..end);
            if self.line - self.event > self.limit || self.lines.known.len() > MAX_LINES {
                return Err(EventTooLong);
            }
            if start == end {
                break;
            }
        }
        self.handed_out = true;
        let start = std::mem::replace(&mut self.event, self.line);
        Ok(Some(SseEvent {
            raw: self.buffer.get(start..self.line).unwrap_or_default(),
            lines: &self.lines,
        }))
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

    /// Takes note of a line.
    fn note(&mut self, range: Range<usize>) {
        let mut start = range.start;
        let mut line = self.buffer.get(range.clone()).unwrap_or_default();
        if std::mem::take(&mut self.at_stream_start) && line.starts_with(BYTE_ORDER_MARK) {
            start += BYTE_ORDER_MARK.len();
            line = line.get(BYTE_ORDER_MARK.len()..).unwrap_or_default();
            self.lines.is_plain = false;
        }
        if line.is_empty() {
            return;
        }
        let lines = &mut self.lines;
        let Some(field) = field_of(line) else {
            lines.is_plain = false;
            lines.dropped += 1;
            lines.has_json |= matches!(line.trim_ascii_start().first(), Some(b'{' | b'['));
            return;
        };
        let from = start - self.event;
        let to = range.end - self.event;
        match field {
            Field::Data => {
                lines.data += 1;
                lines.is_plain &= line.len() > 4;
                let value = line.len() - value_of(line).len();
                lines.known.push((field, from + value..to));
            }
            Field::Comment => {
                lines.is_plain &= line.len() == 1;
                if lines.known.last().is_none_or(|(last, _)| *last != field) {
                    lines.known.push((field, from..to));
                } else {
                    lines.is_plain = false;
                }
            }
            _ => lines.known.push((field, from..to)),
        }
    }
}

/// The field of a line that may be replayed.
fn field_of(line: &[u8]) -> Option<Field> {
    let colon = memchr::memchr(b':', line.get(..8).unwrap_or(line));
    let (name, value) = match colon {
        Some(colon) => (line.get(..colon)?, value_of(line)),
        None => (line, &b""[..]),
    };
    match name {
        b"data" => Some(Field::Data),
        b"" => Some(Field::Comment),
        b"event" => is_name(value).then_some(Field::Event),
        b"id" => is_id(value).then_some(Field::Id),
        b"retry" => (value.len() <= MAX_RETRY_DIGITS && value.iter().all(u8::is_ascii_digit))
            .then_some(Field::Retry),
        _ => None,
    }
}

/// Letters and their joints: no value has such a form.
fn is_name(value: &[u8]) -> bool {
    let is_fine = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'_' | b'-');
    value.len() <= MAX_NAME && value.iter().all(is_fine)
}

fn is_id(value: &[u8]) -> bool {
    let is_fine = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'/')
    };
    value.len() <= MAX_ID && value.iter().all(is_fine)
}

#[cfg(test)]
mod tests;
