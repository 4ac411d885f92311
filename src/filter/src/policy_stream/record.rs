//! What is known of an exchange that is over.

use kt_routing::{Around, Attempt, Details, Direct, plain_words};

use super::PolicyStream;
use crate::{
    head::Head,
    host::{self, Headers},
    shared::{self, Workers},
};

impl PolicyStream {
    /// Envoy refused the request and asked no filter; what it knows of that makes the event.
    pub(super) fn take_refusal(&mut self) {
        self.head = Head::read(Headers::Request).unwrap_or_default();
        self.facts.started_us =
            host::number(&["request", "time"]).map_or(self.facts.ended_us, |nanos| nanos / 1000);
        self.facts.status = host::number(&["response", "code"])
            .and_then(|code| u16::try_from(code).ok())
            .unwrap_or(0);
        self.facts.refused = Some(details());
    }

    /// What is known of the attempts: from the filter that made them, or from this end where there was one.
    pub(super) fn collect_attempts(&mut self, ended_us: u64) {
        let Some(forwarded_us) = self.forwarded_us else {
            return;
        };
        if self.attempts_of.is_empty() {
            let attempt = self.direct_attempt(forwarded_us, ended_us);
            self.facts.attempts = attempt.into_iter().collect();
            return;
        }
        self.facts.attempts = shared::trail(&self.attempts_of).attempts;
        if let Some(last) = self.facts.attempts.last_mut()
            && last.status.is_none()
            && last.error.is_none()
        {
            last.latency_ms = ended_us.saturating_sub(forwarded_us) / 1000;
            last.error = Some("cut off before an answer".to_owned());
        }
    }

    /// The attempt of an exchange that went straight to the only target; also counts it.
    pub(super) fn direct_attempt(&self, started_us: u64, ended_us: u64) -> Option<Attempt> {
        let config = self.exchange.engine().config();
        let is_over = self.finished && self.answered.is_some();
        let words = host::property(&["response", "code_details"]).filter(|_| !is_over);
        let direct = Direct {
            target_id: &config.targets.first()?.id,
            started_us,
            answered: self.answered,
            in_place: self.in_place,
            is_finished: self.finished,
            details: Details::of(words.as_deref()),
            words: words.as_deref().unwrap_or_default(),
        };
        let set = self.plans.targets(self.plan.targets);
        Some(direct.settle(&mut Around {
            routing: &config.routing,
            shared: &mut Workers::new(config, &set),
            now_us: ended_us,
        }))
    }
}

/// Envoy's words for how an exchange ended.
pub(super) fn details() -> String {
    plain_words(&host::property(&["response", "code_details"]).unwrap_or_default())
}
