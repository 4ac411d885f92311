//! What every policy of a chain may say beside its own settings.

use kt_policy::{Control, Mode, OnBlock, PolicyKind};

use crate::{
    diagnostic::{Code, Report},
    fields::{Fields, wrong_type},
    yaml::{Node, Scalar, Value},
};

/// Words of `mode`.
const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("monitor", Mode::Monitor)];

/// Words of `on_block`.
const ON_BLOCK: &[(&str, OnBlock)] = &[("error", OnBlock::Error), ("refusal", OnBlock::Refusal)];

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
