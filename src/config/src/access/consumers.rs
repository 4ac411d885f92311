//! `consumers` and `consumer_groups`.

use kt_policy::{
    Consumer, PolicyKind,
    limits::{Limit, Scope, Unit},
};

use super::{names, unique};
use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, closest, join, wrong_type},
    policies,
    targets::is_variable,
    yaml::{Scalar, Value},
};

/// The consumers, and the chains that are theirs.
#[derive(Default)]
pub(super) struct Consumers {
    pub(super) list: Vec<Consumer>,
    /// The chain of class 1, and so on.
    pub(super) chains: Vec<Vec<PolicyKind>>,
    /// The limits of class 1, and so on.
    limits: Vec<RateLimits>,
}

/// What consumer and group may both say.
#[derive(Default)]
struct Rights {
    allowed_models: Option<Vec<String>>,
    chain: Option<Vec<PolicyKind>>,
    limits: Option<RateLimits>,
}

/// `rate_limits`: each consumer has as much for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RateLimits {
    requests_per_minute: Option<u32>,
    tokens_per_minute: Option<u32>,
    tokens_per_day: Option<u32>,
}

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

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
        fields.finish(&[], report);
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
        limits: rate_limits(fields, report),
    }
}

fn rate_limits(fields: &mut Fields<'_>, report: &mut Report) -> Option<RateLimits> {
    let mut fields = fields.mapping("rate_limits", report)?;
    let mut most = |key| fields.integer(key, 1..=u32::MAX, report);
    let limits = RateLimits {
        requests_per_minute: most("requests_per_minute"),
        tokens_per_minute: most("tokens_per_minute"),
        tokens_per_day: most("tokens_per_day"),
    };
    fields.finish(&[], report);
    Some(limits)
}

impl RateLimits {
    /// Accounts are named by what is counted and how long, so that a changed number keeps what was counted.
    fn limits(self, class: usize) -> impl Iterator<Item = Limit> {
        let all = [
            (self.requests_per_minute, Unit::Requests, MINUTE),
            (self.tokens_per_minute, Unit::Tokens, MINUTE),
            (self.tokens_per_day, Unit::Tokens, DAY),
        ];
        all.into_iter()
            .filter_map(move |(max, unit, window_seconds)| {
                let name = if unit == Unit::Requests {
                    "requests"
                } else {
                    "tokens"
                };
                Some(Limit {
                    id: format!("consumer.{name}.{window_seconds}"),
                    scope: Scope::Consumer { class },
                    unit,
                    max: max?.into(),
                    window_seconds,
                    is_budget: false,
                })
            })
    }
}

impl Consumers {
    /// The limits of all classes.
    pub(super) fn limits(&self) -> Vec<Limit> {
        let classes = self.limits.iter().zip(1..);
        classes
            .flat_map(|(limits, class)| limits.limits(class))
            .collect()
    }

    fn add(
        &mut self,
        mut fields: Fields<'_>,
        groups: &[(String, Rights)],
        seen: &mut Vec<(String, String, Position)>,
        report: &mut Report,
    ) {
        let id = fields.required_text("id", "name the consumer", report);
        let hint = "run `kt keys new --consumer ID` and put the hash here";
        let key = key(&mut fields, hint, report);
        let group = fields.text("group", report);
        let own = rights(&mut fields, report);
        let (id_path, key_path) = (fields.path_of("id"), fields.path_of("key_sha256"));
        let group_path = fields.path.clone();
        fields.finish(
            &[(
                "key",
                "never write keys here; write their hash to `key_sha256`",
            )],
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
        if !key.starts_with(ENV) && !is_sha256(&key) {
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
        let limits = own.limits.or(of_group.and_then(|group| group.limits));
        let limited = limits.map_or(0, |limits| 1 + super::place_of(&mut self.limits, limits));
        let of_group = of_group.and_then(|group| group.allowed_models.clone());
        self.list.push(Consumer {
            id: id.to_owned(),
            key_sha256: key,
            group: group.map(|(name, _)| name.to_owned()),
            allowed_models: own.allowed_models.or(of_group),
            class,
            limited,
        });
    }
}

/// What stands in `key_sha256` before the name of a variable, until the variable is read.
pub(crate) const ENV: &str = "env:";

/// Whether these are 64 lower-case hexadecimal digits.
pub(crate) fn is_sha256(hash: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    hash.len() == 64 && hash.bytes().all(is_digit)
}

/// `key_sha256`: a hash, or the variable that holds one.
fn key(fields: &mut Fields<'_>, hint: &str, report: &mut Report) -> Option<(String, Position)> {
    let node = fields.get("key_sha256");
    let position = node.map_or(fields.position, |node| node.position);
    if let Some(node) = node.filter(|node| matches!(node.value, Value::Mapping(_))) {
        // The schema says by itself what may stand here.
        let mut own = Report::default();
        let reference = Fields::of(node, &fields.path_of("key_sha256"), &mut own);
        let name = reference.and_then(|fields| variable(fields, &mut own));
        report.add(own);
        return Some((format!("{ENV}{}", name?), position));
    }
    match node.map(|node| &node.value) {
        Some(Value::Scalar(Scalar::Text(key))) => return Some((key.clone(), position)),
        Some(_) => wrong_type(node?, &fields.path_of("key_sha256"), "a string", report),
        None => fields.missing("key_sha256", hint, report),
    }
    None
}

/// The name of the variable of `{env: NAME}`.
fn variable(mut reference: Fields<'_>, report: &mut Report) -> Option<String> {
    let name = reference.text("env", report);
    if reference.get("env").is_none() {
        let hint = "name the environment variable that holds the hash of the key";
        reference.missing("env", hint, report);
    }
    if let Some((_, position)) = name.filter(|(name, _)| !is_variable(name)) {
        let message = "`env` must be the name of an environment variable";
        let hint = "use letters, digits and `_`; neither key nor hash stands there";
        report.error(
            Code::InvalidValue,
            &reference.path_of("env"),
            position,
            message,
            hint,
        );
    }
    let unsupported = [("file", "use `env: NAME`, or write the hash itself")];
    reference.finish(&unsupported, report);
    name.map(|(name, _)| name.to_owned())
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
