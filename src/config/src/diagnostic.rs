//! Problems of a policy file and how they are shown.

use std::fmt::Write as _;

use crate::seen::{Kind, Seen};

/// What kind of problem. `E001` to `E003` are the product's published codes, the others are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// `E001`: a policy kind that does not exist.
    UnknownPolicy,
    /// `E002`: a key that does not exist here.
    UnknownKey,
    /// `E003`: a policy of the chain has no settings.
    NoSettings,
    /// `E004`: the text is no YAML, or uses a part of YAML that is not accepted.
    Yaml,
    /// `E005`: a key occurs twice in one mapping.
    DuplicateKey,
    /// `E006`: a value has the wrong type.
    WrongType,
    /// `E007`: a required key is missing.
    Missing,
    /// `E008`: a value is outside what is allowed.
    InvalidValue,
    /// `E009`: two things have the same name.
    Duplicate,
    /// `E010`: the product knows it, this gateway does not enforce it.
    NotSupported,
    /// `E011`: a provider that does not exist.
    UnknownProvider,
    /// `E012`: two settings contradict each other.
    Contradiction,
    /// `E013`: the legacy shape of the file.
    LegacyShape,
    /// `E014`: a regular expression that cannot be used.
    InvalidPattern,
    /// `W001`: a setting that has no effect.
    NoEffect,
}

impl Code {
    /// The printed code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownPolicy => "E001",
            Self::UnknownKey => "E002",
            Self::NoSettings => "E003",
            Self::Yaml => "E004",
            Self::DuplicateKey => "E005",
            Self::WrongType => "E006",
            Self::Missing => "E007",
            Self::InvalidValue => "E008",
            Self::Duplicate => "E009",
            Self::NotSupported => "E010",
            Self::UnknownProvider => "E011",
            Self::Contradiction => "E012",
            Self::LegacyShape => "E013",
            Self::InvalidPattern => "E014",
            Self::NoEffect => "W001",
        }
    }
}

/// Whether a problem stops the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not.
    Warning,
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters to underline.
    pub width: usize,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// `providers.targets[0].id`; empty for the file as a whole.
    pub path: String,
    /// Where it is.
    pub position: Position,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

/// All problems of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    /// What the reader asked for, where somebody wants to know.
    seen: Option<Box<Seen>>,
}

impl Report {
    /// The problems, in the order of the file.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether the file cannot be used.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    pub(crate) fn error(
        &mut self,
        code: Code,
        path: &str,
        position: Position,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (message, hint) = (message.into(), hint.into());
        self.diagnostics.push(Diagnostic {
            code,
            severity: Severity::Error,
            path: path.to_owned(),
            position,
            message,
            hint,
        });
    }

    /// The same problem as a warning: the file can be used.
    pub(crate) fn warning(
        &mut self,
        code: Code,
        path: &str,
        position: Position,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.error(code, path, position, message, hint);
        if let Some(diagnostic) = self.diagnostics.last_mut() {
            diagnostic.severity = Severity::Warning;
        }
    }

    /// A report that also notes what the reader asks for, beside what was `seen` before.
    pub(crate) fn watching(seen: Seen) -> Self {
        Self {
            seen: Some(Box::new(seen)),
            ..Self::default()
        }
    }

    /// Notes what the reader takes at `path`.
    pub(crate) fn asks(&mut self, path: impl FnOnce() -> String, kind: impl FnOnce() -> Kind) {
        if let Some(seen) = &mut self.seen {
            seen.note(&path(), kind());
        }
    }

    /// Notes that the reader demands `path`.
    pub(crate) fn demands(&mut self, path: &str) {
        if let Some(seen) = &mut self.seen {
            seen.note_missing(path);
        }
    }

    /// What was noted.
    pub(crate) fn seen(self) -> Seen {
        self.seen.map(|seen| *seen).unwrap_or_default()
    }

    /// Takes over what another report found.
    pub(crate) fn add(&mut self, other: Self) {
        self.diagnostics.extend(other.diagnostics);
    }

    /// Takes over the errors of another report at places where none is known: what is wrong in two pieces together.
    pub(crate) fn add_new(&mut self, other: Self) {
        let is_error = |found: &Diagnostic| found.severity == Severity::Error;
        for found in other.diagnostics.into_iter().filter(is_error) {
            let is_known = self
                .diagnostics
                .iter()
                .any(|known| known.position == found.position);
            if !is_known {
                self.diagnostics.push(found);
            }
        }
    }

    pub(crate) fn sort(&mut self) {
        self.diagnostics
            .sort_by_key(|diagnostic| (diagnostic.position, diagnostic.code));
    }

    /// The report as text, with the lines of `source` it speaks of. `file` is the name to print.
    pub fn render(&self, file: &str, source: &str) -> String {
        let lines: Vec<&str> = source.lines().collect();
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            render_one(diagnostic, file, &lines, &mut text);
        }
        let errors = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .count();
        if errors > 0 {
            let _ = writeln!(
                text,
                "{file}: {errors} {}",
                if errors == 1 { "error" } else { "errors" }
            );
        }
        text
    }
}

/// The part of a line that may be shown. Not what follows the place in question: behind a misspelt key may stand a
/// pasted secret. Not what precedes it, if that is more than a key: in a flow mapping it may be another value.
fn excerpt(line: &str, start: usize, width: usize) -> String {
    let before: String = line.chars().take(start).collect();
    let key = before
        .trim_start_matches([' ', '-'])
        .trim_end_matches(['"', '\'', ' ']);
    let is_key = key.strip_suffix(':').is_none_or(|key| {
        key.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    });
    let before = if key.is_empty() || key.ends_with(':') && is_key {
        before
    } else {
        " ".repeat(start)
    };
    before + &line.chars().skip(start).take(width).collect::<String>()
}

/// Whether the line of a problem at `path` may hold a key that somebody pasted.
fn may_hold_a_secret(path: &str) -> bool {
    ["api_key", "secret_key_ref", "consumers["]
        .iter()
        .any(|place| path.contains(place))
}

fn render_one(diagnostic: &Diagnostic, file: &str, lines: &[&str], out: &mut String) {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let Position {
        line,
        column,
        width,
    } = diagnostic.position;
    let _ = writeln!(
        out,
        "{severity}[{}]: {}",
        diagnostic.code.as_str(),
        diagnostic.message
    );
    let place = if diagnostic.path.is_empty() {
        String::new()
    } else {
        format!(" ({})", diagnostic.path)
    };
    let _ = writeln!(out, "  --> {file}:{line}:{column}{place}");
    let source = line
        .checked_sub(1)
        .and_then(|at| lines.get(at))
        .filter(|_| !may_hold_a_secret(&diagnostic.path));
    if let Some(source) = source {
        let source = excerpt(source, column.saturating_sub(1), width);
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(column.saturating_sub(1));
        let room = source
            .chars()
            .count()
            .saturating_sub(column.saturating_sub(1))
            .max(1);
        let underline = "^".repeat(width.clamp(1, room));
        let _ = writeln!(
            out,
            " {margin} |\n {number} | {source}\n {margin} | {indent}{underline}\n {margin} |"
        );
    }
    let _ = writeln!(out, "hint: {}\n", diagnostic.hint);
}
