//! The structure of one event of a stream: which of its strings continue which text.
//!
//! Chat and text completions (`chat.completion.chunk`, `text_completion`): texts of choices, by the table of
//! [`super::members`]. The Responses API: one text per kind of delta and part of an item.

use std::borrow::Cow;

use super::{
    channels::MAX_CHANNELS,
    identity::{self, ItemName, Name, Numbers, Unclear},
    joined::Candidate,
    members::{self, Member, Text},
};
use crate::json::{self, Kind, Node, Step};

/// Longest raw member that chunks of our own repeat; identifiers are shorter.
const MAX_REPEATED: usize = 256;

/// Which text a string continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::exchange) enum Key {
    /// A text of a choice.
    Choice {
        /// `index` of the choice.
        choice: u32,
        text: Text,
        /// Which call, for what tools are called with.
        call: u32,
    },
    /// A text of the Responses API.
    Item {
        /// The event's type without `.delta`.
        kind: String,
        /// Which item.
        item: u32,
        /// Which part of it: `content_index` and `summary_index`.
        part: [u32; 2],
    },
}

impl Key {
    /// Whether the text is the answer: what people read of it.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Choice { text, .. } => text.is_answer(),
            Self::Item { kind, .. } => matches!(
                kind.strip_prefix("response."),
                Some(
                    "output_text"
                        | "refusal"
                        | "audio.transcript"
                        | "audio_transcript"
                        | "output_audio_transcript"
                )
            ),
        }
    }

    /// Whether the text is JSON itself.
    pub(super) fn is_arguments(&self) -> bool {
        match self {
            Self::Choice { text, .. } => *text == Text::Arguments,
            Self::Item { kind, .. } => kind.ends_with("arguments"),
        }
    }

    /// Whether it is a text of this choice.
    pub(super) fn is_of(&self, number: u32) -> bool {
        self.choice() == Some(number)
    }

    /// The choice that the text belongs to.
    pub(super) fn choice(&self) -> Option<u32> {
        match self {
            Self::Choice { choice, .. } => Some(*choice),
            Self::Item { .. } => None,
        }
    }
}

/// A string that continues a text.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) key: Key,
    pub(super) node: Node,
    pub(super) place: Place<'a>,
    /// A new call, part or item begins here, whatever its number says.
    pub(super) begins: bool,
    /// What may leave in its place.
    pub(super) released: String,
}

/// Where a piece stands, so that text that waits can leave at such a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    Choice {
        member: &'static Member,
        /// `index`, or the position, of the outer array element.
        part: u32,
        /// `index` and `type` of the array elements on the way.
        elements: [Element<'a>; 2],
    },
    Item(ItemName<'a>),
}

/// What names an element of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Element<'a> {
    pub(super) index: Option<u32>,
    pub(super) kind: Option<&'a str>,
}

/// What ends with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Nothing,
    /// The complete form of an item's text, or of the item, follows.
    Items,
    /// All of them.
    Stream,
}

/// What is known of one choice of the event.
#[derive(Debug, Default)]
pub(super) struct ChoiceNote {
    position: usize,
    index: Option<u32>,
    /// It has a `finish_reason`, which says something.
    pub(super) is_finished: bool,
    pub(super) ran_out: bool,
    /// The last call that it names.
    pub(super) call: Option<u32>,
}

impl ChoiceNote {
    /// Its `index`, or its position.
    pub(super) fn number(&self) -> u32 {
        self.index
            .unwrap_or(u32::try_from(self.position).unwrap_or(u32::MAX))
    }
}

/// What is known of an element of an array inside a choice.
#[derive(Debug)]
struct ElementNote<'a> {
    choice: usize,
    list: &'static str,
    at: [usize; 2],
    element: Element<'a>,
    name: Name,
    /// Which call it is.
    number: Option<u32>,
    /// Another call had that number.
    begins: bool,
}

impl ElementNote<'_> {
    fn new(choice: usize, list: &'static str, at: [usize; 2]) -> Self {
        Self {
            choice,
            list,
            at,
            element: Element::default(),
            name: Name::default(),
            number: None,
            begins: false,
        }
    }
}

/// Arrays of a delta whose elements hold text.
const LISTS: [&str; 4] = [CALLS, "content", "reasoning_details", "thinking_blocks"];
const CALLS: &str = "tool_calls";
/// Stands for the number of a call where there is no list of calls.
const NO_CALL: u32 = u32::MAX;
/// Items are numbered as if they were calls of a choice of their own.
const ITEMS: u32 = u32::MAX;

/// A string of a choice that is text.
#[derive(Debug)]
struct Found {
    choice: usize,
    member: &'static Member,
    at: [usize; 2],
    node: Node,
}

/// What was found in one event.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    pub(super) choices: Vec<ChoiceNote>,
    /// Calls that begin under a number that another one had, with their choices.
    pub(super) begun: Vec<(u32, u32)>,
    /// Strings that are no text.
    pub(super) others: Vec<Candidate>,
    /// Members that every chunk of a stream repeats.
    pub(super) head: Vec<(&'static str, Node)>,
    found: Vec<Found>,
    elements: Vec<ElementNote<'a>>,
    /// The element that was met last.
    current: usize,
    item: ItemName<'a>,
    kind: Option<Cow<'a, str>>,
    has_error: bool,
    delta: Option<Node>,
    /// Something that readers disagree on, or more than can be told apart.
    is_malformed: bool,
}

impl<'a> Chunk<'a> {
    /// Begins the event with this name, which counts where its payload states no type.
    pub(super) fn named(name: Option<&'a str>) -> Self {
        Self {
            kind: name.map(Cow::Borrowed),
            ..Self::default()
        }
    }

    /// Takes a node. True when its text will be judged as part of a channel.
    pub(super) fn note(&mut self, body: &'a str, path: &[Step<'a>], node: &Node) -> bool {
        if let Kind::Name { .. } = node.kind {
            return false;
        }
        let raw = body.get(node.range.clone()).unwrap_or_default();
        let is_text = match path {
            [Step::Key(member)] => self.note_member(member, raw, node),
            [choices, Step::Index(position), inside @ ..] if choices.is("choices") => {
                self.note_choice(*position, inside, raw, node)
            }
            _ => false,
        };
        let is_string = matches!(node.kind, Kind::String { .. }) && !raw.is_empty();
        if is_string && !is_text && !members::is_label(path) {
            let choice = self.choices.last().map_or(0, ChoiceNote::number);
            self.others.push(Candidate::new(choice, path, node));
        }
        self.is_malformed |= self.others.len().max(self.found.len() * 8) > MAX_CHANNELS * 8;
        is_text
    }

    fn note_member(&mut self, name: &str, raw: &'a str, node: &Node) -> bool {
        match (name, node.kind) {
            ("type", Kind::String { escaped }) => self.kind = Some(json::decode(raw, escaped)),
            ("choices", Kind::Object | Kind::String { .. } | Kind::Number | Kind::Bool(_)) => {
                self.is_malformed = true;
            }
            ("error", Kind::Object | Kind::Array | Kind::String { .. }) => self.has_error = true,
            ("delta", Kind::String { .. }) => {
                self.delta = Some(node.clone());
                return true;
            }
            (name, kind) => {
                self.is_malformed |= self.item.note(name, node, raw).is_err();
                let repeated = ["id", "object", "model", "created"];
                if let Some(name) = repeated.into_iter().find(|repeated| *repeated == name)
                    && matches!(kind, Kind::String { .. } | Kind::Number)
                    && raw.len() <= MAX_REPEATED
                {
                    self.head.push((name, node.clone()));
                }
            }
        }
        false
    }

    /// A node inside a choice.
    fn note_choice(
        &mut self,
        position: usize,
        inside: &[Step<'a>],
        raw: &'a str,
        node: &Node,
    ) -> bool {
        let is_known = |choice: &ChoiceNote| choice.position == position;
        if !self.choices.last().is_some_and(is_known) {
            self.is_malformed |= self.choices.len() >= MAX_CHANNELS;
            self.choices.push(ChoiceNote {
                position,
                ..ChoiceNote::default()
            });
        }
        if let [.., Step::Key(name)] = inside
            && name == "index"
        {
            self.note_index(position, inside, raw, node.kind);
        } else if let Kind::String { escaped } = node.kind {
            return self.note_string(position, inside, raw, escaped, node);
        }
        false
    }

    fn note_index(&mut self, position: usize, inside: &[Step<'a>], raw: &str, kind: Kind) {
        let index = if let [_] = inside {
            let index = identity::index(kind, raw);
            if let (Some(choice), Ok(Some(index))) = (self.choices.last_mut(), index) {
                choice.index = Some(index);
            }
            index
        } else if let Some(element) = self.element(position, inside) {
            let index = identity::index(kind, raw);
            element.element.index = index.unwrap_or_default();
            index
        } else {
            Ok(None)
        };
        self.is_malformed |= index.is_err();
    }

    fn note_string(
        &mut self,
        position: usize,
        inside: &[Step<'a>],
        raw: &'a str,
        escaped: bool,
        node: &Node,
    ) -> bool {
        if let Some((member, at)) = members::text_at(inside) {
            self.found.push(Found {
                choice: position,
                member,
                at,
                node: node.clone(),
            });
            return true;
        }
        let Some(Step::Key(name)) = inside.last() else {
            return false;
        };
        if let ("finish_reason", [_]) = (&**name, inside) {
            let reason = json::decode(raw, escaped);
            if let Some(choice) = self.choices.last_mut() {
                choice.is_finished = is_end(&reason);
                choice.ran_out = reason == "length";
            }
        }
        if matches!(&**name, "id" | "name" | "type") {
            let hash = (!raw.is_empty()).then(|| identity::hash(&json::decode(raw, escaped)));
            if let Some(note) = self.element(position, inside) {
                match &**name {
                    "id" => note.name.id = hash,
                    "name" => note.name.name = hash,
                    _ => note.element.kind = Some(raw).filter(|_| is_word(raw)),
                }
            }
        }
        false
    }

    /// The array element that a member belongs to: of the innermost array around it, known or new.
    fn element(&mut self, choice: usize, inside: &[Step<'a>]) -> Option<&mut ElementNote<'a>> {
        let [Step::Key(delta), Step::Key(list), below @ ..] = inside else {
            return None;
        };
        let list = LISTS.into_iter().find(|known| list == known)?;
        // The name of a call lies one member deeper.
        let is_own = matches!(below, [.., Step::Index(_), Step::Key(_)])
            || matches!(below, [Step::Index(_), Step::Key(_), Step::Key(name)] if name == "name");
        if delta != "delta" || !is_own {
            return None;
        }
        let mut at = [usize::MAX; 2];
        let positions = below.iter().filter_map(|step| match step {
            Step::Index(index) => Some(*index),
            Step::Key(_) => None,
        });
        let mut places = at.iter_mut();
        for position in positions {
            *places.next()? = position;
        }
        let is_same =
            |note: &ElementNote<'_>| (note.choice, note.list, note.at) == (choice, list, at);
        // Members of one element mostly stand together.
        if !self.elements.get(self.current).is_some_and(is_same) {
            self.current = match self.elements.iter().rposition(is_same) {
                Some(known) => known,
                None if self.elements.len() >= MAX_CHANNELS => {
                    self.is_malformed = true;
                    return None;
                }
                None => {
                    self.elements.push(ElementNote::new(choice, list, at));
                    self.elements.len() - 1
                }
            };
        }
        self.elements.get_mut(self.current)
    }

    /// Names the channels, now that all of the event is known. Returns a string that continues none after all.
    pub(super) fn settle(&mut self, numbers: &mut Numbers) -> Result<Option<Node>, Unclear> {
        if self.is_malformed {
            return Err(Unclear);
        }
        self.number_calls(numbers)?;
        for found in std::mem::take(&mut self.found) {
            let piece = self.piece(found, numbers)?;
            self.pieces.push(piece);
        }
        self.note_begun();
        let Some(node) = self.delta.take() else {
            return Ok(None);
        };
        let Some(key) = self.item_key(numbers)? else {
            return Ok(Some(node));
        };
        let (key, begins) = key;
        self.pieces.push(Piece {
            key,
            node,
            place: Place::Item(self.item),
            begins,
            released: String::new(),
        });
        Ok(None)
    }

    /// Numbers the calls that have names of their own in this event.
    fn number_calls(&mut self, numbers: &mut Numbers) -> Result<(), Unclear> {
        let Self {
            choices, elements, ..
        } = self;
        for note in elements.iter_mut().filter(|note| note.list == CALLS) {
            let choice = number_of(choices, note.choice);
            let [position, _] = note.at.map(to_u32);
            let name = Name {
                index: note.element.index,
                ..note.name
            };
            let (number, begins) = numbers.resolve(choice, name, position)?;
            note.number = Some(number);
            note.begins = begins;
            if let Some(noted) = choices
                .iter_mut()
                .rfind(|noted| noted.position == note.choice)
            {
                noted.call = Some(number);
            }
        }
        Ok(())
    }

    fn piece(&self, found: Found, numbers: &mut Numbers) -> Result<Piece<'a>, Unclear> {
        let Found {
            choice: position,
            member,
            at: [outer, inner],
            node,
        } = found;
        let choice = number_of(&self.choices, position);
        let list = member.path.get(1).copied().unwrap_or_default();
        let note = |at| {
            self.elements
                .iter()
                .find(|note| (note.choice, note.list, note.at) == (position, list, at))
        };
        let (own, nested) = (note([outer, usize::MAX]), note([outer, inner]));
        let element = |note: Option<&ElementNote<'a>>| {
            note.map_or_else(Element::default, |note| note.element)
        };
        let number = match own.and_then(|note| note.number) {
            _ if list != CALLS => NO_CALL,
            Some(number) => number,
            None => numbers.resolve(choice, Name::default(), to_u32(outer))?.0,
        };
        Ok(Piece {
            key: Key::Choice {
                choice,
                text: member.text,
                call: number,
            },
            node,
            place: Place::Choice {
                member,
                part: element(own).index.unwrap_or(to_u32(outer)),
                elements: [element(own), element(nested)],
            },
            begins: own.is_some_and(|note| note.begins),
            released: String::new(),
        })
    }

    /// Calls that begin without any arguments yet.
    fn note_begun(&mut self) {
        for note in self.elements.iter().filter(|note| note.begins) {
            let Some(number) = note.number else { continue };
            let choice = number_of(&self.choices, note.choice);
            let has_piece = |piece: &Piece<'_>| {
                piece.begins
                    && matches!(piece.key, Key::Choice { choice: of, call, .. } if of == choice && call == number)
            };
            if !self.pieces.iter().any(has_piece) {
                self.begun.push((choice, number));
            }
        }
    }

    /// The text of the Responses API that the event's `delta` or its end is about, and whether another item had its number.
    fn item_key(&self, numbers: &mut Numbers) -> Result<Option<(Key, bool)>, Unclear> {
        let Some(kind) = self.kind().and_then(members::item_text) else {
            return Ok(None);
        };
        if !is_word(kind) {
            return Err(Unclear);
        }
        let (item, begins) = numbers.resolve(ITEMS, self.item.name(), 0)?;
        let part = [self.item.content, self.item.summary].map(Option::unwrap_or_default);
        Ok(Some((
            Key::Item {
                kind: kind.to_owned(),
                item,
                part,
            },
            begins,
        )))
    }

    /// The item that the event is about.
    pub(super) fn item(&self, numbers: &mut Numbers) -> Result<u32, Unclear> {
        Ok(numbers.resolve(ITEMS, self.item.name(), 0)?.0)
    }

    /// Forgets a name that holds something that was replaced.
    pub(super) fn hide_names(&mut self, is_edited: impl Fn(&std::ops::Range<usize>) -> bool) {
        self.head.retain(|(_, node)| !is_edited(&node.range));
        for piece in &mut self.pieces {
            if let Place::Item(name) = &mut piece.place
                && is_edited(&name.range())
            {
                name.id = None;
            }
        }
    }

    /// The event's type.
    pub(super) fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Whether the provider says that it failed.
    pub(super) fn is_error(&self) -> bool {
        self.has_error || self.kind() == Some("error")
    }

    /// Whether strings of this event may be continued by those of the next: not where the API repeats whole forms.
    pub(super) fn may_continue(&self) -> bool {
        !self.kind().is_some_and(|kind| {
            kind.starts_with("response.") && kind.strip_suffix(".delta").is_none()
        })
    }

    /// What ends with this event of the Responses API.
    pub(super) fn ending(&self) -> Ending {
        match self.kind() {
            Some("response.completed" | "response.incomplete" | "response.failed") => {
                Ending::Stream
            }
            Some(kind) if kind.strip_suffix(".done").is_some() => Ending::Items,
            _ => Ending::Nothing,
        }
    }
}

fn number_of(choices: &[ChoiceNote], position: usize) -> u32 {
    // In order, and mostly without gaps.
    choices
        .get(position)
        .filter(|choice| choice.position == position)
        .or_else(|| choices.iter().find(|choice| choice.position == position))
        .map_or(0, ChoiceNote::number)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Whether a `finish_reason` says that the choice ends. Servers write an empty string or the word for null into every chunk.
fn is_end(reason: &str) -> bool {
    !matches!(reason, "" | "null" | "none" | "None")
}

/// A plain name, which chunks of our own may repeat.
fn is_word(raw: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'-');
    raw.len() <= 64 && raw.bytes().all(is_fine)
}
