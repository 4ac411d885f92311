//! What an answer cost: token counts as the provider reports them, in streams only if it is asked for them.
//!
//! A client that did not ask gets no chunk of usage: OpenAI's is an event of its own, with no choices, and is left out. Counts
//! that a provider writes into chunks with text stay where they are.

use std::ops::Range;

use crate::{
    json::{Kind, Node, Step},
    splice::Edits,
};

/// Token counts as the provider reported them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// `usage.prompt_tokens`
    pub prompt_tokens: Option<u64>,
    /// `usage.completion_tokens`
    pub completion_tokens: Option<u64>,
    /// `usage.prompt_tokens_details.cached_tokens`, which are among those of the prompt.
    pub cached_tokens: Option<u64>,
    /// `usage.completion_tokens_details.reasoning_tokens`, which are among those of the answer.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Those of a whole answer; none of what is no JSON.
    pub fn of_answer(body: &[u8]) -> Self {
        let mut usage = Self::default();
        let read = std::str::from_utf8(body).ok().and_then(|text| {
            crate::json::walk(text, &mut |path, node| usage.note(text, path, node)).ok()
        });
        read.map_or_else(Self::default, |()| usage)
    }

    /// Picks up the token counts.
    pub(super) fn note(&mut self, body: &str, path: &[Step<'_>], node: &Node) {
        // `usage`, or `response.usage` in the events of the Responses API.
        let path = match path {
            [response, below @ ..] if response.is("response") => below,
            _ => path,
        };
        let [usage, Step::Key(member), rest @ ..] = path else {
            return;
        };
        if node.kind != Kind::Number || !usage.is("usage") {
            return;
        }
        let count = body
            .get(node.range.clone())
            .and_then(|number| number.parse().ok());
        match (&**member, rest) {
            ("prompt_tokens" | "input_tokens", []) => self.prompt_tokens = count,
            ("completion_tokens" | "output_tokens", []) => self.completion_tokens = count,
            ("prompt_tokens_details" | "input_tokens_details", [detail])
                if detail.is("cached_tokens") =>
            {
                self.cached_tokens = count;
            }
            ("cached_tokens", []) => self.cached_tokens = count,
            ("completion_tokens_details" | "output_tokens_details", [detail])
                if detail.is("reasoning_tokens") =>
            {
                self.reasoning_tokens = count;
            }
            _ => {}
        }
    }
}

/// What a request says of `stream_options.include_usage`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum UsageOption {
    /// There are no options.
    #[default]
    Absent,
    /// They are `null`, which stands here.
    Null(Range<usize>),
    /// They stand here and do not say it.
    Unsaid(Range<usize>),
    /// It is `false` or `null`, which stands here.
    Declined(Range<usize>),
    /// It is `true`.
    Asked,
    /// It is something else, which the provider may refuse.
    Strange,
}

impl UsageOption {
    /// Takes a node of the request.
    pub(super) fn note(&mut self, path: &[Step<'_>], node: &Node) {
        match path {
            [options] if options.is("stream_options") => {
                *self = match node.kind {
                    Kind::Null => Self::Null(node.range.clone()),
                    // Its members come first.
                    Kind::Object if *self != Self::Absent => return,
                    Kind::Object => Self::Unsaid(node.range.clone()),
                    _ => Self::Strange,
                };
            }
            [options, asked] if options.is("stream_options") && asked.is("include_usage") => {
                *self = match node.kind {
                    Kind::Bool(true) => Self::Asked,
                    Kind::Bool(false) | Kind::Null => Self::Declined(node.range.clone()),
                    _ => Self::Strange,
                };
            }
            _ => {}
        }
    }

    /// Asks. What is returned is a member to be added to the request, where there are no options yet.
    pub(super) fn ask(self, body: &str, edits: &mut Edits) -> Option<Vec<u8>> {
        const ASKED: &[u8] = b"{\"include_usage\":true}";
        match self {
            Self::Absent => return Some([b"\"stream_options\":".as_slice(), ASKED].concat()),
            Self::Null(range) => edits.replace_whole(range, ASKED.to_vec()),
            Self::Declined(range) => edits.replace_whole(range, b"true".to_vec()),
            Self::Unsaid(range) => {
                let inside = body.get(range.start + 1..range.end).unwrap_or_default();
                let comma = if inside.trim_start().starts_with('}') {
                    ""
                } else {
                    ","
                };
                let member = format!("\"include_usage\":true{comma}");
                edits.replace(range.start + 1..range.start + 1, member.into_bytes());
            }
            Self::Asked | Self::Strange => {}
        }
        None
    }
}

/// Whether an event of a stream carries usage and nothing else.
#[derive(Debug, Default)]
pub(super) struct UsageOnly {
    has_usage: bool,
    has_no_choices: bool,
}

impl UsageOnly {
    /// Takes a node of the event.
    pub(super) fn note(&mut self, body: &str, path: &[Step<'_>], node: &Node) {
        let [member] = path else { return };
        if node.kind == Kind::Object && member.is("usage") {
            self.has_usage = true;
        } else if node.kind == Kind::Array && member.is("choices") {
            let inside = body
                .get(node.range.start + 1..node.range.end)
                .unwrap_or_default();
            self.has_no_choices = inside.trim_start().starts_with(']');
        }
    }

    /// What was seen.
    pub(super) fn is_all(&self) -> bool {
        self.has_usage && self.has_no_choices
    }
}
