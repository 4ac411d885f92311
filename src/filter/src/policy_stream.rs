//! The policy filter: one context per exchange, from the request's headers to its event.

mod pages;
mod record;
mod request;
mod response;

use std::{cell::RefCell, rc::Rc, sync::Arc};

use kt_policy::{
    BodyStep, CallerIds, Endpoint, ErrorReply, Exchange, FailMode, MediaType, Page, Plan, Plans,
    event::{self, EventChain, Facts},
    limits::Taken,
    media_type,
};
use kt_routing::{Details, Failure};
use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};

use self::{
    pages::{CONFIG_PAGE, is_models},
    record::details,
};
use crate::{
    claims::Claims,
    counts::Metered,
    ending::{failure, log_stop},
    exchanges::Exchanges,
    head::Head,
    history::History,
    hold::Hold,
    host::{self, Body, Headers, HostError},
    machine,
    plugin::needs_events,
    shared,
};

/// How the response is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// No response yet.
    Waiting,
    /// Forwarded as it is: Envoy's or our own answer, or a failed engine under fail mode `allow`.
    Pass,
    /// The page of the configuration, which Envoy answers.
    Config,
    /// Collected whole, then judged.
    Whole,
    /// Judged as it comes.
    Stream,
    /// A stream that a verdict ended.
    Cut { swallowed: usize },
}

/// The context of one exchange.
pub(crate) struct PolicyStream {
    exchange: Exchange,
    plans: Arc<Plans>,
    /// Whose key the request has, by the place among the consumers.
    caller: Option<usize>,
    plan: Plan,
    events: Rc<RefCell<EventChain>>,
    exchanges: Rc<Exchanges>,
    ids: Rc<CallerIds>,
    room: Hold,
    metered: Rc<Metered>,
    claims: Claims,
    history: History,
    head: Head,
    mode: Mode,
    facts: Facts,
    forwarded_us: Option<u64>,
    /// Names the exchange to the filter that makes its attempts; empty when the request goes straight to the target.
    attempts_of: String,
    /// When the provider answered, and with which status.
    answered: Option<(u64, u16)>,
    /// What took the place of an answer from the only target.
    in_place: Option<Failure>,
    /// Whether the answer claims to be an event stream.
    claims_events: bool,
    finished: bool,
    is_page: bool,
    /// A page that another one follows.
    begins_with: Option<Page>,
    /// How much is held of the response: of a whole one what is there, of a stream what the engine keeps.
    collected: usize,
}

impl PolicyStream {
    pub(crate) fn new(
        plans: Arc<Plans>,
        events: Rc<RefCell<EventChain>>,
        exchanges: Rc<Exchanges>,
        ids: Rc<CallerIds>,
        room: Hold,
        metered: Rc<Metered>,
        history: History,
    ) -> Self {
        Self {
            exchange: Exchange::begin(plans.first().clone()),
            plans,
            caller: None,
            plan: Plan::default(),
            events,
            exchanges,
            ids,
            room,
            metered,
            claims: Claims::default(),
            history,
            head: Head::default(),
            mode: Mode::Waiting,
            facts: Facts::default(),
            forwarded_us: None,
            attempts_of: String::new(),
            answered: None,
            in_place: None,
            claims_events: false,
            finished: false,
            is_page: false,
            begins_with: None,
            collected: 0,
        }
    }

    /// Answers in place of the provider.
    fn reply(&mut self, reply: ErrorReply) -> Action {
        let reply = self.exchange.refuse(reply);
        self.mode = Mode::Pass;
        let told = self.told();
        let (status, sent) = match self.exchange.block_answer(&reply) {
            Some(answer) => {
                let mut headers = vec![("content-type", answer.content_type)];
                headers.extend(told.iter().map(|(name, value)| (*name, value.as_str())));
                (200, host::answer(200, &headers, &answer.body))
            }
            None => (reply.status, host::reply(&reply, &told)),
        };
        self.facts.status = status;
        if sent.is_err() {
            host::reset_response();
        }
        Action::Pause
    }

    /// The one answer to an internal failure, by the fail mode.
    fn fail(&mut self) -> Action {
        let engine = self.exchange.engine();
        if engine.config().fail_mode == FailMode::Allow || engine.only_monitors() {
            self.metered.fault();
            self.facts.uninspected = true;
            self.mode = Mode::Pass;
            return Action::Continue;
        }
        self.fail_closed()
    }

    /// The same for a request of `len` bytes, which still has to find its target.
    fn fail_request(&mut self, len: usize) -> Action {
        // Nobody knows what it could take of a budget.
        let is_counted = self.exchange.engine().config().limits.counts_tokens();
        if is_counted || self.choose_plan(None).is_err() {
            return self.fail_closed();
        }
        match self.fail() {
            Action::Continue => self.route(len, None),
            held => held,
        }
    }

    /// The answer where going on is no choice in any mode.
    fn fail_closed(&mut self) -> Action {
        self.metered.fault();
        if matches!(self.mode, Mode::Stream | Mode::Cut { .. }) {
            host::reset_response();
            return Action::Pause;
        }
        self.reply(ErrorReply::engine_unavailable())
    }

    /// Goes on after a change to the exchange. One that failed halfway may have left a length that does not fit its
    /// body, which the next hop would read as another request.
    fn changed(&mut self, done: Result<(), HostError>) -> Action {
        match done {
            Ok(()) => Action::Continue,
            Err(HostError) => self.fail_closed(),
        }
    }
}

impl Context for PolicyStream {}

impl HttpContext for PolicyStream {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.facts.started_us = host::now_us();
        self.exchange.started(self.facts.started_us);
        let Ok(head) = Head::read(Headers::Request) else {
            return self.fail_closed();
        };
        self.head = head;
        let path = self.head.get(":path").unwrap_or_default();
        if let Some(page) = Page::of_path(&path) {
            return self.show(page);
        }
        if path.split('?').next() == Some(CONFIG_PAGE) {
            return self.show_config();
        }
        let endpoint = Endpoint::of_path(&path);
        if let Some(endpoint) = endpoint {
            self.exchange.at(endpoint);
        }
        if !self.has_token() {
            return self.reply(ErrorReply::wrong_token());
        }
        if let Err(reply) = self.let_in() {
            return self.reply(reply);
        }
        if is_models(&path) {
            return self.show_models();
        }
        if endpoint.is_none() {
            return self.fail_closed();
        }
        if needs_events(self.plans.first()) && machine::event_log().is_broken() {
            self.metered.unlogged();
            return self.reply(ErrorReply::event_log_unavailable());
        }
        if let Err(reply) = self.count_request() {
            return self.reply(reply);
        }
        if self.head.is_encoded() {
            return self.reply(ErrorReply::unsupported_encoding(
                "Compressed request bodies cannot be inspected; send plain JSON",
            ));
        }
        if media_type(&self.head.get("content-type").unwrap_or_default()) != MediaType::Json {
            return self.reply(ErrorReply::unsupported_encoding(
                "The content type must be application/json, in UTF-8",
            ));
        }
        if end {
            return self.reply(ErrorReply::invalid_request(
                "The request is not valid: the body is empty".into(),
            ));
        }
        Action::Pause
    }

    fn on_http_request_body(&mut self, len: usize, end: bool) -> Action {
        if self.mode != Mode::Waiting {
            return Action::Continue;
        }
        let config = self.exchange.engine().config();
        if let Some(most) = config.max_body_bytes.filter(|most| len > *most as usize) {
            return self.reply(ErrorReply::request_too_large(most));
        }
        if !self.room.hold(len) {
            return self.reply(ErrorReply::no_room());
        }
        if !end {
            return Action::Pause;
        }
        self.room.complete();
        #[cfg(feature = "drill")]
        if crate::drill::at("request").is_err() {
            return self.fail_request(len);
        }
        let Ok(bytes) = host::body(Body::Request, len) else {
            return self.fail_request(len);
        };
        if let Err(reply) = self.choose_plan(Some(&bytes)) {
            return self.reply(reply);
        }
        let judged = self
            .history
            .judge(&mut self.exchange, self.caller, &bytes, &self.metered);
        let patch = match judged {
            BodyStep::Forward => None,
            BodyStep::Patch(patch) => Some(patch),
            BodyStep::Reply(reply) => return self.reply(reply),
        };
        let sent = patch.as_ref().map_or(len, |patch| patch.patched_len(len));
        if let Err(reply) = self.hold_budgets(sent) {
            return self.reply(reply);
        }
        self.route(len, patch.as_ref())
    }

    /// Trailers end a body that had no end before. They could carry text of their own, and no client of the OpenAI API
    /// sends any.
    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if self.mode != Mode::Waiting || self.forwarded_us.is_some() {
            return Action::Continue;
        }
        self.reply(ErrorReply::invalid_request(
            "The request is not valid: trailers are not accepted".into(),
        ))
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        if self.mode == Mode::Config
            && host::set_header(Headers::Response, "content-length", None).is_err()
        {
            self.mode = Mode::Pass;
        }
        if self.mode == Mode::Config {
            return Action::Continue;
        }
        let is_own = self.mode != Mode::Waiting || self.forwarded_us.is_none();
        let head = Head::read(Headers::Response).unwrap_or_default();
        self.facts.status = head
            .get(":status")
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        // Envoy's own answers are errors that say where they come from.
        let is_local =
            || Details::of(host::property(&["response", "code_details"]).as_deref()).is_own();
        if is_own || self.facts.status >= 400 && is_local() {
            self.mode = Mode::Pass;
            self.finished |= end;
            return Action::Continue;
        }
        self.answered = Some((host::now_us(), self.facts.status));
        // Nothing is sent again once an answer has begun.
        self.room.release();
        self.finished |= end;
        self.note_target();
        self.begin_response(&head, end)
    }

    fn on_http_response_body(&mut self, len: usize, end: bool) -> Action {
        self.finished |= end;
        #[cfg(feature = "drill")]
        if crate::drill::at("response").is_err() {
            return self.fail();
        }
        match self.mode {
            Mode::Pass if self.begins_with.is_some() => self.prepend_page(),
            Mode::Config if end => self.end_config(len),
            Mode::Waiting | Mode::Pass | Mode::Config => Action::Continue,
            Mode::Whole if self.is_too_large(len) => self.reply(ErrorReply::response_too_large()),
            Mode::Whole if !self.room.hold(len) => self.reply(ErrorReply::no_room()),
            Mode::Whole if !end && self.is_stream_after_all(len) => {
                self.mode = Mode::Stream;
                match host::set_header(Headers::Response, "content-length", None) {
                    Ok(()) => self.judge_stream(len, end),
                    Err(HostError) => self.fail_closed(),
                }
            }
            Mode::Whole if !end => {
                // The provider's to delay, not the client's.
                self.room.complete();
                self.collected = len;
                Action::Pause
            }
            Mode::Whole => self.judge_whole(len),
            Mode::Stream => self.judge_stream(len, end),
            Mode::Cut { swallowed } => self.swallow(len, swallowed),
        }
    }

    /// Ends a response whose body had no end of its own: a provider over HTTP/2 may send trailers. What stands in them
    /// is dropped.
    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.finished = true;
        if host::clear_response_trailers().is_err() {
            return self.fail();
        }
        match self.mode {
            Mode::Whole => self.judge_whole(self.collected),
            Mode::Stream => {
                // The body is gone, so text that still waits cannot follow; a cut connection says so.
                let mut rest = Vec::new();
                self.exchange.response_bytes(&[], true, &mut rest);
                if !rest.is_empty() {
                    host::reset_response();
                }
                Action::Continue
            }
            _ => Action::Continue,
        }
    }

    fn on_log(&mut self) {
        if self.is_page {
            host::publish("kt_silent", "1");
            return;
        }
        let ended_us = host::now_us();
        self.facts.ended_us = ended_us;
        if self.facts.started_us == 0 {
            self.take_refusal();
        }
        if self.room.end() {
            self.exchange.refuse(ErrorReply::no_room());
        }
        self.head.identify(&self.ids, &mut self.facts);
        if self.exchange.failure().is_none() {
            self.facts.failure = failure(self.facts.status, self.finished);
            // An upload that took too long, for example.
            if self.facts.failure.is_none() && self.forwarded_us.is_none() {
                self.facts.refused = Some(details());
            }
        }
        self.collect_attempts(ended_us);
        if self.claims.is_open() {
            let is_open = self.forwarded_us.is_some() && self.answered.is_none();
            let taken = Taken::of(&self.exchange, &self.facts, is_open);
            let limits = &self.exchange.engine().config().limits;
            self.claims.settle_by(limits, &taken);
        }
        log_stop(&self.exchange, &self.facts.request_id);
        self.metered.note(&self.exchange, &self.facts);
        self.exchange
            .uses()
            .for_each(|use_| shared::note_use(&use_.id));
        let gateway_id = self.exchange.engine().config().gateway_id.clone();
        let Ok(mut events) = self.events.try_borrow_mut() else {
            return;
        };
        match event::line(&self.exchange, &self.facts, &gateway_id, &mut events) {
            Some(line) => host::publish("kt_event", &line),
            None => host::publish("kt_silent", "1"),
        }
    }
}
