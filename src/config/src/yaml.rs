//! YAML 1.2 with the position of every key and value. The only module that knows the YAML library.
//!
//! Not accepted, each with its own message: duplicate keys, tags, several documents, keys that are no strings,
//! aliases that would blow the file up.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::diagnostic::{Code, Position, Report};

/// More values than any real file has; aliases cannot multiply beyond it.
const MAX_NODES: usize = 20_000;
/// Nesting beyond this is an error rather than a deep recursion.
const MAX_DEPTH: usize = 32;

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) position: Position,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One line of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) position: Position,
    pub(crate) value: Node,
}

/// A scalar, resolved by the YAML 1.2 core schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Node {
    /// What a person would call it.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.value {
            Value::Scalar(Scalar::Null) => "nothing",
            Value::Scalar(Scalar::Bool(_)) => "a boolean",
            Value::Scalar(Scalar::Int(_)) => "an integer",
            Value::Scalar(Scalar::Float(_)) => "a number",
            Value::Scalar(Scalar::Text(_)) => "a string",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Parses one document. `None` when there is no tree to go on with; the reason is in `report`.
pub(crate) fn parse(source: &str, report: &mut Report) -> Option<Node> {
    let mut builder = Builder {
        parser: Parser::new_from_str(source),
        report,
        anchors: BTreeMap::new(),
        nodes: 0,
        path: Vec::new(),
    };
    builder.document()
}

struct Builder<'s, 'r> {
    parser: Parser<'s, saphyr_parser::StrInput<'s>>,
    report: &'r mut Report,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    /// Keys and indexes that lead to the node being read.
    path: Vec<String>,
}

impl<'s> Builder<'s, '_> {
    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                Event::StreamEnd => break,
                _ if root.is_some() => {
                    return self.refuse(
                        span,
                        "the file has more than one YAML document",
                        "keep one document per file",
                    );
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        if root.is_none() {
            let start = Position {
                line: 1,
                column: 1,
                width: 1,
            };
            self.report.error(
                Code::Yaml,
                "",
                start,
                "the file is empty",
                "start from policy-configs/minimal.yaml",
            );
        }
        root
    }

    fn next(&mut self) -> Option<(Event<'s>, Span)> {
        match self.parser.next_event()? {
            Ok(next) => Some(next),
            Err(error) => {
                let marker = error.marker();
                let position = Position {
                    line: marker.line().max(1),
                    column: marker.col() + 1,
                    width: 1,
                };
                self.report.error(
                    Code::Yaml,
                    "",
                    position,
                    format!("this is not YAML: {}", error.info()),
                    "check quotes, colons and indentation near here",
                );
                None
            }
        }
    }

    fn refuse(&mut self, span: Span, message: &str, hint: &str) -> Option<Node> {
        self.report
            .error(Code::Yaml, "", position(span), message, hint);
        None
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return self.refuse(
                span,
                "the file is too large or too deeply nested",
                "a policy file has a few hundred values",
            );
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    return self.refuse(
                        span,
                        "YAML tags are not accepted",
                        "remove the `!…`; quote a value to make it a string",
                    );
                }
                (Value::Scalar(scalar(&text, style)), anchor)
            }
            Event::SequenceStart(anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, span),
            _ => {
                return self.refuse(
                    span,
                    "this is not YAML: a value was expected",
                    "check the indentation near here",
                );
            }
        };
        let node = Node {
            value,
            position: position(span),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Some(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Option<Node> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return self.refuse(
                span,
                "the alias refers to nothing",
                "define the anchor (`&name`) before its alias (`*name`)",
            );
        };
        self.nodes += count(&node);
        if self.nodes > MAX_NODES {
            return self.refuse(
                span,
                "the file is too large",
                "aliases multiply it; write the values out",
            );
        }
        Some(Node {
            position: position(span),
            ..node
        })
    }

    fn sequence(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Some(Value::Sequence(items));
            }
            self.path.push(format!("[{}]", items.len()));
            items.push(self.node(event, span, depth + 1)?);
            self.path.pop();
        }
    }

    fn mapping(&mut self, depth: usize) -> Option<Value> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Some(Value::Mapping(entries)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => {
                    self.refuse(span, "a key must be a plain word", "write `key: value`");
                    return None;
                }
            };
            let position = position(span);
            self.path.push(format!(".{key}"));
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let path = self.path.concat();
            self.path.pop();
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!(
                    "the key `{key}` occurs twice; the first is on line {}",
                    first.position.line
                );
                self.report.error(
                    Code::DuplicateKey,
                    path.trim_start_matches('.'),
                    position,
                    message,
                    "keep one of them",
                );
            } else {
                entries.push(Entry {
                    key,
                    position,
                    value,
                });
            }
        }
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar(_) => 0,
        Value::Sequence(items) => items.iter().map(count).sum(),
        Value::Mapping(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
    }
}

fn position(span: Span) -> Position {
    let width = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        1
    };
    Position {
        line: span.start.line().max(1),
        column: span.start.col() + 1,
        width: width.max(1),
    }
}

/// Resolves a scalar by the core schema (YAML 1.2.2 §10.3.2).
fn scalar(text: &str, style: ScalarStyle) -> Scalar {
    if style != ScalarStyle::Plain {
        return Scalar::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ => number(text).unwrap_or_else(|| Scalar::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Scalar> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.contains(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    text.parse()
        .map(Scalar::Int)
        .or_else(|_| text.parse().map(Scalar::Float))
        .ok()
}
