//! What people say of each key: `words.txt`.

use kt_policy::PolicyKind;
use kt_routing::Failure;
use kt_text::detect::Entity;
use serde_json::{Value as Json, json};

use crate::provider;

/// One line of `words.txt`: `path | default | example | about`, and for what the reader looks at by itself `| JSON Schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) path: &'static str,
    /// JSON, or words such as `required`.
    pub(super) default: &'static str,
    /// JSON; empty for mappings, whose keys have examples.
    example: &'static str,
    pub(super) about: &'static str,
    shape: &'static str,
}

/// Every line.
pub(super) fn all() -> impl Iterator<Item = Words> {
    let lines = include_str!("words.txt").lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(read)
}

fn read(line: &'static str) -> Words {
    let mut parts = line.split(" |").map(str::trim);
    let mut next = || parts.next().unwrap_or_default();
    Words {
        path: next(),
        default: next(),
        example: next(),
        about: next(),
        shape: next(),
    }
}

/// The line of `path`.
pub(super) fn of(path: &str) -> Option<Words> {
    all().find(|words| words.path == path)
}

impl Words {
    /// The example, as it would stand in a file.
    pub(super) fn example(&self) -> Option<Json> {
        serde_json::from_str(self.example).ok()
    }

    /// The default, where it is a value.
    pub(super) fn default(&self) -> Option<Json> {
        serde_json::from_str(self.default).ok()
    }

    /// What the schema says beyond what the reader noted.
    pub(super) fn shape(&self) -> Option<Json> {
        let mut shape = serde_json::from_str(self.shape).ok()?;
        fill_in(&mut shape);
        Some(shape)
    }
}

/// Puts lists of names in where the file names them.
fn fill_in(shape: &mut Json) {
    match shape {
        Json::String(name) => {
            if let Some(list) = list(name) {
                *shape = list;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(fill_in),
        Json::Object(members) => members.values_mut().for_each(fill_in),
        _ => {}
    }
}

fn list(name: &str) -> Option<Json> {
    Some(match name {
        "$kinds" => json!(PolicyKind::ALL.map(PolicyKind::name)),
        "$triggers" => json!(Failure::ALL.map(Failure::name)),
        "$entities" => Entity::ALL.iter().map(|entity| entity.name()).collect(),
        "$providers" => {
            let names: Vec<&str> = provider::names().collect();
            json!(format!("^({})(:chat:.+)?$", names.join("|")))
        }
        _ => return None,
    })
}
