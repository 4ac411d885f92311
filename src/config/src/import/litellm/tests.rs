use super::*;
use crate::{Gateway, KeySource, load};

const CONFIG: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_KEY_EU
      weight: 2
      timeout: 30.5
      input_cost_per_token: 0.0000025
      output_cost_per_token: 0.00001
      rpm: 500
    model_info: {id: eu}
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: sk-pasted-secret, api_base: https://gateway.example.com/v1}
  - model_name: gpt-4o
    litellm_params: {model: azure/gpt-4o, api_base: https://x.openai.azure.com, api_version: "2024-02-01"}
  - model_name: llama
    litellm_params: {model: together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo, stream_timeout: 300}
  - model_name: unused
    litellm_params: {model: anthropic/claude}
router_settings:
  num_retries: 2
  retry_after: 1
  allowed_fails: 3
  cooldown_time: 60
  fallbacks: [{"gpt-4o": ["llama"]}]
  redis_host: localhost
litellm_settings: {drop_params: true, request_timeout: 90}
general_settings: {master_key: sk-1234}
environment_variables: {SECRET: sk-also-secret}
"#;

fn gateway(imported: &Imported) -> Gateway {
    match load(&imported.policy) {
        Ok((gateway, warnings)) => {
            assert!(warnings.diagnostics().is_empty(), "{warnings:?}");
            gateway
        }
        Err(report) => panic!("{}", report.render("policy-config.yaml", &imported.policy)),
    }
}

#[test]
fn a_group_and_its_fallbacks_become_targets() {
    let imported = import(CONFIG, None).unwrap();
    let gateway = gateway(&imported);
    let ids: Vec<&str> = gateway
        .targets
        .iter()
        .map(|target| target.id.as_str())
        .collect();
    assert_eq!(ids, ["eu", "gpt-4o-2", "llama-4"]);
    let [eu, second, llama] = gateway.targets.as_slice() else {
        panic!("{ids:?}");
    };
    assert_eq!(
        (
            eu.key.as_ref().and_then(KeySource::env),
            eu.timeout_seconds,
            eu.weight
        ),
        (Some("OPENAI_KEY_EU"), 31, 2.0)
    );
    assert!(eu.pricing.is_some());
    assert_eq!(second.base_url.authority(), "gateway.example.com");
    assert_eq!(
        (
            second.key.as_ref().and_then(KeySource::env),
            second.timeout_seconds
        ),
        (Some("OPENAI_API_KEY"), 90)
    );
    assert_eq!(
        (llama.provider, llama.weight, llama.stream_timeout_seconds),
        ("together", 0.0, 300)
    );
    assert_eq!(llama.model, "meta-llama/Llama-3.3-70B-Instruct-Turbo");
    assert_eq!(gateway.routing.strategy.name(), "weighted_round_robin");
    assert_eq!(
        (
            gateway.routing.retry.max_attempts,
            gateway.routing.retry.initial_delay_ms
        ),
        (3, 1000)
    );
    let breaker = gateway.routing.circuit_breaker.unwrap();
    assert_eq!(
        (breaker.failure_threshold, breaker.recovery_timeout_seconds),
        (4, 60)
    );
}

#[test]
fn what_is_left_out_is_listed_and_no_key_is_copied() {
    let imported = import(CONFIG, None).unwrap();
    for path in [
        "model_list[0].litellm_params.rpm",
        "model_list[1].litellm_params.api_key",
        "model_list[2].litellm_params.model",
        "model_list: the model group `unused`",
        "router_settings.redis_host",
        "litellm_settings.drop_params",
        "general_settings.master_key",
        "environment_variables",
    ] {
        assert!(
            imported.left_out.iter().any(|left| left.starts_with(path)),
            "{path}: {:?}",
            imported.left_out
        );
    }
    let all = format!("{}{}", imported.policy, imported.left_out.join("\n"));
    for secret in ["sk-pasted", "sk-1234", "sk-also"] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[test]
fn one_deployment_and_ordered_ones() {
    let one = import(
        "model_list: [{model_name: m, litellm_params: {model: gpt-4o}}]",
        None,
    )
    .unwrap();
    assert_eq!(gateway(&one).routing.strategy.name(), "single");
    let ordered = "model_list:\n- {model_name: m, litellm_params: {model: groq/b, order: 2}}\n- {model_name: m, litellm_params: {model: ollama/a, order: 1}}\n";
    let gateway = gateway(&import(ordered, Some("m")).unwrap());
    assert_eq!(gateway.routing.strategy.name(), "fallback");
    assert_eq!(gateway.targets[0].provider, "ollama");
}

#[test]
fn what_cannot_become_a_file_says_why() {
    for (source, group, expected) in [
        ("", None, "empty"),
        ("a: [", None, ""),
        ("model_list: []", None, "there is no `model_list`"),
        ("- a", None, "there is no `model_list`"),
        (
            "model_list: [{model_name: m, litellm_params: {model: gpt-4o}}]",
            Some("x"),
            "no model group `x`",
        ),
        (
            "model_list: [{model_name: m, litellm_params: {model: bedrock/x}}]",
            None,
            "no deployment of `m`",
        ),
        (
            "model_list: [{model_name: m}]",
            None,
            "no deployment of `m`",
        ),
    ] {
        let report = import(source, group).unwrap_err();
        assert!(
            report
                .diagnostics()
                .iter()
                .any(|found| found.message.contains(expected)),
            "{source}: {report:?}"
        );
    }
}

/// Whatever stands in the file, what is made of it is a policy file.
#[test]
fn odd_values_still_make_a_valid_file() {
    for (params, rest) in [
        (
            r#"{model: "openai/a\"b: c", weight: -1, timeout: -5}"#,
            "router_settings: {num_retries: 99, retry_after: 900}",
        ),
        (
            r#"{model: openai/x, timeout: os.environ/T, api_base: "https://u:p@x"}"#,
            "router_settings: {allowed_fails: -3, cooldown_time: 1e9}",
        ),
        (
            r#"{model: openai/x, api_key: "os.environ/1 X", input_cost_per_token: 0.1}"#,
            "router_settings: {num_retries: many, fallbacks: [a, {m: [m]}]}",
        ),
    ] {
        for name in ["m", "\"a: {b}\\n# x\"", "ü/ü"] {
            let source = format!(
                "model_list:\n- {{model_name: {name}, litellm_params: {params}}}\n- {{model_name: {name}, litellm_params: {{model: groq/z, weight: 0.5}}}}\n{rest}\n"
            );
            gateway(&import(&source, None).unwrap());
        }
    }
}
