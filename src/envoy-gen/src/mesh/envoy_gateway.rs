//! `--format envoy-gateway`.

use std::net::IpAddr;

use kt_config::{Gateway, Target};
use kt_policy::{Endpoint, Guard};
use serde_json::{Value, json};

use super::{
    Attach, MeshOptions, NAME, Refusal, address, digest, filter_config, key_env, longest, object,
    refusals, render,
};
use crate::Options;

const API: &str = "gateway.envoyproxy.io/v1alpha1";
const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// The objects as YAML, or why there are none.
pub fn envoy_gateway_yaml(
    gateway: &Gateway,
    options: &Options,
    mesh: &MeshOptions,
) -> Result<String, Vec<Refusal>> {
    let mut refused = refusals("envoy-gateway", gateway, options);
    let name = match &mesh.attach {
        Attach::Gateway(name) if !name.contains('=') => name.as_str(),
        _ => {
            refused.push(Refusal {
                what: "--format envoy-gateway cannot do this: --attach to anything but a Gateway by its name".into(),
                hint: "say --attach gateway:NAME",
            });
            ""
        }
    };
    let [target] = gateway.targets.as_slice() else {
        return Err(refused);
    };
    if !refused.is_empty() {
        return Err(refused);
    }
    let objects = [
        (
            "The filter, on this route alone. A module that cannot be loaded lets nothing by."
                .to_owned(),
            policy(gateway, target, options),
        ),
        (
            "What is inspected is served, exactly; no other path leads to the target.".to_owned(),
            route(target, name),
        ),
        (
            "The target; its certificate is verified against the system's authorities.".to_owned(),
            backend(target),
        ),
        (
            "Bodies wait for their verdict, up to 8 MiB; the default is 32 KiB.".to_owned(),
            bodies(name),
        ),
    ];
    let about = key_env(target).map_or_else(String::new, |key| {
        format!(
            "# The target's key is no part of it: give the proxy the variable {key} from a Secret, in the EnvoyProxy's\n# `provider.kubernetes.envoyDeployment.container.env`; without it the module does not load and nothing is served.\n"
        )
    });
    Ok(render(gateway, &about, &objects))
}

fn policy(gateway: &Gateway, target: &Target, options: &Options) -> Value {
    let guard = Guard {
        key_env: key_env(target).map(str::to_owned),
        authority: None,
        routes: None,
    };
    let module = address(options);
    let code = match module.strip_prefix("oci://") {
        Some(image) => json!({"type": "Image", "image": {"url": image, "sha256": digest(options)}}),
        None => json!({"type": "HTTP", "http": {"url": module, "sha256": digest(options)}}),
    };
    let mut wasm = json!({
        "name": NAME,
        "rootID": NAME,
        "code": code,
        "failOpen": false,
        "config": filter_config(gateway, options, guard),
    });
    if let Some(key) = key_env(target) {
        wasm["env"] = json!({"hostKeys": [key]});
    }
    let spec = json!({
        "targetRefs": [{"group": GATEWAY_API, "kind": "HTTPRoute", "name": NAME}],
        "wasm": [wasm],
    });
    object(API, "EnvoyExtensionPolicy", NAME, &spec)
}

fn route(target: &Target, gateway: &str) -> Value {
    let url = &target.base_url;
    let rules: Value = Endpoint::ALL
        .into_iter()
        .map(|endpoint| {
            let mut rewrite = json!({"path": {"type": "ReplaceFullPath", "replaceFullPath": format!("{}{}", url.path, endpoint.suffix())}});
            if url.host.parse::<IpAddr>().is_err() {
                rewrite["hostname"] = json!(url.host);
            }
            json!({
                "name": endpoint.suffix().trim_start_matches('/').replace('/', "-"),
                "matches": [{"path": {"type": "Exact", "value": format!("/v1{}", endpoint.suffix())}, "method": "POST"}],
                "filters": [{"type": "URLRewrite", "urlRewrite": rewrite}],
                "backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": NAME}],
                "timeouts": {"request": longest(target)},
            })
        })
        .collect();
    object(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        NAME,
        &json!({"parentRefs": [{"group": GATEWAY_API, "kind": "Gateway", "name": gateway}], "rules": rules}),
    )
}

fn backend(target: &Target) -> Value {
    let url = &target.base_url;
    let address = if url.host.parse::<IpAddr>().is_ok() {
        json!({"ip": {"address": url.host, "port": url.port}})
    } else {
        json!({"fqdn": {"hostname": url.host, "port": url.port}})
    };
    let mut spec = json!({"type": "Endpoints", "endpoints": [address]});
    if url.tls {
        spec["tls"] =
            json!({"wellKnownCACertificates": "System", "sni": url.host, "minVersion": "1.2"});
    }
    object(API, "Backend", NAME, &spec)
}

fn bodies(gateway: &str) -> Value {
    let spec = json!({
        "targetRefs": [{"group": GATEWAY_API, "kind": "Gateway", "name": gateway}],
        "connection": {"bufferLimit": "8Mi"},
    });
    object(API, "ClientTrafficPolicy", NAME, &spec)
}
