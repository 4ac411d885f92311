use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{
    explore::{Field, explore},
    words,
};
use crate::seen::pattern;
use crate::{Gateway, Report, Severity, load};

/// Every field with a key, in order.
fn fields(field: &Field) -> Vec<&Field> {
    let below = field.keys.iter().map(|(_, field)| field);
    let mut all = Vec::new();
    for field in below {
        all.push(field);
        all.extend(fields(field));
    }
    if let Some(item) = &field.item {
        all.extend(fields(item));
    }
    all
}

#[test]
fn every_key_that_the_reader_knows_has_its_words() {
    let root = explore();
    let known: Vec<&str> = fields(&root)
        .iter()
        .map(|field| field.path.as_str())
        .collect();
    let described: Vec<&str> = words::all().map(|words| words.path).collect();
    let missing: Vec<&&str> = known
        .iter()
        .filter(|path| !described.contains(path))
        .collect();
    let left_over: Vec<&&str> = described
        .iter()
        .filter(|path| !known.contains(path))
        .collect();
    assert!(
        missing.is_empty(),
        "the reader of policy files takes these keys, and src/config/src/schema/words.txt has no line for them: {missing:?}\n\
         add a line each (`path | default | example | what it is for`), then `make golden`, which writes docs/reference.md"
    );
    assert!(
        left_over.is_empty(),
        "src/config/src/schema/words.txt has lines for keys that the reader does not take: {left_over:?}"
    );
}

#[test]
fn every_line_is_whole_and_stands_once() {
    let mut seen = BTreeMap::new();
    for words in words::all() {
        assert!(
            seen.insert(words.path, words).is_none(),
            "{} stands twice",
            words.path
        );
        assert!(
            !words.default.is_empty(),
            "{} has no default: write one, or words such as `none`",
            words.path
        );
        assert!(
            words.about.ends_with('.'),
            "{}: say in a sentence what it is for",
            words.path
        );
    }
}

#[test]
fn what_the_reader_demands_is_called_required() {
    let root = explore();
    for field in fields(&root) {
        let default = words::of(&field.path).map_or("", |words| words.default);
        let is_told = default.contains("required");
        assert!(
            is_told || !field.is_required,
            "{} is demanded by the reader; its default in words.txt is `{default}`",
            field.path
        );
        assert!(
            field.is_required || default != "required",
            "{} is called required in words.txt; the reader does not demand it",
            field.path
        );
    }
}

/// A file with the least that is needed, and `value` at `path`; every mapping on the way is there.
fn file_with(root: &Field, path: &str, value: Option<&Json>) -> String {
    let mut file = json!({
        "pack": {"name": "t", "version": "1.0.0", "enabled": true},
        "policies": {"chain": chain_for(path)},
        "providers": {"targets": [{"id": "a", "provider": "openai", "model": "m"}]},
    });
    put(&mut file, root, path, value);
    file.to_string()
}

/// The policy of `path` runs.
fn chain_for(path: &str) -> Json {
    let kind = path
        .strip_prefix("policy.")
        .and_then(|rest| rest.split('.').next());
    json!(kind.map(|kind| vec![kind]).unwrap_or_default())
}

/// Sets the value at `path`, below `at`, making the mappings and items on the way with what they require.
fn put(at: &mut Json, field: &Field, path: &str, value: Option<&Json>) {
    for (key, below) in &field.keys {
        let is_here = below.path == path;
        let is_on_the_way = path
            .strip_prefix(&below.path)
            .is_some_and(|rest| rest.starts_with(['.', '[']));
        if !(is_here || is_on_the_way) {
            continue;
        }
        if is_here {
            if let Some(value) = value {
                at[key.as_str()] = value.clone();
            }
            return;
        }
        let place = &mut at[key.as_str()];
        let Some(item) = &below.item else {
            if !place.is_object() {
                *place = required(below, path);
            }
            return put(place, below, path, value);
        };
        if place.as_array().is_none_or(Vec::is_empty) {
            *place = json!([required(item, path)]);
        }
        return put(&mut place[0], item, path, value);
    }
}

/// A mapping with the examples of what it must have; of two names for the same the first.
fn required(field: &Field, path: &str) -> Json {
    let is_other_name = |field: &Field| {
        words::of(path).is_some_and(|words| {
            let name = field.path.rsplit('.').next().unwrap_or_default();
            words.about == format!("Another name for `{name}`.")
        })
    };
    let keys = field
        .keys
        .iter()
        .filter(|(_, field)| field.is_required && !is_other_name(field));
    let members = keys.map(|(key, field)| {
        let example = words::of(&field.path).and_then(|words| words.example());
        (
            key.clone(),
            example.unwrap_or_else(|| required(field, path)),
        )
    });
    Json::Object(members.collect())
}

fn gateway(source: &str, path: &str) -> Gateway {
    match load(source) {
        Ok((gateway, _)) => gateway,
        Err(report) => panic!("{path}: {}", report.render("policy-config.yaml", source)),
    }
}

/// A default is true when the file means the same with it and without it.
#[test]
fn every_default_is_that_of_the_reader() {
    let root = explore();
    for words in words::all() {
        let Some(default) = words.default() else {
            continue;
        };
        let without = file_with(&root, words.path, None);
        let with = file_with(&root, words.path, Some(&default));
        assert_eq!(
            gateway(&with, words.path),
            gateway(&without, words.path),
            "`{}`: with the default that words.txt states the file means something else",
            words.path
        );
    }
}

/// An example may need other keys to make sense; it is never wrong by itself.
#[test]
fn every_example_is_taken() {
    let root = explore();
    for field in fields(&root) {
        let Some(example) = words::of(&field.path).and_then(|words| words.example()) else {
            assert!(
                !field.keys.is_empty(),
                "{} has no example in words.txt",
                field.path
            );
            continue;
        };
        let source = file_with(&root, &field.path, Some(&example));
        let report: Report = match load(&source) {
            Ok((_, warnings)) => warnings,
            Err(report) => report,
        };
        let is_below = |found: &str, path: &str| pattern(found).starts_with(path);
        let errors: Vec<_> = report
            .diagnostics()
            .iter()
            .filter(|found| found.severity == Severity::Error && is_below(&found.path, &field.path))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:?}", field.path);
    }
}
