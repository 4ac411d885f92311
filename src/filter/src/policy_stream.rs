//! The policy filter: one context per exchange, from the request's headers to its event.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use kt_policy::{
    BodyShape, BodyStep, CallerIds, Endpoint, ErrorReply, Exchange, FailMode, MediaType, Opening,
    Page, PageReply, Patch, Plan, Plans, StreamStep, Target,
    event::{self, EventChain, Facts},
    headers, internal_header, is_token,
    limits::{Most, Taken},
    media_type,
};
use kt_routing::{
    Around, Attempt, Details, Direct, Failure, NoAnswer, choose::Choice, plain_words,
};
use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};

use crate::{
    claims::{Caller, Claims},
    counts::Metered,
    ending::{failure, log_stop},
    exchanges::Exchanges,
    head::Head,
    history::History,
    hold::Hold,
    host::{self, Body, Headers, HostError},
    machine,
    plugin::needs_events,
    shared::{self, Workers},
};

/// After a cut stream, what the provider still sends is swallowed up to here, so that the response ends properly;
/// beyond it the connection is cut.
const MAX_SWALLOWED: usize = 256 * 1024;

/// The account of what a stream holds is kept in steps, so that most of its events do not change it.
const FOOTPRINT_STEP: usize = 4 * 1024;

const CONFIG_PAGE: &str = "/keeptrusts/config";

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

    /// Whether the request carries the gateway's token, if there is one. Consumers have keys of their own, in the same header.
    fn has_token(&self) -> bool {
        let config = self.exchange.engine().config();
        let token = config.token_sha256.as_ref();
        let token = token.filter(|_| config.access.consumers.is_empty());
        token.is_none_or(|sha256| {
            let authorization = self.head.get("authorization").unwrap_or_default();
            is_token(&authorization, sha256)
        })
    }

    /// What the client is told of an answer by headers: who gave it, and what it cost as far as that is known.
    fn told(&self) -> Vec<(&'static str, String)> {
        let target = self.facts.attempts.last();
        let target = target.map(|attempt| (headers::TARGET, attempt.target_id.clone()));
        let standings = self.claims.standings.headers();
        let cost = self.exchange.cost(&self.facts.attempts);
        let cost = cost.map(|cost| (headers::COST, cost.to_string()));
        target.into_iter().chain(cost).chain(standings).collect()
    }

    /// The same for a whole answer that has been judged.
    fn tell_cost(&self) -> Result<(), HostError> {
        match self.exchange.cost(&self.facts.attempts) {
            Some(cost) => {
                host::set_header(Headers::Response, headers::COST, Some(&cost.to_string()))
            }
            None => Ok(()),
        }
    }

    /// Counts the request where requests are limited.
    fn count_request(&mut self) -> Result<(), ErrorReply> {
        let limits = &self.exchange.engine().config().limits;
        if limits.is_empty() {
            return Ok(());
        }
        self.claims = Claims::new(self.exchanges.number());
        let caller = Caller {
            head: &self.head,
            ids: &self.ids,
            consumer: self.facts.consumer_id.as_deref(),
            limited: self.plans.limited(self.caller),
        };
        self.claims.count(limits, &caller)
    }

    /// Holds the most that the exchange can take, by a request of `len` bytes.
    fn hold_budgets(&mut self, len: usize) -> Result<(), ErrorReply> {
        let limits = &self.exchange.engine().config().limits;
        if !limits.counts_tokens() {
            return Ok(());
        }
        let caller = Caller {
            head: &self.head,
            ids: &self.ids,
            consumer: self.facts.consumer_id.as_deref(),
            limited: self.plans.limited(self.caller),
        };
        let most = Most::of(&self.exchange, len);
        self.claims.hold(limits, &caller, &most)
    }

    fn is_too_large(&self, len: usize) -> bool {
        let most = self.exchange.engine().config().max_response_bytes;
        most.is_some_and(|most| len > most as usize)
    }

    /// Notes who answers, before the attempts are known to their end.
    fn note_target(&mut self) {
        self.facts.attempts = if self.attempts_of.is_empty() {
            let first = self.exchange.engine().config().targets.first();
            first
                .map(|target| Attempt::begin(&target.id))
                .into_iter()
                .collect()
        } else {
            shared::trail(&self.attempts_of).attempts
        };
    }

    /// Answers a page for operators, which is no exchange.
    fn show(&mut self, page: Page) -> Action {
        self.mode = Mode::Pass;
        self.is_page = true;
        if page == Page::AllMetrics {
            self.begins_with = Some(page);
            return Action::Continue;
        }
        let reply = self.render(page);
        let headers = [("content-type", page.content_type())];
        if host::answer(reply.status, &headers, &reply.body).is_err() {
            host::reset_response();
        }
        Action::Pause
    }

    /// Lets the page of the configuration come, and adds what only the filter knows.
    fn show_config(&mut self) -> Action {
        self.mode = Mode::Config;
        self.is_page = true;
        Action::Continue
    }

    /// Writes which exceptions were never used in place of the page's last brace.
    fn end_config(&mut self, len: usize) -> Action {
        let Ok(mut page) = host::body(Body::Response, len) else {
            return Action::Continue;
        };
        page.pop_if(|last| *last == b'}');
        page.extend(self.plans.unused_exceptions(shared::is_used).into_bytes());
        if host::replace_body(Body::Response, len, &page).is_err() {
            host::reset_response();
        }
        Action::Continue
    }

    /// Answers with the models that the caller may use.
    fn show_models(&mut self) -> Action {
        self.mode = Mode::Pass;
        self.is_page = true;
        if self.exchange.engine().config().access.is_empty() {
            // The route has the answer.
            return Action::Continue;
        }
        let body = self.plans.models(self.caller);
        let headers = [("content-type", "application/json")];
        if host::answer(200, &headers, &body).is_err() {
            host::reset_response();
        }
        Action::Pause
    }

    /// Finds out whose key the request has.
    fn let_in(&mut self) -> Result<(), ErrorReply> {
        let key = self.head.get("authorization");
        self.caller = self.plans.caller(key.as_deref())?;
        let id = self
            .caller
            .and_then(|caller| self.plans.consumer_id(caller));
        self.facts.consumer_id = id.map(str::to_owned);
        Ok(())
    }

    /// Finds out which chain and which targets the request gets. Without its body that is only known where no model has a say.
    fn choose_plan(&mut self, body: Option<&[u8]>) -> Result<(), ErrorReply> {
        let path = self.head.get(":path").unwrap_or_default();
        let plan = self.plans.choose(&path, &self.head, self.caller, body)?;
        if plan.chain > 0 {
            let engine = self.plans.engine(plan.chain);
            self.exchange
                .choose(engine.ok_or_else(ErrorReply::engine_unavailable)?);
        }
        self.facts.route = plan
            .route
            .and_then(|route| self.plans.route_name(route))
            .map(str::to_owned);
        let facts = &self.facts;
        self.exchange
            .asked_by(facts.route.as_deref(), facts.consumer_id.as_deref());
        self.plan = plan;
        Ok(())
    }

    fn render(&self, page: Page) -> PageReply {
        let config = self.exchange.engine().config();
        let workers = || {
            machine::counts().show(self.room.all(), self.history.bytes());
            shared::workers()
        };
        page.render(config, &shared::states(config), workers, host::now_us())
    }

    /// Puts our own page before Envoy's.
    fn prepend_page(&mut self) -> Action {
        if let Some(page) = self.begins_with.take() {
            let ours = Patch {
                replaces: 0,
                bytes: self.render(page).body,
            };
            let done = host::patch_body(Body::Response, &ours);
            return self.changed(done);
        }
        Action::Continue
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

    /// Chooses the target and lets the request go on.
    fn route(&mut self, len: usize, patch: Option<&Patch>) -> Action {
        let set = self.plans.targets(self.plan.targets);
        let choice = match self.exchange.engine().config() {
            // Nothing to choose, and nothing that could speak against it.
            config if config.direct_stream_total_ms.is_some() && !has_probe(&config.targets) => {
                Choice::First(0)
            }
            config => shared::choose(config, &set, host::now_us()),
        };
        let first = match choice {
            Choice::First(first) | Choice::Fastest(first) => first,
            Choice::NoTarget(wait_us) => {
                return self.reply(ErrorReply::no_target_available(wait_us));
            }
        };
        let done = self.forward(first, len, patch);
        self.changed(done)
    }

    /// Writes the request that goes on.
    fn forward(
        &mut self,
        first: usize,
        len: usize,
        patch: Option<&Patch>,
    ) -> Result<(), HostError> {
        #[cfg(feature = "drill")]
        crate::drill::at("change")?;
        self.address(first, patch.map_or(len, |patch| patch.patched_len(len)))?;
        if let Some(patch) = patch {
            host::patch_body(Body::Request, patch)?;
        }
        self.forwarded_us = Some(host::now_us());
        Ok(())
    }

    /// Says where the request goes, in place of all headers of the client's.
    fn address(&mut self, first: usize, len: usize) -> Result<(), HostError> {
        let is_stream = self.exchange.wants_stream();
        let config = self.exchange.engine().config();
        let set = self.plans.targets(self.plan.targets);
        let target = set
            .get(first)
            .and_then(|place| config.targets.get(*place))
            .ok_or(HostError)?;
        let path = self.head.get(":path").ok_or(HostError)?;
        // The query could carry text that nothing inspects. What a route has before the API's path is the gateway's own; where the
        // listener at the edge sets the path it replaces both.
        let path = path.split('?').next().unwrap_or_default();
        let path = match path.rfind("/v1/") {
            Some(at) if config.direct_stream_total_ms.is_none() => path.get(at..).unwrap_or(path),
            _ => path,
        };
        let length = len.to_string();
        // The hop to the targets is HTTP/1.0, which knows no chunks.
        let mut more = vec![("content-length", length.as_str())];
        if config.direct_stream_total_ms.is_some() && !is_stream {
            let cluster = Target::cluster_of(&target.id);
            more.push((internal_header::ORDER, &cluster));
            return self.head.send_request(path, &more);
        }
        let order = self.plans.first().order_cluster(self.plan.targets, first);
        let (order, exchange) = (order.ok_or(HostError)?, self.exchanges.next());
        let total = config.direct_stream_total_ms.map(|total| total.to_string());
        more.push((internal_header::ORDER, &order));
        more.push((internal_header::EXCHANGE, &exchange));
        if is_stream {
            more.push((internal_header::STREAM, "1"));
        }
        if let Some(total) = &total {
            more.push(("x-envoy-upstream-rq-timeout-ms", total));
        }
        self.head.send_request(path, &more)?;
        self.attempts_of = exchange;
        Ok(())
    }

    /// Whether the provider's 2xx is its only target's, and no filter in front of that asked if it is an answer.
    fn is_direct(&self) -> bool {
        self.attempts_of.is_empty() && matches!(self.facts.status, 200..300)
    }

    /// The only target failed, although its status says that it did not.
    fn fail_in_place(&mut self, failure: Failure) -> Action {
        self.in_place = Some(failure);
        self.reply(ErrorReply::attempts_failed(failure, None))
    }

    fn judge_whole(&mut self, len: usize) -> Action {
        let Ok(bytes) = host::body(Body::Response, len) else {
            return self.fail();
        };
        if (self.is_direct() || Opening::may_fail_late(&bytes))
            && let Some(failure) = Opening::failure_of(&bytes, self.claims_events)
        {
            return self.fail_in_place(failure);
        }
        match self.exchange.response_body(&bytes) {
            BodyStep::Forward => {
                let done = self.tell_cost();
                self.changed(done)
            }
            BodyStep::Patch(patch) => {
                let done = replace(Headers::Response, Body::Response, len, &patch)
                    .and_then(|()| self.tell_cost());
                self.changed(done)
            }
            BodyStep::Reply(reply) => self.reply(reply),
        }
    }

    /// Whether an answer that claims to be JSON turns out, by its first bytes, to be the stream that was asked for.
    fn is_stream_after_all(&self, len: usize) -> bool {
        /// So many bytes tell.
        const FIRST: usize = 64;
        self.collected < FIRST
            && self.exchange.wants_stream()
            && !self.attempts_of.is_empty()
            && host::body(Body::Response, len.min(FIRST))
                .is_ok_and(|bytes| BodyShape::of(&bytes) == BodyShape::Events)
    }

    fn judge_stream(&mut self, len: usize, end: bool) -> Action {
        let Ok(bytes) = host::body(Body::Response, len) else {
            return self.fail();
        };
        if end && !self.attempts_of.is_empty() {
            let trail = shared::trail(&self.attempts_of);
            if !trail.is_complete {
                self.exchange
                    .break_off(trail.failure().unwrap_or(Failure::Connection));
            }
        }
        let mut out = Vec::with_capacity(len + 256);
        let mut step = self.exchange.response_bytes(&bytes, end, &mut out);
        let goes_on = step == StreamStep::Continue && !end;
        // Room for what the stream only would come to is not asked for twice.
        if goes_on && !self.has_room() && !(self.exchange.forgo_would() && self.has_room()) {
            step = self.exchange.cut(ErrorReply::no_room(), &mut out);
        }
        if step == StreamStep::Cut {
            self.mode = Mode::Cut { swallowed: 0 };
        }
        if self.facts.first_byte_us.is_none() && !out.is_empty() {
            self.facts.first_byte_us = Some(host::now_us());
        }
        if out == bytes {
            return Action::Continue;
        }
        let done = host::replace_body(Body::Response, len, &out);
        self.changed(done)
    }

    /// Keeps account of what the engine holds of a stream. False when the worker has no more room for it.
    fn has_room(&mut self) -> bool {
        let holds = self.exchange.footprint().next_multiple_of(FOOTPRINT_STEP);
        if holds == self.collected {
            return true;
        }
        self.collected = holds;
        let has_room = self.room.hold(holds);
        // The provider's to end, not the client's.
        self.room.complete();
        has_room
    }

    fn swallow(&mut self, len: usize, swallowed: usize) -> Action {
        let swallowed = swallowed + len;
        self.mode = Mode::Cut { swallowed };
        if swallowed > MAX_SWALLOWED {
            host::reset_response();
            return Action::Pause;
        }
        if len == 0 {
            return Action::Continue;
        }
        let done = host::replace_body(Body::Response, len, &[]);
        self.changed(done)
    }

    /// The treatment of a provider's answer, by its status and type.
    fn begin_response(&mut self, head: &Head, end: bool) -> Action {
        if head.is_encoded() {
            return self.reply(ErrorReply::upstream_failed(
                "The provider's answer is compressed and cannot be inspected",
            ));
        }
        if !self.attempts_of.is_empty()
            && let Some(failure) = head.get(internal_header::FAILURE)
        {
            let reply = self.reply_to(&failure, head);
            return self.reply(reply);
        }
        // Nobody follows a redirection: it would lead past the target's own address.
        if !matches!(self.facts.status, 200..300 | 400..500) {
            return self.reply(ErrorReply::upstream_failed("The provider failed"));
        }
        if end && self.is_direct() {
            return self.fail_in_place(Failure::Connection);
        }
        let media_type = media_type(&head.get("content-type").unwrap_or_default());
        let target = self.facts.attempts.last();
        let target = target.map(|attempt| (headers::TARGET, attempt.target_id.as_str()));
        let is_stream = media_type == MediaType::EventStream;
        let standings = self.claims.standings.headers();
        let standings = standings
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let more: Vec<(&str, &str)> = standings.chain(target).collect();
        let done = head.send_answer(&self.ids, is_stream, &more);
        match media_type {
            _ if end => self.changed(done),
            // Nobody asked for a stream, and what claims to be one may be none.
            MediaType::EventStream if self.is_direct() && done.is_ok() => {
                self.claims_events = true;
                self.mode = Mode::Whole;
                Action::Pause
            }
            MediaType::EventStream => {
                self.mode = Mode::Stream;
                self.changed(done)
            }
            MediaType::Json if done.is_ok() => {
                self.mode = Mode::Whole;
                Action::Pause
            }
            MediaType::Json => self.fail_closed(),
            MediaType::Other => {
                let mut reply = ErrorReply::upstream_failed(
                    "The provider's answer is of a type that cannot be inspected",
                );
                if self.facts.status >= 400 {
                    reply.status = self.facts.status;
                }
                self.reply(reply)
            }
        }
    }

    /// What the client is told when no attempt got an answer.
    fn reply_to(&self, failure: &str, head: &Head) -> ErrorReply {
        let retry_after = head
            .get("retry-after")
            .and_then(|seconds| seconds.parse().ok());
        let failure = match NoAnswer::named(failure) {
            Some(NoAnswer::Engine) => return ErrorReply::engine_unavailable(),
            Some(NoAnswer::Failed(failure)) => Some(failure),
            // Targets that were left out say nothing about the attempts before.
            Some(NoAnswer::Unavailable) | None => shared::trail(&self.attempts_of).failure(),
        };
        match failure {
            Some(failure) => ErrorReply::attempts_failed(failure, retry_after),
            None => ErrorReply::no_target_available(retry_after.unwrap_or(1) * 1_000_000),
        }
    }

    /// Envoy refused the request and asked no filter; what it knows of that makes the event.
    fn take_refusal(&mut self) {
        self.head = Head::read(Headers::Request).unwrap_or_default();
        self.facts.started_us =
            host::number(&["request", "time"]).map_or(self.facts.ended_us, |nanos| nanos / 1000);
        self.facts.status = host::number(&["response", "code"])
            .and_then(|code| u16::try_from(code).ok())
            .unwrap_or(0);
        self.facts.refused = Some(details());
    }

    /// What is known of the attempts: from the filter that made them, or from this end where there was one.
    fn collect_attempts(&mut self, ended_us: u64) {
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
    fn direct_attempt(&self, started_us: u64, ended_us: u64) -> Option<Attempt> {
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
fn details() -> String {
    plain_words(&host::property(&["response", "code_details"]).unwrap_or_default())
}

/// Whether the path is that of the list of models, whatever a route has before it.
fn is_models(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path.ends_with("/v1/models")
}

fn has_probe(targets: &[Target]) -> bool {
    targets.iter().any(|target| target.health_probe.is_some())
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

/// Replaces the beginning of a body and corrects its length.
fn replace(headers: Headers, body: Body, len: usize, patch: &Patch) -> Result<(), HostError> {
    host::set_header(
        headers,
        "content-length",
        Some(&patch.patched_len(len).to_string()),
    )?;
    host::patch_body(body, patch)
}
