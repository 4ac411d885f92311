//! Reading the fields of one mapping: each by name and type, what is left over is unknown.

use std::{fmt::Display, ops::RangeInclusive};

use crate::{
    diagnostic::{Code, Position, Report},
    seen::Kind,
    yaml::{Entry, Node, Scalar, Value},
};

/// One mapping being read.
pub(crate) struct Fields<'n> {
    entries: &'n [Entry],
    pub(crate) path: String,
    pub(crate) position: Position,
    known: Vec<&'static str>,
}

/// A key the product has and this gateway does not enforce, with what to do instead.
pub(crate) type Unsupported = (&'static str, &'static str);

impl<'n> Fields<'n> {
    /// Starts reading `node`, which must be a mapping.
    pub(crate) fn of(node: &'n Node, path: &str, report: &mut Report) -> Option<Self> {
        report.asks(|| path.to_owned(), || Kind::Mapping);
        match &node.value {
            Value::Mapping(entries) => Some(Self {
                entries,
                path: path.to_owned(),
                position: node.position,
                known: Vec::new(),
            }),
            // `key:` with nothing behind it is an empty mapping.
            Value::Scalar(Scalar::Null) => Some(Self {
                entries: &[],
                path: path.to_owned(),
                position: node.position,
                known: Vec::new(),
            }),
            _ => {
                wrong_type(node, path, "a mapping", report);
                None
            }
        }
    }

    /// Path of the field `key`.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The value of `key`, if it is there.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// Where `key` stands, or the mapping if it is not there.
    pub(crate) fn key_position(&self, key: &str) -> Position {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map_or(self.position, |entry| entry.position)
    }

    /// The mapping at `key`, if it is there.
    pub(crate) fn mapping(&mut self, key: &'static str, report: &mut Report) -> Option<Self> {
        report.asks(|| self.path_of(key), || Kind::Mapping);
        let node = self.get(key)?;
        Fields::of(node, &self.path_of(key), report)
    }

    /// The list at `key`, if it is there.
    pub(crate) fn list(&mut self, key: &'static str, report: &mut Report) -> Option<&'n [Node]> {
        report.asks(|| self.path_of(key), || Kind::List);
        let node = self.get(key)?;
        if let Value::Sequence(items) = &node.value {
            Some(items)
        } else {
            wrong_type(node, &self.path_of(key), "a list", report);
            None
        }
    }

    /// The entries of the mapping at `key`, whatever their names.
    pub(crate) fn entries_of(
        &mut self,
        key: &'static str,
        report: &mut Report,
    ) -> impl Iterator<Item = (&'n str, &'n Node)> + use<'n> {
        report.asks(|| self.path_of(key), || Kind::Entries);
        let entries = self
            .mapping(key, report)
            .map_or(&[][..], |fields| fields.entries);
        entries
            .iter()
            .map(|entry| (entry.key.as_str(), &entry.value))
    }

    /// The string at `key`, if it is there.
    pub(crate) fn text(
        &mut self,
        key: &'static str,
        report: &mut Report,
    ) -> Option<(&'n str, Position)> {
        report.asks(|| self.path_of(key), || Kind::Text);
        let node = self.get(key)?;
        if let Value::Scalar(Scalar::Text(text)) = &node.value {
            Some((text, node.position))
        } else {
            wrong_type(node, &self.path_of(key), "a string", report);
            None
        }
    }

    /// The boolean at `key`, if it is there.
    pub(crate) fn boolean(&mut self, key: &'static str, report: &mut Report) -> Option<bool> {
        report.asks(|| self.path_of(key), || Kind::Boolean);
        let node = self.get(key)?;
        if let Value::Scalar(Scalar::Bool(value)) = &node.value {
            Some(*value)
        } else {
            wrong_type(node, &self.path_of(key), "true or false", report);
            None
        }
    }

    /// The whole number at `key`, if it is there and within `range`.
    pub(crate) fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
        report: &mut Report,
    ) -> Option<u32> {
        report.asks(
            || self.path_of(key),
            || Kind::Integer(*range.start(), *range.end()),
        );
        let node = self.get(key)?;
        let path = self.path_of(key);
        let Value::Scalar(Scalar::Int(value)) = &node.value else {
            wrong_type(node, &path, "a whole number", report);
            return None;
        };
        match u32::try_from(*value) {
            Ok(value) if range.contains(&value) => Some(value),
            _ => out_of_range(node, &path, value, &range, report),
        }
    }

    /// The number at `key`, if it is there and within `range`.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        report: &mut Report,
    ) -> Option<f64> {
        report.asks(
            || self.path_of(key),
            || Kind::Number(*range.start(), *range.end()),
        );
        let node = self.get(key)?;
        let path = self.path_of(key);
        let value = match &node.value {
            #[expect(
                clippy::cast_precision_loss,
                reason = "values outside f64's exact range are refused by `range`"
            )]
            Value::Scalar(Scalar::Int(value)) => *value as f64,
            Value::Scalar(Scalar::Float(value)) => *value,
            _ => {
                wrong_type(node, &path, "a number", report);
                return None;
            }
        };
        if range.contains(&value) {
            return Some(value);
        }
        out_of_range(node, &path, &value, &range, report)
    }

    /// One of the words of `choices` at `key`. `unsupported` words get their own message.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        unsupported: &[&'static str],
        report: &mut Report,
    ) -> Option<T> {
        let words = || choices.iter().map(|(name, _)| *name).collect();
        report.asks(|| self.path_of(key), || Kind::Choice(words()));
        let (word, position) = self.text(key, report)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(*value);
        }
        let names = join(choices.iter().map(|(name, _)| *name));
        let path = self.path_of(key);
        if unsupported.contains(&word) {
            let message = format!("`{key}: {word}` is not supported by this gateway yet");
            report.error(
                Code::NotSupported,
                &path,
                position,
                message,
                format!("use {names}"),
            );
        } else {
            report.error(
                Code::InvalidValue,
                &path,
                position,
                format!("`{key}` cannot be `{word}`"),
                format!("expected one of {names}"),
            );
        }
        None
    }

    /// Reports a required key that is missing.
    pub(crate) fn missing(&self, key: &str, hint: &str, report: &mut Report) {
        report.demands(&self.path_of(key));
        report.error(
            Code::Missing,
            &self.path_of(key),
            self.position,
            format!("`{}` is missing", self.path_of(key)),
            hint,
        );
    }

    /// The string at `key`, which must be there.
    pub(crate) fn required_text(
        &mut self,
        key: &'static str,
        hint: &str,
        report: &mut Report,
    ) -> Option<(&'n str, Position)> {
        if self.get(key).is_none() {
            self.missing(key, hint, report);
            return None;
        }
        self.text(key, report)
    }

    /// Ends the reading: whatever was not asked for is unknown, or known and unsupported.
    pub(crate) fn finish(self, unsupported: &[Unsupported], report: &mut Report) {
        for key in &self.known {
            report.asks(|| self.path_of(key), || Kind::Any);
        }
        for entry in self
            .entries
            .iter()
            .filter(|entry| !self.known.contains(&entry.key.as_str()))
        {
            let path = self.path_of(&entry.key);
            if let Some((_, remedy)) = unsupported.iter().find(|(key, _)| *key == entry.key) {
                let message = format!(
                    "`{path}` is a setting of the product that this gateway does not enforce yet"
                );
                report.error(Code::NotSupported, &path, entry.position, message, *remedy);
                continue;
            }
            let hint = match closest(&entry.key, self.known.iter().copied()) {
                Some(key) => format!("did you mean `{key}`?"),
                None => format!("known keys here: {}", join(self.known.iter().copied())),
            };
            report.error(
                Code::UnknownKey,
                &path,
                entry.position,
                format!("unknown key `{}`", entry.key),
                hint,
            );
        }
    }
}

/// Reports a number outside what is allowed.
fn out_of_range<T, N: Display>(
    node: &Node,
    path: &str,
    value: &dyn Display,
    range: &RangeInclusive<N>,
    report: &mut Report,
) -> Option<T> {
    let bounds = format!("{} to {}", range.start(), range.end());
    let message = format!("`{path}` is {value}, which is outside {bounds}");
    report.error(
        Code::InvalidValue,
        path,
        node.position,
        message,
        format!("use a value from {bounds}"),
    );
    None
}

/// Reports a value of the wrong type.
pub(crate) fn wrong_type(node: &Node, path: &str, expected: &str, report: &mut Report) {
    let hint = match &node.value {
        Value::Scalar(Scalar::Int(_) | Scalar::Float(_) | Scalar::Bool(_))
            if expected == "a string" =>
        {
            "put it in quotes".to_owned()
        }
        _ => format!("write {expected} here"),
    };
    report.error(
        Code::WrongType,
        path,
        node.position,
        format!("`{path}` must be {expected}, not {}", node.describe()),
        hint,
    );
}

/// Words for a message: `` `a`, `b` ``.
pub(crate) fn join<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The candidate that `word` is most likely a misspelling of.
pub(crate) fn closest<'c>(
    word: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, l) in left.chars().enumerate() {
        let mut next = vec![at + 1];
        for (cell, (r, pair)) in right.iter().zip(row.windows(2)).enumerate() {
            let [diagonal, above] = pair else { continue };
            let before = next.get(cell).copied().unwrap_or_default();
            next.push(
                (diagonal + usize::from(l != *r))
                    .min(above + 1)
                    .min(before + 1),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
