use std::sync::Arc;

use kt_routing::{Attempt, Billed, TargetState};
use serde_json::json;

use super::*;
use crate::{Engine, FORMAT};

fn engine() -> Arc<Engine> {
    let target = |id: &str, model: &str, price: &str| {
        json!({"id": id, "provider": "openai", "model": model, "authority": "h", "base_path": "/v1", "weight": 1,
               "timeout_ms": 1000, "first_token_ms": 1000, "pricing": {"prompt": price, "completion": price}})
    };
    let config = json!({
        "format": FORMAT, "role": "policy", "gateway_id": "g", "pack": {"name": "m", "version": "1.0.0"},
        "fail_mode": "block", "unreadable": "allow", "model_per_attempt": true,
        "policies": "POLICIES",
        "targets": [target("a", "m\"1\\\t", "0.000000001"), target("b", "m2", "123456789.000000001")]
    });
    // `json!` sorts, and a policy begins with its kind.
    let policies = r#"[{"kind": "pii-detector", "action": "redact", "entities": ["EMAIL"]}]"#;
    let config = config.to_string().replace("\"POLICIES\"", policies);
    Arc::new(Engine::new(FilterConfig::from_json(config.as_bytes()).unwrap()).unwrap())
}

fn note(
    meters: &mut Meters,
    engine: &Arc<Engine>,
    target: &str,
    tokens: Option<u64>,
    took_us: u64,
) {
    let mut exchange = Exchange::begin(engine.clone());
    exchange.request_body(br#"{"messages": [{"role": "user", "content": "to a@example.com"}]}"#);
    let usage = tokens.map_or(
        json!({}),
        |tokens| json!({"usage": {"prompt_tokens": tokens, "completion_tokens": 2 * tokens}}),
    );
    exchange.response_body(usage.to_string().as_bytes());
    let billed = Attempt {
        billed: Some(Billed {
            prompt_tokens: Some(1),
            completion_tokens: None,
            cost_usd: None,
        }),
        ..Attempt::begin("b")
    };
    let mut facts = Facts {
        started_us: 1,
        ended_us: took_us + 1,
        status: 200,
        ..Facts::default()
    };
    let mut last = Attempt::begin(target);
    last.status = Some(200);
    facts.attempts = if target == "b" {
        vec![billed, last]
    } else {
        vec![last]
    };
    meters.note(&exchange, &facts);
}

fn shown(meters: &[&Meters], engine: &Engine) -> String {
    let worker = |meters: &&Meters| {
        let shown = Shown {
            at_us: 5,
            held_bytes: 10,
            memory_bytes: 100,
            history_bytes: 1,
            sums: meters.sums(engine.config()),
        };
        let read = Shown::from_bytes(&shown.to_bytes());
        assert_eq!(read, shown);
        read
    };
    let states = [TargetState::default(), TargetState::default()];
    page(
        meters.iter().map(worker).collect(),
        engine.config(),
        &states,
        5,
    )
}

#[test]
fn workers_are_added_up_to_the_last_digit() {
    let engine = engine();
    let (mut one, mut two) = (Meters::default(), Meters::default());
    note(&mut one, &engine, "a", Some(7), 5_000);
    note(&mut one, &engine, "a", None, 5_001);
    note(&mut two, &engine, "b", Some(1_000_003), 999_000_000);
    note(&mut two, &engine, "a", Some(1), 1);
    assert!(one.take_changed() && !one.take_changed());
    let page = shown(&[&one, &two], &engine);
    let a = r#"target="a",model="m\"1\\ ",provider="openai""#;
    let b = r#"target="b",model="m2",provider="openai""#;
    for line in [
        format!("keeptrusts_llm_requests_total{{{a},status=\"200\",verdict=\"redact\"}} 3"),
        format!("keeptrusts_llm_tokens_total{{{a},direction=\"completion\"}} 16"),
        format!("keeptrusts_llm_tokens_total{{{b},direction=\"prompt\"}} 1000004"),
        format!("keeptrusts_llm_unknown_usage_total{{{a}}} 1"),
        format!("keeptrusts_llm_unknown_usage_total{{{b}}} 1"),
        format!("keeptrusts_llm_cost_total{{{a}}} 0.000000000000024"),
        // 3,000,009 × 123456789.000000001 for a million.
        format!("keeptrusts_llm_cost_total{{{b}}} 370371478.111101003000009"),
        format!("keeptrusts_llm_latency_seconds_bucket{{{a},le=\"0.005\"}} 2"),
        format!("keeptrusts_llm_latency_seconds_bucket{{{a},le=\"0.01\"}} 3"),
        format!("keeptrusts_llm_latency_seconds_bucket{{{b},le=\"300\"}} 0"),
        format!("keeptrusts_llm_latency_seconds_bucket{{{b},le=\"+Inf\"}} 1"),
        format!("keeptrusts_llm_latency_seconds_sum{{{a}}} 0.010002"),
        format!("keeptrusts_llm_latency_seconds_count{{{a}}} 3"),
        "keeptrusts_gateway_policy_evaluations_total{policy=\"pii-detector\",phase=\"input\",result=\"redact\"} 4".to_owned(),
        "keeptrusts_engine_faults_total 0".to_owned(),
        "keeptrusts_gateway_held_bytes 20".to_owned(),
        "keeptrusts_gateway_module_memory_bytes 200".to_owned(),
        "keeptrusts_history_bytes 2".to_owned(),
        "keeptrusts_target_state{target=\"b\",state=\"closed\"} 1".to_owned(),
    ] {
        assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    }
}

#[test]
fn counts_of_what_is_over_are_added() {
    let engine = engine();
    let (mut one, mut two) = (Meters::default(), Meters::default());
    note(&mut one, &engine, "a", Some(7), 5_000);
    note(&mut two, &engine, "a", Some(7), 5_000);
    two.fault();
    two.remembered(MemoryUse { hits: 3, misses: 0 });
    let page = shown(&[&one, &two], &engine);
    for line in [
        "direction=\"prompt\"} 14\n",
        "keeptrusts_engine_faults_total 1\n",
        "keeptrusts_history_texts_total{known=\"yes\"} 3\n",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}

#[test]
fn bytes_of_another_form_are_left_out() {
    for bytes in [
        &b"\xff\xfe"[..],
        b"99\tx\t0\t1\n0\tx\t999\t1\n0\tx\t0\n\t\t\t\n",
        b"0\tx\t0\t-1",
    ] {
        assert_eq!(Sums::from_bytes(bytes), Sums::default());
    }
}
