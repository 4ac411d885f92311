//! Where a text stands, in the words of exceptions and scopes: its member without positions, and the role of its message.
//!
//! An answer has the same members whether it comes whole or as a stream.

use std::collections::BTreeMap;

use crate::{
    json::{self, Kind, Step},
    narrowing::Place,
    verdict::Phase,
};

use super::stream::{Key, Member};

/// The roles of a conversation, by the positions of its messages.
#[derive(Debug, Default)]
pub(super) struct Turns {
    roles: BTreeMap<usize, String>,
    /// Messages before this one are history: the assistant spoke behind them, or is it.
    new_from: usize,
}

/// Roles that providers know. What any other one means is theirs to say, so it is none.
const ROLES: [&str; 6] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
];

impl Turns {
    /// Those of a request. One that cannot be read has none, and is refused when it is judged.
    pub(super) fn of(body: &str) -> Self {
        let (mut turns, mut kinds) = (Self::default(), BTreeMap::new());
        let walked = json::walk(body, &mut |path, node| {
            let ([list, Step::Index(turn), Step::Key(member)], Kind::String { escaped }) =
                (path, node.kind)
            else {
                return;
            };
            let text = || {
                let raw = body.get(node.range.clone()).unwrap_or_default();
                json::decode(raw, escaped).into_owned()
            };
            match &**member {
                _ if !is_conversation(list) => {}
                "role" => drop(turns.roles.insert(*turn, text())),
                "type" => drop(kinds.insert(*turn, text())),
                _ => {}
            }
        });
        if walked.is_err() {
            return Self::default();
        }
        for (turn, kind) in kinds {
            if let Some(role) = role_of(&kind) {
                turns.roles.entry(turn).or_insert_with(|| role.to_owned());
            }
        }
        turns.roles.retain(|_, role| ROLES.contains(&role.as_str()));
        let spoke = |(turn, role): (&usize, &String)| (role == "assistant").then_some(*turn + 1);
        turns.new_from = turns.roles.iter().filter_map(spoke).max().unwrap_or(0);
        turns
    }

    /// The place of a text of a request.
    pub(super) fn place(&self, path: &[Step<'_>]) -> Place {
        let turn = match path {
            [list, Step::Index(turn), ..] if is_conversation(list) => Some(turn),
            _ => None,
        };
        let role = match path {
            [member, ..] if member.is("instructions") => Some("system"),
            [member, ..] if member.is("prompt") => Some("user"),
            [member] if member.is("input") => Some("user"),
            _ => turn.and_then(|turn| self.roles.get(turn).map(String::as_str)),
        };
        Place {
            field: names(path).collect::<Vec<_>>().join("."),
            role: role.map(str::to_owned),
            is_old: turn.is_some_and(|turn| *turn < self.new_from),
            ..Place::default()
        }
    }
}

fn is_conversation(list: &Step<'_>) -> bool {
    list.is("messages") || list.is("input")
}

/// Whose an item of the Responses API is that has no role.
fn role_of(kind: &str) -> Option<&'static str> {
    match kind {
        "function_call_output" | "custom_tool_call_output" | "computer_call_output" => Some("tool"),
        "function_call" | "custom_tool_call" | "computer_call" | "reasoning" => Some("assistant"),
        _ => None,
    }
}

fn names<'p>(path: &'p [Step<'_>]) -> impl Iterator<Item = &'p str> {
    path.iter().filter_map(|step| match step {
        Step::Key(name) => Some(&**name),
        Step::Index(_) => None,
    })
}

/// The place of a text of an answer, whole or in an event that holds all of it.
pub(super) fn of_answer(path: &[Step<'_>]) -> Place {
    let mut names: Vec<&str> = names(path).collect();
    if names.first() == Some(&"response") {
        names.remove(0);
    }
    let instead: &[&str] = match names.as_slice() {
        ["choices", "delta", ..] => &["choices", "message"],
        ["item", ..] => &["output"],
        ["part", ..] => &["output", "content"],
        // Complete forms of texts in events of the Responses API.
        ["text"] => &["output", "content", "text"],
        ["refusal"] => &["output", "content", "refusal"],
        ["arguments"] => &["output", "arguments"],
        ["input"] => &["output", "input"],
        ["code"] => &["output", "code"],
        _ => &[],
    };
    let replaced = match names.first() {
        _ if instead.is_empty() => 0,
        Some(&"choices") => 2,
        _ => 1,
    };
    names.splice(..replaced, instead.iter().copied());
    assistant(names.join("."))
}

/// The place of a text of a stream.
pub(super) fn of_stream(key: &Key, member: Option<&Member>) -> Place {
    let field = match (key, member) {
        (Key::Choice { .. }, Some(member)) => {
            let names = member.path.iter().filter(|name| **name != "*");
            let names: Vec<Step<'_>> = (std::iter::once(&"choices").chain(names))
                .map(|name| Step::Key((*name).into()))
                .collect();
            return of_answer(&names);
        }
        (Key::Item { kind, .. }, _) => match kind.strip_prefix("response.").unwrap_or(kind) {
            "output_text" | "reasoning_text" => "output.content.text",
            "refusal" => "output.content.refusal",
            "reasoning_summary_text" => "output.summary.text",
            "function_call_arguments" | "mcp_call_arguments" => "output.arguments",
            "custom_tool_call_input" => "output.input",
            "code_interpreter_call_code" => "output.code",
            other => other,
        },
        (Key::Choice { .. }, None) => "choices",
    };
    assistant(field.to_owned())
}

fn assistant(field: String) -> Place {
    Place {
        field,
        role: Some("assistant".to_owned()),
        ..Place::default()
    }
}

/// The place of a text of either.
pub(super) fn of(path: &[Step<'_>], phase: Phase, turns: &Turns) -> Place {
    match phase {
        Phase::Input => turns.place(path),
        Phase::Output => of_answer(path),
    }
}
