//! `policy.<kind>.exceptions`: findings that a policy lets pass.

use std::time::SystemTime;

use kt_policy::{Exception, MAX_LETTERS, PolicyConfig, PolicyKind, end_of_day};
use kt_text::detect::Entity;

use super::{controls::ROLES, patterns};
use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, join},
    yaml::{Node, Scalar, Value},
};

/// Fewest letters of a phrase: a short one would be in many texts.
const LEAST_LETTERS: usize = 8;
/// Most salts of one policy: each costs a hash for every finding.
const MOST_SALTS: usize = 8;
/// What no exception takes away as a whole, as no mode and no list of terms does.
const ALWAYS: &str = "children";

const EXCEPT: &str = "let `kt policy except --value -` make it";

/// An exception as it was read, with its places.
pub(super) struct Read {
    exception: Exception,
    reason_code: Option<(String, Position)>,
    entity: Option<(String, Position)>,
    category: Option<(String, Position)>,
    path: String,
    position: Position,
}

/// Reads the list at `exceptions`.
pub(super) fn read(kind: PolicyKind, fields: &mut Fields<'_>, report: &mut Report) -> Vec<Read> {
    let nodes = fields.list("exceptions", report).unwrap_or_default();
    let path = fields.path_of("exceptions");
    patterns::too_many(nodes, &path, report);
    let mut read: Vec<Read> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let Some(fields) = Fields::of(node, &path, report) else {
            continue;
        };
        let one = one(kind, fields, report);
        if read
            .iter()
            .any(|known| known.exception.id() == one.exception.id())
        {
            let message = format!("the exception `{}` is there twice", one.exception.id());
            let path = format!("{path}.id");
            report.error(
                Code::Duplicate,
                &path,
                one.position,
                message,
                "give each its own id",
            );
        }
        read.push(one);
    }
    salts(&read, report);
    read
}

fn one(kind: PolicyKind, mut fields: Fields<'_>, report: &mut Report) -> Read {
    let mut exception = Exception::default();
    let id = fields.required_text("id", "name the exception; events name it", report);
    if let Some((id, position)) = id {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if id.is_empty() || id.len() > 64 || !id.bytes().all(is_name) {
            let message = "the id of an exception has 1 to 64 letters, digits, `_`, `-` and `.`";
            let hint = "it stands in events";
            report.error(
                Code::InvalidValue,
                &fields.path_of("id"),
                position,
                message,
                hint,
            );
        }
        exception.set("id", id);
    }
    let mut text = |key, report: &mut Report| {
        let text = fields.text(key, report);
        text.map(|(text, position)| (text.to_owned(), position))
    };
    let reason_code = text("reason_code", report);
    let entity = text("entity", report);
    let has_categories = matches!(kind, PolicyKind::PromptInjection | PolicyKind::SafetyFilter);
    let category = if has_categories {
        text("category", report)
    } else {
        None
    };
    words(&mut fields, &mut exception, report);
    places(&mut fields, &mut exception, report);
    until(&mut fields, &mut exception, report);
    let why = "say why, for whoever reads the file later";
    if let Some((reason, position)) = fields.required_text("reason", why, report) {
        if reason.trim().is_empty() || reason.chars().count() > 500 {
            let path = fields.path_of("reason");
            let message = format!("`{path}` must have 1 to 500 characters");
            report.error(Code::InvalidValue, &path, position, message, why);
        }
        exception.set("reason", reason);
    }
    let path = fields.path.clone();
    let position = fields.position;
    let from_outside = "the policy whose settings these are is meant; leave it out";
    let no_categories = "this policy finds values; name an `entity`";
    let unsupported = [
        ("policy", from_outside),
        ("value", EXCEPT),
        ("category", no_categories),
    ];
    fields.finish(&unsupported, report);
    Read {
        exception,
        reason_code,
        entity,
        category,
        path,
        position,
    }
}

/// `value_sha256` or `phrase`.
fn words(fields: &mut Fields<'_>, exception: &mut Exception, report: &mut Report) {
    let value = fields.text("value_sha256", report);
    let phrase = fields.text("phrase", report);
    if let (Some(_), Some((_, position))) = (value, phrase) {
        let message = "an exception is for a value or for a phrase, not for both";
        let hint = "write two exceptions";
        report.error(
            Code::Contradiction,
            &fields.path_of("phrase"),
            position,
            message,
            hint,
        );
    }
    if let Some((value, position)) = value {
        exception.set("value_sha256", value);
        if exception.hashed().is_none() {
            let message = "this is no salted hash: 32 digits, a colon and 64 digits, hexadecimal";
            let path = fields.path_of("value_sha256");
            report.error(Code::InvalidValue, &path, position, message, EXCEPT);
        }
    }
    if let Some((phrase, position)) = phrase {
        let letters = phrase.chars().filter(|c| c.is_alphanumeric()).count();
        if !(LEAST_LETTERS..=MAX_LETTERS).contains(&letters) {
            let path = fields.path_of("phrase");
            let message = format!("`{path}` has {letters} letters and digits");
            let hint = format!("write a phrase of {LEAST_LETTERS} to {MAX_LETTERS}");
            report.error(Code::InvalidValue, &path, position, message, hint);
        }
        exception.set("phrase", phrase);
    }
}

/// `where`. Whether there are such routes and consumers is seen when those are known.
fn places(fields: &mut Fields<'_>, exception: &mut Exception, report: &mut Report) {
    let Some(mut fields) = fields.mapping("where", report) else {
        return;
    };
    for key in ["route", "consumer"] {
        if let Some((name, _)) = fields.text(key, report) {
            exception.set(key, name);
        }
    }
    if let Some((field, position)) = fields.text("field", report) {
        check_field(field, &fields.path_of("field"), position, report);
        exception.set("field", field);
    }
    let roles: Vec<(&'static str, &'static str)> = ROLES.map(|role| (role, role)).to_vec();
    if let Some(role) = fields.choice("role", &roles, &[], report) {
        exception.set("role", role);
    }
    fields.finish(&[], report);
}

/// Reports what is no name of a member.
pub(super) fn check_field(field: &str, path: &str, position: Position, report: &mut Report) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"[]\"'\\`".contains(&byte);
    if field.split('.').any(str::is_empty) || !field.bytes().all(is_plain) {
        let message = format!("`{field}` is no member of a body");
        let hint =
            "write names with dots between them and without positions, such as `messages.content`";
        report.error(Code::InvalidValue, path, position, message, hint);
    }
}

fn until(fields: &mut Fields<'_>, exception: &mut Exception, report: &mut Report) {
    let hint = "write its last day, such as `2027-01-31`; an exception without an end is a policy nobody looks at";
    let Some((date, position)) = fields.required_text("until", hint, report) else {
        return;
    };
    exception.set("until", date);
    let path = fields.path_of("until");
    if end_of_day(date).is_none() {
        let message = format!("`{date}` is no day");
        report.error(Code::InvalidValue, &path, position, message, hint);
        return;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_us = now.map_or(0, |now| now.as_secs().saturating_mul(1_000_000));
    if exception.is_over(now_us) {
        let message = format!(
            "the exception `{}` ended with {date} and lets nothing pass",
            exception.id()
        );
        report.warning(
            Code::NoEffect,
            &path,
            position,
            message,
            "remove it, or set another day",
        );
    }
}

fn salts(read: &[Read], report: &mut Report) {
    let mut salts: Vec<&str> = Vec::new();
    for one in read {
        let Some((salt, _)) = one.exception.hashed() else {
            continue;
        };
        if salts.contains(&salt) {
            continue;
        }
        if salts.len() == MOST_SALTS {
            let message = format!(
                "these values have more than {MOST_SALTS} salts; each costs a hash for every finding"
            );
            let hint = "make them with `kt policy except --file FILE`, which takes the salt of those that are there";
            let path = format!("{}.value_sha256", one.path);
            report.error(Code::InvalidValue, &path, one.position, message, hint);
            return;
        }
        salts.push(salt);
    }
}

/// The exceptions, once it is known what the policy looks for.
pub(super) fn resolve(
    kind: PolicyKind,
    policy: &PolicyConfig,
    read: Vec<Read>,
    report: &mut Report,
) -> Vec<Exception> {
    if read.is_empty() {
        return Vec::new();
    }
    let (entities, categories) = policy.finds();
    let mut all: Vec<Exception> = Vec::new();
    for one in read {
        let (path, position) = (one.path.clone(), one.position);
        let exception = one.resolve(kind, &entities, &categories, report);
        all.push(exception);
        if is_switched_off(&all, &entities, &categories) {
            let message = format!(
                "with this exception `{}` would find nothing there",
                kind.name()
            );
            let hint = "an exception never switches a policy off: name a `value_sha256` or a `phrase`, or give a route a `chain` without the policy";
            report.error(Code::Contradiction, &path, position, message, hint);
        }
    }
    all
}

impl Read {
    fn resolve(
        self,
        kind: PolicyKind,
        entities: &[String],
        categories: &[&str],
        report: &mut Report,
    ) -> Exception {
        let mut exception = self.exception;
        let said = [&self.reason_code, &self.entity, &self.category];
        let mut said = said.into_iter().flatten();
        let what = "say what it is for: `reason_code`, `entity` or `category`";
        if said.next().is_none() {
            let message = format!("`{}` does not say what it lets pass", self.path);
            report.error(Code::Missing, &self.path, self.position, message, what);
        }
        if let Some((_, position)) = said.next() {
            let message = "an exception is for one of `reason_code`, `entity` and `category`";
            report.error(
                Code::Contradiction,
                &self.path,
                *position,
                message,
                "keep one of them",
            );
        }
        let not_found = |key, name: &str, known: String, position, report: &mut Report| {
            let message = format!(
                "`{}` finds no `{name}`: the exception lets nothing pass",
                kind.name()
            );
            let path = format!("{}.{key}", self.path);
            let hint = format!("it finds {known}");
            report.warning(Code::NoEffect, &path, position, message, hint);
        };
        if let Some((code, position)) = &self.reason_code
            && code != kind.reason_code()
        {
            let message = format!("`{code}` is no reason of `{}`", kind.name());
            let path = format!("{}.reason_code", self.path);
            let hint = format!("write `{}`", kind.reason_code());
            report.error(Code::InvalidValue, &path, *position, message, hint);
        }
        if let Some((name, position)) = &self.entity {
            let name = match Entity::from_name(name) {
                Some(entity) => entity.name().to_owned(),
                None => patterns::label(name),
            };
            if !entities.contains(&name) {
                let known = join(entities.iter().map(String::as_str));
                not_found("entity", &name, known, *position, report);
            }
            exception.set("entity", &name);
        }
        if let Some((name, position)) = &self.category {
            if !categories.contains(&name.as_str()) {
                not_found(
                    "category",
                    name,
                    join(categories.iter().copied()),
                    *position,
                    report,
                );
            }
            if name == ALWAYS && !exception.is_for_words() {
                let path = format!("{}.category", self.path);
                let message = format!("`{ALWAYS}` is never let pass as a whole");
                report.error(
                    Code::InvalidValue,
                    &path,
                    *position,
                    message,
                    "name a `value_sha256` or a `phrase`",
                );
            }
            exception.set("category", name);
        }
        exception
    }
}

/// Whether the last exception, with those before it that hold wherever it does, leaves nothing that the policy finds.
fn is_switched_off(all: &[Exception], entities: &[String], categories: &[&str]) -> bool {
    let Some(last) = all.last().filter(|last| !last.is_for_words()) else {
        return false;
    };
    let holds = |other: &&Exception| {
        let places = ["route", "consumer", "field", "role"];
        let mut places = places.iter();
        let is_as_wide = |place: &&str| {
            let wanted = other.get(place);
            wanted.is_none() || wanted == last.get(place)
        };
        !other.is_for_words() && places.all(is_as_wide)
    };
    let together: Vec<&Exception> = all.iter().filter(holds).collect();
    let is_let_pass = |member: &str, name: &str| {
        let mut together = together.iter();
        together.any(|exception| {
            let is_for_all =
                exception.get("entity").is_none() && exception.get("category").is_none();
            is_for_all || exception.get(member) == Some(name)
        })
    };
    entities.iter().all(|name| is_let_pass("entity", name))
        && categories.iter().all(|name| is_let_pass("category", name))
}

/// Checks what is known only of the whole file: that each id stands once, and that there are the routes and consumers.
pub(crate) fn check_names(root: &Node, report: &mut Report) {
    let routes = names(root, "routes", "name");
    let consumers = names(root, "consumers", "id");
    let mut settings: Vec<(String, &Node)> = Vec::new();
    settings.extend(member(root, "policy").map(|policy| ("policy".to_owned(), policy)));
    for (at, route) in items(member(root, "routes")).iter().enumerate() {
        let over = member(route, "policy");
        settings.extend(over.map(|over| (format!("routes[{at}].policy"), over)));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (path, settings) in settings {
        for kind in PolicyKind::ALL {
            let list = member(settings, kind.name()).and_then(|block| member(block, "exceptions"));
            let mut own = Vec::new();
            for (at, item) in items(list).iter().enumerate() {
                let path = format!("{path}.{}.exceptions[{at}]", kind.name());
                if let Some((id, position)) = member(item, "id").and_then(text) {
                    if seen.contains(&id) {
                        let message = format!("the exception `{id}` is there twice");
                        let path = format!("{path}.id");
                        report.error(
                            Code::Duplicate,
                            &path,
                            position,
                            message,
                            "give each its own id",
                        );
                    }
                    own.push(id);
                }
                let Some(places) = member(item, "where") else {
                    continue;
                };
                for (key, known) in [("route", &routes), ("consumer", &consumers)] {
                    let named = member(places, key).and_then(text);
                    if let Some((name, position)) = named.filter(|(name, _)| !known.contains(name))
                    {
                        let message = format!("there is no {key} `{name}`");
                        let hint = match known.as_slice() {
                            [] => format!("the file has no `{key}s`"),
                            known => format!("known: {}", join(known.iter().copied())),
                        };
                        let path = format!("{path}.where");
                        report.error(Code::InvalidValue, &path, position, message, hint);
                    }
                }
            }
            seen.append(&mut own);
        }
    }
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Mapping(entries) = &node.value else {
        return None;
    };
    let entry = entries.iter().find(|entry| entry.key == key)?;
    Some(&entry.value)
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::Sequence(items)) => items,
        _ => &[],
    }
}

fn text(node: &Node) -> Option<(&str, Position)> {
    match &node.value {
        Value::Scalar(Scalar::Text(text)) => Some((text, node.position)),
        _ => None,
    }
}

fn names<'n>(root: &'n Node, list: &str, key: &str) -> Vec<&'n str> {
    let items = items(member(root, list)).iter();
    let named = items.filter_map(|item| text(member(item, key)?));
    named.map(|(name, _)| name).collect()
}
