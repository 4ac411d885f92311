//! Pieces for an Envoy that has its own listeners, routes and filters.
//!
//! What stands alone elsewhere becomes a listener inside Envoy, without a port: the foreign configuration keeps its
//! listener and its filters, and gets one route to it. So the answers are those of the stand-alone form, and nothing of
//! ours runs on foreign routes.

use kt_config::Gateway;
use serde_json::{Value, json};

use crate::{Options, bootstrap, header_line, route::prefixes, timeouts::exchange_seconds, yaml};

/// The cluster that leads into the listener of ours.
const ENTRANCE: &str = "kt_gateway";
/// That listener.
const LISTENER: &str = "kt_http";

/// What is served; the rest of the paths stays foreign. `/health` and `/metrics` are likely to be somebody's already.
fn served(gateway: &Gateway) -> Vec<String> {
    let api = prefixes(gateway).into_iter().map(|prefix| prefix + "/v1/");
    api.chain(["/keeptrusts/".to_owned()]).collect()
}

/// The pieces as YAML, each headed by where it goes.
pub fn snippet_yaml(gateway: &Gateway, options: &Options) -> String {
    let pieces = snippet(gateway, options);
    let piece = |place: &str, name: &str| {
        format!("\n{place}{}", yaml::render(&json!({name: pieces[name]})))
    };
    [
        header_line(gateway),
        "# Pieces for an Envoy that has a configuration of its own. Run it with --file-flush-min-size-kb 0, so that every event is\n# on disk when its exchange ends, and with the variables set that `secrets` names.\n".into(),
        piece("# Into the bootstrap, unless it is there already.\n", "bootstrap_extensions"),
        piece("# Into the bootstrap: add to the lists of the same names.\n", "static_resources"),
        piece("# Into the virtual host that clients reach, before its other routes. Filters in front of your router (CORS, JWT, rate\n# limits, compression) run for these routes as for all others.\n", "routes"),
    ]
    .concat()
}

/// The pieces.
pub fn snippet(gateway: &Gateway, options: &Options) -> Value {
    let mut whole = bootstrap(gateway, options);
    let mut statics = whole["static_resources"].take();
    if let Some(listener) = statics["listeners"]
        .as_array_mut()
        .and_then(|all| all.first_mut())
    {
        make_internal(listener);
    }
    if let Some(clusters) = statics["clusters"].as_array_mut() {
        clusters.retain(|cluster| cluster["name"] != kt_policy::ADMIN_CLUSTER);
        clusters.insert(0, entrance());
    }
    json!({
        "bootstrap_extensions": whole["bootstrap_extensions"],
        "static_resources": statics,
        "routes": served(gateway).iter().map(|prefix| route(prefix, gateway)).collect::<Value>(),
    })
}

/// Takes the port from the listener at the edge, and what only an edge does.
fn make_internal(listener: &mut Value) {
    if let Some(members) = listener.as_object_mut() {
        members.remove("address");
        members.insert("internal_listener".into(), json!({}));
    }
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    // The foreign edge says who the client is, as the last entry of `x-forwarded-for`.
    manager["use_remote_address"] = json!(false);
    if let Some(routes) = manager["route_config"]["virtual_hosts"][0]["routes"].as_array_mut() {
        // Metrics are the foreign Envoy's.
        let is_metrics = |route: &Value| {
            route["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("/metrics"))
        };
        routes.retain(|route| !is_metrics(route));
    }
}

fn entrance() -> Value {
    json!({
        "name": ENTRANCE,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": crate::cluster::unlimited(),
        "load_assignment": {
            "cluster_name": ENTRANCE,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"envoy_internal_address": {
                "server_listener_name": LISTENER, "endpoint_id": ENTRANCE}}}}]}]},
    })
}

fn route(prefix: &str, gateway: &Gateway) -> Value {
    let total = format!("{}s", exchange_seconds(gateway) + 5);
    json!({
        "name": format!("keeptrusts {prefix}"),
        "match": {"prefix": prefix},
        // Time limits and retries are made behind it.
        "route": {"cluster": ENTRANCE, "timeout": total, "idle_timeout": total, "retry_policy": {"num_retries": 0}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefixes_of_routes_are_served_too() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/golden/access/policy-config.yaml"
        );
        let source = std::fs::read_to_string(file).unwrap();
        let (gateway, _) = kt_config::load(&source).unwrap();
        let pieces = snippet(&gateway, &Options::default());
        let routes = pieces["routes"].as_array().unwrap();
        let prefixes: Vec<&str> = routes
            .iter()
            .filter_map(|route| route["match"]["prefix"].as_str())
            .collect();
        assert_eq!(prefixes, ["/v1/", "/support/v1/", "/keeptrusts/"]);
    }
}
