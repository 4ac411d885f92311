//! The configuration as a folder that Envoy watches: changes take effect without a restart, and streams run on.
//!
//! | file | what | how a change reaches Envoy |
//! |---|---|---|
//! | `sds_<secret>.yaml` | one key of a target | new requests carry it |
//! | `cds.yaml` | clusters | connections of those that changed finish what they carry |
//! | `ecds_<filter>.yaml` | what one filter is told | new exchanges follow it, running ones keep what they began with |
//! | `rds_<listener>.yaml` | routes | new exchanges follow them |
//! | `lds.yaml` | listeners | a listener that changed drains; nothing of the policy file stands in it |
//! | `envoy.yaml` | the bootstrap | only by a restart: what the command line says stands in it |
//!
//! That is also the order in which they are put in place: what is named is there before the name. Envoy reads a file
//! again when something is moved into its folder, so each is written beside its place and renamed.
//!
//! The pieces are those of the stand-alone form, taken apart: the two forms cannot differ.

use std::collections::BTreeMap;

use kt_config::Gateway;
use serde_json::{Value, json};

use crate::{File, Options, SECRET_PREFIX, bootstrap, header_line, yaml};

/// Name of the bootstrap among the files.
pub const BOOTSTRAP: &str = "envoy.yaml";

/// What the files say.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamic {
    header: String,
    folder: String,
    /// By file name, each file's resources.
    secrets: BTreeMap<String, Value>,
    clusters: Vec<Value>,
    filters: BTreeMap<String, Value>,
    routes: BTreeMap<String, Value>,
    listeners: Vec<Value>,
    bootstrap: Value,
}

impl Dynamic {
    /// Takes the stand-alone configuration apart.
    pub fn new(gateway: &Gateway, options: &Options) -> Self {
        let mut bootstrap = bootstrap(gateway, options);
        let mut statics = bootstrap["static_resources"].take();
        let mut parts = Self {
            header: header_line(gateway),
            folder: options.folder.trim_end_matches('/').to_owned(),
            secrets: BTreeMap::new(),
            clusters: Vec::new(),
            filters: BTreeMap::new(),
            routes: BTreeMap::new(),
            listeners: Vec::new(),
            bootstrap: Value::Null,
        };
        for secret in items(&mut statics["secrets"]) {
            let name = secret["name"].as_str().unwrap_or_default();
            parts.secrets.insert(format!("sds_{name}.yaml"), secret);
        }
        for cluster in items(&mut statics["clusters"]) {
            let cluster = parts.with_sources(cluster);
            parts.clusters.push(cluster);
        }
        for mut listener in items(&mut statics["listeners"]) {
            parts.take_apart(&mut listener);
            let listener = parts.with_sources(listener);
            parts.listeners.push(listener);
        }
        if let Some(members) = bootstrap.as_object_mut() {
            members.remove("static_resources");
        }
        bootstrap["dynamic_resources"] = json!({
            "cds_config": parts.source("cds.yaml"),
            "lds_config": parts.source("lds.yaml"),
        });
        parts.bootstrap = bootstrap;
        parts
    }

    /// The same, but with the clusters of `earlier` that it no longer names, so that exchanges which began under it can
    /// end. Put in place first; the files without them follow when those exchanges are over.
    #[must_use]
    pub fn with_clusters_of(&self, earlier: &Self) -> Self {
        let mut both = self.clone();
        let name = |cluster: &Value| cluster["name"].clone();
        let own: Vec<Value> = self.clusters.iter().map(name).collect();
        let gone = earlier
            .clusters
            .iter()
            .filter(|cluster| !own.contains(&name(cluster)));
        both.clusters.extend(gone.cloned());
        both
    }

    /// Whether running exchanges find here whatever they found there.
    pub fn has_clusters_of(&self, other: &Self) -> bool {
        self.clusters == other.clusters
    }

    /// The same, but with no listener for clients: Envoy stops accepting, and what runs ends within its drain time.
    #[must_use]
    pub fn without_listener(&self) -> Self {
        let mut closed = self.clone();
        closed
            .listeners
            .retain(|listener| listener.get("internal_listener").is_some());
        closed
    }

    /// Whether Envoy has to be started again to go from `earlier` to this.
    pub fn needs_restart_after(&self, earlier: &Self) -> bool {
        self.bootstrap != earlier.bootstrap
    }

    /// Whether a listener drains on the way from `earlier` to this: streams through it end after Envoy's drain time.
    pub fn replaces_listener_of(&self, earlier: &Self) -> bool {
        self.listeners != earlier.listeners
    }

    /// The files, in the order in which they are put in place.
    pub fn files(&self) -> Vec<File> {
        let one = |(name, resource): (&String, &Value), kind: &str| {
            self.file(name, kind, std::slice::from_ref(resource))
        };
        let secrets = self
            .secrets
            .iter()
            .map(|entry| one(entry, "envoy.extensions.transport_sockets.tls.v3.Secret"));
        let filters = self
            .filters
            .iter()
            .map(|entry| one(entry, "envoy.config.core.v3.TypedExtensionConfig"));
        let routes = self
            .routes
            .iter()
            .map(|entry| one(entry, "envoy.config.route.v3.RouteConfiguration"));
        secrets
            .chain([self.file(
                "cds.yaml",
                "envoy.config.cluster.v3.Cluster",
                &self.clusters,
            )])
            .chain(filters)
            .chain(routes)
            .chain([
                self.file(
                    "lds.yaml",
                    "envoy.config.listener.v3.Listener",
                    &self.listeners,
                ),
                File {
                    name: BOOTSTRAP.into(),
                    text: format!("{}{}", self.header, yaml::render(&self.bootstrap)),
                },
            ])
            .collect()
    }

    /// A file as Envoy reads it from a path.
    fn file(&self, name: &str, kind: &str, resources: &[Value]) -> File {
        let typed: Value = resources
            .iter()
            .map(|resource| with_type(kind, resource))
            .collect();
        File {
            name: name.to_owned(),
            text: format!(
                "{}{}",
                self.header,
                yaml::render(&json!({"resources": typed}))
            ),
        }
    }

    fn source(&self, file: &str) -> Value {
        json!({
            "resource_api_version": "V3",
            // A mounted ConfigMap is replaced by a link beside the files: the folder has to be watched.
            "path_config_source": {
                "path": format!("{}/{file}", self.folder),
                "watched_directory": {"path": self.folder}},
        })
    }

    /// Puts a listener's routes and wasm filters into files of their own.
    fn take_apart(&mut self, listener: &mut Value) {
        for filter in
            each(&mut listener["filter_chains"]).flat_map(|chain| each(&mut chain["filters"]))
        {
            let kind = filter["typed_config"]["@type"].as_str().unwrap_or_default();
            if is_wasm(kind) {
                self.discover(filter);
            } else if kind.ends_with(".HttpConnectionManager") {
                self.take_manager_apart(&mut filter["typed_config"]);
            }
        }
    }

    fn take_manager_apart(&mut self, manager: &mut Value) {
        // Every route that leads anywhere brings its own; what a policy file makes of it would make the listener drain.
        if manager["stream_idle_timeout"] != "0s" {
            manager["stream_idle_timeout"] = json!("300s");
        }
        let routes = manager["route_config"].take();
        let name = routes["name"].as_str().unwrap_or_default().to_owned();
        let file = format!("rds_{name}.yaml");
        if let Some(members) = manager.as_object_mut() {
            members.remove("route_config");
        }
        manager["rds"] = json!({"route_config_name": name, "config_source": self.source(&file)});
        self.routes.insert(file, routes);
        for filter in each(&mut manager["http_filters"]) {
            if is_wasm(filter["typed_config"]["@type"].as_str().unwrap_or_default()) {
                self.discover(filter);
            }
        }
    }

    /// Puts one filter's configuration into a file of its own. Until Envoy has read it, the listener does not serve.
    fn discover(&mut self, filter: &mut Value) {
        let name = filter["name"].as_str().unwrap_or_default().to_owned();
        let file = format!("ecds_{name}.yaml");
        let kind = filter["typed_config"]["@type"].clone();
        let config = filter["typed_config"].take();
        self.filters
            .insert(file.clone(), json!({"name": name, "typed_config": config}));
        *filter = json!({"name": name, "config_discovery": {"config_source": self.source(&file), "type_urls": [kind]}});
    }

    /// `value`, with its credentials read from their files.
    fn with_sources(&self, value: Value) -> Value {
        match value {
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.with_sources(item))
                .collect(),
            Value::Object(members) => {
                let name = members.get("name").and_then(Value::as_str);
                let secret =
                    name.filter(|name| members.len() == 1 && name.starts_with(SECRET_PREFIX));
                if let Some(name) = secret {
                    return json!({"name": name, "sds_config": self.source(&format!("sds_{name}.yaml"))});
                }
                members
                    .into_iter()
                    .map(|(name, member)| (name, self.with_sources(member)))
                    .collect()
            }
            other => other,
        }
    }
}

fn is_wasm(kind: &str) -> bool {
    kind.ends_with(".wasm.v3.Wasm")
}

fn each(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.as_array_mut().into_iter().flatten()
}

fn items(list: &mut Value) -> Vec<Value> {
    match list.take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn with_type(kind: &str, resource: &Value) -> Value {
    let mut typed = json!({"@type": format!("type.googleapis.com/{kind}")});
    if let (Some(typed), Some(members)) = (typed.as_object_mut(), resource.as_object()) {
        typed.extend(members.clone());
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamic(source: &str, options: &Options) -> Dynamic {
        let (gateway, _) = kt_config::load(source).unwrap_or_else(|_| unreachable!());
        Dynamic::new(&gateway, options)
    }

    fn names(dynamic: &Dynamic) -> Vec<&str> {
        dynamic
            .clusters
            .iter()
            .filter_map(|cluster| cluster["name"].as_str())
            .collect()
    }

    const ONE: &str = include_str!("../../../policy-configs/together.yaml");
    const SEVERAL: &str = include_str!("../../../policy-configs/fallback.yaml");

    #[test]
    fn a_policy_file_touches_neither_listeners_nor_the_bootstrap() {
        let options = Options::default();
        let (one, several) = (dynamic(ONE, &options), dynamic(SEVERAL, &options));
        assert_ne!(one.files(), several.files());
        assert!(!several.needs_restart_after(&one) && !several.replaces_listener_of(&one));
        let listen = Options {
            listen: "127.0.0.1:8080".parse().unwrap_or(options.listen.clone()),
            ..options.clone()
        };
        assert!(dynamic(ONE, &listen).replaces_listener_of(&one));
        let memory = Options {
            memory_bytes: 1 << 30,
            ..options
        };
        assert!(dynamic(ONE, &memory).needs_restart_after(&one));
    }

    #[test]
    fn exchanges_that_began_earlier_keep_their_clusters() {
        let options = Options::default();
        let (one, several) = (dynamic(ONE, &options), dynamic(SEVERAL, &options));
        let both = one.with_clusters_of(&several);
        for name in names(&one).iter().chain(&names(&several)) {
            let times = names(&both).iter().filter(|other| *other == name).count();
            assert_eq!(times, 1, "{name}");
        }
        assert_eq!(both.filters, one.filters);
        assert_eq!(one.with_clusters_of(&one), one);
    }
}
