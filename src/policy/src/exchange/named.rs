//! The name of a member as context of its value: `{"ssn": 536228726}` says as much as `ssn: 536228726`.
//!
//! Detectors look back at the words in front of a value, so short values are read once more behind the names of their members.
//! Only values of entities are looked for there: a name says nothing to phrases and models.

use crate::json::Step;
use kt_text::detect;

/// Longer values are texts, which have their own context.
pub(super) const MAX_VALUE: usize = 512;
/// Fewest digits of a number that a name can make a value.
pub(super) const MIN_DIGITS: usize = 3;
/// Longest context: names beyond it would not be seen.
const MAX_CONTEXT: usize = 60;

/// Members of the APIs and of JSON Schema, which name no value.
const API: [&str; 51] = [
    "arguments",
    "call_id",
    "choices",
    "const",
    "content",
    "created",
    "created_at",
    "data",
    "default",
    "delta",
    "description",
    "embedding",
    "enum",
    "example",
    "examples",
    "finish_reason",
    "function",
    "function_call",
    "id",
    "index",
    "input",
    "item_id",
    "items",
    "message",
    "messages",
    "metadata",
    "model",
    "name",
    "object",
    "output",
    "parameters",
    "previous_response_id",
    "prompt",
    "properties",
    "reasoning",
    "refusal",
    "response",
    "response_id",
    "role",
    "schema",
    "status",
    "system",
    "text",
    "title",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tools",
    "type",
    "usage",
    "value",
];

/// What stands in front of the value at `path` for detectors: the nearest names, as words. Nothing where none says anything.
pub(super) fn context(path: &[Step<'_>]) -> Option<String> {
    let telling: Vec<&str> = names(path)
        .take(3)
        .filter(|name| !API.contains(name))
        .take(2)
        .collect();
    let mut words = String::new();
    for name in telling.iter().rev() {
        push_words(name, &mut words);
    }
    let cut = words.len().saturating_sub(MAX_CONTEXT);
    let mut words = words
        .get(words.ceil_char_boundary(cut)..)?
        .trim_end()
        .to_owned();
    if words.is_empty() {
        return None;
    }
    if matches!(path.last(), Some(Step::Index(_))) && words.ends_with('s') && !words.ends_with("ss")
    {
        // A list of them: `ssns`.
        words.pop();
    }
    words.push_str(": ");
    Some(words)
}

/// Appends `dateOfBirth`, `date_of_birth` or `date-of-birth` as `date of birth `.
fn push_words(name: &str, out: &mut String) {
    let mut last = ' ';
    for c in name.chars() {
        if c.is_ascii_uppercase() && last.is_ascii_lowercase() {
            out.push(' ');
        }
        out.push(if matches!(c, '_' | '-' | '.') {
            ' '
        } else {
            c.to_ascii_lowercase()
        });
        last = c;
    }
    out.push(' ');
}

/// The names at `path`, from the innermost.
fn names<'p>(path: &'p [Step<'_>]) -> impl Iterator<Item = &'p str> {
    path.iter().rev().filter_map(|step| match step {
        Step::Key(name) => Some(&**name),
        Step::Index(_) => None,
    })
}

/// The name of the value at `path`: its member's, or in a schema that of the property whose example it is.
fn own_name<'p>(path: &'p [Step<'_>]) -> Option<&'p str> {
    const EXAMPLES: [&str; 5] = ["const", "default", "example", "examples", "value"];
    names(path).find(|name| !EXAMPLES.contains(name))
}

/// The name itself in front of a value, for detectors that know whole names: `client_secret`.
pub(super) fn name(path: &[Step<'_>]) -> Option<String> {
    let name = own_name(path)?;
    (name.len() <= MAX_CONTEXT && !API.contains(&name)).then(|| format!("{name}: "))
}

/// Whether `text` is a password by its member's name.
pub(super) fn is_password(path: &[Step<'_>], text: &str) -> bool {
    own_name(path).is_some_and(|name| detect::is_password_name(name.as_bytes()))
        && detect::is_password(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &'static str) -> Option<String> {
        let steps = path
            .split('.')
            .map(|name| name.parse().map_or(Step::Key(name.into()), Step::Index));
        context(&steps.collect::<Vec<_>>())
    }

    #[test]
    fn names_are_words() {
        for (path, context) in [
            ("metadata.ssn", "ssn: "),
            ("metadata.dateOfBirth", "date of birth: "),
            ("metadata.patient.date-of-birth", "patient date of birth: "),
            ("metadata.SSN", "ssn: "),
            ("metadata.ssns.3", "ssn: "),
            (
                "tools.0.function.parameters.properties.ssn.examples.0",
                "ssn: ",
            ),
            ("patient.ssn.value", "patient ssn: "),
        ] {
            assert_eq!(of(path).as_deref(), Some(context), "{path}");
        }
        for path in [
            "messages.0.content",
            "messages.0.content.0.text",
            "choices.0.message.content",
            "model",
            "data.0.embedding.17",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
