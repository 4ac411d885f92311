//! The structure of one event of a stream: which of its strings continue which channel.
//!
//! Chat and text completions (`chat.completion.chunk`, `text_completion`): one channel per member of a choice,
//! `delta.content` of choice 0, the arguments of tool call 1 and so on. The Responses API: one channel per kind of
//! delta and item, `response.output_text.delta` of item `msg_1`, part 0.

use std::borrow::Cow;

use super::channels::MAX_CHANNELS;
use crate::json::{Kind, Node, Step};

/// Which deltas belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// A member of a choice.
    Choice {
        /// `index` of the choice.
        choice: u64,
        /// What leads to the text inside the choice.
        field: Vec<Segment<'a>>,
    },
    /// An item of the Responses API.
    Item {
        /// The event's type without `.delta`.
        kind: Cow<'a, str>,
        /// The numbers and ids that name the item and its part.
        ids: String,
    },
}

/// One step inside a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// A member.
    Member(Cow<'a, str>),
    /// An array element, by its `index`.
    Index(u64),
}

impl Key<'_> {
    pub(super) fn into_owned(self) -> Key<'static> {
        match self {
            Self::Choice { choice, field } => Key::Choice {
                choice,
                field: field.into_iter().map(Segment::into_owned).collect(),
            },
            Self::Item { kind, ids } => Key::Item {
                kind: Cow::Owned(kind.into_owned()),
                ids,
            },
        }
    }

    /// Whether the text is the answer: what people read of it.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Choice { field, .. } => match field.as_slice() {
                [Segment::Member(delta), Segment::Member(content)] => {
                    delta == "delta" && matches!(&**content, "content" | "refusal")
                }
                [Segment::Member(text)] => text == "text",
                _ => false,
            },
            Self::Item { kind, .. } => kind == "response.output_text" || kind == "response.refusal",
        }
    }

    /// Whether the text is JSON itself.
    pub(super) fn is_arguments(&self) -> bool {
        match self {
            Self::Choice { field, .. } => {
                matches!(field.last(), Some(Segment::Member(name)) if name == "arguments")
            }
            Self::Item { kind, .. } => kind.ends_with("arguments"),
        }
    }
}

impl Segment<'_> {
    fn into_owned(self) -> Segment<'static> {
        match self {
            Self::Member(name) => Segment::Member(Cow::Owned(name.into_owned())),
            Self::Index(index) => Segment::Index(index),
        }
    }
}

/// A string that continues a channel.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) key: Key<'a>,
    pub(super) node: Node,
    /// What may leave in its place.
    pub(super) released: String,
}

/// What ends with an event.
#[derive(Debug)]
pub(super) enum Ending<'a> {
    Nothing,
    /// The choices with these indexes.
    Choices(Vec<u64>),
    /// One item's text: its complete form follows.
    Channel(Key<'a>),
    /// All of them.
    Stream,
}

/// What was found in one event.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// Members that every chunk of a stream repeats, as the start of a JSON object.
    pub(super) head: Vec<u8>,
    /// Strings below `choices` that may continue a channel: the path from the choice's position on.
    candidates: Vec<(Vec<Step<'a>>, Node)>,
    /// `index` members below `choices`: the path of their array element, and the number.
    indexes: Vec<(Vec<Step<'a>>, u64)>,
    /// Positions in `choices` that have a `finish_reason`.
    finished: Vec<usize>,
    /// Those of them that ran out of tokens.
    ran_out: Vec<usize>,
    kind: Option<&'a str>,
    has_error: bool,
    delta: Option<Node>,
    ids: String,
}

impl<'a> Chunk<'a> {
    /// Takes a node. True when its text will be judged as part of a channel.
    pub(super) fn note(&mut self, body: &'a str, path: &[Step<'a>], node: &Node) -> bool {
        match path {
            [Step::Key(member)] => self.note_member(body, member, node),
            [choices, below @ ..] if choices.is("choices") => self.note_choice(body, below, node),
            _ => false,
        }
    }

    fn note_member(&mut self, body: &'a str, member: &str, node: &Node) -> bool {
        let raw = body.get(node.range.clone()).unwrap_or_default();
        match (member, node.kind) {
            ("type", Kind::String { escaped: false }) => self.kind = Some(raw),
            ("error", Kind::Object | Kind::String { .. }) => self.has_error = true,
            ("delta", Kind::String { .. }) => {
                self.delta = Some(node.clone());
                return true;
            }
            (
                "item_id" | "output_index" | "content_index" | "summary_index",
                Kind::String { .. } | Kind::Number,
            ) => {
                self.ids.push_str(&format!("{member}={raw};"));
            }
            ("id" | "object" | "model", Kind::String { .. }) => self
                .head
                .extend(format!("\"{member}\":\"{raw}\",").into_bytes()),
            ("created", Kind::Number) => self
                .head
                .extend(format!("\"{member}\":{raw},").into_bytes()),
            _ => {}
        }
        false
    }

    /// A node below `choices`.
    fn note_choice(&mut self, body: &str, below: &[Step<'a>], node: &Node) -> bool {
        let [Step::Index(position), .., Step::Key(member)] = below else {
            return false;
        };
        match node.kind {
            Kind::Number if member == "index" => {
                let element = below
                    .split_last()
                    .map(|(_, element)| element.to_vec())
                    .unwrap_or_default();
                let number = body
                    .get(node.range.clone())
                    .and_then(|number| number.parse().ok());
                self.indexes.extend(number.map(|number| (element, number)));
                false
            }
            Kind::String { .. } if member == "finish_reason" && below.len() == 2 => {
                self.finished.push(*position);
                if body.get(node.range.clone()) == Some("length") {
                    self.ran_out.push(*position);
                }
                false
            }
            Kind::String { .. } if !is_whole(below) => {
                self.candidates.push((below.to_vec(), node.clone()));
                true
            }
            _ => false,
        }
    }

    /// Whether the event has more parts than can be told apart in reasonable time.
    pub(super) fn is_too_wide(&self) -> bool {
        self.candidates.len().max(self.finished.len()) > MAX_CHANNELS
    }

    /// Names the channels, now that all of the event is known. Returns strings that continue none after all.
    pub(super) fn settle(&mut self) -> Vec<(Vec<Step<'a>>, Node)> {
        for (path, node) in std::mem::take(&mut self.candidates) {
            let key = Key::Choice {
                choice: self.index_of(path.get(..1).unwrap_or_default()),
                field: self.field(&path),
            };
            self.pieces.push(Piece {
                key,
                node,
                released: String::new(),
            });
        }
        let Some(node) = self.delta.take() else {
            return Vec::new();
        };
        match self.kind.and_then(|kind| kind.strip_suffix(".delta")) {
            Some(kind) if kind != "response.audio" => {
                let key = Key::Item {
                    kind: Cow::Borrowed(kind),
                    ids: self.ids.clone(),
                };
                self.pieces.push(Piece {
                    key,
                    node,
                    released: String::new(),
                });
                Vec::new()
            }
            // Sound, which is base64 in each delta for itself.
            Some(_) => vec![(
                vec![Step::Key("audio".into()), Step::Key("data".into())],
                node,
            )],
            None => vec![(vec![Step::Key("delta".into())], node)],
        }
    }

    /// Choices that end because there were no tokens left.
    pub(super) fn ran_out(&self) -> Vec<u64> {
        self.ran_out
            .iter()
            .map(|position| self.index_of(&[Step::Index(*position)]))
            .collect()
    }

    /// Whether the provider says that it failed.
    pub(super) fn is_error(&self) -> bool {
        self.has_error || self.kind == Some("error")
    }

    /// What ends with this event.
    pub(super) fn ending(&self) -> Ending<'a> {
        if !self.finished.is_empty() {
            return Ending::Choices(
                self.finished
                    .iter()
                    .map(|position| self.index_of(&[Step::Index(*position)]))
                    .collect(),
            );
        }
        match self.kind {
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                Ending::Stream
            }
            Some(kind) => match kind.strip_suffix(".done") {
                Some(kind) => Ending::Channel(Key::Item {
                    kind: Cow::Borrowed(kind),
                    ids: self.ids.clone(),
                }),
                None => Ending::Nothing,
            },
            None => Ending::Nothing,
        }
    }

    /// The `index` of the array element at `element`, or its position.
    fn index_of(&self, element: &[Step<'a>]) -> u64 {
        let stated = self
            .indexes
            .iter()
            .find(|(path, _)| path == element)
            .map(|(_, index)| *index);
        stated.unwrap_or(match element.last() {
            Some(Step::Index(position)) => *position as u64,
            _ => 0,
        })
    }

    fn field(&self, path: &[Step<'a>]) -> Vec<Segment<'a>> {
        let below = path.iter().enumerate().skip(1);
        below
            .map(|(depth, step)| match step {
                Step::Key(name) => Segment::Member(name.clone()),
                Step::Index(_) => {
                    Segment::Index(self.index_of(path.get(..=depth).unwrap_or_default()))
                }
            })
            .collect()
    }
}

/// Strings that are complete in each chunk rather than cut into deltas: by their own name, or below a list of whole
/// things.
fn is_whole(path: &[Step<'_>]) -> bool {
    let whole_member = |name: &str| {
        matches!(
            name,
            "role"
                | "id"
                | "type"
                | "name"
                | "object"
                | "format"
                | "finish_reason"
                | "stop_reason"
                | "call_id"
        )
    };
    let whole_list = |name: &str| matches!(name, "annotations" | "citations" | "search_results");
    let is_base64 = matches!(path, [.., Step::Key(parent), Step::Key(member)] if parent == "audio" && member == "data");
    is_base64
        || path
            .last()
            .is_some_and(|step| matches!(step, Step::Key(name) if whole_member(name)))
        || path
            .iter()
            .any(|step| matches!(step, Step::Key(name) if whole_list(name)))
}
