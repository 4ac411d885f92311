//! Asks the reader what it takes, by giving it files to read.

use serde_json::{Map, Value as Json, json};

use super::words;
use crate::{
    diagnostic::Report,
    lower,
    seen::{Kind, Seen},
    yaml,
};

/// A key under which users choose the names.
pub(super) const ANY_NAME: &str = "<name>";
/// Each round reaches one level further down; no file is deeper.
const MOST_ROUNDS: usize = 64;

/// What the reader takes at one place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) path: String,
    pub(super) kind: Kind,
    /// A file without it is refused.
    pub(super) is_required: bool,
    /// Keys of a mapping, in the order in which they are read.
    pub(super) keys: Vec<(String, Self)>,
    /// What the items of a list are, where they are mappings.
    pub(super) item: Option<Box<Self>>,
}

impl Field {
    fn new(path: String) -> Self {
        Self {
            path,
            kind: Kind::Any,
            is_required: false,
            keys: Vec::new(),
            item: None,
        }
    }

    /// The field at the path of `steps`, made where it is not there yet.
    fn at(&mut self, steps: &[&str]) -> &mut Self {
        let Some((step, rest)) = steps.split_first() else {
            return self;
        };
        if *step == "[]" {
            let path = format!("{}[]", self.path);
            return self
                .item
                .get_or_insert_with(|| Box::new(Self::new(path)))
                .at(rest);
        }
        let key = if self.kind == Kind::Entries {
            ANY_NAME
        } else {
            step
        };
        let place = self.keys.iter().position(|(known, _)| known == key);
        let place = place.unwrap_or_else(|| {
            let dot = if self.path.is_empty() { "" } else { "." };
            let field = Self::new(format!("{}{dot}{key}", self.path));
            self.keys.push((key.to_owned(), field));
            self.keys.len() - 1
        });
        match self.keys.get_mut(place) {
            Some((_, field)) => field.at(rest),
            None => unreachable!("the place was found or made above"),
        }
    }

    /// A value for the reader to look at. What is not known yet is tried as a mapping and as its example.
    fn value(&self, as_mapping: bool) -> Json {
        let example = || words::of(&self.path).and_then(|words| words.example());
        match &self.kind {
            Kind::Entries => json!({self.name(): match self.keys.first() {
                Some((_, field)) => field.value(as_mapping),
                None => json!({}),
            }}),
            _ if !self.keys.is_empty() => self.mapping(as_mapping),
            Kind::Mapping => json!({}),
            Kind::Any if as_mapping => json!({}),
            Kind::List => match &self.item {
                Some(item) => json!([item.value(as_mapping)]),
                None if as_mapping => json!([{}]),
                None => example().unwrap_or_else(|| json!([])),
            },
            Kind::Any => example().unwrap_or_else(|| json!("a")),
            Kind::Strings => json!(["a"]),
            Kind::Text => example().unwrap_or_else(|| json!("a")),
            Kind::Choice(choices) => json!(choices.first()),
            Kind::Boolean => json!(true),
            Kind::Integer(least, _) => json!(least),
            Kind::Number(least, _) => json!(least),
        }
    }

    /// A name that users could choose here: that of the example.
    fn name(&self) -> String {
        let example = words::of(&self.path).and_then(|words| words.example());
        let name = example.and_then(|example| example.as_object()?.keys().next().cloned());
        name.unwrap_or_else(|| "name".to_owned())
    }

    fn mapping(&self, as_mapping: bool) -> Json {
        let members = self
            .keys
            .iter()
            .map(|(key, field)| (key.clone(), field.value(as_mapping)));
        Json::Object(members.collect::<Map<_, _>>())
    }
}

/// The whole file, as the reader takes it.
pub(super) fn explore() -> Field {
    let mut seen = Seen::default();
    let mut root = root(&seen);
    let (mut as_mapping, mut quiet_rounds) = (true, 0);
    for _ in 0..MOST_ROUNDS {
        let file = root.mapping(as_mapping);
        let mut report = Report::watching(seen);
        if let Some(node) = yaml::parse(&file.to_string(), &mut report) {
            lower::lower(&node, &mut report);
        }
        seen = report.seen();
        let found = self::root(&seen);
        if found != root {
            (root, quiet_rounds) = (found, 0);
        } else if quiet_rounds == 1 {
            break;
        } else {
            (as_mapping, quiet_rounds) = (!as_mapping, 1);
        }
    }
    root
}

fn root(seen: &Seen) -> Field {
    let mut root = Field::new(String::new());
    root.kind = Kind::Mapping;
    for (path, kind) in &seen.keys {
        if !path.is_empty() {
            root.at(&steps(path)).kind = kind.clone();
        }
    }
    for path in &seen.missing {
        root.at(&steps(path)).is_required = true;
    }
    root
}

/// `a.b[].c` as `a`, `b`, `[]`, `c`.
fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let name = part.trim_end_matches("[]");
        steps.push(name);
        steps.extend((name.len()..part.len()).step_by(2).map(|_| "[]"));
    }
    steps
}
