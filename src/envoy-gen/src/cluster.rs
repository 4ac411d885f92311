//! Clusters: one per target, and for several targets the composite that tries them in order.

use std::net::IpAddr;

use kt_config::{Gateway, HealthProbe, Target};
use serde_json::{Value, json};

use crate::{Options, cluster_name, filters, rewrites_per_attempt, timeouts::attempt_seconds};

/// The composite of all targets, in order.
pub(crate) const FALLBACK_CLUSTER: &str = "kt_fallback";
/// Envoy's own admin interface, for `/metrics`.
pub(crate) const ADMIN_CLUSTER: &str = "kt_admin";

pub(crate) fn clusters(gateway: &Gateway, options: &Options) -> Value {
    let rewrites = rewrites_per_attempt(gateway);
    let composite = rewrites.then(|| composite(gateway, options));
    let targets = gateway
        .targets
        .iter()
        .map(|target| target_cluster(target, !rewrites, options));
    composite
        .into_iter()
        .chain(targets)
        .chain([admin(options)])
        .collect()
}

/// Limits that must never refuse a request: the default of three retries at a time would end failover under load.
fn unlimited() -> Value {
    json!({"thresholds": [{"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000, "max_retries": 100_000}]})
}

fn composite(gateway: &Gateway, options: &Options) -> Value {
    let members: Value = gateway
        .targets
        .iter()
        .map(|target| json!({"name": cluster_name(target)}))
        .collect();
    json!({
        "name": FALLBACK_CLUSTER,
        "connect_timeout": "5s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.composite", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.clusters.composite.v3.ClusterConfig",
            "clusters": members}},
        "circuit_breakers": unlimited(),
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}},
            "http_filters": filters::for_attempts(gateway, options)}},
    })
}

/// A target's own cluster. One logical host however many addresses the name has. A member of a composite runs the
/// composite's filters; Envoy ignores its own.
fn target_cluster(target: &Target, own_filters: bool, options: &Options) -> Value {
    let url = &target.base_url;
    let address: Option<IpAddr> = url.host.parse().ok();
    let mut protocol = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {
            "idle_timeout": "60s",
            "max_stream_duration": format!("{}s", attempt_seconds(target))},
    });
    // TLS negotiates HTTP/2; plain text is HTTP/1.1.
    protocol[if url.tls {
        "auto_config"
    } else {
        "explicit_http_config"
    }] = if url.tls {
        json!({})
    } else {
        json!({"http_protocol_options": {}})
    };
    if own_filters {
        protocol["http_filters"] = filters::for_target(target);
    }
    let mut cluster = json!({
        "name": cluster_name(target),
        "type": if address.is_some() { "STATIC" } else { "LOGICAL_DNS" },
        "connect_timeout": "5s",
        "per_connection_buffer_limit_bytes": 65536,
        "circuit_breakers": unlimited(),
        // An unhealthy target is skipped rather than tried at random.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
        "load_assignment": {
            "cluster_name": cluster_name(target),
            "endpoints": [{"lb_endpoints": [{
                "endpoint": {
                    "hostname": url.host,
                    "address": {"socket_address": {"address": url.host, "port_value": url.port}}},
                "metadata": {"filter_metadata": {"kt": {"id": target.id}}}}]}]},
    });
    if address.is_none() {
        cluster["dns_lookup_family"] = json!("V4_PREFERRED");
    }
    if url.tls {
        cluster["transport_socket"] = tls(address, &url.host, options);
    }
    if let Some(probe) = target.health_probe {
        cluster["health_checks"] = json!([health_check(target, probe)]);
    }
    cluster
}

/// Verified TLS. Without a `trusted_ca` Envoy would verify nothing.
fn tls(address: Option<IpAddr>, host: &str, options: &Options) -> Value {
    let mut validation = json!({"trusted_ca": {"filename": options.ca_file}});
    let mut socket = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    });
    if address.is_some() {
        validation["match_typed_subject_alt_names"] =
            json!([{"san_type": "IP_ADDRESS", "matcher": {"exact": host}}]);
    } else {
        // From the endpoint's name. `auto_sni` would take the client's Host and freeze it for all attempts.
        socket["auto_host_sni"] = json!(true);
        socket["auto_sni_san_validation"] = json!(true);
    }
    socket["common_tls_context"] = json!({
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "validation_context": validation,
    });
    json!({"name": "envoy.transport_sockets.tls", "typed_config": socket})
}

/// An unbilled request, `GET {base_url}/models`, with the target's key.
fn health_check(target: &Target, probe: HealthProbe) -> Value {
    let seconds = |seconds: u32| format!("{seconds}s");
    let mut http = json!({"path": format!("{}/models", target.base_url.path), "host": target.base_url.authority()});
    if let Some(key) = &target.key_env {
        http["request_headers_to_add"] = json!([{"header": {"key": "authorization", "value": format!("Bearer %ENVIRONMENT({key})%")}}]);
    }
    json!({
        "timeout": seconds(probe.timeout_seconds),
        "interval": seconds(probe.interval_seconds),
        // Takes precedence until the cluster had traffic.
        "no_traffic_interval": seconds(probe.interval_seconds),
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": http,
    })
}

fn admin(options: &Options) -> Value {
    json!({
        "name": ADMIN_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": ADMIN_CLUSTER, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": options.admin.to_envoy()}}]}]},
    })
}
