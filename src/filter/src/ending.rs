//! What is said of an exchange at its end, beyond its event.

use kt_policy::{Exchange, policies::prompt_injection::LogLevel};

use kt_routing::Details;

use crate::host;

/// Says in the log that a policy stopped the exchange, where that is configured.
pub(crate) fn log_stop(exchange: &Exchange, request_id: &str) {
    let Some((level, words)) = exchange.log_line() else {
        return;
    };
    let level = match level {
        LogLevel::Debug => log::Level::Debug,
        LogLevel::Info => log::Level::Info,
        LogLevel::Warn => log::Level::Warn,
        LogLevel::Error => log::Level::Error,
    };
    log::log!(level, "request {request_id}: {words}");
}

/// Why an exchange failed outside the engine.
pub(crate) fn failure(status: u16, finished: bool) -> Option<&'static str> {
    match status {
        504 => Some("upstream_timeout"),
        503 => Some("no_target_available"),
        502 => Some("upstream_failed"),
        413 => Some("request_too_large"),
        _ if finished => None,
        _ => match Details::of(host::property(&["response", "code_details"]).as_deref()) {
            Details::Client => Some("client_disconnected"),
            Details::Answered => None,
            Details::Unsaid | Details::Timeout | Details::Broken => Some("upstream_interrupted"),
        },
    }
}
