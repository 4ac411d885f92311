//! Which chain and which targets a request gets, by method, path, headers, model and key.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::HashMap, time::Instant};

use kt_policy::{Access, FORMAT, FilterConfig, Plans, RequestHead, access::key_sha256};
use serde_json::{Value, json};

struct Head(HashMap<&'static str, &'static str>);

impl RequestHead for Head {
    fn header(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| (*value).to_owned())
    }
}

fn way(chain: usize, of_class: usize) -> Value {
    json!({"chains": [chain, of_class], "targets": [0, 1, null]})
}

/// Chains: 0 the file's, 1 of the route `tools`, 2 of the consumers of class 1.
fn access() -> Value {
    json!({
        "chains": [{"policies": []}, {"policies": []}],
        "target_sets": [[1]],
        "routes": [
            {"name": "tools", "path": "/tools", "headers": {"x-channel": "a"}, "way": way(1, 2)},
            {"name": "big", "model": "big", "methods": ["POST"], "way": {"chains": [1, 2], "targets": [0, 1, 0]}}],
        "otherwise": way(0, 2),
        "consumers": [
            {"id": "one", "key_sha256": key_sha256("key-one")},
            {"id": "two", "key_sha256": key_sha256("key-two"), "allowed_models": ["small"], "class": 1}],
        "model_groups": [{"name": "small", "aliases": ["mini"]}, {"name": "big", "aliases": ["large"]}],
    })
}

fn plans(access: &Value) -> Plans {
    let target = |id| json!({"id": id, "provider": "openai", "model": id, "authority": "h", "base_path": "/v1", "weight": 1, "timeout_ms": 1000, "first_token_ms": 1000});
    let config = json!({
        "format": FORMAT, "role": "policy", "gateway_id": "g", "pack": {"name": "access", "version": "1.0.0"},
        "fail_mode": "block", "unreadable": "allow", "model_per_attempt": true, "policies": [], "access": access,
        "targets": [target("a"), target("b")]});
    Plans::new(FilterConfig::from_json(config.to_string().as_bytes()).unwrap()).unwrap()
}

/// Chain, set of targets and route, or the status and code of the answer instead.
fn asked(
    plans: &Plans,
    key: &str,
    path: &str,
    headers: &[(&'static str, &'static str)],
    body: &str,
) -> Value {
    let head = Head(headers.iter().copied().collect());
    let key = format!("Bearer {key}");
    let plan = plans
        .caller(Some(&key))
        .and_then(|caller| plans.choose(path, &head, caller, Some(body.as_bytes())));
    match plan {
        Ok(plan) => json!([
            plan.chain,
            plan.targets,
            plan.route.and_then(|route| plans.route_name(route))
        ]),
        Err(reply) => json!([reply.status, reply.code]),
    }
}

/// A key, a path, headers, a body, and chain, targets and route or the refusal.
type Case = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    Value,
);

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn requests_get_what_the_file_says() {
    let plans = plans(&access());
    let chat = "/v1/chat/completions";
    let below = "/tools/v1/chat/completions";
    let channel = &[("x-channel", "a")];
    let cases: &[Case] = &[
        (
            "key-one",
            chat,
            &[],
            r#"{"model":"other"}"#,
            json!([0, 0, null]),
        ),
        ("key-one", chat, &[], "{}", json!([0, 0, null])),
        (
            "key-one",
            chat,
            &[],
            r#"{"model":"mini"}"#,
            json!([0, 1, null]),
        ),
        (
            "key-one",
            chat,
            &[],
            r#"{"model":"big"}"#,
            json!([1, 0, "big"]),
        ),
        (
            "key-one",
            chat,
            &[],
            r#"{"model":"l\u0061rge"}"#,
            json!([1, 0, "big"]),
        ),
        (
            "key-one",
            chat,
            &[],
            r#"{"model":"Big"}"#,
            json!([0, 0, null]),
        ),
        (
            "key-one",
            below,
            channel,
            r#"{"model":"big"}"#,
            json!([404, "model_not_found"]),
        ),
        (
            "key-one",
            below,
            channel,
            r#"{"model":"small"}"#,
            json!([1, 1, "tools"]),
        ),
        (
            "key-one",
            below,
            &[("x-channel", "a,a")],
            r#"{"model":"small"}"#,
            json!([0, 1, null]),
        ),
        (
            "key-one",
            "/toolsx/v1/chat/completions",
            channel,
            r#"{"model":"small"}"#,
            json!([0, 1, null]),
        ),
        (
            "key-two",
            below,
            channel,
            r#"{"model":"mini"}"#,
            json!([2, 1, "tools"]),
        ),
        (
            "key-two",
            chat,
            &[],
            r#"{"model":"small"}"#,
            json!([2, 1, null]),
        ),
        (
            "key-two",
            chat,
            &[],
            r#"{"model":"large"}"#,
            json!([403, "model_not_allowed"]),
        ),
        (
            "key-two",
            chat,
            &[],
            "{}",
            json!([403, "model_not_allowed"]),
        ),
        (
            "key-two",
            chat,
            &[],
            r#"{"model":"small","model":"large"}"#,
            json!([403, "model_not_allowed"]),
        ),
        (
            "key-two",
            chat,
            &[],
            "no JSON",
            json!([403, "model_not_allowed"]),
        ),
        (
            "key-three",
            chat,
            &[],
            r#"{"model":"small"}"#,
            json!([401, "invalid_api_key"]),
        ),
        (
            "",
            chat,
            &[],
            r#"{"model":"small"}"#,
            json!([401, "invalid_api_key"]),
        ),
    ];
    for (key, path, headers, body, expected) in cases {
        let headers: Vec<_> = headers.to_vec();
        assert_eq!(
            asked(&plans, key, path, &headers, body),
            *expected,
            "{key} {path} {headers:?} {body}"
        );
    }
}

#[test]
fn models_are_those_that_the_caller_may_use() {
    let plans = plans(&access());
    let listed = |caller| {
        let list: Value = serde_json::from_slice(&plans.models(caller)).unwrap();
        let ids = list["data"].as_array().unwrap().iter();
        ids.map(|model| model["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(Some(0)), ["small", "big"]);
    assert_eq!(listed(Some(1)), ["small"]);
}

#[test]
fn unknown_models_are_refused_where_that_is_configured() {
    let mut access = access();
    access["refuses_unknown_models"] = json!(true);
    let plans = plans(&access);
    for body in [r#"{"model":"other"}"#, "{}", r#"{"model":"BIG"}"#] {
        assert_eq!(
            asked(&plans, "key-one", "/v1/chat/completions", &[], body),
            json!([404, "model_not_found"])
        );
    }
}

/// A file without any of it decides nothing, and asks for no key.
#[test]
fn without_access_everybody_gets_the_file_s_chain() {
    assert!(
        serde_json::from_value::<Access>(json!({}))
            .unwrap()
            .is_empty()
    );
    let plans = plans(&json!({}));
    assert_eq!(plans.caller(None), Ok(None));
    assert_eq!(
        asked(
            &plans,
            "any",
            "/v1/chat/completions",
            &[],
            r#"{"model":"x"}"#
        ),
        json!([0, 0, null])
    );
}

/// Ten thousand consumers cost a request no more than a hash and a few comparisons: far less than a millisecond, even unoptimised.
#[test]
fn ten_thousand_consumers_are_no_burden() {
    let consumers: Vec<Value> = (0..10_000)
        .map(|at| json!({"id": format!("c{at}"), "key_sha256": key_sha256(&format!("key-{at}"))}))
        .collect();
    let plans =
        plans(&json!({"consumers": consumers, "otherwise": {"chains": [0], "targets": [0]}}));
    let began = Instant::now();
    for at in (0..10_000).step_by(10) {
        assert_eq!(
            plans.caller(Some(&format!("Bearer key-{at}"))),
            Ok(Some(at))
        );
    }
    assert!(
        began.elapsed().as_micros() / 1000 < 200,
        "{:?} per 1000",
        began.elapsed()
    );
}
