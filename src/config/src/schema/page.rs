//! The reference for people, as Markdown: one table per mapping, in the order in which the reader reads.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{explore::Field, json, words};

const HEAD: &str = "\
# Reference of policy-config.yaml

Every key, made from the reader of policy files by `make golden`: keys, types and ranges are what it takes, and the tests hold each default
against it. `kt policy schema` prints the same as JSON Schema; with `# yaml-language-server: $schema=policy-config.schema.json` in the first
line of a policy file editors complete and check it. The schema knows keys, types and ranges. What `kt policy lint` knows beyond (expressions,
contradictions, settings without effect), it does not say. [policies.md](policies.md) and [targets.md](targets.md) explain; this page lists.

A key that is not here is an error. In paths `[]` stands for the items of a list, `<name>` for a name of your choice.
";

pub(super) fn page(root: &Field) -> String {
    let mut page = HEAD.to_owned();
    section(root, &mut page);
    page
}

/// The table of a mapping, then those of the mappings in it.
fn section(mapping: &Field, page: &mut String) {
    let about = words::of(&mapping.path).map_or("", |words| words.about);
    if mapping.path.is_empty() {
        page.push_str("\n## The file\n\n");
    } else {
        let _ = write!(page, "\n## `{}`\n\n", mapping.path);
    }
    if !about.is_empty() {
        let _ = write!(page, "{}\n\n", cell(about));
    }
    page.push_str("| key | value | default | example | |\n|---|---|---|---|---|\n");
    for (key, field) in &mapping.keys {
        row(key, field, page);
    }
    for (_, field) in &mapping.keys {
        below(field, page);
    }
}

fn below(field: &Field, page: &mut String) {
    if !field.keys.is_empty() {
        section(field, page);
    } else if let Some(item) = field.item.as_deref().filter(|item| !item.keys.is_empty()) {
        section(item, page);
    }
}

fn row(key: &str, field: &Field, page: &mut String) {
    let Some(words) = words::of(&field.path) else {
        return;
    };
    let default = match words.default() {
        Some(value) => code(&value),
        None => words.default.to_owned(),
    };
    let example = words
        .example()
        .map_or_else(String::new, |value| code(&value));
    let _ = writeln!(
        page,
        "| `{key}` | {} | {} | {} | {} |",
        cell(&kind(&json::field(field))),
        cell(&default),
        cell(&example),
        cell(words.about)
    );
}

/// What a schema takes, in words.
fn kind(schema: &Json) -> String {
    let part = |key: &str| schema.get(key).filter(|part| !part.is_null());
    if let Some(Json::Array(choices)) = part("enum") {
        return choices.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    if let Some(Json::Array(several)) = part("anyOf") {
        return several.iter().map(kind).collect::<Vec<_>>().join(", or ");
    }
    let name = match part("type") {
        Some(Json::String(name)) => name.as_str(),
        Some(Json::Array(names)) => match names.first().and_then(Json::as_str) {
            Some("object") => "object",
            _ => return "string, list or mapping".to_owned(),
        },
        _ => return "anything".to_owned(),
    };
    match name {
        "array" => list(schema),
        "object" => "mapping".to_owned(),
        "integer" => format!("whole number{}", range(schema)),
        "number" => format!("number{}", range(schema)),
        "boolean" => "`true`, `false`".to_owned(),
        other => other.to_owned(),
    }
}

fn list(schema: &Json) -> String {
    let items = schema.get("items").map_or_else(String::new, kind);
    let most = schema.get("maxItems").and_then(Json::as_u64);
    let most = most.map_or_else(String::new, |most| format!(", at most {most}"));
    match items.as_str() {
        "anything" | "" => format!("list{most}"),
        "string" => format!("list of strings{most}"),
        "mapping" => format!("list of mappings{most}"),
        items => format!("list of {items}{most}"),
    }
}

fn range(schema: &Json) -> String {
    let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        _ => String::new(),
    }
}

fn code(value: &Json) -> String {
    format!("`{value}`")
}

/// Text that stays within its cell, also where it holds angle brackets.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
