//! Texts that a model reads as one: the parts of a message, messages of one role in a row, `instructions` and `input`, prompts and
//! other lists of strings.
//!
//! Each was judged for itself. Here they are put together for a second reading that finds what goes across their ends: without
//! anything in between, since a split text has all its characters, and with a space, since templates put white space there. Of a
//! long text only [`REACH`] bytes at each end are read again, so the second reading costs no more than the texts, and at most
//! 2 · [`REACH`] for each of them.

use std::{borrow::Cow, ops::Range};

use crate::{
    json::{self, Step},
    narrowing::Place,
};

/// How far from its end a text is read again: as far as a phrase or a user's expression reaches.
pub(super) const REACH: usize = 1024;
/// How far behind the end of a text its words are context for what follows.
pub(super) const NEAR: usize = kt_text::detect::CONTEXT;

/// A text of the body that was judged for itself.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// Its bytes in the body.
    pub(super) raw: Range<usize>,
    pub(super) escaped: bool,
    /// What it is a part of, if its characters follow directly on those of the part before.
    pub(super) part_of: Option<u64>,
    /// Where it stands, for exceptions and scopes.
    pub(super) place: Place,
}

/// Texts that are read as one.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) units: Vec<Unit>,
    /// The message of the conversation that they end in.
    pub(super) turn: Option<usize>,
}

/// Collects the groups of one body.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// Messages of one role in a row.
    run: Group,
    run_role: u64,
    /// Whether they are what the model is asked; an answer repeats `instructions`, but does not go on from them.
    is_input: bool,
    /// The message that is read.
    message: Vec<Unit>,
    /// Whether it says anything.
    speaks: bool,
    role: u64,
    kind: u64,
    /// The list of strings that is read, and which it is.
    list: Group,
    list_at: u64,
    instructions: Vec<Unit>,
    /// The first run of `input`.
    first: Vec<Unit>,
    prompt: Group,
    /// What is complete.
    pub(super) done: Vec<Group>,
}

impl Neighbours {
    /// Takes a text. `is_blank` says that it is white space.
    pub(super) fn text(&mut self, path: &[Step<'_>], mut unit: Unit, is_blank: bool) {
        match below_response(path) {
            [list, Step::Index(turn), Step::Key(member), rest @ ..]
                if is_conversation(list) && is_read(member, rest) =>
            {
                unit.part_of = Some(*turn as u64);
                self.message.push(unit);
                self.speaks |= !is_blank;
            }
            [member, ..] if member.is("instructions") => self.instructions.push(unit),
            [member] if member.is("input") => {
                self.is_input = true;
                self.run.units.push(unit);
            }
            [member] | [member, Step::Index(_)] if member.is("prompt") || member.is("suffix") => {
                self.prompt.units.push(unit);
            }
            path => self.element(path, unit),
        }
    }

    /// Takes a text of any list: an element, or the `text` of one.
    fn element(&mut self, path: &[Step<'_>], mut unit: Unit) {
        let (list, is_part) = match path {
            [list @ .., Step::Index(_)] => (list, false),
            [list @ .., Step::Index(_), member] if member.is("text") => (list, true),
            _ => return,
        };
        let at = hash(list);
        unit.part_of = is_part.then_some(at);
        if at != self.list_at {
            finish(&mut self.list, &mut self.done);
        }
        self.list_at = at;
        self.list.units.push(unit);
    }

    /// Takes what may be the role of a message.
    pub(super) fn note(&mut self, path: &[Step<'_>], text: &str) {
        if let [list, Step::Index(_), Step::Key(member)] = below_response(path)
            && is_conversation(list)
        {
            match &**member {
                "role" => self.role = fnv(1, text.as_bytes()),
                "type" => self.kind = fnv(2, text.as_bytes()),
                _ => {}
            }
        }
    }

    /// An object ends: maybe a message.
    pub(super) fn close(&mut self, path: &[Step<'_>]) {
        let [list, Step::Index(turn)] = below_response(path) else {
            return;
        };
        if !is_conversation(list) {
            return;
        }
        let role = if self.role == 0 { self.kind } else { self.role };
        (self.role, self.kind) = (0, 0);
        if !std::mem::take(&mut self.speaks) && role != self.run_role {
            // Nothing is said in between.
            self.message.clear();
            return;
        }
        if role != self.run_role {
            self.finish_run();
        }
        self.run_role = role;
        self.is_input = list.is("input");
        self.run.turn = Some(*turn);
        self.run.units.append(&mut self.message);
    }

    fn finish_run(&mut self) {
        if self.first.is_empty() && self.is_input {
            self.first.clone_from(&self.run.units);
        }
        finish(&mut self.run, &mut self.done);
    }

    /// The body ends.
    pub(super) fn finish(&mut self) {
        self.finish_run();
        finish(&mut self.list, &mut self.done);
        finish(&mut self.prompt, &mut self.done);
        let mut units = std::mem::take(&mut self.instructions);
        if !units.is_empty() {
            units.append(&mut self.first);
        }
        finish(&mut Group { units, turn: None }, &mut self.done);
    }
}

/// Moves a group to those that are complete, if it has neighbours at all.
fn finish(group: &mut Group, done: &mut Vec<Group>) {
    let group = std::mem::take(group);
    if group.units.len() > 1 {
        done.push(group);
    }
}

/// The events of the Responses API have the answer in `response`.
fn below_response<'p, 'a>(path: &'p [Step<'a>]) -> &'p [Step<'a>] {
    match path {
        [response, below @ ..] if response.is("response") => below,
        _ => path,
    }
}

fn is_conversation(list: &Step<'_>) -> bool {
    ["messages", "input", "output"]
        .iter()
        .any(|name| list.is(name))
}

/// Whether the model reads a string of this member of a message as its text.
fn is_read(member: &str, rest: &[Step<'_>]) -> bool {
    matches!(member, "content" | "output" | "text")
        && match rest {
            [] | [Step::Index(_)] => true,
            [Step::Index(_), Step::Key(text)] | [Step::Index(_), Step::Key(text), _] => {
                matches!(&**text, "text" | "refusal" | "content")
            }
            _ => false,
        }
}

fn hash(path: &[Step<'_>]) -> u64 {
    path.iter().fold(3, |hash, step| match step {
        Step::Key(name) => fnv(hash, name.as_bytes()),
        Step::Index(index) => fnv(hash, &index.to_le_bytes()),
    })
}

/// FNV-1a.
fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .chain(&[0])
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// A stretch of a unit in a joined text.
#[derive(Debug)]
pub(super) struct Piece {
    /// Where it lies in the joined text.
    pub(super) at: Range<usize>,
    /// Which unit it is of, and where it begins in that, decoded.
    pub(super) unit: usize,
    pub(super) start: usize,
}

/// Texts put together.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
}

impl Group {
    /// Whether the pieces are parts of one text.
    pub(super) fn is_one_text(&self, pieces: &[Piece]) -> bool {
        let mut parts = pieces
            .iter()
            .map(|piece| self.units.get(piece.unit).and_then(|unit| unit.part_of));
        let first = parts.next().flatten();
        first.is_some() && parts.all(|part| part == first)
    }
}

impl Joined {
    fn push(&mut self, unit: usize, text: &str, range: Range<usize>) {
        let at = self.text.len();
        self.text
            .push_str(text.get(range.clone()).unwrap_or_default());
        self.pieces.push(Piece {
            at: at..self.text.len(),
            unit,
            start: range.start,
        });
    }

    /// The pieces that `range` lies in, by their places.
    pub(super) fn touched(&self, range: &Range<usize>) -> Range<usize> {
        let first = self
            .pieces
            .partition_point(|piece| piece.at.end <= range.start);
        let end = self
            .pieces
            .partition_point(|piece| piece.at.start < range.end);
        first..end.max(first)
    }

    /// Whether what lies at `range` needs its neighbours: it goes across an end, or stands shortly behind one.
    pub(super) fn needs_neighbours(&self, range: &Range<usize>) -> bool {
        let touched = self.touched(range);
        touched.len() > 1
            || touched.start > 0
                && self
                    .pieces
                    .get(touched.start)
                    .is_some_and(|piece| range.start < piece.at.start + NEAR)
    }
}

/// The joined texts of a group, with `between` wherever two texts meet without white space. Nothing when nothing would stand there.
pub(super) fn joined(body: &str, units: &[Unit], between: &str) -> Vec<Joined> {
    let mut all = Vec::new();
    let mut current = Joined::default();
    let mut differs = between.is_empty();
    for (place, unit) in units.iter().enumerate() {
        let text = decoded(body, unit);
        if text.is_empty() {
            continue;
        }
        let meets = current
            .text
            .chars()
            .next_back()
            .is_some_and(|c| !c.is_whitespace())
            && text.chars().next().is_some_and(|c| !c.is_whitespace());
        if meets && !between.is_empty() {
            differs = true;
            current.text.push_str(between);
        }
        if text.len() <= 2 * REACH {
            current.push(place, &text, 0..text.len());
            continue;
        }
        current.push(place, &text, 0..boundary(&text, REACH));
        all.push(std::mem::take(&mut current));
        current.push(
            place,
            &text,
            boundary(&text, text.len() - REACH)..text.len(),
        );
    }
    all.push(current);
    all.retain(|joined| differs && joined.pieces.len() > 1);
    all
}

/// A text of the body, without the escapes.
pub(super) fn decoded<'b>(body: &'b str, unit: &Unit) -> Cow<'b, str> {
    json::decode(body.get(unit.raw.clone()).unwrap_or_default(), unit.escaped)
}

/// The last beginning of a word shortly before `at`, so that no value is cut; else a character's.
fn boundary(text: &str, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let start = text.floor_char_boundary(at.saturating_sub(NEAR));
    let near = text.get(start..at).unwrap_or_default();
    near.rfind(char::is_whitespace)
        .map_or(at, |place| start + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts that are joined in a body, group by group.
    fn groups(body: &str) -> Vec<String> {
        let mut neighbours = Neighbours::default();
        json::walk(body, &mut |path, node| match node.kind {
            json::Kind::String { escaped } => {
                let unit = Unit {
                    raw: node.range.clone(),
                    escaped,
                    part_of: None,
                    place: Place::default(),
                };
                neighbours.note(path, &decoded(body, &unit));
                let is_blank = decoded(body, &unit).trim().is_empty();
                neighbours.text(path, unit, is_blank);
            }
            json::Kind::Object => neighbours.close(path),
            _ => {}
        })
        .unwrap();
        neighbours.finish();
        let texts = neighbours
            .done
            .iter()
            .flat_map(|group| joined(body, &group.units, ""));
        texts.map(|joined| joined.text).collect()
    }

    #[test]
    fn what_a_model_reads_as_one_is_one() {
        for (body, expected) in [
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}"#,
                &["ab"][..],
            ),
            (
                r#"{"messages":[{"role":"user","content":"a"},{"content":"b","role":"user"},{"role":"assistant","content":"c"},{"role":"user","content":"d"}]}"#,
                &["ab"],
            ),
            (
                r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null},{"role":"assistant","content":" "},{"role":"user","content":["b","c"]}]}"#,
                &["abc"],
            ),
            (r#"{"input":"b","instructions":"a"}"#, &["ab"]),
            (
                r#"{"instructions":"a","input":[{"role":"user","content":[{"type":"input_text","text":"b"}]},{"role":"user","content":"c"}]}"#,
                &["bc", "abc"],
            ),
            (
                r#"{"input":[{"type":"function_call_output","output":"a"},{"type":"function_call_output","output":"b"},{"type":"reasoning","content":[{"text":"c"}]}]}"#,
                &["ab"],
            ),
            (r#"{"prompt":["a","b"],"suffix":"c"}"#, &["abc"]),
            (
                r#"{"choices":[{"message":{"content":[{"text":"a"},{"text":"b"}]}},{"message":{"content":"c"}}]}"#,
                &["ab"],
            ),
            (
                r#"{"output":[{"type":"message","content":[{"text":"a"},{"text":"b"}]}]}"#,
                &["ab"],
            ),
            (
                r#"{"type":"response.completed","response":{"output":[{"type":"message","content":[{"text":"a"},{"text":"b"}]}]}}"#,
                &["ab"],
            ),
            (
                r#"{"metadata":{"x":["a","b"],"y":["c"]},"stop":["d","e"]}"#,
                &["ab", "de"],
            ),
        ] {
            assert_eq!(groups(body), expected, "{body}");
        }
    }

    #[test]
    fn texts_of_others_stay_apart() {
        for body in [
            r#"{"messages":[{"role":"system","content":"a"},{"role":"user","content":"b"}]}"#,
            r#"{"messages":[{"role":"user","name":"x","content":"a"}],"user":"b","tools":[{"function":{"description":"c"}},{"function":{"description":"d"}}]}"#,
            r#"{"choices":[{"message":{"content":"a"}},{"message":{"content":"b"}}]}"#,
            r#"{"instructions":"a","output":[{"type":"message","content":[{"text":"b"}]}]}"#,
        ] {
            assert_eq!(groups(body), [] as [&str; 0], "{body}");
        }
    }

    #[test]
    fn long_texts_are_read_again_at_their_ends() {
        let long = "word ".repeat(1000);
        let body = format!("[\"{long}\",\"{long}\",\"x\",\"{long}\"]");
        let texts = groups(&body);
        assert_eq!(texts.len(), 2);
        assert!(
            texts.iter().all(|text| text.len() <= 2 * REACH + NEAR + 1),
            "{texts:?}"
        );
        assert!(texts[1].contains("word xword"));
    }
}
