//! Clusters: one per target, one per target for the way to it, and one per order in which they are tried.

use std::net::IpAddr;

use kt_config::{Gateway, Target};
use kt_policy::{order_cluster, order_name};
use serde_json::{Value, json};

use crate::{Options, admin_address, filters, target_listener};

/// Where a module from elsewhere is fetched.
pub(crate) const MODULE_CLUSTER: &str = "kt_module";

pub(crate) fn clusters(gateway: &Gateway, options: &Options) -> Value {
    let all: Vec<usize> = (0..gateway.targets.len()).collect();
    let sets = std::iter::once(&all).chain(&gateway.access.target_sets);
    let orders = sets.flat_map(|set| {
        let name = name_of(set, gateway);
        (0..set.len()).map(move |first| order(&name, set, first, gateway))
    });
    let hops = gateway.targets.iter().map(hop);
    let targets = gateway
        .targets
        .iter()
        .map(|target| target_cluster(target, options));
    orders
        .chain(hops)
        .chain(targets)
        .chain([admin(options)])
        .chain(module(options))
        .collect()
}

/// The cluster of one target.
pub(crate) fn target_cluster_name(target: &Target) -> String {
    kt_policy::Target::cluster_of(&target.id)
}

fn hop_name(target: &Target) -> String {
    format!("hop_{}", target.id)
}

/// The name of the order of some targets, by their places.
fn name_of(set: &[usize], gateway: &Gateway) -> String {
    let targets = set.iter().filter_map(|place| gateway.targets.get(*place));
    order_name(targets.map(|target| target.id.as_str()))
}

/// The name of the order of all targets.
pub(crate) fn order_of_all(gateway: &Gateway) -> String {
    order_name(gateway.targets.iter().map(|target| target.id.as_str()))
}

/// How many attempts an order has.
pub(crate) fn order_len(gateway: &Gateway) -> u32 {
    let moves = u32::try_from(gateway.targets.len() - 1).unwrap_or(u32::MAX);
    let targets = 1 + moves.min(gateway.routing.fallback.max_fallback_attempts);
    targets * gateway.routing.max_attempts()
}

/// Limits that must never refuse a request: the default of three retries at a time would end failover under load.
pub(crate) fn unlimited() -> Value {
    json!({"thresholds": [{"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000, "max_retries": 100_000}]})
}

/// Target number `first` of a set, then the others in the order of the set, each as often as it may be tried. The attempt
/// filter passes over what is not to be tried.
fn order(name: &str, set: &[usize], first: usize, gateway: &Gateway) -> Value {
    let others = (0..set.len()).filter(|place| *place != first);
    let in_order = std::iter::once(first)
        .chain(others)
        .filter_map(|place| gateway.targets.get(*set.get(place)?));
    let tries = usize::try_from(gateway.routing.max_attempts()).unwrap_or(1);
    let entries: Value = in_order
        .flat_map(|target| std::iter::repeat_n(json!({"name": hop_name(target)}), tries))
        .take(usize::try_from(order_len(gateway)).unwrap_or(usize::MAX))
        .collect();
    json!({
        "name": order_cluster(name, first),
        "connect_timeout": "5s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.composite", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.clusters.composite.v3.ClusterConfig",
            "clusters": entries}},
        "circuit_breakers": unlimited(),
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}},
            "http_filters": filters::for_order()}},
    })
}

/// The way to a target: the internal listener, with the target's id.
fn hop(target: &Target) -> Value {
    let name = hop_name(target);
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "per_connection_buffer_limit_bytes": 65536,
        "circuit_breakers": unlimited(),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{
                "endpoint": {"address": {"envoy_internal_address": {
                    "server_listener_name": target_listener::NAME,
                    "endpoint_id": target.id}}},
                "metadata": {"filter_metadata": {"kt": {"id": target.id}}}}]}]},
    })
}

/// A target's own cluster. One logical host however many addresses the name has.
fn target_cluster(target: &Target, options: &Options) -> Value {
    let url = &target.base_url;
    let address: Option<IpAddr> = url.host.parse().ok();
    let mut protocol = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": "60s"},
        "http_filters": filters::for_target(target),
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
    let mut cluster = json!({
        "name": target_cluster_name(target),
        "type": if address.is_some() { "STATIC" } else { "LOGICAL_DNS" },
        "connect_timeout": "5s",
        "per_connection_buffer_limit_bytes": 65536,
        "circuit_breakers": unlimited(),
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
        "load_assignment": {
            "cluster_name": target_cluster_name(target),
            "endpoints": [{"lb_endpoints": [{
                "endpoint": {
                    "hostname": url.host,
                    "address": {"socket_address": {"address": url.host, "port_value": url.port}}}}]}]},
    });
    if address.is_none() {
        cluster["dns_lookup_family"] = json!("V4_PREFERRED");
    }
    if url.tls {
        cluster["transport_socket"] = tls(address, &url.host, options);
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

fn admin(options: &Options) -> Value {
    json!({
        "name": kt_policy::ADMIN_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": kt_policy::ADMIN_CLUSTER, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": admin_address(options)}}]}]},
    })
}

/// The way to a module that Envoy fetches itself.
fn module(options: &Options) -> Option<Value> {
    let host = options.wasm.strip_prefix("https://")?;
    let authority = host.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().unwrap_or(443)),
        _ => (authority, 443_u16),
    };
    let address: Option<IpAddr> = host.parse().ok();
    let mut cluster = json!({
        "name": MODULE_CLUSTER,
        "type": if address.is_some() { "STATIC" } else { "LOGICAL_DNS" },
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": MODULE_CLUSTER, "endpoints": [{"lb_endpoints": [{"endpoint": {
            "hostname": host,
            "address": {"socket_address": {"address": host, "port_value": port}}}}]}]},
        "transport_socket": tls(address, host, options),
    });
    if address.is_none() {
        cluster["dns_lookup_family"] = json!("V4_PREFERRED");
    }
    Some(cluster)
}
