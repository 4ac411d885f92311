//! The table of `kt policy replay --against`: what another file would decide differently, for the person who has to say yes to it.

use serde_json::Value;

/// The kinds of change, in the order in which they are shown: what stops work first.
const GROUPS: [&str; 4] = [
    "newly blocked",
    "newly allowed",
    "changed redactions",
    "other changes",
];

/// Changes so far.
#[derive(Debug, Default)]
pub(super) struct Review {
    rows: [Vec<[String; 3]>; 4],
}

/// What a file says of one conversation.
pub(super) struct Said<'s> {
    /// One line of `--json`.
    pub(super) judged: &'s Value,
    /// Verdict and reason.
    pub(super) decision: String,
    /// What was replaced, by category and place.
    pub(super) redactions: Vec<String>,
}

impl Said<'_> {
    fn stops(&self) -> bool {
        let verdict = self.judged.get("verdict").and_then(Value::as_str);
        matches!(verdict, Some("block" | "escalate"))
    }

    /// How it is shown beside another: the decision, and where only the redactions differ those too.
    fn shown(&self, other: &Self) -> String {
        if self.decision == other.decision {
            format!("{} [{}]", self.decision, self.redactions.join(", "))
        } else {
            self.decision.clone()
        }
    }
}

impl Review {
    /// Compares what two files say of the conversation `id`.
    pub(super) fn compare(&mut self, id: &Value, before: &Said<'_>, after: &Said<'_>) {
        let group = match (before.stops(), after.stops()) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) if before.redactions != after.redactions => 2,
            _ if before.decision != after.decision => 3,
            _ => return,
        };
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        if let Some(rows) = self.rows.get_mut(group) {
            rows.push([id, before.shown(after), after.shown(before)]);
        }
    }

    /// The table. Values are named by kind and place, never quoted.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for (name, rows) in GROUPS.iter().zip(&self.rows) {
            text.push_str(&format!("{name}: {}\n", rows.len()));
            let width = |column: usize| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            };
            let (ids, befores) = (width(0), width(1));
            for [id, before, after] in rows {
                text.push_str(&format!("  {id:<ids$}  {before:<befores$} -> {after}\n"));
            }
        }
        text
    }
}
