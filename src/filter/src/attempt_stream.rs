//! The attempt filter: one context per attempt, in front of its target.
//!
//! What becomes of the attempt [`kt_routing::Attempting`] says; this reads what it asks for and carries out what it decides. An
//! attempt that failed carries a header by which the router at the listener starts the next one; nothing has reached the
//! client by then.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use kt_policy::{Engine, Opening, Pricing, Target, Usage, internal_header, set_model};
use kt_routing::{
    Answer, Around, Attempting, Billed, Details, NoAnswer, Opened, Plan, Step, retry_after_ms,
};
use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};

use crate::{
    alarms::{Alarm, Alarms},
    host::{self, Body, Headers, HostError},
    shared::{self, Workers},
};

/// The context of one attempt. Alarms reach what is inside.
pub(crate) struct AttemptStream {
    shell: Rc<RefCell<Shell>>,
    alarms: Rc<RefCell<Alarms>>,
}

/// An attempt, and what it reads and does.
#[derive(Debug)]
pub(crate) struct Shell {
    engine: Arc<Engine>,
    context: u32,
    /// Its target's place.
    index: usize,
    /// The targets that the exchange may have, by their places.
    set: Vec<usize>,
    /// None before it began, and where it could not.
    attempting: Option<Attempting>,
    /// The newest message of the request, if the quality of the answer is judged here.
    prompt: String,
    is_stream: bool,
}

impl AttemptStream {
    pub(crate) fn new(engine: Arc<Engine>, context: u32, alarms: Rc<RefCell<Alarms>>) -> Self {
        let shell = Shell {
            engine,
            context,
            index: 0,
            set: Vec::new(),
            attempting: None,
            prompt: String::new(),
            is_stream: false,
        };
        Self {
            shell: Rc::new(RefCell::new(shell)),
            alarms,
        }
    }

    /// Does `step`, and sets or takes back the alarm that it leads to.
    fn step(&self, step: impl FnOnce(&mut Shell) -> Action) -> Action {
        let Ok(mut shell) = self.shell.try_borrow_mut() else {
            return refuse();
        };
        let before = shell.alarm();
        let action = step(&mut shell);
        let after = shell.alarm();
        drop(shell);
        if before != after
            && let Ok(mut alarms) = self.alarms.try_borrow_mut()
        {
            if let Some(alarm) = before {
                alarms.clear(alarm);
            }
            if let Some(alarm) = after {
                alarms.set(alarm, &self.shell);
            }
        }
        action
    }
}

impl Shell {
    fn alarm(&self) -> Option<Alarm> {
        let wakes_us = self.attempting.as_ref()?.wakes_us()?;
        Some((wakes_us, self.context))
    }

    fn target(&self) -> Option<&Target> {
        self.engine.config().targets.get(self.index)
    }

    /// Tells the attempt what happened, and carries out what it says.
    fn tell(&mut self, what: impl FnOnce(&mut Attempting, &mut Around<'_>) -> Step) -> Action {
        let config = self.engine.config();
        let Some(attempting) = &mut self.attempting else {
            return Action::Continue;
        };
        let mut around = Around {
            routing: &config.routing,
            shared: &mut Workers::new(config, &self.set),
            now_us: host::now_us(),
        };
        carry_out(what(attempting, &mut around))
    }

    fn begin(&mut self) -> Result<Action, HostError> {
        #[cfg(feature = "drill")]
        crate::drill::at("attempt")?;
        let id = host::header(Headers::Request, internal_header::TARGET).ok_or(HostError)?;
        let config = self.engine.config();
        let mut targets = config.targets.iter();
        self.index = targets
            .position(|target| target.id == id)
            .ok_or(HostError)?;
        self.set = host::header(Headers::Request, internal_header::ORDER)
            .map_or_else(Vec::new, |order| self.engine.targets_of_order(&order));
        self.is_stream = host::header(Headers::Request, internal_header::STREAM).is_some();
        let plan = self.plan()?;
        let is_first = host::header(Headers::Request, "x-envoy-attempt-count")
            .is_some_and(|count| count == "1");
        let mut around = Around {
            routing: &config.routing,
            shared: &mut Workers::new(config, &self.set),
            now_us: host::now_us(),
        };
        let (attempting, step) = Attempting::begin(plan, is_first, &mut around);
        self.attempting = Some(attempting);
        Ok(carry_out(step))
    }

    fn plan(&self) -> Result<Plan, HostError> {
        let target = self.target().ok_or(HostError)?;
        let exchange =
            host::header(Headers::Request, internal_header::EXCHANGE).ok_or(HostError)?;
        Ok(Plan {
            target_id: target.id.clone(),
            timeout_ms: target.timeout_ms,
            first_token_ms: target.first_token_ms,
            seed: u64::from(shared::hash(&exchange)),
            exchange,
            is_stream: self.is_stream,
            fits_request: self.engine.config().model_per_attempt,
            judges: self.engine.judges_quality(),
        })
    }

    fn take_request(&mut self, len: usize, end: bool) -> Action {
        let wants_request = self
            .attempting
            .as_ref()
            .is_some_and(|attempting| attempting.wants_request(end));
        if wants_request && self.fit_request(len).is_err() {
            self.attempting = None;
            return refuse();
        }
        self.tell(|attempting, _| attempting.requested(end))
    }

    /// Fits the request to the target, and keeps what its answer will be judged by.
    fn fit_request(&mut self, len: usize) -> Result<(), HostError> {
        let bytes = host::body(Body::Request, len)?;
        if self.engine.judges_quality() && !self.is_stream {
            self.prompt = Engine::prompt_of(&bytes);
        }
        let target = self.target().ok_or(HostError)?;
        let patch = set_model(&bytes, &target.model).ok_or(HostError)?;
        let length = patch.patched_len(len).to_string();
        host::set_header(Headers::Request, "content-length", Some(&length))?;
        if patch.replaces == 0 && patch.bytes.is_empty() {
            return Ok(());
        }
        host::patch_body(Body::Request, &patch)
    }

    /// The time has come.
    pub(crate) fn wake(&mut self) {
        self.tell(Attempting::woken);
    }

    fn take_answer(&mut self, end: bool) -> Action {
        let header = |name| host::header(Headers::Response, name);
        let status = header(":status").and_then(|status| status.parse().ok());
        let mut answer = Answer::good(status.unwrap_or(0), end, claims_events());
        if (200..300).contains(&answer.status) {
            return self.tell(|attempting, around| attempting.answered(&answer, around));
        }
        let (details, words) = details();
        let reason = host::property(&["upstream", "transport_failure_reason"]);
        answer.details = details;
        answer.words = reason.as_deref().unwrap_or(&words);
        let [millis, seconds] = ["retry-after-ms", "retry-after"].map(header);
        answer.retry_after_ms =
            retry_after_ms(millis.as_deref(), seconds.as_deref(), host::now_us());
        self.tell(|attempting, around| attempting.answered(&answer, around))
    }

    fn take_body(&mut self, len: usize, end: bool) -> Action {
        let Ok(opened) = self.opened(len, end) else {
            self.attempting = None;
            return refuse();
        };
        let mut is_complete = false;
        let action = self.tell(|attempting, around| {
            let step = attempting.came(opened, end, around);
            is_complete = step == Step::Grade;
            step
        });
        if is_complete { self.grade(len) } else { action }
    }

    /// What the beginning of the answer says, where that is wanted.
    fn opened(&self, len: usize, end: bool) -> Result<Opened, HostError> {
        let attempting = self.attempting.as_ref();
        if !attempting.is_some_and(Attempting::wants_opening) {
            return Ok(Opened::Nothing);
        }
        let bytes = host::body(Body::Response, len)?;
        Ok(Opening::of(&bytes, claims_events(), end).into())
    }

    /// Judges a complete answer.
    fn grade(&mut self, len: usize) -> Action {
        let Ok(bytes) = host::body(Body::Response, len) else {
            self.attempting = None;
            return refuse();
        };
        let too_bad = self.engine.too_bad(&self.prompt, &bytes);
        let pricing = self.engine.config().targets.get(self.index);
        let pricing = pricing.and_then(|target| target.pricing);
        let billed = || billed(&bytes, pricing);
        self.tell(|attempting, around| attempting.graded(too_bad, billed, around))
    }

    fn end(&mut self) {
        let (details, words) = details();
        self.tell(|attempting, around| {
            attempting.ended(details, &words, around);
            Step::Pass
        });
    }
}

/// What an answer took that the client does not get.
fn billed(answer: &[u8], pricing: Option<Pricing>) -> Billed {
    let usage = Usage::of_answer(answer);
    Billed {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        cost_usd: pricing
            .and_then(|pricing| pricing.cost(usage))
            .map(|cost| cost.to_string()),
    }
}

/// What Envoy says of how a response ended, and its words.
fn details() -> (Details, String) {
    let words = host::property(&["response", "code_details"]);
    (Details::of(words.as_deref()), words.unwrap_or_default())
}

/// Whether the answer claims to be an event stream.
fn claims_events() -> bool {
    host::header(Headers::Response, "content-type").is_some_and(|kind| {
        kind.trim_ascii_start()
            .to_ascii_lowercase()
            .starts_with("text/event-stream")
    })
}

/// An attempt that cannot be made right is refused rather than sent.
fn refuse() -> Action {
    carry_out(Step::Answer {
        reason: NoAnswer::Engine,
        fails_over: false,
        retry_after_s: None,
    })
}

fn carry_out(step: Step) -> Action {
    match step {
        Step::Pass => Action::Continue,
        Step::Hold | Step::Grade => Action::Pause,
        Step::Send => match host::continue_request() {
            Ok(()) => Action::Continue,
            Err(HostError) => refuse(),
        },
        Step::Answer {
            reason,
            fails_over,
            retry_after_s,
        } => answer(reason, fails_over, retry_after_s),
        Step::Mark {
            failure,
            fails_over,
        } => mark(failure.map(NoAnswer::Failed), fails_over),
    }
}

/// An answer in place of the target's.
fn answer(reason: NoAnswer, fails_over: bool, retry_after_s: Option<u64>) -> Action {
    let seconds = retry_after_s.map(|seconds| seconds.to_string());
    let mut headers = vec![(internal_header::FAILURE, reason.name())];
    if fails_over {
        headers.push((internal_header::FAILOVER, "1"));
    }
    if let Some(seconds) = &seconds {
        headers.push(("retry-after", seconds));
    }
    if host::answer(reason.status(), &headers, &[]).is_err() {
        host::reset_response();
    }
    Action::Pause
}

/// Says on an answer why it is none, and whether another attempt may follow.
fn mark(reason: Option<NoAnswer>, fails_over: bool) -> Action {
    let set = |name, value| host::set_header(Headers::Response, name, value);
    let done =
        set(internal_header::FAILOVER, fails_over.then_some("1")).and_then(|()| match reason {
            Some(reason) => set(internal_header::FAILURE, Some(reason.name())),
            None => Ok(()),
        });
    if done.is_err() {
        host::reset_response();
        return Action::Pause;
    }
    Action::Continue
}

impl Context for AttemptStream {}

impl HttpContext for AttemptStream {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.step(|shell| match shell.begin() {
            Ok(action) if !end => action,
            _ => {
                shell.attempting = None;
                refuse()
            }
        })
    }

    fn on_http_request_body(&mut self, len: usize, end: bool) -> Action {
        self.step(|shell| shell.take_request(len, end))
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        self.step(|shell| shell.take_answer(end))
    }

    fn on_http_response_body(&mut self, len: usize, end: bool) -> Action {
        self.step(|shell| shell.take_body(len, end))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.step(|shell| shell.tell(Attempting::trailed))
    }

    fn on_log(&mut self) {
        self.step(|shell| {
            shell.end();
            Action::Continue
        });
    }
}
