//! Active health checks: an unbilled `GET {base_url}/models` per target and interval, sent by one of all workers.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use kt_policy::{FilterConfig, Target};
use kt_routing::{HealthProbe, plain_words};

use crate::{
    host::{self, Headers},
    shared,
};

/// How often is looked whether a probe is due, in milliseconds.
pub(crate) const PERIOD_MS: u32 = 250;

/// Probes under way, by token: the places of their targets.
#[derive(Debug, Default)]
pub(crate) struct Probes(RefCell<HashMap<u32, usize>>);

impl Probes {
    /// Sends what is due.
    pub(crate) fn tick(&self, config: &FilterConfig) {
        let now_us = host::now_us();
        for (index, target) in config.targets.iter().enumerate() {
            let Some(probe) = target.health_probe else {
                continue;
            };
            let is_due = shared::state(&target.id).health.due_in_us(now_us) == 0;
            if is_due
                && shared::change_state(&target.id, |state| state.health.claim(probe, now_us))
                    == Some(true)
            {
                self.send(index, target, probe);
            }
        }
    }

    fn send(&self, index: usize, target: &Target, probe: HealthProbe) {
        let path = format!("{}/models", target.base_path);
        let cluster = Target::cluster_of(&target.id);
        let timeout = Duration::from_secs(probe.timeout_seconds.into());
        match host::get(&cluster, &target.authority, &path, timeout) {
            Ok(token) => {
                self.0.borrow_mut().insert(token, index);
            }
            Err(_) => log::error!("the probe of `{}` could not be sent", target.id),
        }
    }

    /// Takes an answer, or that there is none. A failure is checked at once, so that one lost packet takes no target
    /// out of the rotation.
    pub(crate) fn answered(&self, token: u32, config: &FilterConfig) {
        let Some(index) = self.0.borrow_mut().remove(&token) else {
            return;
        };
        let Some((target, probe)) = config
            .targets
            .get(index)
            .and_then(|target| Some((target, target.health_probe?)))
        else {
            return;
        };
        let status: Option<u16> =
            host::header(Headers::Call, ":status").and_then(|status| status.parse().ok());
        // A target that limits probes is there.
        let succeeded = matches!(status, Some(200..300 | 429));
        let words = match status {
            Some(status) => plain_words(&format!("probe answered {status}")),
            None => "probe got no answer".to_owned(),
        };
        let again = shared::change_state(&target.id, |state| {
            if !succeeded {
                state.note_error(&words, host::now_us());
            }
            let was_healthy = state.health.is_healthy();
            let again = state.health.report(succeeded);
            (again, was_healthy != state.health.is_healthy())
        });
        match again {
            Some((true, _)) => self.send(index, target, probe),
            Some((_, true)) if succeeded => log::info!("target `{}` is healthy again", target.id),
            Some((_, true)) => log::warn!("target `{}` is unhealthy: {words}", target.id),
            _ => {}
        }
    }
}
