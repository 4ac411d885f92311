//! The filter that Envoy loads: a thin shell around `kt-policy`.
//!
//! A callback reads from the host, asks the engine and carries out the answer. One module has two roles, each in a
//! machine of its own: the *policy* filter sits downstream and judges every request and response; the *rewrite*
//! filter sits upstream and runs once per attempt, when there are several targets.
//!
//! Nothing here may panic: a panic ends every stream of the Envoy worker. All host calls are in [`ffi`], which turns
//! every status into a value.

#![cfg(target_arch = "wasm32")]

mod attempts;
#[cfg(feature = "drill")]
mod drill;
mod ffi;
mod host;
mod plugin;
mod policy_stream;
mod rewrite_stream;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

#[allow(unsafe_code, reason = "the SDK's entry macro exports symbols")]
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_log_level(super::LogLevel::Info);
        proxy_wasm::set_root_context(|_| -> Box<dyn super::RootContext> { Box::<super::plugin::Plugin>::default() });
    }}
}
