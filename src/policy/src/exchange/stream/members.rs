//! Which strings of a stream are text: what the APIs define as pieces to be appended to each other.
//!
//! One table per endpoint, each line with its source. Everything else is judged whole where it stands (see
//! [`super::joined`] for what a reader may join all the same).

use crate::json::Step;

/// What is appended to what: pieces of one choice with the same `Text` continue each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::exchange) enum Text {
    /// The answer of a text completion.
    Completion,
    /// The answer, as a string or in parts.
    Content,
    /// Why the model declines.
    Refusal,
    /// What is said in sound.
    Transcript,
    /// Thoughts; the number tells the names apart under which providers send them, often the same twice.
    Thought(u8),
    /// What a tool is called with, as JSON.
    Arguments,
    /// What a tool of no schema is called with.
    Input,
}

/// In which order texts are written. What waits of an earlier one leaves before a later one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Thought,
    Answer,
    Call,
}

impl Text {
    pub(super) fn section(self) -> Section {
        match self {
            Self::Thought(_) => Section::Thought,
            Self::Completion | Self::Content | Self::Refusal | Self::Transcript => Section::Answer,
            Self::Arguments | Self::Input => Section::Call,
        }
    }

    /// Whether people read, or hear, it as the answer.
    pub(super) fn is_answer(self) -> bool {
        self.section() == Section::Answer
    }
}

/// One line of the table: the names that lead to a text inside its choice, where `*` is an element of an array.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::exchange) struct Member {
    pub(in crate::exchange) path: &'static [&'static str],
    pub(super) text: Text,
}

const fn member(path: &'static [&'static str], text: Text) -> Member {
    Member { path, text }
}

/// Chat and text completions.
static CHOICE: [Member; 20] = [
    // OpenAI, `CreateChatCompletionStreamResponse`: `ChatCompletionStreamResponseDelta`.
    member(&["delta", "content"], Text::Content),
    member(&["delta", "refusal"], Text::Refusal),
    member(
        &["delta", "tool_calls", "*", "function", "arguments"],
        Text::Arguments,
    ),
    member(&["delta", "function_call", "arguments"], Text::Arguments),
    member(
        &["delta", "tool_calls", "*", "custom", "input"],
        Text::Input,
    ),
    // OpenAI, audio output: `delta.audio.transcript`.
    member(&["delta", "audio", "transcript"], Text::Transcript),
    // OpenAI, `CreateCompletionResponse`, which streams as it answers.
    member(&["text"], Text::Completion),
    // DeepSeek, `reasoning_content` of its reasoner; so do SGLang, llama.cpp, LiteLLM, Qwen and older vLLM.
    member(&["delta", "reasoning_content"], Text::Thought(0)),
    // OpenRouter, `reasoning`; so do Groq, Together, Ollama and vLLM since 0.12.
    member(&["delta", "reasoning"], Text::Thought(1)),
    // OpenRouter, `reasoning_details`: `reasoning.text` and `reasoning.summary`.
    member(
        &["delta", "reasoning_details", "*", "text"],
        Text::Thought(2),
    ),
    member(
        &["delta", "reasoning_details", "*", "summary"],
        Text::Thought(3),
    ),
    // Ollama's own name, which some bridges keep.
    member(&["delta", "thinking"], Text::Thought(4)),
    // LiteLLM, `thinking_blocks`, Anthropic's blocks as they are.
    member(
        &["delta", "thinking_blocks", "*", "thinking"],
        Text::Thought(5),
    ),
    // The same once more.
    member(
        &[
            "delta",
            "provider_specific_fields",
            "thinking_blocks",
            "*",
            "thinking",
        ],
        Text::Thought(7),
    ),
    // Mistral, `DeltaMessage.content`: a string or `ContentChunk`s, of which `ThinkChunk` holds `TextChunk`s.
    member(&["delta", "content", "*", "text"], Text::Content),
    member(
        &["delta", "content", "*", "thinking", "*", "text"],
        Text::Thought(6),
    ),
    member(&["delta", "content", "*", "thinking"], Text::Thought(6)),
    // OpenAI's parts of an assistant message, which bridges stream as they are.
    member(&["delta", "content", "*", "refusal"], Text::Refusal),
    // Bridges that stream a list of strings.
    member(&["delta", "content", "*"], Text::Content),
    // Databricks: `content` parts of the type `reasoning`.
    member(
        &["delta", "content", "*", "summary", "*", "text"],
        Text::Thought(3),
    ),
];

/// The text at `path` inside a choice, and the positions of the array elements on the way.
pub(super) fn text_at(path: &[Step<'_>]) -> Option<(&'static Member, [usize; 2])> {
    CHOICE
        .iter()
        .find_map(|member| Some((member, matches(member.path, path)?)))
}

/// The positions on the way, if the names are those of `pattern`.
fn matches(pattern: &[&str], path: &[Step<'_>]) -> Option<[usize; 2]> {
    if pattern.len() != path.len() {
        return None;
    }
    let mut at = [0; 2];
    let mut places = at.iter_mut();
    for (name, step) in pattern.iter().zip(path) {
        match step {
            Step::Key(key) if key == name => {}
            Step::Index(index) if *name == "*" => *places.next()? = *index,
            _ => return None,
        }
    }
    Some(at)
}

/// Text deltas of the Responses API are the strings `delta` of events whose type ends so (OpenAI, `ResponseStreamEvent`):
/// `response.output_text.delta`, `response.refusal.delta`, `response.reasoning_text.delta`,
/// `response.reasoning_summary_text.delta`, `response.function_call_arguments.delta`, `response.mcp_call_arguments.delta`,
/// `response.custom_tool_call_input.delta`, `response.code_interpreter_call_code.delta`, `response.audio.transcript.delta`.
/// Returns what continues.
pub(super) fn item_text(kind: &str) -> Option<&str> {
    // Sound, which is base64 in each delta for itself.
    kind.strip_suffix(".delta")
        .filter(|kind| !matches!(*kind, "response.audio" | "response.output_audio"))
}

/// Strings that name or classify. The APIs define them as whole; a reader that appended them would read nonsense in every
/// stream. Sources: the chunks of OpenAI (up to `obfuscation`, and the `*_id`s of the Responses API), of vLLM
/// (`stop_reason`) and of `OpenRouter` (`provider`, `native_finish_reason`, `format`), and Anthropic's blocks (`signature`).
pub(super) fn is_label(path: &[Step<'_>]) -> bool {
    let Some(Step::Key(name)) = path.last() else {
        return false;
    };
    matches!(
        &**name,
        "id" | "object"
            | "model"
            | "role"
            | "type"
            | "status"
            | "finish_reason"
            | "system_fingerprint"
            | "service_tier"
            | "obfuscation"
            | "stop_reason"
            | "provider"
            | "native_finish_reason"
            | "format"
            | "signature"
    ) || name.ends_with("_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(path: &str) -> Vec<Step<'_>> {
        path.split('.')
            .map(|step| match step.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Key(step.into()),
            })
            .collect()
    }

    #[test]
    fn texts_are_found_by_their_names() {
        for (path, text, at) in [
            ("text", Text::Completion, [0, 0]),
            ("delta.content", Text::Content, [0, 0]),
            ("delta.content.3", Text::Content, [3, 0]),
            ("delta.content.1.text", Text::Content, [1, 0]),
            ("delta.content.1.thinking.2.text", Text::Thought(6), [1, 2]),
            (
                "delta.tool_calls.4.function.arguments",
                Text::Arguments,
                [4, 0],
            ),
        ] {
            let (member, places) = text_at(&steps(path)).unwrap();
            assert_eq!((member.text, places), (text, at), "{path}");
        }
    }

    #[test]
    fn other_strings_are_none() {
        for path in [
            "delta.role",
            "delta.tool_calls.0.id",
            "delta.tool_calls.0.function.name",
            "delta.images.0.image_url.url",
            "delta.annotations.0.url_citation.title",
            "delta.content.0.image_url.url",
            "delta.audio.data",
            "message.content",
            "delta.x",
            "finish_reason",
        ] {
            assert_eq!(text_at(&steps(path)), None, "{path}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_reachable() {
        for (line, member) in CHOICE.iter().enumerate() {
            let path: Vec<String> = member
                .path
                .iter()
                .map(|name| name.replace('*', "0"))
                .collect();
            let path = path.join(".");
            let (found, _) = text_at(&steps(&path)).unwrap();
            assert!(std::ptr::eq(found, member), "line {line}: {path}");
        }
    }
}
