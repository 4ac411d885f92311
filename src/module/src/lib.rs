//! `keeptrusts.wasm`: the filter, linked. The last steps of the compiler follow the crate that is linked, so this one is built for
//! speed, and `kt-filter`, whose code runs a few times per exchange, for size.

#![cfg(target_arch = "wasm32")]

#[allow(unsafe_code, reason = "the SDK's entry macro exports symbols")]
mod entry {
    proxy_wasm::main! {{ kt_filter::start() }}
}
