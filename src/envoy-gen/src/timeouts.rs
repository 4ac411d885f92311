//! Time limits, decided in one place.
//!
//! | limit | non-streaming | streaming |
//! |---|---|---|
//! | until one attempt answers (route `per_try_timeout`) | longest `timeout_seconds` | the same; with one target its `stream_timeout_seconds` |
//! | the whole exchange (route `timeout`) | Σ `timeout_seconds` | Σ `timeout_seconds` of all but the last attempt + longest `stream_timeout_seconds` |
//! | one attempt on its target (cluster `max_stream_duration`) | longer of the two | longer of the two |
//!
//! The route has the non-streaming limits; the policy filter sets the streaming ones per request, by headers that
//! Envoy takes from filters and strips from clients.

use kt_config::{Gateway, Target};
use kt_policy::StreamTimeout;

pub(crate) struct Timeouts {
    pub(crate) per_try_seconds: u32,
    pub(crate) total_seconds: u32,
    /// Set when streaming requests need other limits.
    pub(crate) stream: Option<StreamTimeout>,
    /// Longest silence in a response.
    pub(crate) idle_seconds: u32,
}

pub(crate) fn timeouts(gateway: &Gateway) -> Timeouts {
    let targets = &gateway.targets;
    let longest = |limit: fn(&Target) -> u32| targets.iter().map(limit).max().unwrap_or(60);
    let timeout = longest(|target| target.timeout_seconds);
    let stream_timeout = longest(|target| target.stream_timeout_seconds);
    let total: u32 = targets.iter().map(|target| target.timeout_seconds).sum();
    let before_last = total
        - targets
            .iter()
            .map(|target| target.timeout_seconds)
            .min()
            .unwrap_or(0);
    let stream_per_try = if targets.len() == 1 {
        stream_timeout
    } else {
        timeout
    };
    let stream_total = before_last + stream_timeout;
    let differs = (stream_per_try, stream_total) != (timeout, total);
    Timeouts {
        per_try_seconds: timeout,
        total_seconds: total,
        stream: differs.then(|| StreamTimeout {
            total_ms: u64::from(stream_total) * 1000,
            attempt_ms: u64::from(stream_per_try) * 1000,
        }),
        idle_seconds: timeout.max(stream_timeout),
    }
}

/// Longest that one attempt may take on `target`.
pub(crate) fn attempt_seconds(target: &Target) -> u32 {
    target.timeout_seconds.max(target.stream_timeout_seconds)
}
