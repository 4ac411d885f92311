//! The HTTP filters, downstream and per attempt, in their order.

use kt_config::{Gateway, Target};
use kt_policy::{FORMAT, FilterConfig, Pack, Role};
use serde_json::{Value, json};

use crate::{Options, rewrites_per_attempt, secret_name, timeouts::timeouts};

/// Name of the policy filter; routes that carry no text switch it off by this name.
pub(crate) const POLICY_FILTER: &str = "kt.policy";

/// Header that names the target of an attempt to the filters below. Overwritten per attempt, removed before the
/// request leaves.
const TARGET_HEADER: &str = "x-kt-target";

/// Filters of the listener. There is no decompressor: what the policy filter sees is what goes on. Requests ask for no
/// compression, and the policy filter refuses whatever is compressed all the same. (Envoy's decompressor in front of a
/// filter that waits for the end of a body never tells it of the end: it adds trailers, which then stay behind.)
pub(crate) fn downstream(gateway: &Gateway, options: &Options) -> Value {
    let mut filters = Vec::new();
    if !options.without_filter {
        filters.push(wasm(POLICY_FILTER, Role::Policy, gateway, options));
    }
    filters.push(
        json!({"name": "envoy.filters.http.router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": true}}),
    );
    filters.into()
}

/// Filters of one target's cluster: its key, then the wire.
pub(crate) fn for_target(target: &Target) -> Value {
    target
        .key_env
        .iter()
        .map(|key| credential(key))
        .chain([codec()])
        .collect()
}

/// Filters of the composite cluster, run once per attempt for the target that was picked. Attempts share one header
/// map, so whatever one attempt sets, the next must overwrite or remove.
pub(crate) fn for_attempts(gateway: &Gateway, options: &Options) -> Value {
    let mut filters = vec![header_mutation(
        "kt.target",
        &json!([
            {"remove": "authorization"},
            {"append": {"header": {"key": TARGET_HEADER, "value": "%UPSTREAM_METADATA(kt:id)%"},
                        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}},
        ]),
    )];
    if !options.without_filter {
        filters.push(wasm("kt.rewrite", Role::Rewrite, gateway, options));
    }
    filters.extend(gateway.targets.iter().filter_map(|target| {
        target
            .key_env
            .as_ref()
            .map(|key| only_for(target, &credential(key)))
    }));
    filters.push(header_mutation(
        "kt.clean",
        &json!([{"remove": TARGET_HEADER}]),
    ));
    filters.push(codec());
    filters.into()
}

fn wasm(name: &str, role: Role, gateway: &Gateway, options: &Options) -> Value {
    let role_name = if role == Role::Policy {
        "policy"
    } else {
        "rewrite"
    };
    json!({"name": name, "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
    "config": {
        "name": name.replace('.', "_"),
        // A panic answers 503 until the module is loaded again, a second later; it never lets requests by.
        "failure_policy": "FAIL_RELOAD",
        "reload_config": {"backoff": {"base_interval": "1s"}},
        // Headers wait for the verdict on the body.
        "allow_on_headers_stop_iteration": true,
        "vm_config": {
            "vm_id": "kt",
            // One machine per role: a fault in one does not take the other along. The common id shares data.
            "configuration": string_value(role_name),
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": options.wasm}},
        },
        "configuration": string_value(&serde_json::to_string(&filter_config(role, gateway, options)).unwrap_or_default()),
    }}})
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
        policies: if role == Role::Policy {
            gateway.policies.clone()
        } else {
            Vec::new()
        },
        fail_mode: options.fail_mode,
        unreadable: options.unreadable,
        targets: gateway.targets.iter().map(filter_target).collect(),
        rewrite_per_attempt: rewrites_per_attempt(gateway),
        stream_timeout: timeouts(gateway).stream,
    }
}

fn filter_target(target: &Target) -> kt_policy::Target {
    kt_policy::Target {
        id: target.id.clone(),
        provider: target.provider.to_owned(),
        model: target.model.clone(),
        authority: target.base_url.authority(),
        base_path: target.base_url.path.clone(),
        pricing: target.pricing,
    }
}

fn header_mutation(name: &str, mutations: &Value) -> Value {
    json!({"name": name, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": mutations}}})
}

/// Sends the key as `Authorization: Bearer`, in place of whatever stands there.
fn credential(key_env: &str) -> Value {
    json!({"name": format!("kt.auth.{key_env}"), "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        "overwrite": true,
        "credential": {"name": "envoy.http.injected_credentials.generic", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
            "header_value_prefix": "Bearer ",
            "credential": {"name": secret_name(key_env)}}}}})
}

/// Runs `filter` only when the attempt goes to `target`.
fn only_for(target: &Target, filter: &Value) -> Value {
    json!({"name": format!("kt.auth.{}", target.id), "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        "extension_config": {"name": "envoy.filters.http.credential_injector", "typed_config": filter["typed_config"]},
        "xds_matcher": {"matcher_list": {"matchers": [{
            "predicate": {"not_matcher": {"single_predicate": {
                "input": {"name": "target", "typed_config": {
                    "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                    "header_name": TARGET_HEADER}},
                "value_match": {"exact": target.id}}}},
            "on_match": {"action": {"name": "skip", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter"}}}}]}}}})
}

fn codec() -> Value {
    json!({"name": "envoy.filters.http.upstream_codec", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}})
}
