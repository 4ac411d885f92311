//! What developers and their tools write all day is no personal data, and personal data among it still is.
//!
//! `tests/false_alarms/infrastructure.json` has code, logs, lock files, remotes, user agents, versions, hashes and ids; the code is from crates under MIT or
//! Apache-2.0, the lock file is this repository's. `controls.json` has values in the same company.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use kt_text::detect::{Entity, Label, Scanner, Span, Window};

fn entries(file: &str) -> Vec<serde_json::Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/false_alarms");
    serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap()
}

fn found(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    Scanner::new(Entity::ALL).scan(&Window::whole(text), &mut found);
    found
}

#[test]
fn infrastructure_is_left_alone() {
    let entries = entries("infrastructure.json");
    let text = |entry: &serde_json::Value| entry["text"].as_str().unwrap().to_owned();
    let hit: Vec<_> = entries
        .iter()
        .map(|entry| (found(&text(entry)), text(entry)))
        .filter(|(found, _)| !found.is_empty())
        .collect();
    assert!(entries.len() >= 150);
    assert!(hit.len() * 100 <= entries.len() * 2, "{hit:#?}");
}

#[test]
fn values_among_infrastructure_are_found() {
    let entries = entries("controls.json");
    assert!(entries.len() >= 150);
    let missed: Vec<_> = entries
        .iter()
        .filter(|entry| {
            let (text, value) = (
                entry["text"].as_str().unwrap(),
                entry["value"].as_str().unwrap(),
            );
            let start = text.find(value).unwrap();
            !found(text).iter().any(|span| {
                matches!(span.label, Label::Entity(entity) if entity.name() == entry["entity"])
                    && span.range == (start..start + value.len())
            })
        })
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
