//! TLS of the listener, from files.

use std::path::Path;

use serde_json::{Value, json};

use crate::{SECRET_PREFIX, Tls};

/// No environment variable has such a name, so no key of a target does.
fn name() -> String {
    format!("{SECRET_PREFIX}-tls")
}

/// Where Envoy finds certificate and key. It reads them again when something is moved into their folder, as certificate
/// managers and mounted secrets do.
pub(crate) fn secret(tls: &Tls) -> Value {
    let folder = Path::new(&tls.cert)
        .parent()
        .map(|folder| folder.display().to_string())
        .filter(|folder| !folder.is_empty())
        .unwrap_or_else(|| ".".into());
    json!({"name": name(), "tls_certificate": {
        "certificate_chain": {"filename": tls.cert},
        "private_key": {"filename": tls.key},
        "watched_directory": {"path": folder},
    }})
}

/// The transport socket of the listener.
pub(crate) fn socket() -> Value {
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "common_tls_context": {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [{"name": name()}],
    }}})
}
