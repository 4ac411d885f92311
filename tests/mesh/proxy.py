"""What a mesh's control plane makes of our objects, as far as a plain Envoy can run it.

`bootstrap` writes the chain that a gateway, sidecar or waypoint gets: the wasm filter as Istio and Envoy Gateway configure it
(without `allow_on_headers_stop_iteration`, with the configuration as a protobuf `Struct` that Go writes as JSON), routes of the
VirtualService or HTTPRoute, the cluster of the ServiceEntry and DestinationRule or Backend, and the patch of the EnvoyFilter.
"""

import hashlib
import json

TYPE = "type.googleapis.com/envoy."
# Istio gives a host of a ServiceEntry an address of its own, and serves it under that as well.
VIRTUAL_ADDRESS = "240.240.0.5"
FAILURES = {"FAIL_RELOAD": "FAIL_RELOAD", "FAIL_CLOSE": "FAIL_CLOSED", "FAIL_OPEN": "FAIL_OPEN"}


def bootstrap(objects, port, admin_port, module, access_log):
    kinds = {item["kind"]: item for item in objects}
    parts = gateway_api(kinds, module) if "EnvoyExtensionPolicy" in kinds else istio(kinds, module)
    wasm, hosts, cluster, limit = parts
    manager = {
        "@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "mesh",
        "use_remote_address": True,
        "normalize_path": True,
        "route_config": {"name": "mesh", "virtual_hosts": hosts},
        "access_log": [{
            "name": "envoy.access_loggers.file",
            "filter": {"extension_filter": {"name": "cel", "typed_config": {"@type": TYPE + "extensions.access_loggers.filters.cel.v3.ExpressionFilter", "expression": "'wasm.kt_event' in filter_state"}}},
            "typed_config": {
                "@type": TYPE + "extensions.access_loggers.file.v3.FileAccessLog",
                "path": str(access_log),
                "log_format": {"text_format_source": {"inline_string": "%FILTER_STATE(wasm.kt_event:PLAIN)%\n"}},
            },
        }],
        "http_filters": [
            {"name": "mesh.wasm", "typed_config": {"@type": TYPE + "extensions.filters.http.wasm.v3.Wasm", "config": wasm}},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"}},
        ],
    }  # fmt: skip
    return {
        "admin": {"address": address("127.0.0.1", admin_port)},
        "static_resources": {
            "listeners": [{
                "name": "mesh",
                "address": address("127.0.0.1", port),
                "per_connection_buffer_limit_bytes": limit,
                "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
            }],
            "clusters": [cluster],
        },
    }  # fmt: skip


def istio(kinds, module):
    extension = kinds.get("TrafficExtension") or kinds["WasmPlugin"]
    spec = extension["spec"].get("wasm", extension["spec"])
    # Istio's oci digest is the manifest's; a test names the module itself behind https.
    assert not spec["url"].startswith("https://") or spec["sha256"] == hashlib.sha256(module.read_bytes()).hexdigest()
    env = spec.get("vmConfig", {}).get("env", [])
    wasm = plugin(spec["pluginName"], spec["pluginConfig"], FAILURES[spec["failStrategy"]], [item["name"] for item in env if item["valueFrom"] == "HOST"], module)
    entry, rule = kinds["ServiceEntry"]["spec"], kinds["DestinationRule"]["spec"]
    (host,) = entry["hosts"]
    assert rule["host"] == host
    (exposed,) = entry["ports"]
    tls = rule["trafficPolicy"]["tls"]
    endpoint = entry["endpoints"][0]["address"] if entry["resolution"] == "STATIC" else host
    cluster = upstream(endpoint, exposed["targetPort"], tls if tls["mode"] == "SIMPLE" else None)
    service = kinds["VirtualService"]["spec"]
    routes = [route for http in service["http"] for route in virtual_routes(http)]
    if "gateways" in service:
        # A gateway serves others as well, whose routes may have names or none.
        others = [{"name": name, "match": {"prefix": prefix}, "route": {"cluster": "target"}} for name, prefix in (("shop", "/shop/"), ("", "/unnamed/"))]
        hosts = [{"name": "gateway", "domains": service["hosts"], "routes": routes + others}]
    else:
        other = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "another service"}}}]
        hosts = [
            {"name": host, "domains": [host, f"{host}:{exposed['number']}", VIRTUAL_ADDRESS], "routes": routes},
            {"name": "passthrough", "domains": ["*"], "routes": other},
        ]
    if "EnvoyFilter" not in kinds:
        return wasm, hosts, cluster, 1 << 20
    (patch,) = kinds["EnvoyFilter"]["spec"]["configPatches"]
    assert (patch["applyTo"], patch["patch"]["operation"]) == ("LISTENER", "MERGE")
    return wasm, hosts, cluster, patch["patch"]["value"]["per_connection_buffer_limit_bytes"]


def gateway_api(kinds, module):
    (extension,) = kinds["EnvoyExtensionPolicy"]["spec"]["wasm"]
    code = extension["code"].get("http") or extension["code"]["image"]
    assert "http" not in extension["code"] or code["sha256"] == hashlib.sha256(module.read_bytes()).hexdigest()
    failure = "FAIL_OPEN" if extension["failOpen"] else "FAIL_CLOSED"
    wasm = plugin(extension["name"], extension["config"], failure, extension.get("env", {}).get("hostKeys", []), module)
    backend = kinds["Backend"]["spec"]
    (endpoint,) = backend["endpoints"]
    place = endpoint.get("ip") or {"address": endpoint["fqdn"]["hostname"], "port": endpoint["fqdn"]["port"]}
    tls = backend.get("tls")
    cluster = upstream(place["address"], place["port"], tls and {"sni": tls["sni"], "subjectAltNames": [tls["sni"]], "caCertificates": "/etc/ssl/certs/ca-certificates.crt"})
    routes = []
    for rule in kinds["HTTPRoute"]["spec"]["rules"]:
        (match,), (change,) = rule["matches"], rule["filters"]
        route = {"cluster": "target", "timeout": rule["timeouts"]["request"], "prefix_rewrite": change["urlRewrite"]["path"]["replaceFullPath"]}
        if "hostname" in change["urlRewrite"]:
            route["host_rewrite_literal"] = change["urlRewrite"]["hostname"]
        routes.append({"match": {"path": match["path"]["value"], "headers": [method(match["method"])]}, "route": route})
    limit = kinds["ClientTrafficPolicy"]["spec"]["connection"]["bufferLimit"]
    assert limit == "8Mi"
    return wasm, [{"name": "gateway", "domains": ["*"], "routes": routes}], cluster, 8 << 20


def plugin(name, config, failure, keys, module):
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(as_struct(config), sort_keys=True)}
    return {
        "name": name,
        "root_id": name,
        "failure_policy": failure,
        "configuration": value,
        "vm_config": {
            "vm_id": name,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(module)}},
            "environment_variables": {"host_env_keys": keys},
        },
    }


def as_struct(value):
    """All numbers of a `Struct` are doubles; Go writes whole ones without a point."""
    if isinstance(value, dict):
        return {name: as_struct(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_struct(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 1e21 else number
    return value


def virtual_routes(http):
    action = {"cluster": "target", "timeout": http["timeout"], "retry_policy": {"num_retries": http["retries"]["attempts"]}}
    for wanted in http["match"]:
        if "authority" in wanted:
            match = {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"exact": wanted["authority"]["exact"]}}]}
            yield {"name": http["name"], "match": match, "route": action}
        else:
            match = {"path": wanted["uri"]["exact"], "headers": [method(wanted["method"]["exact"])]}
            rewrite = {"prefix_rewrite": http["rewrite"]["uri"], "host_rewrite_literal": http["rewrite"]["authority"]}
            yield {"name": http["name"], "match": match, "route": {**action, **rewrite}}


def method(name):
    return {"name": ":method", "string_match": {"exact": name}}


def address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def upstream(host, port, tls):
    cluster = {
        "name": "target",
        "type": "STRICT_DNS",
        "load_assignment": {"cluster_name": "target", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port)}}]}]},
    }
    if tls:
        names = [{"san_type": "DNS", "matcher": {"exact": name}} for name in tls["subjectAltNames"]]
        context = {
            "@type": TYPE + "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": tls["sni"],
            "common_tls_context": {"validation_context": {"trusted_ca": {"filename": tls["caCertificates"]}, "match_typed_subject_alt_names": names}},
        }
        cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return cluster
