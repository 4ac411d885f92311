//! Routes: what is served, exactly; everything else is refused.

use kt_config::{Gateway, Target};
use kt_policy::{
    Endpoint, Page,
    access::{self, is_below},
    internal_header, order_cluster,
};
use serde_json::{Value, json};

use crate::{
    MAX_BODY_BYTES, Options,
    cluster::{order_len, order_of_all, target_cluster_name},
    errors,
    filters::POLICY_FILTER,
    timeouts::{attempt_seconds, exchange_seconds, goes_direct},
};

const DASHBOARD_PATH: &str = "/keeptrusts/dashboard";

pub(crate) fn route_config(gateway: &Gateway, options: &Options) -> Value {
    let prefixes = prefixes(gateway);
    let inspected = prefixes.iter().flat_map(|prefix| {
        Endpoint::ALL
            .into_iter()
            .map(move |endpoint| inspected(prefix, endpoint, gateway, options))
    });
    let models = prefixes
        .iter()
        .map(|prefix| models_route(prefix, gateway, options));
    let pages = Page::ALL.into_iter().map(page).chain(models);
    let dashboard = options.dashboard.as_deref().map(dashboard);
    let fixed = [config_page(gateway, options), not_found()];
    let fixed = dashboard.into_iter().chain(fixed);
    json!({
        "name": "kt",
        "max_direct_response_body_size_bytes": 1 << 20,
        "virtual_hosts": [{"name": "kt", "domains": ["*"], "include_request_attempt_count": true, "routes": inspected.chain(pages).chain(fixed).collect::<Value>()}],
    })
}

/// Path of an endpoint, and name of its route.
pub(crate) fn path_of(endpoint: Endpoint) -> String {
    format!("/v1{}", endpoint.suffix())
}

/// What stands before the paths of the API: nothing, and the prefixes of routes beyond it.
pub(crate) fn prefixes(gateway: &Gateway) -> Vec<String> {
    let routes = gateway.access.routes.iter();
    let paths = routes.filter_map(|route| route.path.as_deref());
    let mut prefixes: Vec<String> = paths
        .filter(|path| !is_below(path, "/v1"))
        .map(str::to_owned)
        .collect();
    prefixes.push(String::new());
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

/// `GET /v1/models`: the same for everybody, who may have to show a token, or what the policy filter says.
fn models_route(prefix: &str, gateway: &Gateway, options: &Options) -> Value {
    let path = format!("{prefix}/v1/models");
    if !gateway.access.is_empty() {
        return json!({
            "name": "/v1/models",
            "match": exactly("GET", &path),
            "direct_response": {"status": 503},
        });
    }
    let mut route = own_answer(&path, &models(gateway));
    if options.token_sha256.is_some()
        && let Some(members) = route.as_object_mut()
    {
        members.remove("typed_per_filter_config");
    }
    route
}

/// A path whose requests and responses the policies judge.
fn inspected(prefix: &str, endpoint: Endpoint, gateway: &Gateway, options: &Options) -> Value {
    let total = exchange_seconds(gateway);
    let mut action = json!({
        "timeout": format!("{total}s"),
        "idle_timeout": format!("{total}s"),
        // Which attempt may follow, and after what, is the attempt filter's to say; a broken connection to it is the
        // one failure that it cannot mark.
        "retry_policy": {
            "retry_on": "retriable-headers,reset,connect-failure",
            "retriable_headers": [{"name": internal_header::FAILOVER, "present_match": true}],
            "num_retries": order_len(gateway) - 1,
            "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
        },
    });
    match gateway.targets.as_slice() {
        [target] if goes_direct(gateway) => {
            action["timeout"] = json!(format!("{}s", attempt_seconds(target, false)));
            action["host_rewrite_literal"] = json!(target.base_url.authority());
            action["prefix_rewrite"] =
                json!(format!("{}{}", target.base_url.path, endpoint.suffix()));
            set_cluster(&mut action, &target_cluster_name(target), options);
        }
        _ => set_cluster(
            &mut action,
            &order_cluster(&order_of_all(gateway), 0),
            options,
        ),
    }
    json!({
        "name": path_of(endpoint),
        "match": exactly("POST", &format!("{prefix}{}", path_of(endpoint))),
        // The whole body waits for its verdict; the limit holds for the response as well.
        "request_body_buffer_limit": MAX_BODY_BYTES,
        // The policy filter leaves only a few headers of requests and answers.
        "response_headers_to_remove": [internal_header::FAILOVER],
        "route": action,
    })
}

/// The policy filter chooses the cluster; without it, there is one.
fn set_cluster(action: &mut Value, cluster: &str, options: &Options) {
    if options.without_filter {
        action["cluster"] = json!(cluster);
    } else {
        action["cluster_header"] = json!(internal_header::ORDER);
    }
}

/// A path that the policy filter answers itself. The status here is what a gateway without it would say.
fn page(page: Page) -> Value {
    let matched = if page.takes_query() {
        exactly("GET", page.path())
    } else {
        with_query("GET", page.path())
    };
    let mut route = json!({"name": page.path(), "match": matched});
    if page == Page::AllMetrics {
        // Envoy's own follow, from its admin interface.
        route["route"] = json!({"cluster": kt_policy::ADMIN_CLUSTER, "prefix_rewrite": "/stats/prometheus", "timeout": "10s"});
        // Its text grows by ours.
        route["response_headers_to_remove"] = json!(["content-length"]);
    } else {
        route["direct_response"] = json!({"status": 503});
    }
    route
}

fn exactly(method: &str, path: &str) -> Value {
    json!({"path": path, "headers": [{"name": ":method", "string_match": {"exact": method}}]})
}

/// The same with this query, or without any: the admin interface would read it.
fn with_query(method: &str, path: &str) -> Value {
    let mut matched = exactly(method, path.split('?').next().unwrap_or_default());
    if let Some(headers) = matched["headers"].as_array_mut() {
        headers.push(json!({"name": ":path", "string_match": {"exact": path}}));
    }
    matched
}

/// A fixed JSON answer. No policy runs on it: it carries nothing that came from outside.
fn own_answer(path: &str, body: &Value) -> Value {
    let mut route = answer(200, body);
    route["name"] = json!(path);
    route["match"] = exactly("GET", path);
    route
}

/// A page for people. The browser is told to load nothing else and to run nothing but what stands in it.
fn dashboard(file: &str) -> Value {
    let header = |(key, value)| json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ];
    json!({
        "name": DASHBOARD_PATH,
        "match": exactly("GET", DASHBOARD_PATH),
        "typed_per_filter_config": without_policies(),
        "response_headers_to_add": headers.map(header),
        "direct_response": {"status": 200, "body": {"filename": file}},
    })
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

/// `GET /keeptrusts/config`. Where there are exceptions, the policy filter adds which of them were never used.
fn config_page(gateway: &Gateway, options: &Options) -> Value {
    let mut config = config(gateway, options);
    let exceptions = access::exceptions(&gateway.policies.controls, &gateway.access);
    if exceptions.is_empty() {
        return own_answer("/keeptrusts/config", &config);
    }
    let listed = exceptions.iter().map(|(kind, exception)| {
        let member = |name| exception.get(name);
        json!({"id": exception.id(), "policy": kind.name(), "until": member("until"), "reason": member("reason")})
    });
    config["exceptions"] = listed.collect();
    let mut route = own_answer("/keeptrusts/config", &config);
    if !options.without_filter
        && let Some(members) = route.as_object_mut()
    {
        members.remove("typed_per_filter_config");
    }
    route
}

/// `GET /keeptrusts/config`: what is configured, without secrets.
fn config(gateway: &Gateway, options: &Options) -> Value {
    let chain: Value = gateway
        .policies
        .chain
        .iter()
        .filter_map(|policy| serde_json::to_value(policy).ok())
        .map(|policy| policy["kind"].clone())
        .collect();
    let mut config = json!({
        "pack": {"name": gateway.pack.name, "version": gateway.pack.version, "enabled": gateway.pack.enabled},
        "policies": {"chain": chain},
        "providers": {
            "strategy": gateway.routing.strategy.name(),
            "retry": gateway.routing.retry,
            "circuit_breaker": gateway.routing.circuit_breaker,
            "fallback": gateway.routing.fallback,
            "latency": gateway.routing.latency,
            "targets": gateway.targets.iter().map(target).collect::<Value>(),
        },
    });
    if let Some(generation) = options.generation {
        config["generation"] = json!(generation);
    }
    config
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
        "weight": target.weight,
        "pricing": target.pricing,
        "health_probe": target.health_probe,
    })
}
