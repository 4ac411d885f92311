//! What is asked and answered, in the bodies of the endpoints.

use crate::json::{self, Kind, Node, Step};

/// As much of a prompt as is kept, in bytes.
pub(crate) const MAX_PROMPT: usize = 8 << 10;
/// As much of an answer as is judged, in bytes.
pub(crate) const MAX_ANSWER: usize = 128 << 10;

/// One answer of a response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// Whether the model says that it ran out of tokens.
    pub(crate) is_cut: bool,
    /// Whether it calls tools: then it need not say anything.
    calls_tools: bool,
}

impl Answer {
    pub(crate) fn add(&mut self, text: &str) {
        let room = MAX_ANSWER.saturating_sub(self.text.len());
        self.text.push_str(
            text.get(..text.floor_char_boundary(room))
                .unwrap_or_default(),
        );
    }
}

fn decoded<'b>(body: &'b str, node: &Node) -> Option<std::borrow::Cow<'b, str>> {
    let Kind::String { escaped } = node.kind else {
        return None;
    };
    Some(json::decode(body.get(node.range.clone())?, escaped))
}

/// The text of the newest message of a request.
pub(crate) fn prompt(body: &[u8]) -> String {
    let mut prompt = String::new();
    let mut newest = 0;
    let Ok(text) = std::str::from_utf8(body) else {
        return prompt;
    };
    let walked = json::walk(text, &mut |path, node| {
        let turn = match path {
            [Step::Key(list), Step::Index(turn), Step::Key(content)]
                if is_list(list) && content == "content" =>
            {
                *turn
            }
            [
                Step::Key(list),
                Step::Index(turn),
                Step::Key(content),
                ..,
                Step::Key(member),
            ] if is_list(list) && content == "content" && member == "text" => *turn,
            [Step::Key(member)] if matches!(&**member, "prompt" | "input") => 0,
            _ => return,
        };
        let Some(said) = decoded(text, node) else {
            return;
        };
        if turn > newest {
            prompt.clear();
            newest = turn;
        }
        let room = MAX_PROMPT.saturating_sub(prompt.len());
        prompt.push_str(
            said.get(..said.floor_char_boundary(room))
                .unwrap_or_default(),
        );
    });
    if walked.is_err() {
        prompt.clear();
    }
    prompt
}

fn is_list(member: &str) -> bool {
    matches!(member, "messages" | "input")
}

/// The answers of a whole response: of chat and text completions, or of the Responses API. Nothing for other bodies.
pub(crate) fn answers(body: &[u8]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    let Ok(text) = std::str::from_utf8(body) else {
        return answers;
    };
    let walked = json::walk(text, &mut |path, node| {
        let (place, member) = match path {
            [Step::Key(list), Step::Index(place), below @ ..] if list == "choices" => {
                (*place, below)
            }
            [Step::Key(list), Step::Index(_), below @ ..] if list == "output" => (0, below),
            _ => return,
        };
        if place >= answers.len() && place < 128 {
            answers.resize_with(place + 1, Answer::default);
        }
        let Some(answer) = answers.get_mut(place) else {
            return;
        };
        let names: Vec<&str> = member
            .iter()
            .filter_map(|step| match step {
                Step::Key(name) => Some(&**name),
                Step::Index(_) => None,
            })
            .collect();
        match names.as_slice() {
            ["message", "content" | "refusal"]
            | ["message", "content", "text"]
            | ["text"]
            | ["content", "text" | "refusal"] => {
                if let Some(said) = decoded(text, node) {
                    answer.add(&said);
                }
            }
            ["message", "tool_calls" | "function_call", ..] if node.kind != Kind::Null => {
                answer.calls_tools = true;
            }
            ["type"] => {
                answer.calls_tools |=
                    decoded(text, node).is_some_and(|kind| kind.ends_with("_call"));
            }
            ["finish_reason"] => {
                answer.is_cut = decoded(text, node).is_some_and(|reason| reason == "length");
            }
            _ => {}
        }
    });
    if walked.is_err() {
        answers.clear();
    }
    answers.retain(|answer| !answer.calls_tools);
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_message_is_the_prompt() {
        let body = br#"{"messages":[{"role":"user","content":"old"},{"content":[{"type":"text","text":"new "},{"type":"text","text":"one"}]}]}"#;
        assert_eq!(prompt(body), "new one");
        assert_eq!(prompt(br#"{"prompt":"a"}"#), "a");
        assert_eq!(prompt(br#"{"input":[{"role":"user","content":"b"}]}"#), "b");
    }

    #[test]
    fn every_choice_is_an_answer() {
        let body = br#"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"length"},{"message":{"content":null,"tool_calls":[{"id":"x"}]}},{"text":"c"}]}"#;
        let found = answers(body);
        assert_eq!(
            found
                .iter()
                .map(|answer| (answer.text.as_str(), answer.is_cut))
                .collect::<Vec<_>>(),
            [("a", true), ("c", false)]
        );
        let body =
            br#"{"output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}]}"#;
        assert_eq!(
            answers(body).first().map(|answer| answer.text.as_str()),
            Some("x")
        );
        assert!(answers(br#"{"error":{"message":"no"}}"#).is_empty());
    }
}
