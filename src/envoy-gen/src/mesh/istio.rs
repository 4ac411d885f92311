//! `--format istio`.

use kt_config::{Gateway, Target};
use kt_policy::{Endpoint, Guard};
use serde_json::{Value, json};

use super::{
    Attach, MeshOptions, NAME, Refusal, address, digest, filter_config, host_of, key_env, longest,
    object, refusals, render,
};
use crate::{MAX_BODY_BYTES, Options};

/// The first version with `TrafficExtension`.
const TRAFFIC_EXTENSION: (u32, u32) = (1, 30);
/// The first version whose `WasmPlugin` knows `FAIL_RELOAD`, `match` and `targetRefs`.
const OLDEST: (u32, u32) = (1, 25);
/// The port under which workloads reach a target through the mesh: in plain text up to the proxy, which begins the TLS.
const PORT: u16 = 80;
const ABOUT_BODIES: &str = "Bodies wait for their verdict, up to 8 MiB; Istio's own objects cannot raise the limit of 1 MiB.";
const NETWORKING: &str = "networking.istio.io/v1";

/// The objects as YAML, or why there are none.
pub fn istio_yaml(
    gateway: &Gateway,
    options: &Options,
    mesh: &MeshOptions,
) -> Result<String, Vec<Refusal>> {
    let mut refused = refusals("istio", gateway, options);
    if mesh.istio_version < OLDEST {
        refused.push(Refusal {
            what: "--format istio cannot do this: --istio-version is below 1.25, whose WasmPlugin cannot reload a module that failed".into(),
            hint: "update Istio, or run the gateway on its own",
        });
    }
    if matches!(&mesh.attach, Attach::Gateway(label) if !label.contains('=')) {
        refused.push(Refusal {
            what: "--format istio cannot do this: --attach gateway:NAME".into(),
            hint: "name the gateway's workload by a label, such as gateway:istio=ingressgateway",
        });
    }
    let [target] = gateway.targets.as_slice() else {
        return Err(refused);
    };
    if !refused.is_empty() {
        return Err(refused);
    }
    let objects: Vec<(String, Value)> = [
        extension(gateway, target, options, mesh),
        (about_entry(mesh), entry(target, mesh)),
        (
            "TLS towards the target begins in the proxy, which verifies the target's certificate and name.".into(),
            rule(target, options),
        ),
        (about_route(mesh), route(target, mesh)),
    ]
    .into_iter()
    .chain(bodies(mesh).map(|filter| (ABOUT_BODIES.to_owned(), filter)))
    .collect();
    Ok(render(gateway, &about(target, mesh), &objects))
}

/// What a user has to do beside applying the objects.
fn about(target: &Target, mesh: &MeshOptions) -> String {
    let key = key_env(target).filter(|_| injects(mesh));
    let (major, minor) = mesh.istio_version;
    match key {
        Some(key) => format!(
            "# For Istio {major}.{minor}. The target's key is no part of it: give the gateway's containers the variable {key} from a Secret\n# (`env: [{{name: {key}, valueFrom: {{secretKeyRef: …}}}}]`); without it the module does not load and nothing is served.\n",
        ),
        None if injects(mesh) => format!("# For Istio {major}.{minor}.\n"),
        None => format!(
            "# For Istio {major}.{minor}. Workloads call http://{}:{PORT} and send the target's key themselves.\n",
            host_of(target)
        ),
    }
}

/// Whether the filter adds the key. Workloads behind a sidecar or a waypoint have their own.
fn injects(mesh: &MeshOptions) -> bool {
    matches!(mesh.attach, Attach::Gateway(_))
}

/// The filter.
fn extension(
    gateway: &Gateway,
    target: &Target,
    options: &Options,
    mesh: &MeshOptions,
) -> (String, Value) {
    let guard = Guard {
        key_env: key_env(target).filter(|_| injects(mesh)).map(str::to_owned),
        authority: (!injects(mesh)).then(|| host_of(target)),
        // The selector takes all listeners of the gateway, with the routes of others.
        routes: injects(mesh).then(|| NAME.to_owned()),
    };
    let env: Value = guard
        .key_env
        .iter()
        .map(|name| json!({"name": name, "valueFrom": "HOST"}))
        .collect();
    let mut wasm = json!({
        "url": address(options),
        "sha256": digest(options),
        "pluginName": NAME,
        "type": "HTTP",
        // A module that failed answers 503 and is loaded again; nothing goes by it.
        "failStrategy": "FAIL_RELOAD",
        "imagePullPolicy": "IfNotPresent",
        "pluginConfig": filter_config(gateway, options, guard),
    });
    if env.as_array().is_some_and(|env| !env.is_empty()) {
        wasm["vmConfig"] = json!({"env": env});
    }
    let mut spec = place(mesh);
    // Behind authentication and authorization: nothing is inspected for those who may not ask.
    spec["phase"] = json!("STATS");
    if matches!(mesh.attach, Attach::Sidecar(_)) {
        spec["match"] = json!([{"mode": "CLIENT", "ports": [{"number": PORT}]}]);
    }
    let api = "extensions.istio.io/v1alpha1";
    if mesh.istio_version >= TRAFFIC_EXTENSION {
        spec["wasm"] = wasm;
        return ("The filter: requests are judged before their bodies go on, answers before theirs come back.".into(), object(api, "TrafficExtension", NAME, &spec));
    }
    if let (Some(spec), Some(wasm)) = (spec.as_object_mut(), wasm.as_object()) {
        spec.extend(wasm.clone());
    }
    ("The filter: requests are judged before their bodies go on, answers before theirs come back.".into(), object(api, "WasmPlugin", NAME, &spec))
}

/// Whose proxies are meant.
fn place(mesh: &MeshOptions) -> Value {
    match &mesh.attach {
        Attach::Gateway(label) | Attach::Sidecar(label) => {
            let (name, value) = label.split_once('=').unwrap_or_default();
            json!({"selector": {"matchLabels": {name: value}}})
        }
        Attach::Waypoint(name) => {
            json!({"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name}]})
        }
    }
}

fn about_entry(mesh: &MeshOptions) -> String {
    match &mesh.attach {
        Attach::Waypoint(_) => {
            "The target, as the mesh knows it; the label sends its traffic through the waypoint."
                .into()
        }
        _ => "The target, as the mesh knows it.".into(),
    }
}

fn entry(target: &Target, mesh: &MeshOptions) -> Value {
    let url = &target.base_url;
    let host = host_of(target);
    let is_address = host != url.host;
    let mut spec = json!({
        "hosts": [host],
        "location": "MESH_EXTERNAL",
        "resolution": if is_address { "STATIC" } else { "DNS" },
        "ports": [{"number": PORT, "name": "http", "protocol": "HTTP", "targetPort": url.port}],
    });
    if is_address {
        spec["endpoints"] = json!([{"address": url.host}]);
    }
    let mut entry = object(NETWORKING, "ServiceEntry", NAME, &spec);
    if let Attach::Waypoint(name) = &mesh.attach {
        entry["metadata"]["labels"]["istio.io/use-waypoint"] = json!(name);
    }
    entry
}

fn rule(target: &Target, options: &Options) -> Value {
    let url = &target.base_url;
    let tls = if url.tls {
        let mut tls = json!({"mode": "SIMPLE", "subjectAltNames": [url.host], "caCertificates": options.ca_file});
        if host_of(target) == url.host {
            tls["sni"] = json!(url.host);
        }
        tls
    } else {
        json!({"mode": "DISABLE"})
    };
    object(
        NETWORKING,
        "DestinationRule",
        NAME,
        &json!({"host": host_of(target), "trafficPolicy": {"tls": tls}}),
    )
}

fn about_route(mesh: &MeshOptions) -> String {
    match &mesh.attach {
        Attach::Gateway(_) => {
            "What is inspected is served, exactly; no other path leads to the target.".into()
        }
        _ => "Time limits; no retries behind the back of the policies.".into(),
    }
}

fn route(target: &Target, mesh: &MeshOptions) -> Value {
    let url = &target.base_url;
    let host = host_of(target);
    let mut onward = json!({
        "route": [{"destination": {"host": host, "port": {"number": PORT}}}],
        "timeout": longest(target),
        "retries": {"attempts": 0},
    });
    let Attach::Gateway(_) = mesh.attach else {
        onward["name"] = json!(NAME);
        // Istio serves the host under an address that it makes up as well, by which the filter would not know it.
        let names = [host.clone(), format!("{host}:{PORT}")];
        onward["match"] = names
            .iter()
            .map(|name| json!({"authority": {"exact": name}}))
            .collect();
        return object(
            NETWORKING,
            "VirtualService",
            NAME,
            &json!({"hosts": [host], "http": [onward]}),
        );
    };
    let endpoints: Value = Endpoint::ALL
        .into_iter()
        .map(|endpoint| {
            let mut route = onward.clone();
            route["name"] = json!(format!("{NAME}{}", endpoint.suffix().replace('/', "-")));
            route["match"] = json!([{"uri": {"exact": format!("/v1{}", endpoint.suffix())}, "method": {"exact": "POST"}}]);
            route["rewrite"] = json!({"uri": format!("{}{}", url.path, endpoint.suffix()), "authority": url.authority()});
            route
        })
        .collect();
    object(
        NETWORKING,
        "VirtualService",
        NAME,
        &json!({"hosts": ["*"], "gateways": [mesh.gateway], "http": endpoints}),
    )
}

/// The one thing that only an `EnvoyFilter` says. It reaches waypoints since 1.30.
fn bodies(mesh: &MeshOptions) -> Option<Value> {
    if matches!(mesh.attach, Attach::Waypoint(_)) && mesh.istio_version < TRAFFIC_EXTENSION {
        return None;
    }
    let context = match mesh.attach {
        Attach::Gateway(_) => "GATEWAY",
        Attach::Sidecar(_) => "SIDECAR_OUTBOUND",
        Attach::Waypoint(_) => "WAYPOINT",
    };
    let mut spec = match &mesh.attach {
        Attach::Waypoint(_) => place(mesh),
        Attach::Gateway(label) | Attach::Sidecar(label) => {
            let (name, value) = label.split_once('=').unwrap_or_default();
            json!({"workloadSelector": {"labels": {name: value}}})
        }
    };
    spec["configPatches"] = json!([{
        "applyTo": "LISTENER",
        "match": {"context": context},
        "patch": {"operation": "MERGE", "value": {"per_connection_buffer_limit_bytes": MAX_BODY_BYTES}}}]);
    let api = "networking.istio.io/v1alpha3";
    Some(object(api, "EnvoyFilter", "keeptrusts-bodies", &spec))
}
