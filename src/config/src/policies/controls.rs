//! What every policy of a chain may say beside its own settings.

use kt_policy::{Control, Mode, OnBlock, PolicyKind, Scope};

use super::{exceptions, patterns};
use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, join, wrong_type},
    yaml::{Node, Scalar, Value},
};

/// Words of `mode`.
const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("monitor", Mode::Monitor)];

/// Words of `on_block`.
const ON_BLOCK: &[(&str, OnBlock)] = &[("error", OnBlock::Error), ("refusal", OnBlock::Refusal)];

/// Roles of messages that all providers know.
pub(super) const ROLES: [&str; 6] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
];

/// Reads `scope`.
pub(super) fn scope(fields: &mut Fields<'_>, report: &mut Report) -> Scope {
    let Some(mut fields) = fields.mapping("scope", report) else {
        return Scope::default();
    };
    let mut scope = Scope::default();
    for (role, path, position) in listed(&mut fields, "roles", report) {
        if !ROLES.contains(&role.as_str()) {
            let message = format!("`{role}` is no role of a message");
            let hint = format!("expected {}", join(ROLES.into_iter()));
            report.error(Code::InvalidValue, &path, position, message, hint);
        }
        scope.roles.push(role);
    }
    for (field, path, position) in listed(&mut fields, "fields", report) {
        exceptions::check_field(&field, &path, position, report);
        scope.fields.push(field);
    }
    scope.newest_only = fields.boolean("newest_only", report).unwrap_or_default();
    fields.finish(&[], report);
    scope
}

/// A list of strings that is not empty where it is there: of nothing a policy would judge nothing.
fn listed(
    fields: &mut Fields<'_>,
    key: &'static str,
    report: &mut Report,
) -> Vec<(String, String, Position)> {
    let strings = patterns::strings(fields, key, report);
    if fields
        .get(key)
        .is_some_and(|node| matches!(&node.value, Value::Sequence(items) if items.is_empty()))
    {
        let path = fields.path_of(key);
        let position = fields.key_position(key);
        let message = format!("`{path}` is empty: the policy would judge nothing");
        let hint =
            "list some, or remove the key for all; a route's `chain` runs without the policy";
        report.error(Code::InvalidValue, &path, position, message, hint);
    }
    let owned = strings.into_iter();
    owned
        .map(|(text, path, position)| (text.to_owned(), path, position))
        .collect()
}

/// Reads them from the settings of the policy.
pub(super) fn read(kind: PolicyKind, fields: &mut Fields<'_>, report: &mut Report) -> Control {
    let mode = match kind {
        PolicyKind::SafetyFilter => modes(fields, report).1,
        _ => fields.choice("mode", MODES, &[], report),
    };
    let on_block = fields.choice("on_block", ON_BLOCK, &[], report);
    Control {
        mode: mode.unwrap_or_default(),
        on_block: on_block.unwrap_or_default(),
        ..Control::default()
    }
}

/// `mode` of the safety filter, which is also the name of its list: one word or two. Returns the word for the list.
pub(super) fn modes<'n>(
    fields: &mut Fields<'n>,
    report: &mut Report,
) -> (Option<(&'n str, &'n Node)>, Option<Mode>) {
    let Some(node) = fields.get("mode") else {
        return (None, None);
    };
    let nodes = match &node.value {
        Value::Sequence(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let (mut list, mut mode) = (None, None);
    for node in nodes {
        let Value::Scalar(Scalar::Text(word)) = &node.value else {
            wrong_type(node, &fields.path_of("mode"), "a string", report);
            continue;
        };
        let known = MODES.iter().find(|(name, _)| name == word);
        let is_second = match known {
            Some((_, known)) => mode.replace(*known).is_some(),
            None => list.replace((word.as_str(), node)).is_some(),
        };
        if is_second {
            let path = fields.path_of("mode");
            let message = format!("`{path}` says two things at once");
            let hint = "name one list, and one of `enforce` and `monitor`";
            report.error(Code::Contradiction, &path, node.position, message, hint);
        }
    }
    (list, mode)
}
