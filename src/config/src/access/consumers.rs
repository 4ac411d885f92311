//! `consumers` and `consumer_groups`.

use kt_policy::{Consumer, PolicyKind};

use super::{names, unique};
use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, closest, join},
    policies,
};

/// The consumers, and the chains that are theirs.
#[derive(Default)]
pub(super) struct Consumers {
    pub(super) list: Vec<Consumer>,
    /// The chain of class 1, and so on.
    pub(super) chains: Vec<Vec<PolicyKind>>,
}

/// What consumer and group may both say.
#[derive(Default)]
struct Rights {
    allowed_models: Option<Vec<String>>,
    chain: Option<Vec<PolicyKind>>,
}

/// Lists of limits are read where limits are.
const LIMITS: &str = "remove it; nothing would enforce it";

pub(super) fn read(root: &mut Fields<'_>, report: &mut Report) -> Consumers {
    let groups = groups(root, report);
    let nodes = root.list("consumers", report).unwrap_or_default();
    let mut consumers = Consumers::default();
    let mut seen: Vec<(String, String, Position)> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("consumers[{at}]");
        if let Some(fields) = Fields::of(node, &path, report) {
            consumers.add(fields, &groups, &mut seen, report);
        }
    }
    let mut known = Vec::new();
    for (name, path, position) in &seen {
        unique(&mut known, name, path, *position, report);
    }
    if root.get("consumers").is_some() && nodes.is_empty() {
        let position = root.key_position("consumers");
        let message = "`consumers` is empty: every request would be let in without a key";
        report.error(
            Code::InvalidValue,
            "consumers",
            position,
            message,
            "list consumers, or remove the section",
        );
    }
    consumers
}

fn groups(root: &mut Fields<'_>, report: &mut Report) -> Vec<(String, Rights)> {
    let nodes = root.list("consumer_groups", report).unwrap_or_default();
    let mut groups: Vec<(String, Rights)> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("consumer_groups[{at}]");
        let Some(mut fields) = Fields::of(node, &path, report) else {
            continue;
        };
        let name = fields.required_text("name", "name the group", report);
        let rights = rights(&mut fields, report);
        let path = fields.path_of("name");
        fields.finish(&[("rate_limits", LIMITS)], report);
        if let Some((name, position)) = name {
            let mut seen: Vec<&str> = groups.iter().map(|(name, _)| name.as_str()).collect();
            unique(&mut seen, name, &path, position, report);
            groups.push((name.to_owned(), rights));
        }
    }
    groups
}

fn rights(fields: &mut Fields<'_>, report: &mut Report) -> Rights {
    let allowed = names(fields, "allowed_models", report);
    if allowed.as_ref().is_some_and(Vec::is_empty) {
        let path = fields.path_of("allowed_models");
        let position = fields.key_position("allowed_models");
        let message = format!("`{path}` is empty: every request would be refused");
        report.error(
            Code::InvalidValue,
            &path,
            position,
            message,
            "list models, or remove the key to allow all",
        );
    }
    Rights {
        allowed_models: allowed.map(|names| names.into_iter().map(|(name, ..)| name).collect()),
        chain: policies::kinds_at(fields, "chain", report),
    }
}

impl Consumers {
    fn add(
        &mut self,
        mut fields: Fields<'_>,
        groups: &[(String, Rights)],
        seen: &mut Vec<(String, String, Position)>,
        report: &mut Report,
    ) {
        let id = fields.required_text("id", "name the consumer", report);
        let hint = "run `kt keys new --consumer ID` and put the hash here";
        let key = fields.required_text("key_sha256", hint, report);
        let group = fields.text("group", report);
        let own = rights(&mut fields, report);
        let (id_path, key_path) = (fields.path_of("id"), fields.path_of("key_sha256"));
        let group_path = fields.path.clone();
        fields.finish(
            &[
                ("rate_limits", LIMITS),
                (
                    "key",
                    "never write keys here; write their hash to `key_sha256`",
                ),
            ],
            report,
        );
        let of_group = group
            .and_then(|(name, position)| group_of(name, &group_path, position, groups, report));
        let (Some((id, id_position)), Some((key, key_position))) = (id, key) else {
            return;
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte);
        if id.is_empty() || id.len() > 64 || !id.bytes().all(is_name) {
            let message = "the id of a consumer has 1 to 64 letters, digits, `_`, `-`, `.` and `@`";
            report.error(
                Code::InvalidValue,
                &id_path,
                id_position,
                message,
                "it stands in events",
            );
        }
        if key.len() != 64
            || !key
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        {
            let message = "this is no SHA-256 in 64 lower-case hexadecimal digits";
            report.error(Code::InvalidValue, &key_path, key_position, message, hint);
        }
        seen.push((id.to_owned(), id_path, id_position));
        if self.list.iter().any(|other| other.key_sha256 == key) {
            let message = "another consumer has the same key";
            let hint = "make one for each: `kt keys new --consumer ID`";
            report.error(Code::Duplicate, &key_path, key_position, message, hint);
        }
        let chain = own
            .chain
            .as_ref()
            .or(of_group.and_then(|group| group.chain.as_ref()));
        let class = chain.map_or(0, |chain| {
            1 + super::place_of(&mut self.chains, chain.clone())
        });
        let of_group = of_group.and_then(|group| group.allowed_models.clone());
        self.list.push(Consumer {
            id: id.to_owned(),
            key_sha256: key.to_owned(),
            group: group.map(|(name, _)| name.to_owned()),
            allowed_models: own.allowed_models.or(of_group),
            class,
        });
    }
}

fn group_of<'g>(
    name: &str,
    path: &str,
    position: Position,
    groups: &'g [(String, Rights)],
    report: &mut Report,
) -> Option<&'g Rights> {
    if let Some((_, rights)) = groups.iter().find(|(known, _)| known == name) {
        return Some(rights);
    }
    let known = || groups.iter().map(|(name, _)| name.as_str());
    let hint = match closest(name, known()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("known groups: {}", join(known())),
    };
    report.error(
        Code::InvalidValue,
        path,
        position,
        format!("there is no group `{name}`"),
        hint,
    );
    None
}
