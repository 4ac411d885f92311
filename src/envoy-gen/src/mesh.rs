//! Objects for a mesh: the filter in somebody else's chain, in front of one target.
//!
//! A mesh owns listeners, routes and connections. What it lets a module do is to inspect; which features of a policy
//! file that leaves is [`refusals`]' to say: what a form cannot do is refused, never left out.

pub(crate) mod envoy_gateway;
pub(crate) mod istio;

use std::{net::IpAddr, str::FromStr};

use kt_config::{Gateway, KeySource, Target};
use kt_policy::{Guard, Role};
use serde_json::{Value, json};

use crate::{Options, filters, header_line, yaml};

/// Name of every object.
pub(crate) const NAME: &str = "keeptrusts";

/// Where the filter goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attach {
    /// A gateway: Istio's by a label of its workload (`istio=ingressgateway`), Envoy Gateway's by its name.
    Gateway(String),
    /// The sidecars of the workloads with a label.
    Sidecar(String),
    /// An ambient mesh's waypoint, by its name.
    Waypoint(String),
}

impl FromStr for Attach {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, what) = text.split_once(':').unwrap_or((text, ""));
        let is_label = what
            .split_once('=')
            .is_some_and(|(name, value)| is_word(name) && is_word(value));
        match kind {
            "gateway" if is_label || is_word(what) => Ok(Self::Gateway(what.to_owned())),
            "sidecar" if is_label => Ok(Self::Sidecar(what.to_owned())),
            "waypoint" if is_word(what) => Ok(Self::Waypoint(what.to_owned())),
            _ => Err(
                "it is gateway:LABEL=VALUE, gateway:NAME, sidecar:LABEL=VALUE or waypoint:NAME"
                    .into(),
            ),
        }
    }
}

/// A name of Kubernetes, or of a label with its prefix.
fn is_word(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    (1..=253).contains(&text.len()) && text.bytes().all(plain)
}

/// What only meshes are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshOptions {
    /// Istio's version.
    pub istio_version: (u32, u32),
    /// Where the filter goes.
    pub attach: Attach,
    /// The `Gateway` of Istio that the route belongs to.
    pub gateway: String,
}

/// One thing that a form cannot do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The setting.
    pub what: String,
    /// What can be done instead.
    pub hint: &'static str,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  hint: {}", self.what, self.hint)
    }
}

/// What neither mesh form can do, of what is asked for.
fn refusals(form: &str, gateway: &Gateway, options: &Options) -> Vec<Refusal> {
    let tests = of_policy_file(gateway)
        .into_iter()
        .chain(of_options(options));
    let found = tests.filter(|(is_wrong, ..)| *is_wrong);
    found
        .map(|(_, what, hint)| Refusal {
            what: format!("--format {form} cannot do this: {what}"),
            hint,
        })
        .collect()
}

/// Whether something is refused, what, and what to do instead.
type Test = (bool, &'static str, &'static str);

fn of_policy_file(gateway: &Gateway) -> [Test; 8] {
    let stand_alone = "run the gateway on its own behind the mesh (the Helm chart, or --format bootstrap), where all of it works";
    let routing = &gateway.routing;
    [
        (
            gateway.targets.len() != 1,
            "`providers.targets` has several targets: a mesh form guards the way to one",
            stand_alone,
        ),
        (
            routing.max_attempts() > 1,
            "`providers.retry.max_attempts` is above 1: another attempt would have to be judged",
            stand_alone,
        ),
        (
            routing.circuit_breaker.is_some(),
            "`providers.circuit_breaker`: a mesh ejects hosts, and knows no half-open breaker",
            stand_alone,
        ),
        (
            gateway
                .targets
                .iter()
                .any(|target| target.health_probe.is_some()),
            "`health_probe` of a target: probes lead to clusters of our own",
            stand_alone,
        ),
        (
            routing.quality.is_some(),
            "`policy.quality-scorer.failure_action` other than block asks for another answer",
            stand_alone,
        ),
        (
            !gateway.access.is_empty(),
            "`routes`, `consumers` and `model_groups`: who may ask for what is decided at the gateway's own listener",
            stand_alone,
        ),
        (
            gateway.policies.controls.refuses(),
            "`on_block: refusal`: the answer has begun by then",
            stand_alone,
        ),
        (
            gateway
                .targets
                .iter()
                .any(|target| target.key.is_some() && key_env(target).is_none()),
            "`secret_key_ref.file`: the filter in a mesh reads no files",
            "name a variable with `env`, which the mesh fills from a Secret",
        ),
    ]
}

fn of_options(options: &Options) -> [Test; 4] {
    let module = options.wasm.as_str();
    [
        (
            options.without_filter,
            "--without-filter",
            "it is for --format bootstrap",
        ),
        (
            !module.contains("://"),
            "--wasm is a path: a mesh pulls the module from oci:// or https://",
            "publish it and name it with --wasm oci://… or https://…",
        ),
        (
            module.starts_with("http://"),
            "--wasm is plain http://: anybody on the way could change the module",
            "use https:// or oci://",
        ),
        (
            digest(options).is_none(),
            "the module has no digest, so nobody could tell if it was changed",
            "add --sha256 HEX, or oci://…@sha256:HEX",
        ),
    ]
}

/// The module's sha256: of the file behind https, of the image's manifest behind oci.
pub(crate) fn digest(options: &Options) -> Option<&str> {
    let pinned = options
        .wasm
        .split_once("@sha256:")
        .map(|(_, digest)| digest);
    options.sha256.as_deref().or(pinned)
}

/// The module's address without its digest.
fn address(options: &Options) -> &str {
    options.wasm.split("@sha256:").next().unwrap_or_default()
}

/// The environment variable with the target's key.
fn key_env(target: &Target) -> Option<&str> {
    target.key.as_ref().and_then(KeySource::env)
}

/// The host under which the mesh knows the target. An address is no name, and gets one.
fn host_of(target: &Target) -> String {
    match target.base_url.host.parse::<IpAddr>() {
        Ok(_) => format!(
            "{}.keeptrusts.internal",
            target
                .id
                .to_ascii_lowercase()
                .replace(|byte: char| !byte.is_ascii_alphanumeric(), "-")
        ),
        Err(_) => target.base_url.host.clone(),
    }
}

/// What the filter is told.
fn filter_config(gateway: &Gateway, options: &Options, guard: Guard) -> Value {
    let mut config = filters::filter_config(Role::Guard, gateway, options);
    // Nothing chooses here, so nothing of it is said.
    config.direct_stream_total_ms = None;
    config.guard = Some(guard);
    serde_json::to_value(&config).unwrap_or_default()
}

/// The longest that the mesh waits for the end of an answer.
fn longest(target: &Target) -> String {
    format!(
        "{}s",
        target.timeout_seconds.max(target.stream_timeout_seconds)
    )
}

/// Objects as one file for `kubectl apply`, each with words about it.
fn render(gateway: &Gateway, about: &str, objects: &[(String, Value)]) -> String {
    let mut text = header_line(gateway) + about;
    for (words, object) in objects {
        text += "---\n";
        for line in words.lines() {
            text += &format!("# {line}\n");
        }
        text += &yaml::render(object);
    }
    text
}

fn object(api: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "kt-envoy-gen"}}, "spec": spec})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_kind_and_what() {
        assert_eq!(
            "gateway:istio=ingressgateway".parse(),
            Ok(Attach::Gateway("istio=ingressgateway".into()))
        );
        assert_eq!("waypoint:llm".parse(), Ok(Attach::Waypoint("llm".into())));
        for wrong in [
            "",
            "gateway",
            "gateway:",
            "sidecar:app",
            "waypoint:a=b",
            "pod:x",
            "sidecar:a=b=c",
            "gateway:x y",
        ] {
            assert!(wrong.parse::<Attach>().is_err(), "{wrong}");
        }
    }
}
