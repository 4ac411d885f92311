//! Chunks of our own: text that waited leaves in them when there is no piece of its channel to leave in.

use super::{
    chunk::{Element, Key, Place},
    members::Member,
};
use crate::{json, sse};

/// A [`Place`] that is kept, by small extracts of what named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OwnPlace {
    Choice {
        member: &'static Member,
        part: u32,
        elements: [OwnElement; 2],
    },
    Item {
        /// `item_id`, as it stands in the JSON.
        id: Option<Box<str>>,
        /// Numbers that name the item and its part, and of the event.
        numbers: [(&'static str, Option<u32>); 4],
    },
}

/// An [`Element`] that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnElement {
    index: Option<u32>,
    kind: Option<Box<str>>,
}

impl OwnPlace {
    /// The line of the table that the text is of.
    pub(super) fn member(&self) -> Option<&'static Member> {
        match self {
            Self::Choice { member, .. } => Some(member),
            Self::Item { .. } => None,
        }
    }

    pub(super) fn of(place: &Place<'_>) -> Self {
        match place {
            Place::Choice {
                member,
                part,
                elements,
            } => Self::Choice {
                member,
                part: *part,
                elements: elements.map(|element| OwnElement {
                    index: element.index,
                    kind: element.kind.map(Box::from),
                }),
            },
            Place::Item(name) => Self::Item {
                id: name.id.map(Box::from),
                numbers: [
                    ("output_index", name.output),
                    ("content_index", name.content),
                    ("summary_index", name.summary),
                    ("sequence_number", name.sequence),
                ],
            },
        }
    }

    /// Takes the place of the newest piece.
    pub(super) fn update(&mut self, place: &Place<'_>) {
        let is_same = match (&*self, place) {
            (
                Self::Choice {
                    member,
                    part,
                    elements,
                },
                Place::Choice {
                    member: new,
                    part: new_part,
                    elements: new_elements,
                },
            ) => {
                std::ptr::eq(*member, *new)
                    && part == new_part
                    && elements
                        .iter()
                        .zip(new_elements)
                        .all(|(own, new)| own.is(new))
            }
            _ => false,
        };
        if !is_same {
            *self = Self::of(place);
        }
    }
}

impl OwnElement {
    fn is(&self, element: &Element<'_>) -> bool {
        self.index == element.index && self.kind.as_deref() == element.kind
    }
}

/// Writes a chunk that carries nothing but `text`. `head` is the start of a JSON object.
pub(super) fn write(key: &Key, place: &OwnPlace, head: &[u8], text: &str, out: &mut Vec<u8>) {
    if text.is_empty() {
        return;
    }
    let mut payload = vec![b'{'];
    match (key, place) {
        (
            Key::Choice { choice, .. },
            OwnPlace::Choice {
                member, elements, ..
            },
        ) => {
            payload.extend_from_slice(head);
            payload.extend_from_slice(format!("\"choices\":[{{\"index\":{choice},").as_bytes());
            write_choice(member, elements, text, &mut payload);
            payload.extend_from_slice(b",\"finish_reason\":null}]}");
        }
        (Key::Item { kind, .. }, OwnPlace::Item { id, numbers }) => {
            out.extend_from_slice(format!("event: {kind}.delta\n").as_bytes());
            write_item(kind, id.as_deref(), numbers, text, &mut payload);
        }
        _ => return,
    }
    sse::write_data(&payload, out);
}

fn write_item(
    kind: &str,
    id: Option<&str>,
    numbers: &[(&'static str, Option<u32>)],
    text: &str,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(format!("\"type\":\"{kind}.delta\",").as_bytes());
    if let Some(id) = id {
        out.extend_from_slice(format!("\"item_id\":\"{id}\",").as_bytes());
    }
    for (name, number) in numbers {
        if let Some(number) = number {
            out.extend_from_slice(format!("\"{name}\":{number},").as_bytes());
        }
    }
    if kind == "response.output_text" {
        // Clients of the Responses API require it.
        out.extend_from_slice(b"\"logprobs\":[],");
    }
    out.extend_from_slice(b"\"delta\":\"");
    json::encode(text, out);
    out.extend_from_slice(b"\"}");
}

fn write_choice(member: &Member, elements: &[OwnElement; 2], text: &str, out: &mut Vec<u8>) {
    if member.path.first() != Some(&"delta") {
        // Clients read `choices[0].delta` of every chunk without asking whether it is there.
        out.extend_from_slice(b"\"delta\":{},");
    }
    let mut closing = Vec::new();
    let mut elements = elements.iter();
    let mut is_open = true;
    for (at, name) in member.path.iter().enumerate() {
        if *name != "*" {
            if !is_open {
                out.push(b'{');
                closing.push(b'}');
            }
            out.extend_from_slice(format!("\"{name}\":").as_bytes());
            is_open = false;
            continue;
        }
        out.push(b'[');
        closing.push(b']');
        let element = elements.next();
        // A list of strings has no elements to name.
        if at + 1 < member.path.len() {
            out.push(b'{');
            closing.push(b'}');
            is_open = true;
            write_element(element, out);
        }
    }
    out.push(b'"');
    json::encode(text, out);
    out.push(b'"');
    out.extend(closing.iter().rev());
}

fn write_element(element: Option<&OwnElement>, out: &mut Vec<u8>) {
    if let Some(index) = element.and_then(|element| element.index) {
        out.extend_from_slice(format!("\"index\":{index},").as_bytes());
    }
    if let Some(kind) = element.and_then(|element| element.kind.as_deref()) {
        out.extend_from_slice(format!("\"type\":\"{kind}\",").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{super::members, *};
    use crate::json::Step;

    fn written(path: &[Step<'_>], elements: [Element<'_>; 2]) -> serde_json::Value {
        let (member, _) = members::text_at(path).unwrap();
        let place = Place::Choice {
            member,
            part: 0,
            elements,
        };
        let key = Key::Choice {
            choice: 2,
            text: member.text,
            call: 0,
        };
        let mut out = Vec::new();
        write(
            &key,
            &OwnPlace::of(&place),
            b"\"id\":\"c\",",
            "a \"b\"",
            &mut out,
        );
        let line = std::str::from_utf8(&out).unwrap();
        let payload = line
            .strip_prefix("data: ")
            .and_then(|line| line.strip_suffix("\n\n"));
        serde_json::from_str(payload.unwrap()).unwrap()
    }

    #[test]
    fn text_leaves_at_a_place_like_its_own() {
        let key = |name: &'static str| Step::Key(name.into());
        let element = |index, kind| Element { index, kind };
        let none = Element::default();
        let choice = |inside: serde_json::Value| {
            let mut choice = serde_json::json!({"index": 2, "finish_reason": null});
            choice
                .as_object_mut()
                .unwrap()
                .extend(inside.as_object().unwrap().clone());
            serde_json::json!({"id": "c", "choices": [choice]})
        };
        assert_eq!(
            written(&[key("delta"), key("content")], [none, none]),
            choice(serde_json::json!({"delta": {"content": "a \"b\""}}))
        );
        assert_eq!(
            written(&[key("text")], [none, none]),
            choice(serde_json::json!({"delta": {}, "text": "a \"b\""}))
        );
        assert_eq!(
            written(
                &[
                    key("delta"),
                    key("content"),
                    Step::Index(0),
                    key("thinking"),
                    Step::Index(0),
                    key("text")
                ],
                [
                    element(Some(1), Some("thinking")),
                    element(None, Some("text"))
                ]
            ),
            choice(
                serde_json::json!({"delta": {"content": [{"index": 1, "type": "thinking", "thinking": [{"type": "text", "text": "a \"b\""}]}]}})
            )
        );
        assert_eq!(
            written(
                &[key("delta"), key("content"), Step::Index(4)],
                [none, none]
            ),
            choice(serde_json::json!({"delta": {"content": ["a \"b\""]}}))
        );
        assert_eq!(
            written(
                &[
                    key("delta"),
                    key("tool_calls"),
                    Step::Index(0),
                    key("function"),
                    key("arguments")
                ],
                [element(Some(3), None), none]
            ),
            choice(
                serde_json::json!({"delta": {"tool_calls": [{"index": 3, "function": {"arguments": "a \"b\""}}]}})
            )
        );
    }
}
