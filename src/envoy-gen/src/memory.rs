//! Who may use how much of the memory that the gateway gets.
//!
//! Envoy's overload manager sees what Envoy allocates, and not the memory of the filter's machines: V8 maps that by
//! itself. So the machines are taken off first, and the rest is Envoy's heap.
//!
//! | share | of | what for |
//! |---|---|---|
//! | [`PROGRAM`] | the whole | Envoy's code and tables |
//! | [`MACHINE`] | each role on each worker and the main thread | the module, compiled, with its tables |
//! | [`INSPECTION`] | each worker | inspecting the largest body; such memory is never given back |
//! | the rest | | Envoy's heap: connections and bodies |
//! | a quarter of the heap | all workers | bodies that wait for their end, their verdict or their answer |

use serde_json::{Value, json};

use crate::Options;

const MIB: u64 = 1 << 20;
const PROGRAM: u64 = 64 * MIB;
const MACHINE: u64 = 12 * MIB;
const INSPECTION: u64 = 64 * MIB;
/// Policy, attempt and hop.
const ROLES: u64 = 3;
/// With less Envoy does not serve at all.
const LEAST_HEAP: u64 = 64 * MIB;
/// What a connection takes at most besides the bodies: what was read and not parsed, and what waits to be written.
const CONNECTION: u64 = 128 << 10;
const MOST_CONNECTIONS: u64 = 10_000;

/// What Envoy may allocate.
fn heap(options: &Options) -> u64 {
    let workers = u64::from(options.workers);
    let machines = ROLES * (workers + 1) * MACHINE + workers * INSPECTION;
    options
        .memory_bytes
        .saturating_sub(PROGRAM + machines)
        .max(LEAST_HEAP)
}

/// How many bytes of bodies one worker may hold at a time.
pub(crate) fn held_bytes_per_worker(options: &Options) -> u64 {
    heap(options) / 4 / u64::from(options.workers.max(1))
}

/// Sheds load before the process dies, the cheapest first.
pub(crate) fn overload_manager(options: &Options) -> Value {
    let heap = heap(options);
    let connections = (heap / CONNECTION).min(MOST_CONNECTIONS);
    let on_heap = |trigger: Value| {
        let mut trigger = trigger;
        trigger["name"] = json!("envoy.resource_monitors.fixed_heap");
        json!([trigger])
    };
    let above = |share: f64| on_heap(json!({"threshold": {"value": share}}));
    let action = |name: &str, triggers: Value| json!({"name": format!("envoy.overload_actions.{name}"), "triggers": triggers});
    json!({
        "refresh_interval": "0.25s",
        // Streams below 1 MiB are not told apart; the largest above it are reset first.
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": 20},
        "resource_monitors": [
            {"name": "envoy.resource_monitors.fixed_heap", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                "max_heap_size_bytes": heap}},
            {"name": "envoy.resource_monitors.global_downstream_max_connections", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": connections}},
        ],
        "actions": [
            action("shrink_heap", above(0.70)),
            action("reset_high_memory_stream", on_heap(json!({"scaled": {"scaling_threshold": 0.80, "saturation_threshold": 0.95}}))),
            action("disable_http_keepalive", above(0.90)),
            action("stop_accepting_requests", above(0.95)),
            action("stop_accepting_connections", above(0.98)),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(memory_mib: u64, workers: u16) -> Options {
        Options {
            memory_bytes: memory_mib * MIB,
            workers,
            ..Options::default()
        }
    }

    #[test]
    fn the_shares_add_up_to_the_memory() {
        for (memory, workers) in [(1024, 1), (2048, 2), (4096, 4), (16384, 16)] {
            let options = with(memory, workers);
            let workers = u64::from(workers);
            let machines = 3 * (workers + 1) * MACHINE + workers * INSPECTION;
            assert_eq!(heap(&options) + PROGRAM + machines, memory * MIB);
            assert!(held_bytes_per_worker(&options) * workers <= heap(&options) / 4);
        }
    }

    #[test]
    fn little_memory_is_no_underflow() {
        assert_eq!(heap(&with(16, 64)), LEAST_HEAP);
        assert!(held_bytes_per_worker(&with(0, 0)) > 0);
    }
}
