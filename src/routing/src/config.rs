//! `providers.strategy`, `retry`, `circuit_breaker`, `fallback` and `latency`.

use serde::{Deserialize, Serialize};

/// How the first target of a request is chosen. All strategies go on with the other targets when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The only target.
    Single,
    /// The first in the order of the file.
    Fallback,
    /// The one with the lowest p50.
    Latency,
    /// In proportion to `weight`.
    WeightedRoundRobin,
    /// Each in turn.
    RoundRobin,
}

impl Strategy {
    /// Its canonical name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Fallback => "fallback",
            Self::Latency => "latency",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::RoundRobin => "round_robin",
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The target answered 429.
    RateLimit,
    /// The target answered 5xx, or an error in place of a stream.
    ServerError,
    /// It did not answer in time.
    Timeout,
    /// There was no connection, or it broke before the answer.
    Connection,
    /// It answered, and a policy found the answer too bad.
    Quality,
}

impl Failure {
    /// Those of targets: the default of `fallback.triggers`.
    pub const ALL: [Self; 4] = [
        Self::RateLimit,
        Self::ServerError,
        Self::Timeout,
        Self::Connection,
    ];

    /// Its name in the policy file, in headers and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Quality => "quality",
        }
    }

    /// The failure with this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut known = Self::ALL.into_iter().chain([Self::Quality]);
        known.find(|failure| failure.name() == name)
    }

    /// Why an answer with this status is none.
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            429 => Some(Self::RateLimit),
            200..300 | 400..500 => None,
            // Nobody follows a redirection.
            _ => Some(Self::ServerError),
        }
    }
}

/// `providers.retry`: attempts on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The first included.
    pub max_attempts: u32,
    /// Longest wait before the second attempt; it doubles with each further one.
    pub initial_delay_ms: u32,
    /// Longest wait of all, and the limit of an obeyed `Retry-After`.
    pub max_delay_ms: u32,
    /// Statuses that are worth another attempt. Failures without a status always are.
    pub retryable_status_codes: Vec<u16>,
}

impl Retry {
    /// What `providers.retry: {}` means.
    pub fn default_policy() -> Self {
        Self {
            max_attempts: 3,
            initial_delay_ms: 250,
            max_delay_ms: 5000,
            retryable_status_codes: vec![429, 500, 502, 503, 504],
        }
    }

    /// One attempt: what no `providers.retry` means.
    pub fn none() -> Self {
        Self {
            max_attempts: 1,
            ..Self::default_policy()
        }
    }
}

/// `providers.circuit_breaker`: one breaker per target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitBreaker {
    /// Consecutive failures that open it.
    pub failure_threshold: u32,
    /// How long it stays open.
    pub recovery_timeout_seconds: u32,
    /// Requests that then probe the target; all must succeed.
    pub half_open_max_requests: u32,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            recovery_timeout_seconds: 30,
            half_open_max_requests: 1,
        }
    }
}

/// `providers.fallback`: when the next target is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// Failures that move a request on.
    pub triggers: Vec<Failure>,
    /// Targets tried after the first.
    pub max_fallback_attempts: u32,
}

impl Default for Fallback {
    fn default() -> Self {
        Self {
            triggers: Failure::ALL.to_vec(),
            max_fallback_attempts: 3,
        }
    }
}

/// `providers.latency`: what `strategy: latency` goes by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// How long a measurement counts.
    pub window_seconds: u32,
    /// Measurements that a target gets before it is compared.
    pub min_samples: u32,
    /// Share of the requests that goes to other targets than the fastest, so that a change is noticed.
    pub exploration: f64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            window_seconds: 300,
            min_samples: 5,
            exploration: 0.05,
        }
    }
}

/// `health_probe` of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthProbe {
    /// Seconds between probes.
    pub interval_seconds: u32,
    /// Seconds until a probe counts as failed.
    pub timeout_seconds: u32,
}

/// What follows an answer that a policy found too bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QualityFailure {
    /// The same target is asked again.
    Retry,
    /// The next target is asked.
    Fallback,
}

/// All of `providers` but the targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// `providers.strategy`
    pub strategy: Strategy,
    /// `providers.retry`
    pub retry: Retry,
    /// `providers.circuit_breaker`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// `providers.fallback`
    pub fallback: Fallback,
    /// `providers.latency`
    pub latency: Latency,
    /// `policy.quality-scorer.failure_action`, unless it is `block`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityFailure>,
}

impl Routing {
    /// What a file with nothing but targets means.
    pub fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            retry: Retry::none(),
            circuit_breaker: None,
            fallback: Fallback::default(),
            latency: Latency::default(),
            quality: None,
        }
    }

    /// Most attempts on one target, whatever they fail by.
    pub fn max_attempts(&self) -> u32 {
        let answers = if self.quality == Some(QualityFailure::Retry) {
            2
        } else {
            1
        };
        self.retry.max_attempts.max(answers)
    }
}

impl Default for Routing {
    fn default() -> Self {
        Self::new(Strategy::Single)
    }
}
