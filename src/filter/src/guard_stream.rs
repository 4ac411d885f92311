//! The filter of a mesh: one context per exchange, in a chain of filters that others made, in front of one target.
//!
//! Neither Istio's nor Envoy Gateway's objects can say that headers wait for the verdict on the body
//! (`allow_on_headers_stop_iteration`). So headers go ahead here, and bodies wait: a request that is refused has reached
//! its target as headers without a body, and is broken off; an answer that is refused keeps the status that it came
//! with, and its body is the error. Everything else is as at a listener of our own. What is none of ours passes.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use kt_policy::{
    BodyStep, CallerIds, Endpoint, Engine, ErrorReply, Exchange, FailMode, MediaType, Patch,
    StreamStep,
    event::{self, EventChain, Facts},
    media_type,
};
use kt_routing::{Attempt, Details, Failure};
use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};

use crate::{
    ending::{failure, log_stop},
    head::Head,
    hold::Hold,
    host::{self, Body, Headers, HostError},
};

/// How an exchange is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// None of ours.
    Foreign,
    /// The request is collected.
    Request,
    /// The request is on its way.
    Sent,
    /// Forwarded as it is: an answer of a filter's own, or a failed engine under fail mode `allow`.
    Pass,
    /// The answer is collected whole, then judged.
    Whole,
    /// The answer is judged as it comes.
    Stream,
    /// A verdict ended the answer.
    Cut,
}

/// The context of one exchange.
pub(crate) struct GuardStream {
    exchange: Exchange,
    events: Rc<RefCell<EventChain>>,
    ids: Rc<CallerIds>,
    room: Hold,
    /// The target's key, from the environment.
    key: Option<Rc<str>>,
    head: Head,
    mode: Mode,
    facts: Facts,
    sent_us: u64,
    answered: Option<(u64, u16)>,
    finished: bool,
    collected: usize,
}

impl GuardStream {
    pub(crate) fn new(
        engine: Arc<Engine>,
        events: Rc<RefCell<EventChain>>,
        ids: Rc<CallerIds>,
        room: Hold,
        key: Option<Rc<str>>,
    ) -> Self {
        Self {
            exchange: Exchange::begin(engine),
            events,
            ids,
            room,
            key,
            head: Head::default(),
            mode: Mode::Foreign,
            facts: Facts::default(),
            sent_us: 0,
            answered: None,
            finished: false,
            collected: 0,
        }
    }

    /// Answers in place of the target, while no answer has begun.
    fn reply(&mut self, reply: ErrorReply) -> Action {
        let reply = self.exchange.refuse(reply);
        self.facts.status = reply.status;
        self.mode = Mode::Pass;
        if host::reply(&reply, &[]).is_err() {
            host::reset_response();
        }
        Action::Pause
    }

    /// The one answer to an internal failure, by the fail mode. `begun`: an answer is on its way to the client.
    fn fail(&mut self, begun: bool) -> Action {
        let engine = self.exchange.engine();
        if engine.config().fail_mode == FailMode::Allow || engine.only_monitors() {
            self.facts.uninspected = true;
            self.mode = Mode::Pass;
            return Action::Continue;
        }
        self.fail_closed(begun)
    }

    /// The same where going on is no choice in any mode.
    fn fail_closed(&mut self, begun: bool) -> Action {
        if begun {
            self.exchange.refuse(ErrorReply::engine_unavailable());
            self.mode = Mode::Cut;
            host::reset_response();
            return Action::Pause;
        }
        self.reply(ErrorReply::engine_unavailable())
    }

    /// Whether the request goes to the target that is guarded, where others share the way. Nothing where that cannot be known.
    fn is_ours(&self) -> Option<bool> {
        let Some(guard) = &self.exchange.engine().config().guard else {
            return Some(true);
        };
        if let Some(beginning) = &guard.routes {
            return host::property(&["xds", "route_name"]).map(|name| name.starts_with(beginning));
        }
        Some(
            guard
                .authority
                .as_deref()
                .is_none_or(|host| self.is_host(host)),
        )
    }

    fn is_host(&self, host: &str) -> bool {
        let authority = self.head.get(":authority").unwrap_or_default();
        let name = authority.split(':').next().unwrap_or_default();
        name.trim_end_matches('.').eq_ignore_ascii_case(host)
    }

    /// The request's headers as they go on: what every request has, and the key. Without a length, which may change.
    fn send_head(&self, path: &str) -> Result<(), HostError> {
        let path = path.split('?').next().unwrap_or_default();
        let own = self.head.get("authorization");
        let injected = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let key = injected.or(own);
        let more: Vec<(&str, &str)> = key
            .as_deref()
            .map(|key| ("authorization", key))
            .into_iter()
            .collect();
        self.head.send_request(path, &more)
    }

    fn begin_request(&mut self, path: &str, end: bool) -> Action {
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
        match self.send_head(path) {
            Ok(()) => Action::Continue,
            Err(HostError) => self.fail_closed(false),
        }
    }

    /// A path of the target that nobody inspects.
    fn refuse_path(&mut self) -> Action {
        self.reply(ErrorReply {
            status: 404,
            kind: "validation_error",
            code: "not_found",
            policy: None,
            message: "Unknown path or method; only inspected endpoints of this provider are served"
                .into(),
            retry_after_seconds: None,
        })
    }

    fn judge_request(&mut self, len: usize) -> Action {
        let Ok(bytes) = host::body(Body::Request, len) else {
            return self.fail(false);
        };
        let patch = match self.exchange.request_body(&bytes) {
            BodyStep::Forward => None,
            BodyStep::Patch(patch) => Some(patch),
            BodyStep::Reply(reply) => return self.reply(reply),
        };
        self.mode = Mode::Sent;
        self.sent_us = host::now_us();
        match patch.map_or(Ok(()), |patch| host::patch_body(Body::Request, &patch)) {
            Ok(()) => Action::Continue,
            Err(HostError) => self.fail_closed(false),
        }
    }

    fn begin_response(&mut self, head: &Head, end: bool) -> Action {
        let status = self.facts.status;
        if head.is_encoded() {
            return self.reply(ErrorReply::upstream_failed(
                "The provider's answer is compressed and cannot be inspected",
            ));
        }
        if !matches!(status, 200..300 | 400..500) {
            return self.reply(ErrorReply::upstream_failed("The provider failed"));
        }
        if end && status < 300 {
            return self.reply(ErrorReply::attempts_failed(Failure::Connection, None));
        }
        self.mode = match media_type(&head.get("content-type").unwrap_or_default()) {
            MediaType::EventStream => Mode::Stream,
            MediaType::Json => Mode::Whole,
            MediaType::Other if end => Mode::Pass,
            MediaType::Other => {
                let mut reply = ErrorReply::upstream_failed(
                    "The provider's answer is of a type that cannot be inspected",
                );
                if status >= 400 {
                    reply.status = status;
                }
                return self.reply(reply);
            }
        };
        match head.send_answer(&self.ids, true, &[]) {
            Ok(()) => Action::Continue,
            Err(HostError) => self.fail_closed(false),
        }
    }

    /// Puts `bytes` in place of the whole answer, or ends it.
    fn end_with(&mut self, len: usize, reply: ErrorReply) -> Action {
        let reply = self.exchange.refuse(reply);
        self.mode = Mode::Cut;
        match host::replace_body(Body::Response, len, &reply.body()) {
            Ok(()) => Action::Continue,
            Err(HostError) => self.fail_closed(true),
        }
    }

    fn judge_whole(&mut self, len: usize) -> Action {
        let Ok(bytes) = host::body(Body::Response, len) else {
            return self.fail(true);
        };
        match self.exchange.response_body(&bytes) {
            BodyStep::Forward => Action::Continue,
            BodyStep::Patch(patch) => self.patched(&patch),
            BodyStep::Reply(reply) => self.end_with(len, reply),
        }
    }

    fn patched(&mut self, patch: &Patch) -> Action {
        match host::patch_body(Body::Response, patch) {
            Ok(()) => Action::Continue,
            Err(HostError) => self.fail_closed(true),
        }
    }

    fn judge_stream(&mut self, len: usize, end: bool) -> Action {
        let Ok(bytes) = host::body(Body::Response, len) else {
            return self.fail(true);
        };
        let mut out = Vec::with_capacity(len + 256);
        let mut step = self.exchange.response_bytes(&bytes, end, &mut out);
        if step == StreamStep::Continue && !end {
            let mut has_room = self.room.hold(self.exchange.footprint());
            // Room for what the stream only would come to is not asked for twice.
            if !has_room && self.exchange.forgo_would() {
                has_room = self.room.hold(self.exchange.footprint());
            }
            self.room.complete();
            if !has_room {
                step = self.exchange.cut(ErrorReply::no_room(), &mut out);
            }
        }
        if step == StreamStep::Cut {
            self.mode = Mode::Cut;
        }
        if self.facts.first_byte_us.is_none() && !out.is_empty() {
            self.facts.first_byte_us = Some(host::now_us());
        }
        if out == bytes {
            return Action::Continue;
        }
        match host::replace_body(Body::Response, len, &out) {
            Ok(()) => Action::Continue,
            Err(HostError) => self.fail_closed(true),
        }
    }

    /// What is known of the way to the target.
    fn attempt(&self) -> Option<Attempt> {
        if self.sent_us == 0 {
            return None;
        }
        let target = self.exchange.engine().config().targets.first()?;
        let (at, status) = match self.answered {
            Some((at, status)) => (at, Some(status)),
            None => (self.facts.ended_us, None),
        };
        let failure = match status {
            Some(status) => Failure::of_status(status),
            None => Some(Failure::Connection),
        };
        Some(Attempt {
            status,
            latency_ms: at.saturating_sub(self.sent_us) / 1000,
            failure,
            error: failure.map(|failure| failure.name().to_owned()),
            ..Attempt::begin(&target.id)
        })
    }
}

/// After the end that a verdict set, what still comes is swallowed.
fn swallow(len: usize) -> Action {
    if len == 0 || host::replace_body(Body::Response, len, &[]).is_ok() {
        return Action::Continue;
    }
    host::reset_response();
    Action::Pause
}

impl Context for GuardStream {}

impl HttpContext for GuardStream {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.facts.started_us = host::now_us();
        let Ok(head) = Head::read(Headers::Request) else {
            return self.fail_closed(false);
        };
        self.head = head;
        let path = self.head.get(":path").unwrap_or_default();
        let is_post = self
            .head
            .get(":method")
            .is_some_and(|method| method == "POST");
        let endpoint = Endpoint::of_path(&path).filter(|_| is_post);
        match self.is_ours() {
            Some(false) => return Action::Continue,
            // A route without a name is none of ours, unless this Envoy does not say names: then nothing that may be ours passes.
            None if endpoint.is_none_or(|endpoint| path != format!("/v1{}", endpoint.suffix())) => {
                return Action::Continue;
            }
            None => return self.fail_closed(false),
            Some(true) => {}
        }
        let guard = self.exchange.engine().config().guard.as_ref();
        let only_target = guard.is_some_and(|guard| guard.authority.is_some());
        match endpoint {
            Some(endpoint) => {
                self.exchange.at(endpoint);
                self.mode = Mode::Request;
                self.begin_request(&path, end)
            }
            None if only_target => self.refuse_path(),
            None => Action::Continue,
        }
    }

    fn on_http_request_body(&mut self, len: usize, end: bool) -> Action {
        if self.mode != Mode::Request {
            return Action::Continue;
        }
        if !self.room.hold(len) {
            return self.reply(ErrorReply::no_room());
        }
        if !end {
            return Action::Pause;
        }
        self.room.complete();
        self.judge_request(len)
    }

    /// Trailers end a body that had no end before, and could carry text of their own.
    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if self.mode != Mode::Request {
            return Action::Continue;
        }
        self.reply(ErrorReply::invalid_request(
            "The request is not valid: trailers are not accepted".into(),
        ))
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        self.finished |= end;
        if self.mode == Mode::Foreign {
            return Action::Continue;
        }
        let head = Head::read(Headers::Response).unwrap_or_default();
        let status = head.get(":status").and_then(|status| status.parse().ok());
        self.facts.status = status.unwrap_or(0);
        let is_local =
            || Details::of(host::property(&["response", "code_details"]).as_deref()).is_own();
        if self.mode != Mode::Sent && self.mode != Mode::Request {
            return Action::Continue;
        }
        if self.facts.status >= 400 && is_local() {
            self.mode = Mode::Pass;
            return Action::Continue;
        }
        // Nothing that answers before it has the body was asked what is in it.
        if self.mode == Mode::Request {
            return self.reply(ErrorReply::upstream_failed("The provider failed"));
        }
        self.answered = Some((host::now_us(), self.facts.status));
        self.room.release();
        self.begin_response(&head, end)
    }

    fn on_http_response_body(&mut self, len: usize, end: bool) -> Action {
        self.finished |= end;
        match self.mode {
            Mode::Foreign | Mode::Request | Mode::Sent | Mode::Pass => Action::Continue,
            Mode::Whole if !self.room.hold(len) => self.end_with(len, ErrorReply::no_room()),
            Mode::Whole if !end => {
                self.room.complete();
                self.collected = len;
                Action::Pause
            }
            Mode::Whole => self.judge_whole(len),
            Mode::Stream => self.judge_stream(len, end),
            Mode::Cut => swallow(len),
        }
    }

    /// A target over HTTP/2 may end its answer with trailers. What stands in them is dropped.
    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.finished = true;
        if self.mode == Mode::Foreign || self.mode == Mode::Pass {
            return Action::Continue;
        }
        if host::clear_response_trailers().is_err() {
            return self.fail(true);
        }
        match self.mode {
            Mode::Whole => self.judge_whole(self.collected),
            Mode::Stream => {
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
        if self.mode == Mode::Foreign {
            return;
        }
        self.facts.ended_us = host::now_us();
        if self.room.end() {
            self.exchange.refuse(ErrorReply::no_room());
        }
        self.head.identify(&self.ids, &mut self.facts);
        if self.exchange.failure().is_none() {
            self.facts.failure = failure(self.facts.status, self.finished);
        }
        self.facts.attempts.extend(self.attempt());
        log_stop(&self.exchange, &self.facts.request_id);
        let gateway_id = self.exchange.engine().config().gateway_id.clone();
        if let Ok(mut events) = self.events.try_borrow_mut()
            && let Some(line) = event::line(&self.exchange, &self.facts, &gateway_id, &mut events)
        {
            host::publish("kt_event", &line);
        }
    }
}
