//! What operators read: `/health`, `/keeptrusts/providers/metrics` and `/metrics`.

use kt_routing::{Condition, TargetReport, TargetState};
use serde::Serialize;

use crate::{
    event::rfc3339,
    filter_config::{FilterConfig, Target},
    meters::{self, Shown},
    money::Pricing,
};

/// A page that the policy filter answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// `GET /health`
    Health,
    /// `GET /keeptrusts/providers/metrics`
    ProviderMetrics,
    /// `GET /metrics`
    Metrics,
    /// `GET /metrics?all`: with Envoy's own behind it.
    AllMetrics,
}

/// A page's status and JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageReply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct HealthBody<'a> {
    /// `healthy`: every target takes requests. `degraded`: some do. `unhealthy`: none does.
    status: &'static str,
    version: &'static str,
    policies_loaded: usize,
    providers: Vec<ProviderHealth<'a>>,
}

#[derive(Serialize)]
struct ProviderHealth<'a> {
    target_id: &'a str,
    state: &'static str,
}

#[derive(Serialize)]
struct Metrics<'a> {
    strategy: &'static str,
    targets: Vec<TargetMetrics<'a>>,
}

#[derive(Serialize)]
struct TargetMetrics<'a> {
    target_id: &'a str,
    provider: &'a str,
    model: &'a str,
    description: Option<&'a str>,
    quantizations: Option<&'a str>,
    weight: f64,
    pricing: Option<Pricing>,
    #[serde(flatten)]
    report: TargetReport,
    last_error_at: Option<String>,
}

impl Page {
    /// Every page.
    pub const ALL: [Self; 4] = [
        Self::Health,
        Self::ProviderMetrics,
        Self::Metrics,
        Self::AllMetrics,
    ];

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::ProviderMetrics => "/keeptrusts/providers/metrics",
            Self::Metrics => "/metrics",
            Self::AllMetrics => "/metrics?all",
        }
    }

    /// What it is written in.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Health | Self::ProviderMetrics => "application/json",
            Self::Metrics | Self::AllMetrics => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Whether a query may follow its path.
    pub fn takes_query(self) -> bool {
        matches!(self, Self::Health | Self::ProviderMetrics)
    }

    /// The page at `path`.
    pub fn of_path(path: &str) -> Option<Self> {
        let without_query = path.split('?').next().unwrap_or_default();
        let is_asked = |page: &Self| {
            if page.takes_query() {
                page.path() == without_query
            } else {
                page.path() == path
            }
        };
        Self::ALL.into_iter().find(is_asked)
    }

    /// The page; `states` are those of the configured targets, `workers` tells what was counted.
    pub fn render(
        self,
        config: &FilterConfig,
        states: &[TargetState],
        workers: impl FnOnce() -> Vec<Shown>,
        now_us: u64,
    ) -> PageReply {
        match self {
            Self::Metrics | Self::AllMetrics => PageReply {
                status: 200,
                body: meters::page(workers(), config, states, now_us).into_bytes(),
            },
            Self::Health => health(config, states, now_us),
            Self::ProviderMetrics => PageReply {
                status: 200,
                body: json(&metrics(config, states, now_us)),
            },
        }
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// 503 only when no target takes requests, so that a load balancer can ask here.
fn health(config: &FilterConfig, states: &[TargetState], now_us: u64) -> PageReply {
    let breaker = config.routing.circuit_breaker.as_ref();
    let conditions: Vec<Condition> = states
        .iter()
        .map(|state| state.condition(breaker, now_us))
        .collect();
    let in_rotation =
        |condition: &Condition| matches!(condition, Condition::Closed | Condition::HalfOpen);
    let is_whole = conditions
        .iter()
        .all(|condition| *condition == Condition::Closed);
    let (code, status) = match conditions.iter().any(in_rotation) {
        true if is_whole && config.without_key.is_empty() => (200, "healthy"),
        true => (200, "degraded"),
        false => (503, "unhealthy"),
    };
    let named = |target, state| ProviderHealth {
        target_id: id(target),
        state,
    };
    let known = config.targets.iter().zip(&conditions);
    let providers = known
        .map(|(target, condition)| named(target, condition.name()))
        .chain(
            config
                .without_key
                .iter()
                .map(|target| named(target, "no-key")),
        );
    let body = HealthBody {
        status,
        version: env!("CARGO_PKG_VERSION"),
        policies_loaded: config.policies.len(),
        providers: providers.collect(),
    };
    PageReply {
        status: code,
        body: json(&body),
    }
}

fn id(target: &Target) -> &str {
    &target.id
}

fn metrics<'c>(config: &'c FilterConfig, states: &[TargetState], now_us: u64) -> Metrics<'c> {
    let known = config
        .targets
        .iter()
        .zip(states)
        .map(|(target, state)| (target, TargetReport::of(state, &config.routing, now_us)));
    let without_key = config
        .without_key
        .iter()
        .map(|target| (target, TargetReport::without_key()));
    Metrics {
        strategy: config.routing.strategy.name(),
        targets: known
            .chain(without_key)
            .map(|(target, report)| TargetMetrics {
                target_id: &target.id,
                provider: &target.provider,
                model: &target.model,
                description: target.description.as_deref(),
                quantizations: target.quantizations.as_deref(),
                weight: target.weight,
                pricing: target.pricing,
                last_error_at: Some(report.last_error_at_us)
                    .filter(|at_us| *at_us > 0)
                    .map(rfc3339),
                report,
            })
            .collect(),
    }
}
