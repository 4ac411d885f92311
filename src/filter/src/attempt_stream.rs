//! The attempt filter: one context per attempt, in front of its target.
//!
//! It asks whether the attempt may be made, waits before it where that is due, fits the request to the target, and
//! judges how the attempt ended. An attempt that failed carries a header by which the router at the listener starts the
//! next one; nothing has reached the client by then.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use kt_policy::{Engine, FilterConfig, Opening, Target, internal_header, set_model};
use kt_routing::{Admission, Attempt, Ending, Failure, Next, Ticket, Trail, retry_after_ms};
use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};

use crate::{
    alarms::{Alarm, Alarms},
    host::{self, Body, Headers, HostError},
    shared,
};

/// What is said of an answer, which is a stream or not, that an error takes the place of.
pub(crate) const IN_PLACE: [&str; 2] =
    ["error in place of a stream", "error in place of an answer"];
/// What is said of an answer without a body.
pub(crate) const EMPTY: &str = "the answer is empty";

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not admitted yet.
    Asking,
    /// Held back until its time has come.
    Waiting,
    /// On its way to the target.
    Sent,
    /// The target began an answer, which says nothing yet.
    Opening,
    /// The target answered, and the answer is being collected to be judged.
    Judging,
    /// The target answers.
    Answering,
    /// Nothing is left to be judged.
    Over,
}

/// The context of one attempt. Alarms reach what is inside.
pub(crate) struct AttemptStream {
    attempting: Rc<RefCell<Attempting>>,
    alarms: Rc<RefCell<Alarms>>,
}

/// An attempt.
#[derive(Debug)]
pub(crate) struct Attempting {
    engine: Arc<Engine>,
    context: u32,
    /// Its place among the targets.
    index: usize,
    exchange: String,
    is_stream: bool,
    stage: Stage,
    trail: Trail,
    ticket: Ticket,
    started_us: u64,
    /// Whether the request is complete and fits the target.
    fits: bool,
    finished: bool,
    /// The newest message of the request, if the quality of the answer is judged here.
    prompt: String,
    alarm: Option<Alarm>,
}

impl AttemptStream {
    pub(crate) fn new(engine: Arc<Engine>, context: u32, alarms: Rc<RefCell<Alarms>>) -> Self {
        let attempting = Attempting {
            engine,
            context,
            index: 0,
            exchange: String::new(),
            is_stream: false,
            stage: Stage::Asking,
            trail: Trail::default(),
            ticket: Ticket::default(),
            started_us: 0,
            fits: false,
            finished: false,
            prompt: String::new(),
            alarm: None,
        };
        Self {
            attempting: Rc::new(RefCell::new(attempting)),
            alarms,
        }
    }

    /// Does `step`, and sets or takes back the alarm that it leads to.
    fn step(&self, step: impl FnOnce(&mut Attempting) -> Action) -> Action {
        let Ok(mut attempting) = self.attempting.try_borrow_mut() else {
            return answer(503, "engine", false, None);
        };
        let before = attempting.alarm;
        let action = step(&mut attempting);
        let after = attempting.alarm;
        drop(attempting);
        if before != after
            && let Ok(mut alarms) = self.alarms.try_borrow_mut()
        {
            if let Some(alarm) = before {
                alarms.clear(alarm);
            }
            if let Some(alarm) = after {
                alarms.set(alarm, &self.attempting);
            }
        }
        action
    }
}

/// An answer in place of the target's.
fn answer(status: u16, failure: &str, fails_over: bool, retry_after: Option<u64>) -> Action {
    let seconds = retry_after.map(|seconds| seconds.to_string());
    let mut headers = vec![(internal_header::FAILURE, failure)];
    if fails_over {
        headers.push((internal_header::FAILOVER, "1"));
    }
    if let Some(seconds) = &seconds {
        headers.push(("retry-after", seconds));
    }
    if host::answer(status, &headers, &[]).is_err() {
        host::reset_response();
    }
    Action::Pause
}

/// Whether the answer claims to be an event stream.
fn claims_events() -> bool {
    host::header(Headers::Response, "content-type").is_some_and(|kind| {
        kind.trim_ascii_start()
            .to_ascii_lowercase()
            .starts_with("text/event-stream")
    })
}

fn status_of(failure: Failure) -> u16 {
    match failure {
        Failure::RateLimit => 429,
        Failure::ServerError | Failure::Connection | Failure::Quality => 502,
        Failure::Timeout => 504,
    }
}

/// What Envoy's own answer says about the target.
fn failure_of(details: &str) -> Failure {
    if ["timeout", "max_stream_duration", "max_duration"]
        .iter()
        .any(|word| details.contains(word))
    {
        Failure::Timeout
    } else {
        Failure::Connection
    }
}

impl Attempting {
    fn config(&self) -> &FilterConfig {
        self.engine.config()
    }

    fn target(&self) -> Option<&Target> {
        self.config().targets.get(self.index)
    }

    fn target_id(&self) -> String {
        self.target()
            .map_or_else(String::new, |target| target.id.clone())
    }

    /// Any number that differs between exchanges.
    fn seed(&self) -> u64 {
        u64::from(shared::hash(&self.exchange))
    }

    /// An attempt that cannot be made right is refused rather than sent.
    fn refuse(&mut self) -> Action {
        self.stage = Stage::Over;
        answer(503, "engine", false, None)
    }

    fn begin(&mut self) -> Result<Action, HostError> {
        #[cfg(feature = "drill")]
        crate::drill::at("attempt")?;
        let id = host::header(Headers::Request, internal_header::TARGET).ok_or(HostError)?;
        let place = |target: &Target| target.id == id;
        self.index = self
            .config()
            .targets
            .iter()
            .position(place)
            .ok_or(HostError)?;
        self.exchange =
            host::header(Headers::Request, internal_header::EXCHANGE).ok_or(HostError)?;
        self.is_stream = host::header(Headers::Request, internal_header::STREAM).is_some();
        let is_first = host::header(Headers::Request, "x-envoy-attempt-count")
            .is_some_and(|count| count == "1");
        if is_first {
            return Ok(self.admit());
        }
        self.trail = shared::trail(&self.exchange);
        let admission = self.trail.admits(
            &id,
            &self.config().routing,
            self.other_is_available(),
            self.seed(),
        );
        Ok(match admission {
            Admission::Go(0) => self.admit(),
            Admission::Go(wait_ms) => {
                self.stage = Stage::Waiting;
                self.alarm = Some((host::now_us() + wait_ms * 1000, self.context));
                Action::Pause
            }
            Admission::Skip => self.skip(None),
            Admission::End => {
                self.stage = Stage::Over;
                let failure = self.trail.failure().unwrap_or(Failure::Connection);
                answer(status_of(failure), failure.name(), false, None)
            }
        })
    }

    /// Whether a target that was not tried yet could take the request now.
    fn other_is_available(&self) -> bool {
        let breaker = self.config().routing.circuit_breaker.as_ref();
        let now_us = host::now_us();
        self.config()
            .targets
            .iter()
            .enumerate()
            .any(|(index, target)| {
                index != self.index
                    && !self.trail.has_tried(&target.id)
                    && shared::state(&target.id).available(breaker, now_us).is_ok()
            })
    }

    /// The next entry of the order is up.
    fn skip(&mut self, wait_us: Option<u64>) -> Action {
        self.stage = Stage::Over;
        answer(
            503,
            "unavailable",
            true,
            wait_us.map(|wait| wait.div_ceil(1_000_000).max(1)),
        )
    }

    /// Starts the attempt, if the target takes it.
    fn admit(&mut self) -> Action {
        let (id, now_us) = (self.target_id(), host::now_us());
        let breaker = self.config().routing.circuit_breaker;
        let admitted = shared::change_state(&id, |state| {
            state
                .admit(breaker.as_ref(), now_us)
                .ok_or_else(|| state.available(breaker.as_ref(), now_us).err().unwrap_or(0))
        });
        match admitted {
            None => return self.refuse(),
            Some(Err(wait_us)) => return self.skip(Some(wait_us)),
            Some(Ok(ticket)) => self.ticket = ticket,
        }
        self.trail.attempts.push(Attempt::begin(&id));
        shared::keep_trail(&self.exchange, &self.trail);
        self.started_us = now_us;
        self.stage = Stage::Sent;
        if self.config().model_per_attempt {
            // Headers follow the body, whose length may change.
            Action::Pause
        } else {
            Action::Continue
        }
    }

    fn take_body(&mut self, len: usize, end: bool) -> Action {
        if self.stage == Stage::Over {
            return Action::Continue;
        }
        if self.config().model_per_attempt {
            if !end {
                return Action::Pause;
            }
            if self.take_request(len).is_err() {
                return self.refuse();
            }
            self.fits = true;
        }
        if self.stage == Stage::Waiting {
            Action::Pause
        } else {
            Action::Continue
        }
    }

    /// Fits the request to the target, and keeps what its answer will be judged by.
    fn take_request(&mut self, len: usize) -> Result<(), HostError> {
        let bytes = host::body(Body::Request, len)?;
        if self.engine.judges_quality() && !self.is_stream {
            self.prompt = Engine::prompt_of(&bytes);
        }
        let target = self.target().ok_or(HostError)?;
        let patch = set_model(&bytes, &target.model).ok_or(HostError)?;
        host::set_header(
            Headers::Request,
            "content-length",
            Some(&patch.patched_len(len).to_string()),
        )?;
        if patch.replaces == 0 && patch.bytes.is_empty() {
            return Ok(());
        }
        host::patch_body(Body::Request, &patch)
    }

    /// The time has come: the wait before the attempt is over, or the first token is late.
    pub(crate) fn wake(&mut self) {
        self.alarm = None;
        match self.stage {
            Stage::Waiting => {
                self.admit();
                let goes = self.fits || !self.config().model_per_attempt;
                if self.stage == Stage::Sent && goes && host::continue_request().is_err() {
                    self.refuse();
                }
            }
            Stage::Opening => {
                self.fail_opening(Failure::Timeout, "no first token in time");
            }
            _ => {}
        }
    }

    fn elapsed_ms(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.started_us) / 1000
    }

    /// Judges the headers of an answer, which may be Envoy's own.
    fn take_answer(&mut self, end: bool) -> Action {
        if self.stage != Stage::Sent && self.stage != Stage::Opening {
            return Action::Continue;
        }
        self.finished = end;
        let status = host::header(Headers::Response, ":status")
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        if (200..300).contains(&status) {
            return self.take_success(status, end);
        }
        let details = host::property(&["response", "code_details"])
            .filter(|details| details != "via_upstream");
        match details {
            Some(details) => {
                let failure = failure_of(&details);
                let reason = host::property(&["upstream", "transport_failure_reason"]);
                let next = self.fail(None, Some(failure), &reason.unwrap_or(details));
                mark(Some(failure), next)
            }
            None => self.take_refusal(status),
        }
    }

    /// The target answered, with an error.
    fn take_refusal(&mut self, status: u16) -> Action {
        let failure = Failure::of_status(status);
        let is_listed = self
            .config()
            .routing
            .retry
            .retryable_status_codes
            .contains(&status);
        if failure.is_none() && !is_listed {
            self.succeed(status);
            return Action::Continue;
        }
        let now_us = host::now_us();
        let asked = retry_after_ms(
            host::header(Headers::Response, "retry-after-ms").as_deref(),
            host::header(Headers::Response, "retry-after").as_deref(),
            now_us,
        );
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.retry_after_ms = asked;
        }
        let next = self.fail(Some(status), failure, &format!("answered {status}"));
        mark(None, next)
    }

    fn take_success(&mut self, status: u16, end: bool) -> Action {
        if status >= 300 {
            self.succeed(status);
            return Action::Continue;
        }
        if end {
            let next = self.fail(Some(status), Some(Failure::Connection), EMPTY);
            return mark(Some(Failure::Connection), next);
        }
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.status = Some(status);
        }
        self.stage = Stage::Opening;
        if claims_events() {
            let limit_us = self.target().map_or(0, |target| target.first_token_ms) * 1000;
            self.alarm = Some((self.started_us + limit_us, self.context));
        }
        Action::Pause
    }

    fn take_answer_body(&mut self, len: usize, end: bool) -> Action {
        self.finished |= end;
        if self.stage == Stage::Judging {
            return if end {
                self.judge_answer(len)
            } else {
                Action::Pause
            };
        }
        if self.stage == Stage::Answering && end && self.is_stream {
            self.complete();
        }
        if self.stage != Stage::Opening {
            return Action::Continue;
        }
        let Ok(bytes) = host::body(Body::Response, len) else {
            return self.refuse();
        };
        match Opening::of(&bytes, claims_events(), end) {
            Opening::Answer => self.take_answer_begun(len, end),
            Opening::Error => self.fail_opening(Failure::ServerError, self.words(IN_PLACE)),
            Opening::Undecided if end => self.fail_opening(
                Failure::Connection,
                self.words(["the stream ended before its first token", EMPTY]),
            ),
            Opening::Undecided => Action::Pause,
        }
    }

    fn words(&self, [stream, whole]: [&'static str; 2]) -> &'static str {
        if self.is_stream { stream } else { whole }
    }

    fn take_answer_begun(&mut self, len: usize, end: bool) -> Action {
        let last = self.trail.attempts.last();
        let status = last.and_then(|attempt| attempt.status).unwrap_or(200);
        self.succeed(status);
        if end {
            self.complete();
        }
        if self.is_stream || !self.engine.judges_quality() {
            return Action::Continue;
        }
        self.stage = Stage::Judging;
        if end {
            self.judge_answer(len)
        } else {
            Action::Pause
        }
    }

    /// Asks for another answer if this one is too bad and another attempt may follow. Otherwise it goes on, and the policy
    /// filter judges it.
    fn judge_answer(&mut self, len: usize) -> Action {
        self.stage = Stage::Answering;
        let Ok(bytes) = host::body(Body::Response, len) else {
            return self.refuse();
        };
        let Some(score) = self.engine.too_bad(&self.prompt, &bytes) else {
            return Action::Continue;
        };
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.failure = Some(Failure::Quality);
            attempt.error = Some(format!("the answer scored {score:.2}"));
        }
        shared::keep_trail(&self.exchange, &self.trail);
        let other_is_available = self.other_is_available();
        if self
            .trail
            .next(&self.config().routing, other_is_available, self.seed())
            == Next::Nothing
        {
            return Action::Continue;
        }
        self.stage = Stage::Over;
        answer(502, Failure::Quality.name(), true, None)
    }

    /// The target answers.
    fn succeed(&mut self, status: u16) {
        let now_us = host::now_us();
        let latency_ms = self.elapsed_ms(now_us);
        self.alarm = None;
        self.stage = Stage::Answering;
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.status = Some(status);
            attempt.latency_ms = latency_ms;
        }
        shared::keep_trail(&self.exchange, &self.trail);
        self.report(Ending::Answered, Some(latency_ms), now_us);
    }

    /// The answer came to its end.
    fn complete(&mut self) {
        self.trail.is_complete = true;
        shared::keep_trail(&self.exchange, &self.trail);
    }

    /// The target failed. Says what follows.
    fn fail(&mut self, status: Option<u16>, failure: Option<Failure>, words: &str) -> Next {
        let now_us = host::now_us();
        let latency_ms = self.elapsed_ms(now_us);
        let words = failure_text(words);
        self.alarm = None;
        self.stage = Stage::Over;
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.status = status.or(attempt.status);
            attempt.latency_ms = latency_ms;
            attempt.error = Some(words.clone());
            attempt.failure = failure;
        }
        shared::keep_trail(&self.exchange, &self.trail);
        match failure {
            Some(failure) => {
                // A target that fails fast is no fast target.
                let limit_ms = self.target().map(|target| target.timeout_ms);
                self.report(Ending::Failed(failure, &words), limit_ms, now_us);
            }
            None => self.report(Ending::Answered, None, now_us),
        }
        self.trail.next(
            &self.config().routing,
            self.other_is_available(),
            self.seed(),
        )
    }

    /// The target failed after it had begun a stream, of which nothing has left yet.
    fn fail_opening(&mut self, failure: Failure, words: &str) -> Action {
        let next = self.fail(None, Some(failure), words);
        answer(
            status_of(failure),
            failure.name(),
            next != Next::Nothing,
            None,
        )
    }

    fn report(&self, ending: Ending<'_>, measured_ms: Option<u64>, now_us: u64) {
        let routing = &self.config().routing;
        let slower_since = shared::change_state(&self.target_id(), |state| {
            state.report(
                routing.circuit_breaker.as_ref(),
                self.ticket,
                ending,
                now_us,
            );
            let millis = u32::try_from(measured_ms?).unwrap_or(u32::MAX);
            state.measure(millis, &routing.latency, now_us)
        });
        if let Some(Some(since_us)) = slower_since {
            shared::forget_before(since_us);
        }
    }

    /// The attempt is over; if it was cut off, that is said here.
    fn end(&mut self) {
        self.alarm = None;
        let details = host::property(&["response", "code_details"]).unwrap_or_default();
        let is_client = details.contains("downstream");
        match self.stage {
            Stage::Sent | Stage::Opening if is_client => {
                self.report(Ending::Abandoned, None, host::now_us());
            }
            Stage::Sent | Stage::Opening => {
                self.fail(None, Some(failure_of(&details)), &details);
            }
            Stage::Answering | Stage::Judging if !self.finished && !is_client => {
                let words = failure_text(&details);
                if let Some(attempt) = self.trail.attempts.last_mut() {
                    attempt.error = Some(words.clone());
                    attempt.failure = Some(failure_of(&details));
                }
                shared::keep_trail(&self.exchange, &self.trail);
                let ending = Ending::Failed(failure_of(&details), &words);
                self.report(ending, None, host::now_us());
            }
            _ => {}
        }
        self.stage = Stage::Over;
    }
}

/// Says on an answer why it is none, and whether another attempt may follow.
fn mark(failure: Option<Failure>, next: Next) -> Action {
    let fails_over = (next != Next::Nothing).then_some("1");
    let done =
        host::set_header(Headers::Response, internal_header::FAILOVER, fails_over).and_then(|()| {
            match failure {
                Some(failure) => host::set_header(
                    Headers::Response,
                    internal_header::FAILURE,
                    Some(failure.name()),
                ),
                None => Ok(()),
            }
        });
    if done.is_err() {
        host::reset_response();
        return Action::Pause;
    }
    Action::Continue
}

/// Envoy's words for a failure, without anything that could be a value: letters, digits and plain punctuation.
pub(crate) fn failure_text(words: &str) -> String {
    words
        .chars()
        .filter(|c| {
            c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | ':' | '.' | '{' | '}' | '-')
        })
        .take(120)
        .collect()
}

impl Context for AttemptStream {}

impl HttpContext for AttemptStream {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.step(|attempting| match attempting.begin() {
            Ok(action) if !end => action,
            _ => attempting.refuse(),
        })
    }

    fn on_http_request_body(&mut self, len: usize, end: bool) -> Action {
        self.step(|attempting| attempting.take_body(len, end))
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        self.step(|attempting| attempting.take_answer(end))
    }

    fn on_http_response_body(&mut self, len: usize, end: bool) -> Action {
        self.step(|attempting| attempting.take_answer_body(len, end))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.step(|attempting| {
            attempting.finished = true;
            if attempting.stage == Stage::Opening {
                attempting.succeed(200);
            }
            attempting.complete();
            Action::Continue
        })
    }

    fn on_log(&mut self) {
        self.step(|attempting| {
            attempting.end();
            Action::Continue
        });
    }
}
