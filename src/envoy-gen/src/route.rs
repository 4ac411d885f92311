//! Routes: what is served, exactly; everything else is refused.

use kt_config::{Gateway, Target};
use kt_policy::Endpoint;
use serde_json::{Value, json};

use crate::{
    MAX_BODY_BYTES,
    cluster::{ADMIN_CLUSTER, FALLBACK_CLUSTER},
    cluster_name, errors,
    filters::POLICY_FILTER,
    rewrites_per_attempt,
    timeouts::timeouts,
};

/// Statuses that move a request to the next target.
const FALLBACK_STATUSES: [u16; 5] = [429, 500, 502, 503, 504];

/// Never sent to a provider: the client's credentials, its address, our own and Envoy's headers, and the request for
/// compressed answers, which could not be inspected.
const REMOVED_HEADERS: [&str; 9] = [
    "accept-encoding",
    "authorization",
    "cookie",
    "x-kt-target",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-envoy-external-address",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-internal",
];

pub(crate) fn route_config(gateway: &Gateway) -> Value {
    let inspected = Endpoint::ALL
        .into_iter()
        .map(|endpoint| inspected(endpoint, gateway));
    let fixed = [
        own_answer("/v1/models", &models(gateway)),
        own_answer("/health", &health(gateway)),
        own_answer("/keeptrusts/config", &config(gateway)),
        metrics(),
        not_found(),
    ];
    json!({
        "name": "kt",
        "max_direct_response_body_size_bytes": 1 << 20,
        "virtual_hosts": [{"name": "kt", "domains": ["*"], "routes": inspected.chain(fixed).collect::<Value>()}],
    })
}

/// A path whose requests and responses the policies judge.
fn inspected(endpoint: Endpoint, gateway: &Gateway) -> Value {
    let limits = timeouts(gateway);
    let mut action = json!({
        "cluster": if rewrites_per_attempt(gateway) { FALLBACK_CLUSTER.to_owned() } else { gateway.targets.first().map_or_else(String::new, cluster_name) },
        "timeout": format!("{}s", limits.total_seconds),
        "idle_timeout": format!("{}s", limits.idle_seconds),
        "retry_policy": {
            "retry_on": "reset,connect-failure,refused-stream,retriable-status-codes",
            "retriable_status_codes": FALLBACK_STATUSES,
            "num_retries": gateway.targets.len() - 1,
            "per_try_timeout": format!("{}s", limits.per_try_seconds),
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        },
    });
    if let [target] = gateway.targets.as_slice() {
        action["host_rewrite_literal"] = json!(target.base_url.authority());
        action["prefix_rewrite"] = json!(format!("{}{}", target.base_url.path, endpoint.suffix()));
    }
    json!({
        "name": format!("/v1{}", endpoint.suffix()),
        "match": exactly("POST", &format!("/v1{}", endpoint.suffix())),
        // The whole body waits for its verdict; the limit holds for the response as well.
        "request_body_buffer_limit": MAX_BODY_BYTES,
        "request_headers_to_remove": REMOVED_HEADERS,
        // A provider's cookies are no business of its clients' clients.
        "response_headers_to_remove": ["set-cookie"],
        "route": action,
    })
}

fn exactly(method: &str, path: &str) -> Value {
    json!({"path": path, "headers": [{"name": ":method", "string_match": {"exact": method}}]})
}

/// A fixed JSON answer. No policy runs on it: it carries nothing that came from outside.
fn own_answer(path: &str, body: &Value) -> Value {
    let mut route = answer(200, body);
    route["name"] = json!(path);
    route["match"] = exactly("GET", path);
    route
}

fn not_found() -> Value {
    let mut route = answer(404, &errors::not_found());
    route["name"] = json!("not_found");
    route["match"] = json!({"prefix": "/"});
    route
}

fn answer(status: u16, body: &Value) -> Value {
    json!({
        "typed_per_filter_config": without_policies(),
        "response_headers_to_add": [{
            "header": {"key": "content-type", "value": "application/json"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        "direct_response": {"status": status, "body": {"inline_string": body.to_string()}},
    })
}

fn without_policies() -> Value {
    json!({POLICY_FILTER: {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true}})
}

/// Prometheus metrics, from Envoy's admin interface.
fn metrics() -> Value {
    json!({
        "name": "/metrics",
        "match": exactly("GET", "/metrics"),
        "typed_per_filter_config": without_policies(),
        "route": {"cluster": ADMIN_CLUSTER, "prefix_rewrite": "/stats/prometheus", "timeout": "10s"},
    })
}

/// `GET /v1/models`: the configured models, in OpenAI's list shape.
fn models(gateway: &Gateway) -> Value {
    let mut seen: Vec<&str> = Vec::new();
    let mut list = Vec::new();
    for target in &gateway.targets {
        if !seen.contains(&target.model.as_str()) {
            seen.push(&target.model);
            list.push(json!({"id": target.model, "object": "model", "created": 0, "owned_by": target.provider}));
        }
    }
    json!({"object": "list", "data": list})
}

fn health(gateway: &Gateway) -> Value {
    json!({"status": "healthy", "version": env!("CARGO_PKG_VERSION"), "policies_loaded": gateway.policies.len()})
}

/// `GET /keeptrusts/config`: what is configured, without secrets.
fn config(gateway: &Gateway) -> Value {
    let chain: Value = gateway
        .policies
        .iter()
        .filter_map(|policy| serde_json::to_value(policy).ok())
        .map(|policy| policy["kind"].clone())
        .collect();
    json!({
        "pack": {"name": gateway.pack.name, "version": gateway.pack.version, "enabled": gateway.pack.enabled},
        "policies": {"chain": chain},
        "providers": {
            "strategy": gateway.strategy.name(),
            "targets": gateway.targets.iter().map(target).collect::<Value>(),
        },
    })
}

fn target(target: &Target) -> Value {
    json!({
        "id": target.id,
        "provider": target.provider,
        "model": target.model,
        "description": target.description,
        "quantizations": target.quantizations,
        "timeout_seconds": target.timeout_seconds,
        "stream_timeout_seconds": target.stream_timeout_seconds,
    })
}
