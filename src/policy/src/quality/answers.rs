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
    /// Whether it need not say anything: it calls tools, or the provider's own filter ended it.
    is_excused: bool,
    /// Whether it holds something else than text to be read: thoughts, sound, images.
    holds_other: bool,
}

impl Answer {
    /// Whether its text is to be judged.
    fn is_judged(&self) -> bool {
        let is_elsewhere = self.holds_other && !self.is_cut && self.text.trim().is_empty();
        !self.is_excused && !is_elsewhere
    }

    /// Takes note of a member of a choice.
    fn note(&mut self, names: &[&str], node: &Node, said: Option<&str>) {
        match names {
            ["message", "content" | "refusal"]
            | ["message", "content", "text"]
            | ["message", "audio", "transcript"]
            | ["text"] => self.add(said.unwrap_or_default()),
            ["message", "tool_calls" | "function_call", ..] if node.kind != Kind::Null => {
                self.is_excused = true;
            }
            ["finish_reason"] => self.end(said.unwrap_or_default()),
            ["message", member, ..] => self.note_other(member, node),
            _ => {}
        }
    }

    /// Takes note of a member of an item of the Responses API that is `kind`.
    fn note_item(&mut self, kind: &str, names: &[&str], node: &Node, said: Option<&str>) {
        match (kind, names) {
            ("reasoning", ["summary" | "content", "text"] | ["encrypted_content"]) => {
                self.note_other("reasoning", node);
            }
            ("reasoning", _) => {}
            (_, ["content", "text" | "refusal"]) => self.add(said.unwrap_or_default()),
            (_, ["type"]) => self.is_excused |= kind.ends_with("_call"),
            _ => {}
        }
    }

    /// Thoughts, sound and images count where they hold anything.
    fn note_other(&mut self, member: &str, node: &Node) {
        let is_other = matches!(
            member,
            "reasoning" | "reasoning_content" | "reasoning_details" | "audio" | "images"
        );
        let is_empty = match &node.kind {
            Kind::String { .. } => node.range.is_empty(),
            Kind::Name { .. } | Kind::Object | Kind::Array | Kind::Null => true,
            _ => false,
        };
        self.holds_other |= is_other && !is_empty;
    }

    /// Takes note of why the answer ended: `finish_reason`, or `incomplete_details.reason` of the Responses API.
    fn end(&mut self, reason: &str) {
        self.is_cut |= matches!(reason, "length" | "max_output_tokens");
        self.is_excused |= reason == "content_filter";
    }

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
    let kinds = item_kinds(text);
    let mut ending = None;
    let walked = json::walk(text, &mut |path, node| {
        let said = decoded(text, node);
        match path {
            [Step::Key(list), Step::Index(place), below @ ..] if list == "choices" => {
                if let Some(answer) = answer_at(&mut answers, *place) {
                    answer.note(&names(below), node, said.as_deref());
                }
            }
            [Step::Key(list), Step::Index(place), below @ ..] if list == "output" => {
                let kind = kinds.get(*place).map(String::as_str).unwrap_or_default();
                if let Some(answer) = answer_at(&mut answers, 0) {
                    answer.note_item(kind, &names(below), node, said.as_deref());
                }
            }
            [Step::Key(details), Step::Key(reason)]
                if details == "incomplete_details" && reason == "reason" =>
            {
                ending = said.map(std::borrow::Cow::into_owned);
            }
            _ => {}
        }
    });
    if walked.is_err() {
        answers.clear();
    }
    for answer in &mut answers {
        answer.end(ending.as_deref().unwrap_or_default());
    }
    answers.retain(Answer::is_judged);
    answers
}

fn answer_at(answers: &mut Vec<Answer>, place: usize) -> Option<&mut Answer> {
    /// More choices are not looked at.
    const MOST: usize = 128;
    if place >= answers.len() && place < MOST {
        answers.resize_with(place + 1, Answer::default);
    }
    answers.get_mut(place)
}

/// The names of the members that lead somewhere, without positions.
fn names<'p>(path: &'p [Step<'_>]) -> Vec<&'p str> {
    path.iter()
        .filter_map(|step| match step {
            Step::Key(name) => Some(&**name),
            Step::Index(_) => None,
        })
        .collect()
}

/// The types of the items of the Responses API. Their order among the members is free, so they are read first.
fn item_kinds(text: &str) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    // Whoever judges the answer finds what is wrong with the body.
    let _ = json::walk(text, &mut |path, node| {
        if let [Step::Key(list), Step::Index(_), Step::Key(member)] = path
            && list == "output"
            && member == "type"
            && let Some(kind) = decoded(text, node)
        {
            kinds.push(kind.into_owned());
        }
    });
    kinds
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
