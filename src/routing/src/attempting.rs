//! One attempt, from its beginning to its end, without I/O.
//!
//! ```text
//!            begin                 answered                 came
//!   Asking ────────► Sent ─────────────────────► Opening ──────────► Answering ─► Over
//!      │   ▲          │  an error, or Envoy's own   │ an error, nothing, too late
//!      ▼   │ woken    ▼                             ▼
//!    Waiting         Over: what follows is the trail's to say
//! ```
//!
//! Each input says what happened and gets a [`Step`] to carry out. Time comes in with the [`Around`]; [`Attempting::wakes_us`] says when
//! [`Attempting::woken`] is due.

use crate::{
    breaker::Ticket,
    config::{Failure, Routing},
    count::{IN_PLACE, NOTHING, report},
    details::{Details, NoAnswer, plain_words},
    state::{Ending, TargetState},
    trail::{Admission, Attempt, Billed, Next, Trail},
};

/// What all workers know together.
pub trait Shared {
    /// All targets.
    fn targets(&self) -> Vec<String>;
    /// What is known of one.
    fn state(&self, target: &str) -> TargetState;
    /// Changes what is known of one; the last call of `change` counts. False where that cannot be.
    fn change(&mut self, target: &str, change: &mut dyn FnMut(&mut TargetState)) -> bool;
    /// Measurements before this time, in microseconds, are too old to choose by.
    fn forget_before(&mut self, at_us: u64);
    /// What happened to an exchange so far.
    fn trail(&self, exchange: &str) -> Trail;
    /// Keeps what happened.
    fn keep(&mut self, exchange: &str, trail: &Trail);
}

/// The moment of an input: what is configured, what is known, and the time in microseconds.
pub struct Around<'a> {
    /// The policy file's rules.
    pub routing: &'a Routing,
    /// What is known.
    pub shared: &'a mut dyn Shared,
    /// Now.
    pub now_us: u64,
}

/// What an attempt is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The target.
    pub target_id: String,
    /// Its limit of time, which stands for the latency of an attempt that failed.
    pub timeout_ms: u64,
    /// The limit for the first token of a stream, from the start of the attempt.
    pub first_token_ms: u64,
    /// Names the exchange.
    pub exchange: String,
    /// Any number that differs between exchanges.
    pub seed: u64,
    /// Whether a stream was asked for.
    pub is_stream: bool,
    /// Whether the request is fitted to the target, so that it is held until it is complete.
    pub fits_request: bool,
    /// Whether answers are judged by their quality.
    pub judges: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// What came goes on.
    Pass,
    /// It is held.
    Hold,
    /// The request that was held goes on.
    Send,
    /// An answer in place of the target's. With `fails_over` the next attempt is made.
    Answer {
        /// Why.
        reason: NoAnswer,
        /// Whether another attempt may follow.
        fails_over: bool,
        /// When it is worth asking again.
        retry_after_s: Option<u64>,
    },
    /// The answer goes on, and its headers say why it is none, where it is Envoy's own, and whether another attempt may follow.
    Mark {
        /// Why.
        failure: Option<Failure>,
        /// Whether another attempt may follow.
        fails_over: bool,
    },
    /// The answer is complete: how good it is, is to be said by [`Attempting::graded`].
    Grade,
}

/// The headers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Whether nothing follows.
    pub end: bool,
    /// Whether it claims to be an event stream.
    pub claims_events: bool,
    /// Where it comes from.
    pub details: Details,
    /// Envoy's words for that.
    pub words: &'a str,
    /// What the target asked for by `Retry-After`.
    pub retry_after_ms: Option<u64>,
}

impl Answer<'_> {
    /// One with a good status.
    pub fn good(status: u16, end: bool, claims_events: bool) -> Self {
        Self {
            status,
            end,
            claims_events,
            details: Details::Answered,
            words: "",
            retry_after_ms: None,
        }
    }
}

/// What the beginning of an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Nothing yet.
    Nothing,
    /// That it is an error.
    Error,
    /// That it is an answer.
    Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
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

/// An attempt.
#[derive(Debug)]
pub struct Attempting {
    plan: Plan,
    stage: Stage,
    trail: Trail,
    ticket: Ticket,
    started_us: u64,
    /// Whether the request is complete and fits the target.
    fits: bool,
    finished: bool,
    wakes_us: Option<u64>,
}

impl Attempting {
    /// Envoy begins an attempt; `is_first` of its exchange.
    pub fn begin(plan: Plan, is_first: bool, around: &mut Around<'_>) -> (Self, Step) {
        let mut attempting = Self {
            stage: Stage::Over,
            trail: if is_first {
                Trail::default()
            } else {
                around.shared.trail(&plan.exchange)
            },
            ticket: Ticket::default(),
            started_us: 0,
            fits: false,
            finished: false,
            wakes_us: None,
            plan,
        };
        let step = attempting.ask(around);
        (attempting, step)
    }

    /// When to wake it, in microseconds.
    pub fn wakes_us(&self) -> Option<u64> {
        self.wakes_us
    }

    /// Whether the request, of which so much came, is to be fitted to the target now.
    pub fn wants_request(&self, end: bool) -> bool {
        end && self.plan.fits_request && self.stage != Stage::Over
    }

    /// Some of the request came; at its `end` it was fitted, where that is wanted.
    pub fn requested(&mut self, end: bool) -> Step {
        let is_over = self.stage == Stage::Over;
        self.fits |= end;
        let is_held = self.stage == Stage::Waiting || self.plan.fits_request && !end;
        if is_held && !is_over {
            Step::Hold
        } else {
            Step::Pass
        }
    }

    /// The time has come: the wait before the attempt is over, or the first token is late.
    pub fn woken(&mut self, around: &mut Around<'_>) -> Step {
        self.wakes_us = None;
        match self.stage {
            Stage::Waiting => match self.admit(around) {
                step @ Step::Answer { .. } => step,
                _ if self.fits || !self.plan.fits_request => Step::Send,
                _ => Step::Hold,
            },
            Stage::Opening => self.fail_opening(Failure::Timeout, "no first token in time", around),
            _ => Step::Hold,
        }
    }

    /// Headers of an answer came, which may be Envoy's own.
    pub fn answered(&mut self, answer: &Answer<'_>, around: &mut Around<'_>) -> Step {
        if !matches!(self.stage, Stage::Sent | Stage::Opening) {
            return Step::Pass;
        }
        self.finished = answer.end;
        match answer.status {
            200..300 => self.begin_answer(answer, around),
            _ if answer.details.is_own() => {
                let failure = answer.details.failure();
                self.fail(None, Some(failure), answer.words, around);
                self.mark(Some(failure), around)
            }
            _ => self.refused(answer, around),
        }
    }

    /// Whether the beginning of the answer is to be read.
    pub fn wants_opening(&self) -> bool {
        self.stage == Stage::Opening
    }

    /// Some of the answer came; `opened` is what its beginning says, where that is wanted.
    pub fn came(&mut self, opened: Opened, end: bool, around: &mut Around<'_>) -> Step {
        self.finished |= end;
        match (self.stage, opened) {
            (Stage::Judging, _) if end => Step::Grade,
            (Stage::Judging, _) => Step::Hold,
            (Stage::Opening, Opened::Answer) => self.opened(end, around),
            (Stage::Opening, Opened::Error) => {
                self.fail_opening(Failure::ServerError, self.words(IN_PLACE), around)
            }
            (Stage::Opening, Opened::Nothing) if end => {
                self.fail_opening(Failure::Connection, self.words(NOTHING), around)
            }
            (Stage::Opening, Opened::Nothing) => Step::Hold,
            (Stage::Answering, _) if end && self.plan.is_stream => {
                self.complete(around);
                Step::Pass
            }
            _ => Step::Pass,
        }
    }

    /// The complete answer was judged; `too_bad` is the score of one that should not pass. It passes where no other attempt may follow.
    /// `billed` is what it took.
    pub fn graded(
        &mut self,
        too_bad: Option<f32>,
        billed: impl FnOnce() -> Billed,
        around: &mut Around<'_>,
    ) -> Step {
        self.stage = Stage::Answering;
        let Some(score) = too_bad else {
            return Step::Pass;
        };
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.failure = Some(Failure::Quality);
            attempt.error = Some(format!("the answer scored {score:.2}"));
        }
        self.keep(around);
        if !self.may_follow(around) {
            return Step::Pass;
        }
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.billed = Some(billed());
        }
        self.keep(around);
        self.over(NoAnswer::Failed(Failure::Quality), true, None)
    }

    /// The answer ended with trailers.
    pub fn trailed(&mut self, around: &mut Around<'_>) -> Step {
        self.finished = true;
        if self.stage == Stage::Opening {
            self.succeed(200, around);
        }
        self.complete(around);
        Step::Pass
    }

    /// The attempt is over; where it was cut off, Envoy's words say why.
    pub fn ended(&mut self, details: Details, words: &str, around: &mut Around<'_>) {
        self.wakes_us = None;
        let is_client = details == Details::Client;
        match self.stage {
            Stage::Sent | Stage::Opening if is_client => {
                self.report(Ending::Abandoned, None, around);
            }
            Stage::Sent | Stage::Opening => {
                self.fail(None, Some(details.failure()), words, around);
            }
            Stage::Answering | Stage::Judging if !self.finished && !is_client => {
                let words = plain_words(words);
                if let Some(attempt) = self.trail.attempts.last_mut() {
                    attempt.error = Some(words.clone());
                    attempt.failure = Some(details.failure());
                }
                self.keep(around);
                self.report(Ending::Failed(details.failure(), &words), None, around);
            }
            _ => {}
        }
        self.stage = Stage::Over;
    }

    fn ask(&mut self, around: &mut Around<'_>) -> Step {
        if self.trail.attempts.is_empty() {
            return self.admit(around);
        }
        let is_available = self.other_is_available(around);
        let (id, seed) = (&self.plan.target_id, self.plan.seed);
        match self.trail.admits(id, around.routing, is_available, seed) {
            Admission::Go(0) => self.admit(around),
            Admission::Go(wait_ms) => {
                self.stage = Stage::Waiting;
                self.wakes_us = Some(around.now_us + wait_ms * 1000);
                Step::Hold
            }
            Admission::Skip => self.over(NoAnswer::Unavailable, true, None),
            Admission::End => {
                let failure = self.trail.failure().unwrap_or(Failure::Connection);
                self.over(NoAnswer::Failed(failure), false, None)
            }
        }
    }

    /// Starts the attempt, if the target takes it.
    fn admit(&mut self, around: &mut Around<'_>) -> Step {
        let (breaker, now_us) = (around.routing.circuit_breaker.as_ref(), around.now_us);
        let mut admitted = Err(0);
        let is_changed = around.shared.change(&self.plan.target_id, &mut |state| {
            let ticket = state.admit(breaker, now_us);
            admitted = ticket.ok_or_else(|| state.available(breaker, now_us).err().unwrap_or(0));
        });
        match admitted {
            _ if !is_changed => return self.over(NoAnswer::Engine, false, None),
            Err(wait_us) => {
                let seconds = wait_us.div_ceil(1_000_000).max(1);
                return self.over(NoAnswer::Unavailable, true, Some(seconds));
            }
            Ok(ticket) => self.ticket = ticket,
        }
        self.trail
            .attempts
            .push(Attempt::begin(&self.plan.target_id));
        self.keep(around);
        self.started_us = now_us;
        self.stage = Stage::Sent;
        // Headers follow a body whose length may change.
        if self.plan.fits_request {
            Step::Hold
        } else {
            Step::Pass
        }
    }

    /// The target answered, with an error.
    fn refused(&mut self, answer: &Answer<'_>, around: &mut Around<'_>) -> Step {
        let status = answer.status;
        let failure = Failure::of_status(status);
        let listed = &around.routing.retry.retryable_status_codes;
        if failure.is_none() && !listed.contains(&status) {
            self.succeed(status, around);
            return Step::Pass;
        }
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.retry_after_ms = answer.retry_after_ms;
        }
        self.fail(Some(status), failure, &format!("answered {status}"), around);
        self.mark(None, around)
    }

    fn begin_answer(&mut self, answer: &Answer<'_>, around: &mut Around<'_>) -> Step {
        if answer.end {
            let failure = Failure::Connection;
            self.fail(
                Some(answer.status),
                Some(failure),
                self.words([NOTHING[1]; 2]),
                around,
            );
            return self.mark(Some(failure), around);
        }
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.status = Some(answer.status);
        }
        self.stage = Stage::Opening;
        if answer.claims_events {
            self.wakes_us = Some(self.started_us + self.plan.first_token_ms * 1000);
        }
        Step::Hold
    }

    fn opened(&mut self, end: bool, around: &mut Around<'_>) -> Step {
        let last = self.trail.attempts.last();
        let status = last.and_then(|attempt| attempt.status).unwrap_or(200);
        self.succeed(status, around);
        if end {
            self.complete(around);
        }
        if self.plan.is_stream || !self.plan.judges {
            return Step::Pass;
        }
        self.stage = Stage::Judging;
        if end { Step::Grade } else { Step::Hold }
    }

    /// The target answers.
    fn succeed(&mut self, status: u16, around: &mut Around<'_>) {
        let latency_ms = self.elapsed_ms(around);
        self.wakes_us = None;
        self.stage = Stage::Answering;
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.status = Some(status);
            attempt.latency_ms = latency_ms;
        }
        self.keep(around);
        self.report(Ending::Answered, Some(latency_ms), around);
    }

    /// The answer came to its end.
    fn complete(&mut self, around: &mut Around<'_>) {
        self.trail.is_complete = true;
        self.keep(around);
    }

    /// The target failed.
    fn fail(
        &mut self,
        status: Option<u16>,
        failure: Option<Failure>,
        words: &str,
        around: &mut Around<'_>,
    ) {
        let (latency_ms, words) = (self.elapsed_ms(around), plain_words(words));
        self.wakes_us = None;
        self.stage = Stage::Over;
        if let Some(attempt) = self.trail.attempts.last_mut() {
            attempt.status = status.or(attempt.status);
            attempt.latency_ms = latency_ms;
            attempt.error = Some(words.clone());
            attempt.failure = failure;
        }
        self.keep(around);
        match failure {
            Some(failure) => {
                // A target that fails fast is no fast target.
                let limit_ms = Some(self.plan.timeout_ms);
                self.report(Ending::Failed(failure, &words), limit_ms, around);
            }
            None => self.report(Ending::Answered, None, around),
        }
    }

    /// The target failed after it had begun an answer, of which nothing has left yet.
    fn fail_opening(&mut self, failure: Failure, words: &str, around: &mut Around<'_>) -> Step {
        self.fail(None, Some(failure), words, around);
        let fails_over = self.may_follow(around);
        self.over(NoAnswer::Failed(failure), fails_over, None)
    }

    fn mark(&self, failure: Option<Failure>, around: &Around<'_>) -> Step {
        Step::Mark {
            failure,
            fails_over: self.may_follow(around),
        }
    }

    fn over(&mut self, reason: NoAnswer, fails_over: bool, retry_after_s: Option<u64>) -> Step {
        self.stage = Stage::Over;
        Step::Answer {
            reason,
            fails_over,
            retry_after_s,
        }
    }

    /// Whether another attempt may follow the one that failed.
    fn may_follow(&self, around: &Around<'_>) -> bool {
        let is_available = self.other_is_available(around);
        let next = self
            .trail
            .next(around.routing, is_available, self.plan.seed);
        next != Next::Nothing
    }

    /// Whether a target that was not tried yet could take the request now.
    fn other_is_available(&self, around: &Around<'_>) -> bool {
        let breaker = around.routing.circuit_breaker.as_ref();
        around.shared.targets().iter().any(|id| {
            *id != self.plan.target_id
                && !self.trail.has_tried(id)
                && around
                    .shared
                    .state(id)
                    .available(breaker, around.now_us)
                    .is_ok()
        })
    }

    fn keep(&self, around: &mut Around<'_>) {
        around.shared.keep(&self.plan.exchange, &self.trail);
    }

    fn report(&self, ending: Ending<'_>, measured_ms: Option<u64>, around: &mut Around<'_>) {
        report(
            &self.plan.target_id,
            self.ticket,
            ending,
            measured_ms,
            around,
        );
    }

    fn elapsed_ms(&self, around: &Around<'_>) -> u64 {
        around.now_us.saturating_sub(self.started_us) / 1000
    }

    fn words(&self, [stream, whole]: [&'static str; 2]) -> &'static str {
        if self.plan.is_stream { stream } else { whole }
    }
}
