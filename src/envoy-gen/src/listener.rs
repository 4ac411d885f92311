//! The listener and its HTTP connection manager, hardened for the edge (Envoy, "Configuring Envoy as an edge proxy").

use kt_config::Gateway;
use kt_policy::Endpoint;
use serde_json::{Value, json};

use crate::{Options, errors, filters, route, timeouts::exchange_seconds, tls};

pub(crate) fn listener(gateway: &Gateway, options: &Options) -> Value {
    let mut listener = json!({
        "name": "kt_http",
        "address": options.listen.to_envoy(),
        "per_connection_buffer_limit_bytes": 65536,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(gateway, options)}]}],
    });
    if options.tls.is_some() {
        listener["filter_chains"][0]["transport_socket"] = tls::socket();
        listener["filter_chains"][0]["transport_socket_connect_timeout"] = json!("10s");
    }
    listener
}

fn connection_manager(gateway: &Gateway, options: &Options) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "kt",
        "server_name": "kt-gateway",
        "use_remote_address": true,
        // No client is trusted: none chooses its request id, a retry or a time limit by a header.
        "internal_address_config": {"unix_sockets": false},
        "skip_xff_append": true,
        // One spelling per path: routes match exactly, and a provider never sees another spelling.
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_any_host_port": true,
        "request_headers_timeout": "10s",
        "request_timeout": "60s",
        "stream_idle_timeout": format!("{}s", exchange_seconds(gateway)),
        "common_http_protocol_options": {
            "headers_with_underscores_action": "REJECT_REQUEST",
            "max_headers_count": 100,
            "idle_timeout": "300s"},
        "max_request_headers_kb": 32,
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1 << 20},
        "local_reply_config": errors::local_replies(),
        "access_log": access_log(options),
        "route_config": route::route_config(gateway, options),
        "http_filters": filters::downstream(gateway, options),
    })
}

/// The event log. Exchanges that reached the policy filter carry their event; those that Envoy refused, or whose filter
/// died, get a short one from Envoy's own knowledge. Fixed answers such as `/health` are no exchanges.
fn access_log(options: &Options) -> Value {
    if options.without_filter {
        return json!([]);
    }
    let published =
        json!({"text_format_source": {"inline_string": "%FILTER_STATE(wasm.kt_event:PLAIN)%\n"}});
    let unpublished = "!('wasm.kt_event' in filter_state) && !('wasm.kt_silent' in filter_state)";
    // A filter that dies in a running answer leaves a success without an event.
    let died = format!(
        "(response.code_details == 'wasm_fail_stream' || response.code < 400 && xds.route_name in [{}])",
        inspected_routes()
    );
    json!([
        log_file(options, "'wasm.kt_event' in filter_state", &published),
        log_file(
            options,
            &format!("{unpublished} && {died}"),
            &json!({"json_format": short_event("engine.unavailable")})
        ),
        log_file(
            options,
            &format!("{unpublished} && response.code >= 400 && !{died}"),
            &json!({"json_format": short_event("gateway.refused")})
        ),
    ])
}

fn inspected_routes() -> String {
    let names = Endpoint::ALL.map(|endpoint| format!("'{}'", route::path_of(endpoint)));
    names.join(", ")
}

fn short_event(reason_code: &str) -> Value {
    json!({
        "id": "evt_%UNIQUE_ID%",
        "event_type": "decision",
        "timestamp": "%START_TIME(%Y-%m-%dT%H:%M:%S.%6fZ)%",
        // Not `%REQ(X-REQUEST-ID)%`: what a client sends there stays where no filter judges it.
        "request_id": "%UNIQUE_ID%",
        "gateway_id": "kt-gateway",
        "verdict": "block",
        "reason_code": reason_code,
        "status": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "latency_ms": "%DURATION%",
        "attempts": [],
    })
}

fn log_file(options: &Options, expression: &str, format: &Value) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "filter": {"extension_filter": {"name": "cel", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": expression}}},
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": options.event_log,
            "log_format": format},
    })
}
