//! What operators see of a target.

use serde::Serialize;

use crate::{config::Routing, state::TargetState};

/// The changing part of a target in `/keeptrusts/providers/metrics`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetReport {
    /// `closed`, `open`, `half-open`, `unhealthy` or `no-key`.
    pub state: &'static str,
    /// Attempts that began.
    pub attempts: u64,
    /// Attempts that the target answered.
    pub successes: u64,
    /// Attempts that failed.
    pub failures: Failures,
    /// How often the breaker opened.
    pub circuit_opened: u64,
    /// Median latency in milliseconds over the window: to the first token of a stream, to the answer otherwise.
    pub latency_p50_ms: Option<u32>,
    /// The latency that 95 % do not exceed.
    pub latency_p95_ms: Option<u32>,
    /// The last failure in words; `null` if there was none.
    pub last_error: Option<String>,
    /// When it happened.
    #[serde(skip)]
    pub last_error_at_us: u64,
}

/// Failed attempts by kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Failures {
    rate_limit: u64,
    server_error: u64,
    timeout: u64,
    connection: u64,
}

impl Failures {
    /// Each kind with its count.
    pub fn by_kind(&self) -> [(&'static str, u64); 4] {
        [
            ("rate_limit", self.rate_limit),
            ("server_error", self.server_error),
            ("timeout", self.timeout),
            ("connection", self.connection),
        ]
    }
}

impl TargetReport {
    /// What is known at `now_us`.
    pub fn of(state: &TargetState, routing: &Routing, now_us: u64) -> Self {
        let [rate_limit, server_error, timeout, connection] = state.failures;
        let latency = |share| {
            state
                .latencies
                .percentile(share, now_us, 0, &routing.latency)
        };
        Self {
            state: state
                .condition(routing.circuit_breaker.as_ref(), now_us)
                .name(),
            attempts: state.attempts,
            successes: state.successes,
            failures: Failures {
                rate_limit,
                server_error,
                timeout,
                connection,
            },
            circuit_opened: state.opened,
            latency_p50_ms: latency(0.5),
            latency_p95_ms: latency(0.95),
            last_error: Some(state.last_error.clone()).filter(|error| !error.is_empty()),
            last_error_at_us: state.last_error_at_us,
        }
    }

    /// A target without a key: it takes no requests.
    pub fn without_key() -> Self {
        let state = TargetState::default();
        let routing = Routing::new(crate::Strategy::Single);
        Self {
            state: "no-key",
            ..Self::of(&state, &routing, 0)
        }
    }
}
