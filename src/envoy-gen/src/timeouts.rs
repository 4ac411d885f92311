//! Time limits, decided in one place.
//!
//! | limit | not a stream | stream |
//! |---|---|---|
//! | one attempt until its first token, or its silence (`first_token`) | | the shorter of the two; with one target and one attempt its `stream_timeout_seconds` |
//! | one attempt as a whole, on its target (`attempt`) | its `timeout_seconds` | its `stream_timeout_seconds` |
//! | the whole exchange at the listener (`exchange`), which the others never reach | Σ of all attempts and waits | the same |

use kt_config::{Gateway, Target};

/// Longest that one attempt may take.
pub(crate) fn attempt_seconds(target: &Target, is_stream: bool) -> u32 {
    if is_stream {
        target.stream_timeout_seconds
    } else {
        target.timeout_seconds
    }
}

/// Longest that a target may be silent: before the first token and after it.
pub(crate) fn first_token_seconds(gateway: &Gateway, target: &Target) -> u32 {
    if goes_direct(gateway) {
        target.stream_timeout_seconds
    } else {
        target.timeout_seconds.min(target.stream_timeout_seconds)
    }
}

/// Longest wait between two attempts, in whole seconds.
pub(crate) fn wait_seconds(gateway: &Gateway) -> u32 {
    if gateway.routing.retry.max_attempts > 1 {
        gateway.routing.retry.max_delay_ms.div_ceil(1000)
    } else {
        0
    }
}

/// What the listener grants: every attempt on every target ends before.
pub fn exchange_seconds(gateway: &Gateway) -> u32 {
    let longest = |target: &Target| target.timeout_seconds.max(target.stream_timeout_seconds);
    let once: u32 = gateway
        .targets
        .iter()
        .map(|target| longest(target).saturating_add(wait_seconds(gateway)))
        .fold(0, u32::saturating_add);
    once.saturating_mul(gateway.routing.max_attempts())
        .saturating_add(10)
}

/// One target and one attempt: requests that are no streams go straight to the target.
pub(crate) fn goes_direct(gateway: &Gateway) -> bool {
    gateway.targets.len() == 1
        && gateway.routing.max_attempts() == 1
        && gateway.routing.circuit_breaker.is_none()
}
