//! The filter that Envoy loads: a thin shell around `kt-policy`.
//!
//! A callback reads from the host, asks the engine and carries out the answer. One module has four roles: the
//! *policy* filter sits at the listener, judges every request and response and chooses the target; the *attempt*
//! filter sits in front of the targets and runs once per attempt; the *hop* filter makes the connection between the
//! two one whose end can be seen; the *guard* judges in front of one target of a mesh that others made.
//!
//! Nothing here may panic: a panic ends every stream of the Envoy worker. All host calls are in [`ffi`], which turns
//! every status into a value.

#![cfg(target_arch = "wasm32")]

mod alarms;
mod attempt_stream;
mod claims;
mod counts;
#[cfg(feature = "drill")]
mod drill;
mod ending;
mod event_log;
mod exchanges;
mod ffi;
mod guard_stream;
mod head;
mod history;
mod hold;
mod hop_stream;
mod host;
mod machine;
mod plugin;
mod policy_stream;
mod probes;
mod shared;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

/// Tells the SDK what answers Envoy's calls.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::<plugin::Plugin>::default() });
}
