//! The internal listener in front of the targets: every attempt passes it, and gets its target's path, host and limits.
//!
//! It is a listener inside Envoy, without a port. That attempts pass a listener of their own gives each of them a filter
//! in front of its router, limits of its own target, and an answer in every case; what the listener at the edge sees of
//! them is plain HTTP.

use kt_config::{Gateway, Target};
use kt_policy::internal_header;
use kt_routing::{Failure, NoAnswer};
use serde_json::{Value, json};

use crate::{
    MAX_BODY_BYTES, Options,
    cluster::target_cluster_name,
    filters,
    timeouts::{attempt_seconds, first_token_seconds, goes_direct, wait_seconds},
};

/// The listener's name, by which clusters reach it.
pub(crate) const NAME: &str = "kt_targets";

pub(crate) fn listener(gateway: &Gateway, options: &Options) -> Value {
    let hop = (!options.without_filter).then(|| filters::hop(gateway, options));
    let manager = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": connection_manager(gateway, options)});
    json!({
        "name": NAME,
        "internal_listener": {},
        "per_connection_buffer_limit_bytes": 65536,
        "filter_chains": [{"filters": hop.into_iter().chain([manager]).collect::<Value>()}],
    })
}

fn connection_manager(gateway: &Gateway, options: &Options) -> Value {
    let routes: Value = gateway
        .targets
        .iter()
        .flat_map(|target| [true, false].map(|is_stream| route(target, is_stream, gateway)))
        .collect();
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "kt_targets",
        "codec_type": "HTTP1",
        // See the hop filter: an answer ends with its connection.
        "http_protocol_options": {"accept_http_10": true},
        "generate_request_id": false,
        "use_remote_address": false,
        "skip_xff_append": true,
        "server_header_transformation": "PASS_THROUGH",
        "delayed_close_timeout": "0s",
        "stream_idle_timeout": "0s",
        "local_reply_config": {"mappers": [cut_off(), engine_died()]},
        "route_config": {
            "name": "kt_targets",
            "virtual_hosts": [{"name": "kt_targets", "domains": ["*"], "routes": routes}]},
        "http_filters": filters::at_targets(gateway, options),
    })
}

/// When a target breaks off while the attempt filter holds its headers back, Envoy answers past all filters. The answer
/// says what the filter would.
fn cut_off() -> Value {
    marked(
        "response.code_details.startsWith('upstream_reset_after_response_started')",
        &[
            (internal_header::FAILOVER, "1"),
            (
                internal_header::FAILURE,
                NoAnswer::Failed(Failure::Connection).name(),
            ),
        ],
    )
}

/// A dead attempt filter is no failure of the target, and the next target's is the same.
fn engine_died() -> Value {
    marked(
        "response.code_details == 'wasm_fail_stream'",
        &[(internal_header::FAILURE, NoAnswer::Engine.name())],
    )
}

fn marked(expression: &str, headers: &[(&str, &str)]) -> Value {
    let headers: Value = headers
        .iter()
        .map(|(name, value)| {
            json!({
                "header": {"key": name, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
        })
        .collect();
    json!({
        "filter": {"extension_filter": {"name": "cel", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": expression}}},
        "headers_to_add": headers,
    })
}

fn route(target: &Target, is_stream: bool, gateway: &Gateway) -> Value {
    let attempt = attempt_seconds(target, is_stream);
    let silence = if is_stream {
        first_token_seconds(gateway, target)
    } else {
        attempt
    };
    let kind = if is_stream { "stream" } else { "whole" };
    let mut route = json!({
        "name": format!("{}/{kind}", target.id),
        "match": {
            "prefix": "/v1/",
            "headers": [
                {"name": internal_header::TARGET, "string_match": {"exact": target.id}},
                {"name": internal_header::STREAM, "present_match": is_stream},
            ]},
        "request_body_buffer_limit": 2 * MAX_BODY_BYTES,
        "response_headers_to_remove": internal_header::OF_ANSWERS,
        "route": {
            "cluster": target_cluster_name(target),
            "timeout": format!("{attempt}s"),
            // A wait before the attempt is a silence too; the second on top is the attempt filter's, which watches the
            // time until the first token.
            "idle_timeout": format!("{}s", silence + wait_seconds(gateway) + 1),
            // No retry here: the limit until the answer begins is all that is wanted.
            "retry_policy": {"num_retries": 0, "per_try_timeout": format!("{silence}s")},
        },
    });
    if goes_direct(gateway) {
        // The listener at the edge set host and path already: most requests do not come by here.
        route["match"]["prefix"] = json!("/");
    } else {
        route["route"]["host_rewrite_literal"] = json!(target.base_url.authority());
        route["route"]["prefix_rewrite"] = json!(format!("{}/", target.base_url.path));
    }
    route
}
