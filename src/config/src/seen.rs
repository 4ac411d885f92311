//! What the reader asks a file for, noted while it reads: the schema is made of this, so that it cannot differ from the reader.

/// What the reader takes at one place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Something that the reader looks at by itself.
    Any,
    /// A mapping with known keys.
    Mapping,
    /// A mapping whose keys are names that users choose.
    Entries,
    /// A list.
    List,
    /// A list of strings.
    Strings,
    /// A string.
    Text,
    /// One of these words.
    Choice(Vec<&'static str>),
    /// `true` or `false`.
    Boolean,
    /// A whole number, from the first to the second.
    Integer(u32, u32),
    /// A number, from the first to the second.
    Number(f64, f64),
}

/// Everything that was asked for, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    /// Paths such as `providers.targets[].id`.
    pub(crate) keys: Vec<(String, Kind)>,
    /// Paths that were reported as missing.
    pub(crate) missing: Vec<String>,
}

impl Seen {
    /// Notes what is taken at `path`; what is known more exactly stays.
    pub(crate) fn note(&mut self, path: &str, kind: Kind) {
        let path = pattern(path);
        match self.keys.iter_mut().find(|(known, _)| *known == path) {
            Some((_, known)) if detail(&kind) > detail(known) => *known = kind,
            Some(_) => {}
            None => self.keys.push((path, kind)),
        }
    }

    pub(crate) fn note_missing(&mut self, path: &str) {
        let path = pattern(path);
        if !self.missing.contains(&path) {
            self.note(&path, Kind::Any);
            self.missing.push(path);
        }
    }
}

/// How much a kind says. A choice is read as a text first, a list of strings as a list.
fn detail(kind: &Kind) -> u8 {
    match kind {
        Kind::Any => 0,
        Kind::Mapping | Kind::List | Kind::Text | Kind::Boolean => 1,
        Kind::Integer(..) | Kind::Number(..) => 1,
        Kind::Entries | Kind::Strings | Kind::Choice(_) => 2,
    }
}

/// The path without the numbers of list items: `a[3].b` is `a[].b`.
pub(crate) fn pattern(path: &str) -> String {
    let mut pattern = String::new();
    let mut in_brackets = false;
    for c in path.chars() {
        match c {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ if in_brackets => continue,
            _ => {}
        }
        pattern.push(c);
    }
    pattern
}
