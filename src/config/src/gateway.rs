//! What a policy file means. These types hold no value that would have to be checked again.

use std::collections::BTreeMap;

use kt_policy::{Access, Pricing, Verdict, limits::Limits};
use kt_routing::{HealthProbe, Routing};
use serde_json::Value as Json;

use crate::{
    access::consumers::{ENV, is_sha256},
    policies::Policies,
};

/// A checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    /// `pack`
    pub pack: Pack,
    /// `policies.chain` with the settings of `policy`. Empty when the pack is disabled.
    pub policies: Policies,
    /// `routes`, `consumers` and `model_groups`.
    pub access: Access,
    /// All of `providers` but the targets and `stream`.
    pub routing: Routing,
    /// `providers.stream.max_event_bytes`
    pub max_event_bytes: u32,
    /// `providers.stream.include_usage`: whether streams are asked for their token counts where these are needed.
    pub include_usage: bool,
    /// Limits and `budgets`.
    pub limits: Limits,
    /// `size_limits`
    pub sizes: Sizes,
    /// `providers.targets`, at least one.
    pub targets: Vec<Target>,
    /// Targets that cannot be used, since their key is not in the environment. Empty until somebody looked.
    pub without_key: Vec<Target>,
    /// The cases of `testing.suites`.
    pub tests: Vec<TestCase>,
}

/// `size_limits`, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Of a request.
    pub max_body_bytes: Option<u32>,
    /// Of an answer that is no stream.
    pub max_response_bytes: Option<u32>,
}

impl Gateway {
    /// Sets the targets aside that have no key. Routes and groups of models keep the others.
    pub fn set_aside(&mut self, has_key: impl Fn(&Target) -> bool) {
        let mut next = 0..;
        let places: Vec<Option<usize>> = (self.targets.iter())
            .map(|target| has_key(target).then(|| next.next()).flatten())
            .collect();
        let targets = std::mem::take(&mut self.targets);
        for (target, place) in targets.into_iter().zip(&places) {
            let list = match place {
                Some(_) => &mut self.targets,
                None => &mut self.without_key,
            };
            list.push(target);
        }
        self.access.move_targets(&places);
    }

    /// Puts the hashes that `variable` knows in the place of the names that the file has for them. The error says which consumer has
    /// none.
    pub fn with_keys(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        for consumer in &mut self.access.consumers {
            let Some(name) = consumer.key_sha256.strip_prefix(ENV) else {
                continue;
            };
            let id = &consumer.id;
            let hash = variable(name).unwrap_or_default();
            let hash = hash.trim();
            if !is_sha256(hash) {
                return Err(format!(
                    "error: the consumer `{id}` has no key: {name} is not set, or is no SHA-256 in 64 lower-case hexadecimal digits\nhint: export {name} with the hash that `kt keys new --consumer {id}` prints"
                ));
            }
            hash.clone_into(&mut consumer.key_sha256);
        }
        let mut seen = BTreeMap::new();
        for consumer in &self.access.consumers {
            if let Some(other) = seen.insert(&consumer.key_sha256, &consumer.id) {
                return Err(format!(
                    "error: the consumers `{other}` and `{}` have the same key\nhint: make one for each: `kt keys new --consumer ID`",
                    consumer.id
                ));
            }
        }
        Ok(self)
    }
}

/// A conversation and what the policies must say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TestCase {
    /// Shown in the results.
    pub name: String,
    /// The body of the request.
    pub request: Json,
    /// The body of the provider's answer; a string stands for a message of the assistant. Without it only the request is judged.
    pub response: Option<Json>,
    /// What must come of it.
    pub expected: Expected,
}

impl TestCase {
    /// The body of a request: `messages`, with the other `members` beside them.
    pub fn request(messages: Json, members: Json) -> Json {
        let mut body = match members {
            Json::Object(members) => members,
            _ => serde_json::Map::new(),
        };
        body.insert("messages".to_owned(), messages);
        Json::Object(body)
    }
}

/// What the policies must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The verdict of the exchange.
    pub verdict: Verdict,
    /// Its reason, if that matters.
    pub reason_code: Option<String>,
    /// The policy that decided, if that matters.
    pub policy: Option<String>,
}

/// `pack`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// 1 to 200 characters.
    pub name: String,
    /// `MAJOR.MINOR.PATCH`
    pub version: String,
    /// Whether the policies run.
    pub enabled: bool,
}

/// Where the key of a target is. The key itself stands in no configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySource {
    /// In an environment variable of Envoy's, read when it starts.
    Env(String),
    /// In a file that Envoy reads, by its absolute path; read again when it is replaced.
    File(String),
}

impl KeySource {
    /// The environment variable, if it is in one.
    pub fn env(&self) -> Option<&str> {
        match self {
            Self::Env(name) => Some(name),
            Self::File(_) => None,
        }
    }
}

/// One of `providers.targets`.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Unique.
    pub id: String,
    /// Canonical provider id.
    pub provider: &'static str,
    /// Sent to the provider in place of the client's.
    pub model: String,
    /// Where its API is.
    pub base_url: BaseUrl,
    /// Where its key is; none for providers without keys.
    pub key: Option<KeySource>,
    /// Limit of a non-streaming request.
    pub timeout_seconds: u32,
    /// Limit of a streaming request.
    pub stream_timeout_seconds: u32,
    /// Label.
    pub description: Option<String>,
    /// Share under `weighted_round_robin`.
    pub weight: f64,
    /// Prices for cost tracking.
    pub pricing: Option<Pricing>,
    /// Active health check, if enabled.
    pub health_probe: Option<HealthProbe>,
    /// Label for the quantization in use.
    pub quantizations: Option<String>,
}

/// A provider's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// `https`, with verified certificates.
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path up to and including `/v1`, without a slash at its end.
    pub path: String,
}

impl BaseUrl {
    /// Parses `http://` and `https://` URLs. A path that does not end in a version (`/v1`) gets `/v1`, so that
    /// both spellings mean the same. The error says what to change.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let (tls, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("it must start with https:// or http://"),
        };
        if rest.contains(['?', '#', '@', ' ', '\\', '%']) || !rest.is_ascii() {
            return Err("it may have a host, a port and a path only");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = split_port(authority, tls)?;
        let path = path.trim_end_matches('/');
        if path.contains("//") || path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("its path may not contain empty or dot segments");
        }
        let is_versioned = path.rsplit('/').next().is_some_and(is_version);
        let path = if is_versioned {
            path.to_owned()
        } else {
            format!("{path}/v1")
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            path,
        })
    }

    /// Value of the `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == if self.tls { 443 } else { 80 } {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

fn split_port(authority: &str, tls: bool) -> Result<(&str, u16), &'static str> {
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => {
            (host, port.strip_prefix(':'))
        }
        Some(_) => return Err("the brackets hold no IPv6 address"),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        None => {
            if tls {
                443
            } else {
                80
            }
        }
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or("its port must be from 1 to 65535")?,
    };
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'));
    if is_name {
        Ok((host, port))
    } else {
        Err("its host must be a name or an address")
    }
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_and_without_version_are_the_same() {
        for url in [
            "https://api.together.xyz/v1",
            "https://api.together.xyz",
            "https://api.together.xyz/",
            "https://api.together.xyz:443/v1/",
        ] {
            let parsed = BaseUrl::parse(url).unwrap();
            assert_eq!(
                (parsed.authority().as_str(), parsed.path.as_str()),
                ("api.together.xyz", "/v1"),
                "{url}"
            );
        }
        let parsed = BaseUrl::parse("http://[::1]:8000/openai/v1").unwrap();
        assert_eq!(
            (
                parsed.authority().as_str(),
                parsed.path.as_str(),
                parsed.tls
            ),
            ("[::1]:8000", "/openai/v1", false)
        );
    }

    #[test]
    fn urls_that_are_more_than_a_place_are_refused() {
        for url in [
            "api.x.y",
            "ftp://x",
            "https://u:p@x",
            "https://x/?a=1",
            "https://x/../y",
            "https://",
            "http://x:0",
            "http://x:99999",
            "http://[zz]",
        ] {
            assert!(BaseUrl::parse(url).is_err(), "{url}");
        }
    }
}
