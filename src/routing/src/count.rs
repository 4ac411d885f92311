//! How attempts are counted, whoever made them.

use crate::{
    attempting::Around,
    breaker::Ticket,
    config::Failure,
    details::{Details, plain_words},
    state::Ending,
    trail::Attempt,
};

/// What is said of an attempt whose answer an error takes the place of: of a stream, and of any other.
pub(crate) const IN_PLACE: [&str; 2] =
    ["error in place of a stream", "error in place of an answer"];
/// What is said where nothing came.
pub(crate) const NOTHING: [&str; 2] = [
    "the stream ended before its first token",
    "the answer is empty",
];

/// Counts how an attempt ended.
pub(crate) fn report(
    target_id: &str,
    ticket: Ticket,
    ending: Ending<'_>,
    measured_ms: Option<u64>,
    around: &mut Around<'_>,
) {
    let (routing, now_us) = (around.routing, around.now_us);
    let mut slower_since = None;
    around.shared.change(target_id, &mut |state| {
        state.report(routing.circuit_breaker.as_ref(), ticket, ending, now_us);
        slower_since = measured_ms.and_then(|millis| {
            let millis = u32::try_from(millis).unwrap_or(u32::MAX);
            state.measure(millis, &routing.latency, now_us)
        });
    });
    if let Some(since_us) = slower_since {
        around.shared.forget_before(since_us);
    }
}

/// An attempt that went straight to the only target, known from its two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direct<'a> {
    /// The target.
    pub target_id: &'a str,
    /// When it began, in microseconds.
    pub started_us: u64,
    /// When an answer began, and its status.
    pub answered: Option<(u64, u16)>,
    /// What took the place of an answer with a good status.
    pub in_place: Option<Failure>,
    /// Whether the answer came to its end.
    pub is_finished: bool,
    /// How it ended, where it did not.
    pub details: Details,
    /// Envoy's words for that.
    pub words: &'a str,
}

impl Direct<'_> {
    /// Counts the attempt.
    pub fn settle(&self, around: &mut Around<'_>) -> Attempt {
        let status = self.answered.map(|(_, status)| status);
        // An answer that the gateway replaced, or that came to its end, is judged by its status.
        let is_judged = status.is_some() && (self.is_finished || !self.details.is_own());
        let failure = match status {
            _ if self.in_place.is_some() => self.in_place,
            Some(status) if is_judged => Failure::of_status(status),
            _ => Some(self.details.failure()),
        };
        let error = match (failure, status) {
            (None, _) => None,
            _ if self.in_place == Some(Failure::Connection) => Some(NOTHING[1].to_owned()),
            _ if self.in_place.is_some() => Some(IN_PLACE[1].to_owned()),
            (Some(_), Some(status)) if is_judged => Some(format!("answered {status}")),
            _ => Some(plain_words(self.words)),
        };
        let ended_us = self.answered.map_or(around.now_us, |(at, _)| at);
        let attempt = Attempt {
            status,
            latency_ms: ended_us.saturating_sub(self.started_us) / 1000,
            failure,
            error,
            ..Attempt::begin(self.target_id)
        };
        self.count(&attempt, around);
        attempt
    }

    fn count(&self, attempt: &Attempt, around: &mut Around<'_>) {
        let words = attempt.error.as_deref().unwrap_or_default();
        let (ending, measured_ms) = match attempt.failure {
            Some(_) if self.details == Details::Client && !self.is_finished => {
                (Ending::Abandoned, None)
            }
            Some(failure) => (Ending::Failed(failure, words), None),
            None => (Ending::Answered, Some(attempt.latency_ms)),
        };
        around
            .shared
            .change(self.target_id, &mut |state| state.attempts += 1);
        report(
            self.target_id,
            Ticket::default(),
            ending,
            measured_ms,
            around,
        );
    }
}
