//! Envoy's own answers in our error shape.
//!
//! Mappers match response flags and code details only. A mapper for every error status would also rewrite what the
//! policy filter sends.

use serde_json::{Value, json};

fn error(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"type": kind, "message": message, "policy": null, "code": code, "param": null}})
}

/// Body of every path that is not served.
pub(crate) fn not_found() -> Value {
    error(
        "validation_error",
        "not_found",
        "Unknown path or method; this gateway serves POST /v1/chat/completions, /v1/completions, /v1/embeddings and /v1/responses, and GET /v1/models",
    )
}

/// `local_reply_config` of the listener.
pub(crate) fn local_replies() -> Value {
    json!({"mappers": [
        by_details("wasm_fail_stream", 503, &error("upstream_error", "no_target_available", "The policy engine is unavailable; the request was not let through")),
        by_details("failed_to_inject_credential", 503, &error("upstream_error", "no_target_available", "The target's key is not available")),
        by_details("request_payload_too_large", 413, &error("validation_error", "request_too_large", "The request body is larger than 8 MiB")),
        by_details("response_payload_too_large", 502, &error("upstream_error", "upstream_failed", "The provider's answer is too large to be inspected")),
        by_flags(&["UT", "SI", "UMSDR"], 504, &error("upstream_error", "upstream_timeout", "The provider did not answer in time")),
        by_flags(&["UH", "NC", "UO"], 503, &error("upstream_error", "no_target_available", "No target is available")),
        by_flags(&["UF", "UC", "UR", "LR", "URX", "UPE"], 502, &error("upstream_error", "upstream_failed", "The provider failed")),
    ]})
}

fn by_details(details: &str, status: u16, body: &Value) -> Value {
    json!({
        "filter": {"extension_filter": {"name": "cel", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": format!("response.code_details == \"{details}\"")}}},
        "status_code": status,
        "body_format_override": {"content_type": "application/json", "json_format": body},
    })
}

fn by_flags(flags: &[&str], status: u16, body: &Value) -> Value {
    json!({
        "filter": {"response_flag_filter": {"flags": flags}},
        "status_code": status,
        "body_format_override": {"content_type": "application/json", "json_format": body},
    })
}
