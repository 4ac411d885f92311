//! What the beginning of a stream says about the attempt: whether the target really answers.

use crate::{
    json::{self, Kind, Node, Step},
    sse::SseDecoder,
};

/// A beginning that is longer is an answer, whatever it holds.
const MAX_OPENING: usize = 64 * 1024;

/// What a stream begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Comments, or chunks that only name the role: it may still fail without loss.
    Undecided,
    /// An error in place of an answer.
    Error,
    /// An answer: from here on it belongs to the client.
    Answer,
}

impl Opening {
    /// Reads the bytes that came so far.
    pub fn of(bytes: &[u8]) -> Self {
        let mut decoder = SseDecoder::with_limit(MAX_OPENING);
        if bytes.len() > MAX_OPENING || decoder.push(bytes).is_err() {
            return Self::Answer;
        }
        while let Some(event) = decoder.next_event() {
            let opening = event.data().map_or(Self::Undecided, |data| of_event(&data));
            if opening != Self::Undecided {
                return opening;
            }
        }
        Self::Undecided
    }
}

fn of_event(data: &[u8]) -> Opening {
    let Ok(text) = std::str::from_utf8(data) else {
        return Opening::Answer;
    };
    let mut opening = Opening::Undecided;
    let walked = json::walk(text, &mut |path, node| {
        if opening != Opening::Error {
            let seen = of_node(text, path, node);
            if seen != Opening::Undecided {
                opening = seen;
            }
        }
    });
    // `[DONE]`, or something that the policy filter will refuse.
    if walked.is_err() {
        Opening::Answer
    } else {
        opening
    }
}

fn of_node(text: &str, path: &[Step<'_>], node: &Node) -> Opening {
    let is_text = matches!(node.kind, Kind::String { .. }) && !node.range.is_empty();
    match path {
        [member] if member.is("error") && !matches!(node.kind, Kind::Null | Kind::Name { .. }) => {
            Opening::Error
        }
        [member] if member.is("type") => match text.get(node.range.clone()).unwrap_or_default() {
            "error" | "response.failed" => Opening::Error,
            "response.completed" => Opening::Answer,
            kind if kind.strip_suffix(".delta").is_some() => Opening::Answer,
            _ => Opening::Undecided,
        },
        [choices, Step::Index(_), .., Step::Key(member)]
            if choices.is("choices")
                && is_text
                && !matches!(&**member, "role" | "id" | "object" | "type") =>
        {
            Opening::Answer
        }
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
        Opening::of(events.concat().as_bytes())
    }

    #[test]
    fn roles_and_comments_are_no_answer_yet() {
        assert_eq!(Opening::of(b": keep-alive\n\n"), Opening::Undecided);
        assert_eq!(
            Opening::of(b"data: {\"choices\":[{\"delta\":{\"content\":\"half"),
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
}
