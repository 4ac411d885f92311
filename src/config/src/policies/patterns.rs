//! What users look for: lists of regular expressions and of terms.

use kt_policy::MAX_LETTERS;
use kt_text::{
    detect::Entity,
    patterns::{Find, Pattern, check},
};

use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, wrong_type},
    seen::Kind,
    yaml::{Node, Scalar, Value},
};

/// More of them in one list are refused: each costs memory in every worker.
const MOST: usize = 500;

/// An item of `detect_patterns`.
pub(super) enum Detect {
    /// The name of something that the gateway knows.
    Entity(Entity),
    /// An expression.
    Regex(Pattern),
}

/// The strings of the list at `key`, with their paths.
pub(super) fn strings<'n>(
    fields: &mut Fields<'n>,
    key: &'static str,
    report: &mut Report,
) -> Vec<(&'n str, String, Position)> {
    let path = fields.path_of(key);
    report.asks(|| path.clone(), || Kind::Strings);
    let nodes = fields.list(key, report).unwrap_or_default();
    too_many(nodes, &path, report);
    let mut strings = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match &node.value {
            Value::Scalar(Scalar::Text(text)) => strings.push((text.as_str(), path, node.position)),
            _ => wrong_type(node, &path, "a string", report),
        }
    }
    strings
}

pub(super) fn too_many(nodes: &[Node], path: &str, report: &mut Report) {
    if let Some(first) = nodes.get(MOST) {
        let message = format!("`{path}` has {} items, more than {MOST}", nodes.len());
        report.error(
            Code::InvalidValue,
            path,
            first.position,
            message,
            "join some of them with `|`",
        );
    }
}

/// `detect_patterns`: expressions, or names of entities.
pub(super) fn detect(fields: &mut Fields<'_>, name: &str, report: &mut Report) -> Vec<Detect> {
    let strings = strings(fields, "detect_patterns", report);
    let items =
        strings
            .into_iter()
            .filter_map(|(text, path, position)| match Entity::from_name(text) {
                Some(entity) => Some(Detect::Entity(entity)),
                None => regex(text, name, &path, position, report).map(Detect::Regex),
            });
    items.collect()
}

/// One expression, once it is known to be usable.
pub(super) fn regex(
    expression: &str,
    name: &str,
    path: &str,
    position: Position,
    report: &mut Report,
) -> Option<Pattern> {
    if let Err(bad) = check(expression) {
        let message = format!(
            "the pattern cannot be used: {} (at character {})",
            bad.problem,
            bad.at + 1
        );
        report.error(Code::InvalidPattern, path, position, message, bad.remedy);
        return None;
    }
    Some(Pattern {
        name: label(name),
        find: Find::Regex(expression.to_owned()),
    })
}

/// A list of terms.
pub(super) fn terms(
    fields: &mut Fields<'_>,
    key: &'static str,
    name: &str,
    max_distance: u8,
    report: &mut Report,
) -> Vec<Pattern> {
    let mut terms = Vec::new();
    for (text, path, position) in strings(fields, key, report) {
        let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
        if letters == 0 || letters > MAX_LETTERS {
            let message = format!("`{path}` has {letters} letters and digits");
            report.error(
                Code::InvalidValue,
                &path,
                position,
                message,
                format!("write a term of 1 to {MAX_LETTERS} letters and digits"),
            );
            continue;
        }
        terms.push(Pattern {
            name: label(name),
            find: Find::Term {
                text: text.to_owned(),
                max_distance,
            },
        });
    }
    terms
}

/// `fuzzy_matching` and `max_distance`: how many letters may differ.
pub(super) fn distance(fields: &mut Fields<'_>, default: u8, report: &mut Report) -> u8 {
    let fuzzy = fields.boolean("fuzzy_matching", report).unwrap_or(false);
    let distance = fields
        .integer("max_distance", 0..=8, report)
        .and_then(|distance| u8::try_from(distance).ok());
    if let (Some(1..), false) = (distance, fuzzy) {
        let path = fields.path_of("max_distance");
        let message = format!("`{path}` has no effect without `fuzzy_matching: true`");
        report.warning(
            Code::NoEffect,
            &path,
            fields.key_position("max_distance"),
            message,
            "add `fuzzy_matching: true`, or remove it",
        );
    }
    if fuzzy {
        distance.unwrap_or(default)
    } else {
        0
    }
}

/// The name of a pattern as it stands in markers: `[PROJECT_CODE_REDACTED]`.
pub(super) fn label(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}
