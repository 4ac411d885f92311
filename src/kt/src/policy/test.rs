//! `kt policy test`: conversations with the verdict that a policy file must give them, judged by the engine that runs in Envoy.
//!
//! Cases stand in `testing.suites` of the policy file and in `tests/*.json` beside it, one object or a list of objects per file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use kt_config::{Expected, TestCase};
use kt_envoy_gen::{Options, policy_filter_config};
use kt_policy::{BodyStep, Engine, PolicyKind, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use super::judge::{begin, line};
use crate::{Failure, PROBLEM, gateway::load};

/// Arguments of `kt policy test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Folder with the policy file and, in `tests`, the fixtures.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pack_dir: PathBuf,
    /// The policy file, if it is not `policy-config.yaml` of that folder.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Write the results as `JUnit` XML too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A case as it is written in a fixture.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    name: String,
    input: Input,
    expected: Expectation,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    messages: Value,
    #[serde(default)]
    request: Value,
    upstream_response: Option<Value>,
    // Of the product's fixtures; no policy reads them.
    #[serde(rename = "headers")]
    _headers: Option<Value>,
    #[serde(rename = "proxy_name")]
    _proxy_name: Option<Value>,
    #[serde(rename = "team_slugs")]
    _team_slugs: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    verdict: Verdict,
    reason_code: Option<String>,
    policy: Option<PolicyKind>,
}

impl From<Fixture> for TestCase {
    fn from(fixture: Fixture) -> Self {
        let Fixture {
            name,
            input,
            expected,
        } = fixture;
        Self {
            name,
            request: Self::request(input.messages, input.request),
            response: input.upstream_response,
            expected: Expected {
                verdict: expected.verdict,
                reason_code: expected.reason_code,
                policy: expected.policy.map(|kind| kind.name().to_owned()),
            },
        }
    }
}

/// What came of one case.
struct Outcome {
    name: String,
    /// The line that `explain` prints.
    judged: Value,
    /// What differs from what was expected: member, expected and actual value.
    differences: Vec<(&'static str, String, String)>,
}

impl Outcome {
    fn passed(&self) -> bool {
        self.differences.is_empty()
    }

    fn explanation(&self) -> String {
        let explained = self
            .differences
            .iter()
            .map(|(member, expected, actual)| format!("{member} is {actual}, expected {expected}"));
        explained.collect::<Vec<_>>().join("; ")
    }
}

/// Runs all cases of one folder.
pub(crate) fn test(arguments: &Test) -> Result<ExitCode, Failure> {
    let folder = &arguments.pack_dir;
    let file = arguments.file.clone();
    let file = file.unwrap_or_else(|| folder.join("policy-config.yaml"));
    let mut gateway = load(&file)?;
    let mut cases = std::mem::take(&mut gateway.tests);
    cases.extend(fixtures(&folder.join("tests"))?);
    if cases.is_empty() {
        let hint = "add `testing.suites` to the policy file, or fixtures as tests/*.json beside it";
        let place = file.display();
        return Err(Failure::problem(format!(
            "error: {place}: there is nothing to test\nhint: {hint}"
        )));
    }
    let config = policy_filter_config(&gateway, &Options::default());
    let engine = Engine::new(config)
        .map(Arc::new)
        .map_err(|reason| Failure::problem(format!("error: {}: {reason}", file.display())))?;
    let outcomes: Vec<Outcome> = cases.iter().map(|case| run(&engine, case)).collect();
    report(arguments, &outcomes)?;
    let ok = outcomes.iter().all(Outcome::passed);
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(PROBLEM)
    })
}

/// The cases of all files in a folder, by name. No folder means no cases.
fn fixtures(folder: &Path) -> Result<Vec<TestCase>, Failure> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let unreadable = |error: std::io::Error| {
        Failure::usage(format!("error: cannot read {}: {error}", folder.display()))
    };
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(unreadable)?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        cases.extend(fixture(&file)?);
    }
    Ok(cases)
}

fn fixture(file: &Path) -> Result<Vec<TestCase>, Failure> {
    let place = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("error: cannot read {place}: {error}")))?;
    // Told apart by hand: an untagged type would lose line, column and reason of a mistake.
    let read = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<Fixture>>(&text)
    } else {
        serde_json::from_str::<Fixture>(&text).map(|fixture| vec![fixture])
    };
    let fixtures = read.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let reason = error.to_string();
        let reason = reason
            .split(" at line")
            .next()
            .unwrap_or_default()
            .to_owned();
        let hint = "a fixture has `name`, `input` with `messages`, and `expected` with `verdict`";
        Failure::problem(format!(
            "error: {place}:{line}:{column}: {reason}\nhint: {hint}"
        ))
    })?;
    Ok(fixtures.into_iter().map(TestCase::from).collect())
}

/// Judges one case as the gateway would: the answer only if the request may go on.
fn run(engine: &Arc<Engine>, case: &TestCase) -> Outcome {
    let mut exchange = begin(engine);
    let step = exchange.request_body(case.request.to_string().as_bytes());
    if let (Some(response), false) = (&case.response, matches!(step, BodyStep::Reply(_))) {
        exchange.response_body(answer(response).to_string().as_bytes());
    }
    let judged = line(&Value::Null, &exchange);
    Outcome {
        name: case.name.clone(),
        differences: differences(&case.expected, &judged),
        judged,
    }
}

/// The body of an answer; a string stands for a message of the assistant.
fn answer(response: &Value) -> Value {
    match response {
        Value::String(text) => {
            let message = json!({"role": "assistant", "content": text});
            json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
        }
        body => body.clone(),
    }
}

fn differences(expected: &Expected, judged: &Value) -> Vec<(&'static str, String, String)> {
    let verdict = serde_json::to_value(expected.verdict).unwrap_or_default();
    let wanted = [
        ("verdict", verdict.as_str().map(str::to_owned)),
        ("reason_code", expected.reason_code.clone()),
        ("policy", expected.policy.clone()),
    ];
    let differs = |(member, wanted): (&'static str, Option<String>)| {
        let actual = judged.get(member).and_then(Value::as_str).unwrap_or("none");
        let wanted = wanted.filter(|wanted| wanted != actual)?;
        Some((member, wanted, actual.to_owned()))
    };
    wanted.into_iter().filter_map(differs).collect()
}

fn report(arguments: &Test, outcomes: &[Outcome]) -> Result<(), Failure> {
    if let Some(file) = &arguments.junit {
        fs::write(file, junit(outcomes)).map_err(|error| {
            Failure::usage(format!("error: cannot write {}: {error}", file.display()))
        })?;
    }
    if arguments.json {
        println!("{}", as_json(outcomes));
    } else {
        print!("{}", table(outcomes));
    }
    Ok(())
}

fn as_json(outcomes: &[Outcome]) -> Value {
    let results = outcomes.iter().map(|outcome| {
        let results = outcome
            .judged
            .get("policy_results")
            .cloned()
            .unwrap_or_default();
        let quality = results
            .as_array()
            .and_then(|results| results.iter().find_map(|result| result.get("quality")));
        json!({
            "name": outcome.name,
            "verdict": outcome.judged.get("verdict"),
            "reason_code": outcome.judged.get("reason_code"),
            "passed": outcome.passed(),
            "details": {"policy_results": results, "quality_scores": quality},
        })
    });
    let ok = outcomes.iter().all(Outcome::passed);
    json!({"ok": ok, "results": results.collect::<Vec<_>>()})
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let (word, explanation) = if outcome.passed() {
            ("ok    ", String::new())
        } else {
            ("FAILED", format!(": {}", outcome.explanation()))
        };
        text.push_str(&format!("{word}  {}{explanation}\n", outcome.name));
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let passed = outcomes.len() - failed;
    text + &format!("{passed} passed, {failed} failed\n")
}

/// The results in the format that build servers read (`testsuite`, `testcase`, `failure`).
fn junit(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"kt policy test\" tests=\"{}\" failures=\"{failed}\">\n",
        outcomes.len()
    );
    for outcome in outcomes {
        let name = escaped(&outcome.name);
        if outcome.passed() {
            xml.push_str(&format!("  <testcase name=\"{name}\"/>\n"));
        } else {
            let explanation = escaped(&outcome.explanation());
            xml.push_str(&format!(
                "  <testcase name=\"{name}\"><failure message=\"{explanation}\"/></testcase>\n"
            ));
        }
    }
    xml + "</testsuite>\n"
}

/// Text for an attribute. XML 1.0 has no place for most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out
}
