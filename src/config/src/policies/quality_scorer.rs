//! `policy.quality-scorer`.

use kt_policy::{
    policies::quality_scorer::{FailureAction, Settings},
    quality::assertions::{Assertion, Check, Mode, Severity},
};

use super::patterns;
use crate::{
    diagnostic::{Code, Report},
    fields::{Fields, Unsupported, closest, join, wrong_type},
    yaml::{Node, Scalar, Value},
};

/// What needs another model to judge.
const NEEDS_JUDGE: &str = "remove it; it needs a model that judges, and this gateway asks none";

const UNSUPPORTED: &[Unsupported] = &[
    ("providers", NEEDS_JUDGE),
    ("benchmarks", NEEDS_JUDGE),
    ("mock_scoring", NEEDS_JUDGE),
    ("dimensions", "use `thresholds` and `weights`"),
    ("overall_min_score", "use `thresholds.min_aggregate`"),
    ("min_score", "use `thresholds.min_aggregate`"),
    ("on_fail", "use `failure_action.action`"),
    (
        "scope",
        "remove it; whole answers are scored, not texts of requests",
    ),
    (
        "exceptions",
        "use `thresholds` and `assertions`; nothing is found that could be let pass",
    ),
];

/// Types of assertions that ask a model, by what their names begin with.
const JUDGED: [&str; 12] = [
    "llm-",
    "model-",
    "factuality",
    "context-",
    "answer-relevance",
    "similar",
    "g-eval",
    "moderation",
    "classifier",
    "conversation-",
    "select-best",
    "pi",
];

const TYPES: [&str; 17] = [
    "equals",
    "contains",
    "icontains",
    "contains-all",
    "icontains-all",
    "contains-any",
    "icontains-any",
    "starts-with",
    "ends-with",
    "regex",
    "is-json",
    "contains-json",
    "length",
    "word-count",
    "sentence-count",
    "is-refusal",
    "repetition",
];

pub(super) fn read(mut fields: Fields<'_>, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    // A label for people.
    fields.text("industry", report);
    if let Some(chars) = fields.integer("min_output_chars", 0..=1_000_000, report) {
        settings.min_output_chars = chars;
    }
    if let Some(sentences) = fields.integer("min_sentences", 0..=10_000, report) {
        settings.min_sentences = sentences;
    }
    figures(&mut fields, &mut settings, report);
    let nodes = fields.list("assertions", report).unwrap_or_default();
    let path = fields.path_of("assertions");
    patterns::too_many(nodes, &path, report);
    let assertions = nodes
        .iter()
        .enumerate()
        .filter_map(|(index, node)| assertion(node, &format!("{path}[{index}]"), report));
    settings.assertions = assertions.collect();
    if let Some(mut action) = fields.mapping("failure_action", report) {
        let actions = [
            ("block", FailureAction::Block),
            ("retry", FailureAction::Retry),
            ("fallback", FailureAction::Fallback),
        ];
        if let Some(action) = action.choice("action", &actions, &[], report) {
            settings.failure_action = action;
        }
        action.finish(&[], report);
    }
    if let Some(mut pass) = fields.mapping("pass_policy", report) {
        pass.choice("strategy", &[("weighted_average", ())], &[], report);
        let mut threshold = 1.0;
        number(&mut pass, "threshold", 1.0, &mut threshold, report);
        settings.pass_threshold = Some(threshold);
        pass.finish(&[], report);
    }
    fields.finish(UNSUPPORTED, report);
    settings
}

/// `thresholds` and `weights`.
fn figures(fields: &mut Fields<'_>, settings: &mut Settings, report: &mut Report) {
    if let Some(mut thresholds) = fields.mapping("thresholds", report) {
        let places = &mut settings.thresholds;
        number(
            &mut thresholds,
            "min_aggregate",
            1.0,
            &mut places.min_aggregate,
            report,
        );
        number(
            &mut thresholds,
            "min_relevancy",
            1.0,
            &mut places.min_relevancy,
            report,
        );
        number(
            &mut thresholds,
            "min_coherence",
            1.0,
            &mut places.min_coherence,
            report,
        );
        number(
            &mut thresholds,
            "min_completeness",
            1.0,
            &mut places.min_completeness,
            report,
        );
        thresholds.finish(
            &[
                ("min_faithfulness", NEEDS_JUDGE),
                ("min_accuracy", NEEDS_JUDGE),
            ],
            report,
        );
    }
    if let Some(mut weights) = fields.mapping("weights", report) {
        number(
            &mut weights,
            "relevancy",
            1.0,
            &mut settings.weights.relevancy,
            report,
        );
        number(
            &mut weights,
            "coherence",
            1.0,
            &mut settings.weights.coherence,
            report,
        );
        number(
            &mut weights,
            "completeness",
            1.0,
            &mut settings.weights.completeness,
            report,
        );
        weights.finish(
            &[("faithfulness", NEEDS_JUDGE), ("accuracy", NEEDS_JUDGE)],
            report,
        );
    }
}

/// Puts the number at `key` into its place.
#[expect(
    clippy::cast_possible_truncation,
    reason = "shares need no more precision than f32"
)]
fn number(
    fields: &mut Fields<'_>,
    key: &'static str,
    most: f64,
    place: &mut f32,
    report: &mut Report,
) {
    if let Some(number) = fields.number(key, 0.0..=most, report) {
        *place = number as f32;
    }
}

fn assertion(node: &Node, path: &str, report: &mut Report) -> Option<Assertion> {
    let mut fields = Fields::of(node, path, report)?;
    let (kind, position) = fields.required_text("type", "name what is demanded", report)?;
    let name = fields
        .text("name", report)
        .map_or(kind, |(name, _)| name)
        .to_owned();
    let is_enabled = fields.boolean("enabled", report).unwrap_or(true);
    let negate = fields.boolean("negate", report).unwrap_or(false);
    let mut case_sensitive = fields.boolean("case_sensitive", report).unwrap_or(true);
    let (mut threshold, mut weight) = (1.0, 1.0);
    number(&mut fields, "threshold", 1.0, &mut threshold, report);
    number(&mut fields, "weight", 10.0, &mut weight, report);
    let modes = [
        ("enforce", Mode::Enforce),
        ("audit", Mode::Audit),
        ("shadow", Mode::Shadow),
    ];
    let mode = fields
        .choice("mode", &modes, &[], report)
        .unwrap_or_default();
    let severities = [
        ("critical", Severity::Critical),
        ("warning", Severity::Warning),
        ("info", Severity::Info),
    ];
    let severity = fields
        .choice("severity", &severities, &[], report)
        .unwrap_or_default();
    let bare = kind.strip_prefix("not-").unwrap_or(kind);
    let plain = bare
        .strip_prefix('i')
        .filter(|plain| plain.starts_with("contains"))
        .unwrap_or(bare);
    case_sensitive &= plain == bare;
    let check = check(plain, &mut fields, report);
    if !TYPES.contains(&bare) {
        unknown_type(kind, &fields.path_of("type"), position, report);
    }
    let has_check = check.is_some();
    fields.finish(
        &[
            ("provider", NEEDS_JUDGE),
            ("pack", NEEDS_JUDGE),
            ("rubric", NEEDS_JUDGE),
        ],
        report,
    );
    let assertion = check.map(|check| Assertion {
        name,
        check,
        negate: negate != (bare != kind),
        case_sensitive,
        threshold,
        weight,
        mode,
        severity,
    });
    assertion.filter(|_| is_enabled && has_check)
}

fn unknown_type(
    kind: &str,
    path: &str,
    position: crate::diagnostic::Position,
    report: &mut Report,
) {
    if JUDGED.iter().any(|judged| kind.starts_with(judged)) {
        let message = format!(
            "assertions of type `{kind}` need a model that judges, and this gateway asks none"
        );
        report.error(
            Code::NotSupported,
            path,
            position,
            message,
            format!("use one of {}", join(TYPES.into_iter())),
        );
        return;
    }
    let hint = match closest(kind, TYPES.into_iter()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("known types: {}", join(TYPES.into_iter())),
    };
    report.error(
        Code::InvalidValue,
        path,
        position,
        format!("there is no assertion of type `{kind}`"),
        hint,
    );
}

/// What the type and its `value` (or `config`) demand.
fn check(kind: &str, fields: &mut Fields<'_>, report: &mut Report) -> Option<Check> {
    Some(match kind {
        "equals" => Check::Equals(text(fields, report)?),
        "contains" | "contains-all" => Check::ContainsAll(texts(fields, report)?),
        "contains-any" => Check::ContainsAny(texts(fields, report)?),
        "starts-with" => Check::StartsWith(text(fields, report)?),
        "ends-with" => Check::EndsWith(text(fields, report)?),
        "regex" => {
            let (path, position) = (fields.path_of("value"), fields.key_position("value"));
            let expression = text(fields, report)?;
            Check::Regex(patterns::regex(
                &expression,
                "ASSERTION",
                &path,
                position,
                report,
            )?)
        }
        "is-json" => Check::IsJson,
        "contains-json" => Check::ContainsJson,
        "length" => range(fields, report, Check::Length)?,
        "word-count" => range(fields, report, Check::WordCount)?,
        "sentence-count" => range(fields, report, Check::SentenceCount)?,
        "is-refusal" => Check::Refusal,
        "repetition" => Check::Repetition,
        _ => {
            // Whatever it has, its type is the problem.
            fields.get("value");
            fields.get("config");
            return None;
        }
    })
}

/// The node at `value`, or else at `config`.
fn value<'n>(fields: &mut Fields<'n>, report: &mut Report) -> Option<(&'n Node, String)> {
    for key in ["value", "config"] {
        if let Some(node) = fields.get(key) {
            return Some((node, fields.path_of(key)));
        }
    }
    fields.missing("value", "write what is demanded", report);
    None
}

fn text(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let (node, path) = value(fields, report)?;
    match &node.value {
        Value::Scalar(Scalar::Text(text)) if !text.is_empty() => Some(text.clone()),
        _ => {
            wrong_type(node, &path, "a string", report);
            None
        }
    }
}

/// One string or a list of them.
fn texts(fields: &mut Fields<'_>, report: &mut Report) -> Option<Vec<String>> {
    let (node, path) = value(fields, report)?;
    let strings = |items: &[Node]| {
        let texts = items.iter().map(|item| match &item.value {
            Value::Scalar(Scalar::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        });
        texts.collect::<Option<Vec<String>>>()
    };
    let found = match &node.value {
        Value::Sequence(items) if !items.is_empty() => strings(items),
        Value::Scalar(Scalar::Text(text)) if !text.is_empty() => Some(vec![text.clone()]),
        _ => None,
    };
    if found.is_none() {
        wrong_type(node, &path, "a string or a list of strings", report);
    }
    found
}

/// `{min, max}`, of which one may be absent.
fn range(
    fields: &mut Fields<'_>,
    report: &mut Report,
    make: fn(usize, usize) -> Check,
) -> Option<Check> {
    let (node, path) = value(fields, report)?;
    let mut bounds = Fields::of(node, &path, report)?;
    let least = bounds.integer("min", 0..=10_000_000, report);
    let most = bounds.integer("max", 0..=10_000_000, report);
    if least.is_none() && most.is_none() {
        bounds.missing("min", "write `min`, `max` or both", report);
        return None;
    }
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        report.error(
            Code::InvalidValue,
            &path,
            node.position,
            format!("`{path}` has a `min` above its `max`"),
            "exchange them",
        );
    }
    bounds.finish(&[], report);
    let size = |bound: Option<u32>, otherwise| {
        bound.map_or(otherwise, |bound| {
            usize::try_from(bound).unwrap_or(otherwise)
        })
    };
    Some(make(size(least, 0), size(most, usize::MAX >> 1)))
}
