//! The HTTP filters, downstream and per attempt, in their order.

use kt_config::{Gateway, KeySource, Target};
use kt_policy::{
    Access, Controls, FORMAT, FilterConfig, Pack, PolicyConfig, Role, internal_header,
    limits::Limits,
};
use serde_json::{Value, json};

use crate::{
    Options, SECRET_PREFIX,
    cluster::MODULE_CLUSTER,
    memory, secret_name,
    timeouts::{exchange_seconds, first_token_seconds, goes_direct},
};

/// Name of the policy filter; routes that carry no text switch it off by this name.
pub(crate) const POLICY_FILTER: &str = "kt.policy";

/// Filters of the listener. There is no decompressor: what the policy filter sees is what goes on. Requests ask for no
/// compression, and the policy filter refuses whatever is compressed all the same. (Envoy's decompressor in front of a
/// filter that waits for the end of a body never tells it of the end: it adds trailers, which then stay behind.)
pub(crate) fn downstream(gateway: &Gateway, options: &Options) -> Value {
    let mut filters = Vec::new();
    if !options.without_filter {
        filters.push(wasm(POLICY_FILTER, Role::Policy, gateway, options));
    }
    filters.push(router());
    filters.into()
}

/// Filters of the internal listener.
pub(crate) fn at_targets(gateway: &Gateway, options: &Options) -> Value {
    let attempt =
        (!options.without_filter).then(|| wasm("kt.attempt", Role::Attempt, gateway, options));
    attempt.into_iter().chain([router()]).collect()
}

/// The network filter of the internal listener.
pub(crate) fn hop(gateway: &Gateway, options: &Options) -> Value {
    json!({"name": "kt.hop", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm",
        "config": plugin("kt.hop", Role::Hop, gateway, options)}})
}

/// Added by Envoy, and none of a provider's business.
const ENVOY_HEADERS: [&str; 5] = [
    "x-request-id",
    "x-envoy-attempt-count",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-internal",
    "x-forwarded-proto",
];

/// Filters of one target's cluster: its key, and nothing of ours beyond it.
pub(crate) fn for_target(target: &Target) -> Value {
    let removed: Value = internal_header::OF_REQUESTS
        .iter()
        .chain(&ENVOY_HEADERS)
        .map(|name| json!({"remove": name}))
        .collect();
    [header_mutation("kt.clean", &removed)]
        .into_iter()
        .chain(target.key.as_ref().map(credential))
        .chain([codec()])
        .collect()
}

/// Filters of an order, run once per attempt: they say which target was picked.
pub(crate) fn for_order() -> Value {
    json!([
        header_mutation(
            "kt.target",
            &json!([
            {"append": {"header": {"key": internal_header::TARGET, "value": "%UPSTREAM_METADATA(kt:id)%"},
                        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}])
        ),
        codec(),
    ])
}

fn router() -> Value {
    json!({"name": "envoy.filters.http.router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": true}})
}

fn wasm(name: &str, role: Role, gateway: &Gateway, options: &Options) -> Value {
    let mut config = plugin(name, role, gateway, options);
    // Headers wait for the verdict on the body.
    config["allow_on_headers_stop_iteration"] = json!(true);
    json!({"name": name, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": config}})
}

fn plugin(name: &str, role: Role, gateway: &Gateway, options: &Options) -> Value {
    // A machine per role: a fault in one does not take the others along. The common id shares data.
    let machine = match role {
        Role::Policy => "policy",
        Role::Attempt => "attempt",
        Role::Hop => "hop",
        Role::Guard => "guard",
    };
    json!({
        "name": name.replace('.', "_"),
        // A panic answers 503 until the module is loaded again, a second later; it never lets requests by.
        "failure_policy": "FAIL_RELOAD",
        "reload_config": {"backoff": {"base_interval": "1s"}},
        "vm_config": {
            "vm_id": "kt",
            "configuration": string_value(machine),
            "runtime": "envoy.wasm.runtime.v8",
            "code": code(options),
        },
        "configuration": string_value(&serde_json::to_string(&filter_config(role, gateway, options)).unwrap_or_default()),
    })
}

/// Where the module is. One from elsewhere is fetched before the listener serves, and used only if it is the one meant.
fn code(options: &Options) -> Value {
    if options.wasm.starts_with("https://") {
        return json!({"remote": {
            "http_uri": {"uri": options.wasm, "cluster": MODULE_CLUSTER, "timeout": "30s"},
            "sha256": options.sha256,
            "retry_policy": {"num_retries": 5}}});
    }
    json!({"local": {"filename": options.wasm}})
}

fn string_value(text: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text})
}

/// What the filter is told.
pub(crate) fn filter_config(role: Role, gateway: &Gateway, options: &Options) -> FilterConfig {
    FilterConfig {
        format: FORMAT,
        role,
        gateway_id: "kt-gateway".into(),
        pack: Pack {
            name: gateway.pack.name.clone(),
            version: gateway.pack.version.clone(),
        },
        policies: policies(role, gateway),
        controls: if matches!(role, Role::Policy | Role::Guard) {
            gateway.policies.controls.clone()
        } else {
            Controls::default()
        },
        access: access(role, gateway),
        fail_mode: options.fail_mode,
        unreadable: options.unreadable,
        held_bytes: memory::held_bytes_per_worker(options),
        history_bytes: options.history_bytes,
        max_event_bytes: gateway.max_event_bytes,
        counts_usage: role == Role::Policy && counts_usage(gateway),
        limits: limits(role, gateway),
        max_body_bytes: gateway
            .sizes
            .max_body_bytes
            .filter(|_| role == Role::Policy),
        max_response_bytes: gateway
            .sizes
            .max_response_bytes
            .filter(|_| role == Role::Policy),
        routing: gateway.routing.clone(),
        targets: filter_targets(gateway, &gateway.targets),
        without_key: filter_targets(gateway, &gateway.without_key),
        direct_stream_total_ms: goes_direct(gateway)
            .then(|| u64::from(exchange_seconds(gateway)) * 1000),
        token_sha256: (role == Role::Policy)
            .then(|| options.token_sha256.clone())
            .flatten(),
        model_per_attempt: gateway.routing.quality.is_some()
            || gateway.targets.iter().any(|target| {
                Some(&target.model) != gateway.targets.first().map(|first| &first.model)
            }),
        guard: None,
    }
}

/// Who may ask for what is the policy filter's to say; the one in front of a target knows the sets of targets.
fn access(role: Role, gateway: &Gateway) -> Access {
    match role {
        Role::Policy => gateway.access.clone(),
        Role::Attempt => Access {
            target_sets: gateway.access.target_sets.clone(),
            ..Access::default()
        },
        Role::Hop | Role::Guard => Access::default(),
    }
}

/// Whether anything depends on how many tokens an exchange took.
fn counts_usage(gateway: &Gateway) -> bool {
    let is_priced = gateway
        .targets
        .iter()
        .any(|target| target.pricing.is_some());
    gateway.include_usage && (is_priced || gateway.limits.counts_tokens())
}

/// A hold outlives every exchange by a little.
fn limits(role: Role, gateway: &Gateway) -> Limits {
    if role != Role::Policy || gateway.limits.is_empty() {
        return Limits::default();
    }
    let mut limits = gateway.limits.clone();
    limits.hold_seconds = u64::from(exchange_seconds(gateway)) + 60;
    limits
}

/// The policies that a filter enforces: in front of a target only the one that may ask for another answer.
fn policies(role: Role, gateway: &Gateway) -> Vec<PolicyConfig> {
    let asks_again = |policy: &&PolicyConfig| {
        gateway.routing.quality.is_some() && matches!(policy, PolicyConfig::QualityScorer(_))
    };
    match role {
        Role::Policy | Role::Guard => gateway.policies.chain.clone(),
        Role::Attempt => gateway
            .policies
            .enforced()
            .filter(asks_again)
            .cloned()
            .collect(),
        Role::Hop => Vec::new(),
    }
}

fn filter_targets(gateway: &Gateway, targets: &[Target]) -> Vec<kt_policy::Target> {
    let millis = |seconds: u32| u64::from(seconds) * 1000;
    let described = targets.iter().map(|target| kt_policy::Target {
        id: target.id.clone(),
        provider: target.provider.to_owned(),
        model: target.model.clone(),
        authority: target.base_url.authority(),
        base_path: target.base_url.path.clone(),
        weight: target.weight,
        timeout_ms: millis(target.timeout_seconds),
        first_token_ms: millis(first_token_seconds(gateway, target)),
        pricing: target.pricing,
        description: target.description.clone(),
        quantizations: target.quantizations.clone(),
        health_probe: target.health_probe,
    });
    described.collect()
}

fn header_mutation(name: &str, mutations: &Value) -> Value {
    json!({"name": name, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": mutations}}})
}

/// Sends the key as `Authorization: Bearer`, in place of whatever stands there.
fn credential(key: &KeySource) -> Value {
    let secret = secret_name(key);
    let filter = secret.replacen(SECRET_PREFIX, "kt.auth.", 1);
    json!({"name": filter, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        "overwrite": true,
        "credential": {"name": "envoy.http.injected_credentials.generic", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
            "header_value_prefix": "Bearer ",
            "credential": {"name": secret}}}}})
}

fn codec() -> Value {
    json!({"name": "envoy.filters.http.upstream_codec", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}})
}
