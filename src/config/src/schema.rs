//! The schema of policy files: JSON Schema for editors, and the reference for people.
//!
//! Keys, types, ranges and words come from the reader itself: [`explore`] reads made files until the reader asks for
//! nothing new. What only a person can say (defaults, examples, what a key is for) stands in `schema/words.txt`, one line
//! per key; the tests say which lines are missing, which are left over, and which defaults are not true.

mod explore;
mod json;
mod page;
mod words;

use serde_json::Value as Json;

/// The JSON Schema (draft 2020-12) of `policy-config.yaml`.
pub fn json_schema() -> Json {
    json::schema(&explore::explore())
}

/// The reference of every key, as Markdown.
pub fn reference() -> String {
    page::page(&explore::explore())
}

#[cfg(test)]
mod tests;
