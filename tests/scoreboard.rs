//! The committed weights are not worse than `docs/scoreboard.json` by more than its intervals: who changes them for the worse changes
//! that file too, where everybody sees it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// What the first line of a file of weights says of each source, by its name and whether it is positive.
fn committed(model: &str) -> BTreeMap<(String, bool), Value> {
    let file = fs::read(root().join(format!("src/text/models/{model}.bin"))).unwrap();
    let header = file.split(|byte| *byte == b'\n').next().unwrap();
    let header: Value = serde_json::from_slice(header).unwrap();
    let sources = header["about"]["shares_above_threshold"]
        .as_array()
        .unwrap();
    let key = |source: &Value| {
        (
            source["source"].as_str().unwrap().to_owned(),
            source["positive"].as_bool().unwrap(),
        )
    };
    sources
        .iter()
        .map(|source| (key(source), source.clone()))
        .collect()
}

/// What is worse in `now` than the row allows.
fn worse(row: &Value, now: &Value) -> Vec<String> {
    let bound = |name: &str, end: usize| row[name][end].as_f64();
    let share = now["share"].as_f64();
    let mut problems = Vec::new();
    if row.get("recall").is_some() && share < bound("interval", 0) {
        problems.push(format!("recall {share:?}, was {row}"));
    }
    if row.get("false_alarms").is_some() && share > bound("interval", 1) {
        problems.push(format!("false alarms {share:?}, were {row}"));
    }
    if row.get("auc").is_some() && now["auc"].as_f64() < bound("auc_interval", 0) {
        problems.push(format!("AUC {}, was {row}", now["auc"]));
    }
    problems
}

#[test]
fn no_figure_fell_unsaid() {
    let board = fs::read_to_string(root().join("docs/scoreboard.json")).unwrap();
    let board: BTreeMap<String, Vec<Value>> = serde_json::from_str(&board).unwrap();
    assert!(board.contains_key("injection") && board.contains_key("safety"));
    let mut problems = Vec::new();
    for (model, rows) in &board {
        let now = committed(model);
        assert!(rows.len() >= 20, "{model}");
        for row in rows {
            let source = row["source"].as_str().unwrap().to_owned();
            match now.get(&(source, row.get("recall").is_some())) {
                Some(now) => problems.extend(worse(row, now)),
                None => problems.push(format!("{model}: no figure for {row}")),
            }
        }
    }
    assert!(
        problems.is_empty(),
        "write it again with make eval, and say why: {problems:#?}"
    );
}

#[test]
fn worse_is_seen() {
    let row = serde_json::json!({"recall": 0.8, "interval": [0.7, 0.9], "auc": 0.97, "auc_interval": [0.96, 0.98]});
    let with =
        |share: f64, auc: f64| worse(&row, &serde_json::json!({"share": share, "auc": auc})).len();
    assert_eq!(
        [with(0.71, 0.961), with(0.69, 0.97), with(0.8, 0.95)],
        [0, 1, 1]
    );
    let row = serde_json::json!({"false_alarms": 0.01, "interval": [0.0, 0.02]});
    assert_eq!(worse(&row, &serde_json::json!({"share": 0.03})).len(), 1);
}
