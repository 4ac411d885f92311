//! `testing`: conversations with the verdict that the policies must give, for `kt policy test`.
//!
//! Source: `testing.suites` of the product's configuration reference. The gateway itself does nothing with them.

use kt_policy::Verdict;
use serde_json::{Map, Number, Value as Json};

use crate::{
    diagnostic::{Code, Report},
    fields::{Fields, Unsupported, wrong_type},
    gateway::{Expected, TestCase},
    yaml::{Node, Scalar, Value},
};

const JUDGED_HERE: &str = "remove it; `kt policy test` judges by the verdict alone";
const UNSUPPORTED: &[Unsupported] = &[
    ("default_threshold", JUDGED_HERE),
    ("plugins", JUDGED_HERE),
    ("strategies", JUDGED_HERE),
];
const UNSUPPORTED_IN_SUITES: &[Unsupported] = &[
    (
        "target",
        "remove it; policies decide alike for every target",
    ),
    ("assertions", JUDGED_HERE),
];
/// Members of an input that no policy reads.
const UNREAD: [&str; 3] = ["headers", "proxy_name", "team_slugs"];

/// Words of `expected.verdict`.
const VERDICTS: &[(&str, Verdict)] = &[
    ("allow", Verdict::Allow),
    ("redact", Verdict::Redact),
    ("escalate", Verdict::Escalate),
    ("block", Verdict::Block),
];

/// The cases of all suites, named `suite / case`.
pub(crate) fn cases(root: &mut Fields<'_>, report: &mut Report) -> Vec<TestCase> {
    let Some(mut fields) = root.mapping("testing", report) else {
        return Vec::new();
    };
    let suites = fields.list("suites", report).unwrap_or_default();
    let mut cases = Vec::new();
    for (at, node) in suites.iter().enumerate() {
        let path = format!("{}[{at}]", fields.path_of("suites"));
        if let Some(suite) = Fields::of(node, &path, report) {
            read_suite(suite, &mut cases, report);
        }
    }
    fields.finish(UNSUPPORTED, report);
    cases
}

fn read_suite(mut suite: Fields<'_>, cases: &mut Vec<TestCase>, report: &mut Report) {
    let name = suite.required_text("name", "name the suite", report);
    suite.text("description", report);
    if suite.get("cases").is_none() {
        suite.missing("cases", "list the suite's conversations", report);
    }
    let listed = suite.list("cases", report).unwrap_or_default();
    for (at, node) in listed.iter().enumerate() {
        let path = format!("{}[{at}]", suite.path_of("cases"));
        let case = Fields::of(node, &path, report).and_then(|case| read_case(case, report));
        if let (Some(case), Some((suite, _))) = (case, name) {
            let name = format!("{suite} / {}", case.name);
            cases.push(TestCase { name, ..case });
        }
    }
    suite.finish(UNSUPPORTED_IN_SUITES, report);
}

fn read_case(mut case: Fields<'_>, report: &mut Report) -> Option<TestCase> {
    let name = case.required_text("name", "name the case", report);
    let input = required(&mut case, "input", "add `input:` with `messages`", report);
    let request = input.and_then(|input| read_request(input, report));
    let expected = required(
        &mut case,
        "expected",
        "add `expected:` with `verdict`",
        report,
    );
    let expected = expected.and_then(|expected| read_expected(expected, report));
    case.finish(&[], report);
    let (request, response) = request?;
    Some(TestCase {
        name: name?.0.to_owned(),
        request,
        response,
        expected: expected?,
    })
}

fn required<'n>(
    fields: &mut Fields<'n>,
    key: &'static str,
    hint: &str,
    report: &mut Report,
) -> Option<Fields<'n>> {
    if fields.get(key).is_none() {
        fields.missing(key, hint, report);
    }
    fields.mapping(key, report)
}

/// The body of the request, and that of the answer if there is one.
fn read_request(mut input: Fields<'_>, report: &mut Report) -> Option<(Json, Option<Json>)> {
    let messages = input.list("messages", report).map(array);
    if messages.is_none() && input.get("messages").is_none() {
        input.missing("messages", "list the messages of the conversation", report);
    }
    let members = input.get("request").map(json);
    if let (Some(node), Some(Json::Array(_) | Json::String(_) | Json::Bool(_) | Json::Number(_))) =
        (input.get("request"), &members)
    {
        wrong_type(node, &input.path_of("request"), "a mapping", report);
    }
    let response = input.get("upstream_response").map(json);
    for key in UNREAD {
        if input.get(key).is_none() {
            continue;
        }
        let (path, position) = (input.path_of(key), input.key_position(key));
        let message = format!("`{path}` has no effect: no policy reads it");
        report.warning(Code::NoEffect, &path, position, message, "remove it");
    }
    input.finish(&[], report);
    let request = TestCase::request(messages?, members.unwrap_or_default());
    Some((request, response))
}

fn read_expected(mut expected: Fields<'_>, report: &mut Report) -> Option<Expected> {
    if expected.get("verdict").is_none() {
        expected.missing(
            "verdict",
            "write `allow`, `redact`, `escalate` or `block`",
            report,
        );
    }
    let verdict = expected.choice("verdict", VERDICTS, &[], report);
    let owned = |text: Option<(&str, _)>| text.map(|(text, _)| text.to_owned());
    let reason_code = owned(expected.text("reason_code", report));
    let policy = owned(expected.text("policy", report));
    if let Some(name) = policy.as_deref().filter(|name| !is_policy(name)) {
        let (path, position) = (expected.path_of("policy"), expected.key_position("policy"));
        let message = format!("`{name}` is no policy of this gateway");
        let hint = "use a kind of `policies.chain`, such as `pii-detector`";
        report.error(Code::UnknownPolicy, &path, position, message, hint);
    }
    expected.finish(&[], report);
    Some(Expected {
        verdict: verdict?,
        reason_code,
        policy,
    })
}

fn is_policy(name: &str) -> bool {
    kt_policy::PolicyKind::ALL
        .iter()
        .any(|kind| kind.name() == name)
}

fn array(items: &[Node]) -> Json {
    items.iter().map(json).collect()
}

/// A node as JSON.
pub(crate) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(Scalar::Null) => Json::Null,
        Value::Scalar(Scalar::Bool(value)) => Json::Bool(*value),
        Value::Scalar(Scalar::Int(value)) => Json::Number((*value).into()),
        Value::Scalar(Scalar::Float(value)) => {
            Number::from_f64(*value).map_or(Json::Null, Json::Number)
        }
        Value::Scalar(Scalar::Text(text)) => Json::String(text.clone()),
        Value::Sequence(items) => array(items),
        Value::Mapping(entries) => {
            let members = entries
                .iter()
                .map(|entry| (entry.key.clone(), json(&entry.value)));
            Json::Object(members.collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    fn file(testing: &str) -> String {
        format!(
            "pack: {{name: t, version: 1.0.0, enabled: true}}\npolicies: {{chain: [pii-detector]}}\npolicy: {{pii-detector: {{action: redact}}}}\n\
             providers: {{targets: [{{id: a, provider: openai, model: m, secret_key_ref: {{env: K}}}}]}}\n{testing}"
        )
    }

    #[test]
    fn a_suite_becomes_cases() {
        let source = file(
            "testing:\n  suites:\n    - name: values\n      description: what is replaced\n      cases:\n        - name: an address\n          \
             input: {messages: [{role: user, content: hi}], request: {model: x, n: 2}, upstream_response: done}\n          \
             expected: {verdict: redact, reason_code: pii_detected, policy: pii-detector}\n",
        );
        let (gateway, warnings) = load(&source).unwrap();
        assert!(warnings.diagnostics().is_empty());
        let case = &gateway.tests[0];
        assert_eq!(case.name, "values / an address");
        let request = serde_json::json!({"messages": [{"role": "user", "content": "hi"}], "model": "x", "n": 2});
        assert_eq!(case.request, request);
        assert_eq!(case.response, Some(Json::String("done".to_owned())));
        assert_eq!(case.expected.verdict, Verdict::Redact);
        assert_eq!(case.expected.policy.as_deref(), Some("pii-detector"));
    }

    #[test]
    fn what_no_policy_reads_is_a_warning() {
        let source = file(
            "testing: {suites: [{name: s, cases: [{name: c, input: {messages: [], headers: {}, team_slugs: []}, expected: {verdict: allow}}]}]}",
        );
        let (gateway, warnings) = load(&source).unwrap();
        assert_eq!((gateway.tests.len(), warnings.diagnostics().len()), (1, 2));
    }

    #[test]
    fn every_mistake_has_its_own_message() {
        for (testing, expected) in [
            (
                "testing: {plugins: [x]}",
                "`testing.plugins` is a setting of the product",
            ),
            (
                "testing: {suites: [{cases: []}]}",
                "`testing.suites[0].name` is missing",
            ),
            (
                "testing: {suites: [{name: s}]}",
                "`testing.suites[0].cases` is missing",
            ),
            (
                "testing: {suites: [{name: s, target: a, cases: []}]}",
                "`testing.suites[0].target` is a setting",
            ),
            (
                "testing: {suites: [{name: s, cases: [{name: c, expected: {verdict: allow}}]}]}",
                "`testing.suites[0].cases[0].input` is missing",
            ),
            (
                "testing: {suites: [{name: s, cases: [{name: c, input: {}, expected: {verdict: allow}}]}]}",
                "`testing.suites[0].cases[0].input.messages` is missing",
            ),
            (
                "testing: {suites: [{name: s, cases: [{name: c, input: {messages: []}}]}]}",
                "`testing.suites[0].cases[0].expected` is missing",
            ),
            (
                "testing: {suites: [{name: s, cases: [{name: c, input: {messages: []}, expected: {}}]}]}",
                "`testing.suites[0].cases[0].expected.verdict` is missing",
            ),
            (
                "testing: {suites: [{name: s, cases: [{name: c, input: {messages: []}, expected: {verdict: deny}}]}]}",
                "`verdict` cannot be `deny`",
            ),
            (
                "testing: {suites: [{name: s, cases: [{name: c, input: {messages: []}, expected: {verdict: block, policy: x}}]}]}",
                "`x` is no policy",
            ),
            (
                "testing: {suites: [{name: s, cases: [{name: c, input: {messages: [], request: []}, expected: {verdict: block}}]}]}",
                "`testing.suites[0].cases[0].input.request` must be a mapping",
            ),
        ] {
            let report = load(&file(testing)).unwrap_err();
            let messages: Vec<_> = report
                .diagnostics()
                .iter()
                .map(|found| found.message.as_str())
                .collect();
            assert!(
                messages.iter().any(|message| message.starts_with(expected)),
                "{testing}: {messages:?}"
            );
        }
    }
}
