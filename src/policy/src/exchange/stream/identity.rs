//! Which piece belongs to which call and which item, however the provider numbers them.
//!
//! Readers go by `index`, by `id` or by position, and providers leave each of them out, repeat or restart it. So whatever
//! shares any of them with a text before continues that text: it is one text for every reader who may append the two,
//! and where only one of the names is new, a new call begins in it (see [`super::channels`]).

use std::ops::Range;

use crate::json::{Kind, Node};

use super::channels::MAX_CHANNELS;

/// Longest `item_id`; those of OpenAI have 53 characters.
const MAX_ID: usize = 256;

/// Something that readers would read in different ways, or that does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear;

/// An index as the providers spell it: `0`, `0.0`, `-0`, `"0"`, null or absent. Everything else is no index.
pub(super) fn index(kind: Kind, raw: &str) -> Result<Option<u32>, Unclear> {
    match kind {
        Kind::Null | Kind::String { .. } if raw.is_empty() || raw == "null" => return Ok(None),
        Kind::Number | Kind::String { .. } => {}
        _ => return Err(Unclear),
    }
    let number = raw.trim();
    let number = number
        .strip_prefix('-')
        .filter(|rest| rest.bytes().all(|byte| matches!(byte, b'0' | b'.')))
        .unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty()
        || !whole.bytes().all(|byte| byte.is_ascii_digit())
        || fraction.is_empty()
        || !fraction.bytes().all(|byte| byte == b'0')
    {
        return Err(Unclear);
    }
    whole.parse().map(Some).map_err(|_| Unclear)
}

/// FNV-1a.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What names an item of the Responses API and its part, in one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ItemName<'a> {
    /// `item_id`, as it stands in the JSON.
    pub(super) id: Option<&'a str>,
    is_escaped: bool,
    /// Where it stands.
    start: usize,
    pub(super) output: Option<u32>,
    pub(super) content: Option<u32>,
    pub(super) summary: Option<u32>,
    pub(super) sequence: Option<u32>,
}

impl<'a> ItemName<'a> {
    /// Takes a member of the event.
    pub(super) fn note(&mut self, name: &str, node: &Node, raw: &'a str) -> Result<(), Unclear> {
        match (name, node.kind) {
            ("item_id", Kind::String { escaped }) => {
                if raw.len() > MAX_ID {
                    return Err(Unclear);
                }
                self.is_escaped = escaped;
                self.start = node.range.start;
                self.id = (!raw.is_empty()).then_some(raw);
            }
            ("output_index", kind) => self.output = index(kind, raw)?,
            ("content_index", kind) => self.content = index(kind, raw)?,
            ("summary_index", kind) => self.summary = index(kind, raw)?,
            ("sequence_number", Kind::Number) => self.sequence = raw.parse().ok(),
            _ => {}
        }
        Ok(())
    }

    /// The bytes of the `item_id`.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.id.map_or(0, str::len)
    }

    pub(super) fn name(&self) -> Name {
        Name {
            id: self
                .id
                .map(|raw| hash(&crate::json::decode(raw, self.is_escaped))),
            index: self.output,
            name: None,
        }
    }
}

/// What a piece says of the call or item that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Name {
    pub(super) id: Option<u64>,
    pub(super) index: Option<u32>,
    pub(super) name: Option<u64>,
}

/// The calls of all choices, or the items.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    choice: u32,
    id: Option<u64>,
    index: u32,
    name: Option<u64>,
    number: u32,
}

impl Numbers {
    /// The number of the call that is meant, and whether a new one begins under a number that another had. `position`
    /// stands for an index that is not there.
    pub(super) fn resolve(
        &mut self,
        choice: u32,
        name: Name,
        position: u32,
    ) -> Result<(u32, bool), Unclear> {
        let index = name.index.unwrap_or(position);
        let by_id = name.id.and_then(|id| {
            self.known
                .iter()
                .rposition(|known| known.choice == choice && known.id == Some(id))
        });
        if let Some(at) = by_id {
            return Ok(self.again(at));
        }
        let by_index = self
            .known
            .iter()
            .rposition(|known| known.choice == choice && known.index == index);
        let Some(at) = by_index else {
            let number = self
                .known
                .iter()
                .map(|known| known.number + 1)
                .max()
                .unwrap_or(0);
            return self
                .add(choice, name, index, number)
                .map(|number| (number, false));
        };
        let Some(known) = self.known.get_mut(at) else {
            return Err(Unclear);
        };
        let differs =
            |old: Option<u64>, new: Option<u64>| old.is_some() && new.is_some() && old != new;
        if differs(known.id, name.id) || (name.id.is_none() && differs(known.name, name.name)) {
            let number = known.number;
            return self
                .add(choice, name, index, number)
                .map(|number| (number, true));
        }
        known.id = known.id.or(name.id);
        known.name = known.name.or(name.name);
        Ok((known.number, false))
    }

    /// A call that was named before: it begins anew if another one had its number since.
    fn again(&mut self, at: usize) -> (u32, bool) {
        let Some(number) = self.known.get(at).map(|known| known.number) else {
            return (0, false);
        };
        let is_last = !self
            .known
            .iter()
            .skip(at + 1)
            .any(|known| known.number == number);
        if !is_last {
            let known = self.known.remove(at);
            self.known.push(known);
        }
        (number, !is_last)
    }

    fn add(&mut self, choice: u32, name: Name, index: u32, number: u32) -> Result<u32, Unclear> {
        if self.known.len() >= MAX_CHANNELS {
            return Err(Unclear);
        }
        self.known.push(Known {
            choice,
            id: name.id,
            index,
            name: name.name,
            number,
        });
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_index_has_many_spellings() {
        for raw in ["0", "0.0", "-0", "-0.0", "0.000"] {
            assert_eq!(index(Kind::Number, raw), Ok(Some(0)), "{raw}");
            assert_eq!(
                index(Kind::String { escaped: false }, raw),
                Ok(Some(0)),
                "{raw}"
            );
        }
        assert_eq!(index(Kind::Number, "12.0"), Ok(Some(12)));
        assert_eq!(index(Kind::Null, "null"), Ok(None));
        assert_eq!(index(Kind::String { escaped: false }, ""), Ok(None));
        for raw in ["0.5", "-1", "1e3", "99999999999", "x", "0.", "\\u0030"] {
            assert_eq!(
                index(Kind::String { escaped: false }, raw),
                Err(Unclear),
                "{raw}"
            );
        }
        assert_eq!(index(Kind::Bool(false), "false"), Err(Unclear));
        assert_eq!(index(Kind::Array, "[0]"), Err(Unclear));
    }

    fn call(id: Option<&str>, index: Option<u32>) -> Name {
        Name {
            id: id.map(hash),
            index,
            name: None,
        }
    }

    #[test]
    fn calls_are_told_apart() {
        let mut numbers = Numbers::default();
        let mut resolve = |name, position| numbers.resolve(0, name, position).unwrap();
        // As OpenAI does it: the id once, then the index.
        assert_eq!(resolve(call(Some("a"), Some(0)), 0), (0, false));
        assert_eq!(resolve(call(None, Some(0)), 0), (0, false));
        assert_eq!(resolve(call(Some("b"), Some(1)), 0), (1, false));
        assert_eq!(resolve(call(None, Some(1)), 0), (1, false));
        // A new id under the same index, and the old one again.
        assert_eq!(resolve(call(Some("c"), Some(1)), 0), (1, true));
        assert_eq!(resolve(call(Some("c"), Some(1)), 0), (1, false));
        assert_eq!(resolve(call(Some("b"), Some(1)), 0), (1, true));
        // Without an index the position counts; an id is stronger than both.
        assert_eq!(resolve(call(None, None), 0), (0, false));
        assert_eq!(resolve(call(Some("a"), Some(7)), 0), (0, false));
        assert_eq!(resolve(call(Some("d"), None), 0), (0, true));
        assert_eq!(
            numbers.resolve(1, call(Some("a"), Some(0)), 0),
            Ok((2, false))
        );
    }

    #[test]
    fn another_name_is_another_call() {
        let mut numbers = Numbers::default();
        let named = |name: &str| Name {
            name: Some(hash(name)),
            index: Some(0),
            id: None,
        };
        assert_eq!(numbers.resolve(0, named("f"), 0), Ok((0, false)));
        assert_eq!(numbers.resolve(0, named("f"), 0), Ok((0, false)));
        assert_eq!(numbers.resolve(0, named("g"), 0), Ok((0, true)));
    }

    #[test]
    fn calls_without_end_are_refused() {
        let mut numbers = Numbers::default();
        for index in 0..1024 {
            assert!(numbers.resolve(0, call(None, Some(index)), 0).is_ok());
        }
        assert_eq!(numbers.resolve(0, call(None, Some(1024)), 0), Err(Unclear));
    }
}
