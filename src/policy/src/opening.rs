//! What the beginning of an answer says about the attempt: whether the target really answers.

use kt_routing::{Failure, Opened};

use crate::{
    body_shape::BodyShape,
    json::{self, Kind, Node, Step},
    sse::{SseDecoder, SseEvent},
};

/// A beginning that is longer is an answer, whatever it holds.
const MAX_OPENING: usize = 64 * 1024;

/// What an answer begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Nothing, comments, or chunks that only name the role: it may still fail without loss.
    Undecided,
    /// An error in place of an answer.
    Error,
    /// An answer: from here on it belongs to the client.
    Answer,
}

impl From<Opening> for Opened {
    fn from(opening: Opening) -> Self {
        match opening {
            Opening::Undecided => Self::Nothing,
            Opening::Error => Self::Error,
            Opening::Answer => Self::Answer,
        }
    }
}

impl Opening {
    /// Reads the bytes that came so far, of an answer that claims to be JSON or, with `claims_events`, a stream. `end` says
    /// that there are no more.
    pub fn of(bytes: &[u8], claims_events: bool, end: bool) -> Self {
        if bytes.len() > MAX_OPENING {
            return of_start(bytes);
        }
        match BodyShape::of(bytes) {
            // Who reads events finds none in it.
            BodyShape::Json if end && claims_events => Self::Error,
            BodyShape::Json if end => of_whole(bytes),
            BodyShape::Json | BodyShape::Undecided => Self::Undecided,
            BodyShape::Events => of_events(bytes, end),
            // Text, or a stream that begins with lines that nobody knows.
            BodyShape::Other => match of_events(bytes, end) {
                Self::Undecided if end => Self::Error,
                opening => opening,
            },
        }
    }
}

impl Opening {
    /// Whether a whole answer is so long that [`Self::of`] saw only its beginning, and may hold an error behind it.
    pub fn may_fail_late(body: &[u8]) -> bool {
        body.len() > MAX_OPENING && memchr::memmem::find(body, b"\"error\"").is_some()
    }

    /// Why a whole answer is none.
    pub fn failure_of(body: &[u8], claims_events: bool) -> Option<Failure> {
        let opening = match BodyShape::of(body) {
            BodyShape::Json if !claims_events => of_whole(body),
            _ => Self::of(body, claims_events, true),
        };
        match opening {
            Self::Answer => None,
            Self::Error => Some(Failure::ServerError),
            Self::Undecided => Some(Failure::Connection),
        }
    }
}

fn of_events(bytes: &[u8], end: bool) -> Opening {
    let mut decoder = SseDecoder::with_limit(MAX_OPENING);
    decoder.push(bytes);
    loop {
        match decoder.next_event() {
            // Too long to be an error in place of an answer.
            Err(_) => return Opening::Answer,
            Ok(None) => break,
            Ok(Some(event)) => match of_event(&event) {
                Opening::Undecided => {}
                opening => return opening,
            },
        }
    }
    if !end {
        return Opening::Undecided;
    }
    // The last event may lack its blank line.
    decoder.finish();
    match decoder.next_event() {
        Ok(Some(event)) => of_event(&event),
        Ok(None) => Opening::Undecided,
        Err(_) => Opening::Answer,
    }
}

/// The start of a body that is too long to wait for: an answer, unless it says at once that it is none.
fn of_start(bytes: &[u8]) -> Opening {
    if BodyShape::of(bytes) != BodyShape::Json {
        return Opening::Answer;
    }
    let start = bytes.get(..MAX_OPENING).unwrap_or(bytes);
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let valid = start.utf8_chunks().next();
    let mut opening = Opening::Answer;
    let text = valid.map_or("", |chunk| chunk.valid());
    // It ends somewhere in the middle.
    let _ = json::walk(text, &mut |path, node| {
        if of_node(text, path, node) == Opening::Error {
            opening = Opening::Error;
        }
    });
    opening
}

/// A whole body of JSON.
fn of_whole(body: &[u8]) -> Opening {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let Ok(text) = std::str::from_utf8(body) else {
        return Opening::Error;
    };
    match read(text) {
        // The policy filter would refuse it.
        None | Some(Opening::Error) => Opening::Error,
        Some(_) => Opening::Answer,
    }
}

fn of_event(event: &SseEvent<'_>) -> Opening {
    let Some(data) = event.data() else {
        return Opening::Undecided;
    };
    let Ok(text) = std::str::from_utf8(&data) else {
        return Opening::Answer;
    };
    // `[DONE]`, or something that the policy filter will refuse.
    read(text).unwrap_or(Opening::Answer)
}

/// What a JSON text says; nothing if it is none.
fn read(text: &str) -> Option<Opening> {
    let mut opening = Opening::Undecided;
    let walked = json::walk(text, &mut |path, node| {
        if opening != Opening::Error {
            let seen = of_node(text, path, node);
            if seen != Opening::Undecided {
                opening = seen;
            }
        }
    });
    walked.is_ok().then_some(opening)
}

fn of_node(text: &str, path: &[Step<'_>], node: &Node) -> Opening {
    let value = text.get(node.range.clone()).unwrap_or_default();
    let is_string = matches!(node.kind, Kind::String { .. });
    let is_name = matches!(node.kind, Kind::Name { .. });
    let is_error = match node.kind {
        Kind::String { .. } => !value.is_empty(),
        Kind::Bool(is_error) => is_error,
        _ => false,
    };
    match path {
        [member] if member.is("error") && is_error => Opening::Error,
        // An object with something in it.
        [member, _] if member.is("error") && is_name => Opening::Error,
        [member] if is_string && (member.is("type") || member.is("object")) => match value {
            "error" | "response.failed" => Opening::Error,
            "response.completed" => Opening::Answer,
            kind if kind.strip_suffix(".delta").is_some() => Opening::Answer,
            _ => Opening::Undecided,
        },
        // The Responses API, whole.
        [member] if is_string && member.is("status") && value == "failed" => Opening::Error,
        [choices, Step::Index(_), below @ ..] if choices.is("choices") => {
            of_choice(below, value, node.kind, is_error)
        }
        _ => Opening::Undecided,
    }
}

/// A node inside a choice.
fn of_choice(below: &[Step<'_>], value: &str, kind: Kind, is_error: bool) -> Opening {
    let is_string = matches!(kind, Kind::String { .. });
    let is_name = matches!(kind, Kind::Name { .. });
    match below {
        [member] if member.is("error") && is_error => Opening::Error,
        [member, _] if member.is("error") && is_name => Opening::Error,
        [member, ..] if member.is("error") => Opening::Undecided,
        [member] if is_string && member.is("finish_reason") => match value {
            "error" => Opening::Error,
            "" | "null" | "none" | "None" => Opening::Undecided,
            _ => Opening::Answer,
        },
        [.., Step::Key(member)] if is_string && !value.is_empty() => match &**member {
            "role" | "id" | "object" | "type" | "native_finish_reason" | "format" => {
                Opening::Undecided
            }
            _ => Opening::Answer,
        },
        _ => Opening::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(events: &[&str]) -> Opening {
        let events: Vec<String> = events
            .iter()
            .map(|data| {
                format!(
                    "data: {data}

"
                )
            })
            .collect();
        Opening::of(events.concat().as_bytes(), true, false)
    }

    #[test]
    fn roles_and_comments_are_no_answer_yet() {
        assert_eq!(
            Opening::of(b": keep-alive\n\n", true, false),
            Opening::Undecided
        );
        assert_eq!(
            Opening::of(
                b"data: {\"choices\":[{\"delta\":{\"content\":\"half",
                true,
                false
            ),
            Opening::Undecided
        );
        assert_eq!(
            of(&[
                r#"{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#
            ]),
            Opening::Undecided
        );
    }

    #[test]
    fn tokens_tool_calls_and_endings_are_answers() {
        for data in [
            r#"{"choices":[{"delta":{"content":"Hi"}}]}"#,
            r#"{"choices":[{"delta":{"reasoning_content":"Hm"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"text":"Hi"}]}"#,
            r#"{"type":"response.output_text.delta","delta":"Hi"}"#,
            "[DONE]",
            "not json",
        ] {
            assert_eq!(of(&[data]), Opening::Answer, "{data}");
        }
    }

    #[test]
    fn an_error_in_place_of_an_answer_is_seen() {
        for data in [
            r#"{"error":{"message":"overloaded","type":"server_error"}}"#,
            r#"{"error":"overloaded"}"#,
            r#"{"type":"error","message":"overloaded"}"#,
            r#"{"type":"response.failed","response":{}}"#,
            r#"{"object":"error","message":"overloaded","code":500}"#,
            r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":""},"error":{"message":"overloaded"}}]}"#,
            r#"{"choices":[{"error":{"message":"overloaded"},"delta":{"content":"x"}}]}"#,
        ] {
            assert_eq!(of(&[data]), Opening::Error, "{data}");
        }
        assert_eq!(of(&[r#"{"error":null,"choices":[]}"#]), Opening::Undecided);
        let late = [
            r#"{"choices":[{"delta":{"content":"Hi"}}]}"#,
            r#"{"error":{}}"#,
        ];
        assert_eq!(of(&late), Opening::Answer);
    }

    #[test]
    fn what_says_nothing_is_no_answer() {
        for data in [
            "",
            " ",
            r#"{"choices":[{"delta":{"content":""},"finish_reason":""}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"null","error":null}]}"#,
            r#"{"error":{},"choices":[]}"#,
        ] {
            assert_eq!(of(&[data]), Opening::Undecided, "{data}");
        }
    }

    #[test]
    fn whole_answers_are_read_to_their_end() {
        for (body, opening) in [
            ("", Opening::Undecided),
            (" \n", Opening::Undecided),
            (r#"{"error":{"message":"overloaded"}}"#, Opening::Error),
            (r#"{"error":"overloaded"}"#, Opening::Error),
            (r#"{"object":"error","message":"x"}"#, Opening::Error),
            (
                r#"{"object":"response","status":"failed","error":{"code":"x"}}"#,
                Opening::Error,
            ),
            (
                r#"{"choices":[{"message":{"content":""},"finish_reason":"error"}]}"#,
                Opening::Error,
            ),
            (
                r#"{"choices":[{"message":{"content":"x"},"error":{"code":502}}]}"#,
                Opening::Error,
            ),
            ("{not json", Opening::Error),
            (
                r#"{"choices":[{"message":{"content":"Hi"}}],"error":null}"#,
                Opening::Answer,
            ),
            (
                r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#,
                Opening::Answer,
            ),
            (r#"{"object":"list","data":[]}"#, Opening::Answer),
            ("[]", Opening::Answer),
            ("data: {\"error\":{\"message\":\"x\"}}", Opening::Error),
            ("upstream connect error", Opening::Error),
        ] {
            assert_eq!(Opening::of(body.as_bytes(), false, true), opening, "{body}");
        }
        assert_eq!(
            Opening::of(br#"{"choices":[{"message":"#, false, false),
            Opening::Undecided
        );
        assert_eq!(
            Opening::of(&vec![b'{'; MAX_OPENING + 1], false, false),
            Opening::Answer
        );
    }

    #[test]
    fn long_errors_are_errors() {
        let long = "overloaded ".repeat(10_000);
        for (body, of_start) in [
            (
                format!("{{\"error\":{{\"message\":\"{long}\"}}}}"),
                Opening::Error,
            ),
            (
                format!("\u{feff}{{\"id\":1,\"error\":{{\"code\":5,\"message\":\"{long}é\"}}}}"),
                Opening::Error,
            ),
            (
                format!("{{\"object\":\"error\",\"message\":\"{long}\"}}"),
                Opening::Error,
            ),
            (
                format!("{{\"choices\":[{{\"error\":{{\"message\":\"{long}\"}}}}]}}"),
                Opening::Error,
            ),
            (
                format!(
                    "{{\"choices\":[{{\"message\":{{\"content\":\"{long}\"}}}}],\"error\":{{\"code\":5}}}}"
                ),
                Opening::Answer,
            ),
        ] {
            assert_eq!(Opening::of(body.as_bytes(), false, false), of_start);
            assert!(of_start == Opening::Error || Opening::may_fail_late(body.as_bytes()));
            assert_eq!(
                Opening::failure_of(body.as_bytes(), false),
                Some(Failure::ServerError)
            );
        }
        let answer =
            format!("{{\"error\":null,\"choices\":[{{\"message\":{{\"content\":\"{long}\"}}}}]}}");
        assert_eq!(
            Opening::of(answer.as_bytes(), false, false),
            Opening::Answer
        );
        assert_eq!(Opening::failure_of(answer.as_bytes(), false), None);
    }

    #[test]
    fn an_answer_is_what_its_type_says_or_an_error() {
        let answer = br#"{"choices":[{"message":{"content":"Hi"}}],"error":null}"#;
        let event = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
        for (body, claims_events, failure) in [
            (&answer[..], false, None),
            (&answer[..], true, Some(Failure::ServerError)),
            (&event[..], true, None),
            (&event[..], false, None),
            (b"", false, Some(Failure::Connection)),
            (b": keep-alive\n\n", true, Some(Failure::Connection)),
        ] {
            let found = Opening::failure_of(body, claims_events);
            assert_eq!(found, failure, "{:?}", String::from_utf8_lossy(body));
        }
    }
}
