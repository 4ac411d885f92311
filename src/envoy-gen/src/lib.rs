//! From a checked [`Gateway`] to the configuration of Envoy 1.40.
//!
//! Generation cannot fail and is deterministic to the byte. Secrets never enter the output: Envoy reads them from
//! the environment variables that it names.
//!
//! ```text
//! client ─► listener kt_http ─► policy filter ─► router
//!                                                  │ x-kt-order, set by the policy filter
//!                     ┌────────────────────────────┴──────────────┐
//!        one target, one attempt, no stream              kt_order_….<k>: a composite of
//!                     │                                  hop_<id>, target k first, one per attempt
//!                     │                                           │
//!                     │          internal listener kt_targets ◄───┘
//!                     │          hop filter ─► attempt filter ─► router
//!                     ▼                                           │ x-kt-target
//!                target_<id>: TLS and the target's key ◄──────────┘
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "members are set on JSON objects made in the same function, where indexing inserts"
)]

mod arguments;
mod cluster;
mod dynamic;
mod errors;
mod filters;
mod listener;
mod memory;
mod mesh;
mod place;
mod route;
mod snippet;
mod target_listener;
mod timeouts;
mod tls;
mod yaml;

pub use arguments::Shape;
pub use dynamic::{BOOTSTRAP, Dynamic};
use kt_config::{Gateway, KeySource};
use kt_policy::{FailMode, FilterConfig, Role};
pub use mesh::{
    Attach, MeshOptions, Refusal, envoy_gateway::envoy_gateway_yaml, istio::istio_yaml,
};
pub use place::place;
use serde_json::{Value, json};
pub use snippet::{snippet, snippet_yaml};
pub use timeouts::exchange_seconds;

/// The page `/keeptrusts/dashboard`: one file, which asks for `/metrics` and nothing else.
pub const DASHBOARD: &str = include_str!("dashboard.html");

/// What the policy file does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where clients connect.
    pub listen: Address,
    /// Where Envoy's admin interface listens.
    pub admin: Address,
    /// A socket in the file system where it listens instead, when somebody else stands in front of it.
    pub admin_pipe: Option<String>,
    /// The filter module, as Envoy finds it.
    pub wasm: String,
    /// The module's digest, for one that is fetched: of the file behind https, of the image's manifest behind oci.
    pub sha256: Option<String>,
    /// The folder of `--format dynamic`, as Envoy finds it.
    pub folder: String,
    /// Where events are written.
    pub event_log: String,
    /// Certificate authorities that providers are verified against.
    pub ca_file: String,
    /// What happens when the engine fails.
    pub fail_mode: FailMode,
    /// What happens to images, audio, files and remote content.
    pub unreadable: FailMode,
    /// What Envoy and the filter's machines may use together.
    pub memory_bytes: u64,
    /// What each worker may keep of what it judged.
    pub history_bytes: u32,
    /// Worker threads that Envoy is run with.
    pub workers: u16,
    /// The file of [`DASHBOARD`], as Envoy finds it; nothing where there is none.
    pub dashboard: Option<String>,
    /// Which configuration of a running gateway this is, for `GET /keeptrusts/config`; nothing where nobody counts.
    pub generation: Option<u64>,
    /// SHA-256 of the token that clients must send; nothing when nobody is asked.
    pub token_sha256: Option<String>,
    /// Certificate and private key of the listener, as PEM files; nothing for plain HTTP.
    pub tls: Option<Tls>,
    /// Leave both wasm filters out: the yardstick of the benchmarks, never for use.
    pub without_filter: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: Address {
                host: "0.0.0.0".into(),
                port: 41002,
            },
            admin: Address {
                host: "127.0.0.1".into(),
                port: 9901,
            },
            admin_pipe: None,
            wasm: "/etc/envoy/keeptrusts.wasm".into(),
            sha256: None,
            folder: "/etc/envoy/keeptrusts".into(),
            event_log: "keeptrusts-events.jsonl".into(),
            ca_file: "/etc/ssl/certs/ca-certificates.crt".into(),
            fail_mode: FailMode::Block,
            unreadable: FailMode::Allow,
            memory_bytes: 2 << 30,
            history_bytes: kt_policy::HISTORY_BYTES,
            workers: 2,
            dashboard: None,
            generation: None,
            token_sha256: None,
            tls: None,
            without_filter: false,
        }
    }
}

/// Files of the listener's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and its chain.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// IP address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address: std::net::SocketAddr = text.parse().map_err(|_| {
            format!("`{text}` is not ADDR:PORT, such as `0.0.0.0:41002` or `[::1]:41002`")
        })?;
        Ok(Self {
            host: address.ip().to_string(),
            port: address.port(),
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Address {
    fn to_envoy(&self) -> Value {
        json!({"socket_address": {"address": self.host, "port_value": self.port}})
    }
}

/// Where Envoy's admin interface is reached.
fn admin_address(options: &Options) -> Value {
    match &options.admin_pipe {
        // For its owner alone.
        Some(path) => json!({"pipe": {"path": path, "mode": 0o600}}),
        None => options.admin.to_envoy(),
    }
}

/// Largest request body, and largest response body that is not a stream. Every request up to it can be retried,
/// since it is buffered whole before it is judged.
const MAX_BODY_BYTES: u32 = 8 << 20;

/// Where Envoy's admin interface tells how many writes to the event log failed.
pub const WRITE_FAILURES: &str = kt_policy::WRITES;

/// What Envoy's admin interface answers.
pub const ADMIN_PATHS: [&str; 5] = [
    "/ready",
    "/stats",
    "/stats/prometheus",
    "/stats/prometheus?all",
    WRITE_FAILURES,
];

/// What the policy filter is told: the same engine judges natively what Envoy's would.
pub fn policy_filter_config(gateway: &Gateway, options: &Options) -> FilterConfig {
    filters::filter_config(Role::Policy, gateway, options)
}

/// The complete bootstrap as YAML.
pub fn bootstrap_yaml(gateway: &Gateway, options: &Options) -> String {
    format!(
        "{}{}",
        header_line(gateway),
        yaml::render(&bootstrap(gateway, options))
    )
}

/// One file of a form that has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// All of its text.
    pub text: String,
}

/// First line of every file.
fn header_line(gateway: &Gateway) -> String {
    format!(
        "# Generated by kt-envoy-gen from the pack {}@{}. Do not edit: change the policy file and generate again.\n",
        gateway.pack.name.replace(char::is_control, " "),
        gateway.pack.version,
    )
}

/// The complete bootstrap.
pub fn bootstrap(gateway: &Gateway, options: &Options) -> Value {
    // Nothing that changes Envoy, no dump of its configuration, and no query but ours: an expression of somebody's
    // would be run over all names. What lies below /stats takes POST.
    json!({
        "node": {"id": "kt-gateway", "cluster": "kt-gateway"},
        "admin": {
            "address": admin_address(options),
            "allow_paths": ADMIN_PATHS.map(|path| json!({"exact": path})),
        },
        "bootstrap_extensions": [{"name": "envoy.bootstrap.internal_listener", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"}}],
        "overload_manager": memory::overload_manager(options),
        "static_resources": {
            "secrets": secrets(gateway, options),
            "listeners": [
                listener::listener(gateway, options),
                target_listener::listener(gateway, options),
            ],
            "clusters": cluster::clusters(gateway, options),
        },
    })
}

/// Keys, each read by Envoy from its environment variable when it starts, or from its file. An unset variable and a missing file stop Envoy.
fn secrets(gateway: &Gateway, options: &Options) -> Value {
    let mut keys: Vec<&KeySource> = gateway
        .targets
        .iter()
        .filter_map(|target| target.key.as_ref())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let keys = keys
        .into_iter()
        .map(|key| json!({"name": secret_name(key), "generic_secret": {"secret": secret(key)}}));
    keys.chain(options.tls.as_ref().map(tls::secret)).collect()
}

/// Begins the names of all secrets.
const SECRET_PREFIX: &str = "kt_key_";

/// Names of variables have no `+` and no path is without one, so no two keys share a name.
fn secret_name(key: &KeySource) -> String {
    match key {
        KeySource::Env(variable) => format!("{SECRET_PREFIX}{variable}"),
        KeySource::File(path) => format!("{SECRET_PREFIX}{}", path.replace('/', "+")),
    }
}

/// Where Envoy finds a key. A file is read again when something is moved into its folder.
fn secret(key: &KeySource) -> Value {
    match key {
        KeySource::Env(variable) => json!({"environment_variable": variable}),
        KeySource::File(path) => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let folder = if folder.is_empty() { "/" } else { folder };
            json!({"filename": path, "watched_directory": {"path": folder}})
        }
    }
}
