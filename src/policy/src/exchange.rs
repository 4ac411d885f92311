//! One request and its response: the engine as the shell sees it.

mod binary;
mod inspect;
mod named;
mod neighbours;
mod numbers;
mod places;
mod request;
mod response;
mod stream;
mod unread;
mod usage;

use std::sync::Arc;

use kt_routing::{Attempt, Failure};

use crate::{
    block_answer::About,
    body_shape::BodyShape,
    controls::OnBlock,
    endpoint::Endpoint,
    engine::Engine,
    error::ErrorReply,
    limits::Lengths,
    memory::Memory,
    money::{self, Usd},
    narrowing::{NotRun, Use},
    policies::prompt_injection::LogLevel,
    policy::PolicyKind,
    splice::Patch,
    tally::{Finding, PolicyResult, Tally, Trace},
    verdict::{Phase, Verdict},
};

use request::Asked;
pub use request::{model_of, set_model};
use stream::{Pass, StreamInspector};
pub use usage::Usage;

/// Largest event of a stream that is inspected, where nothing else is configured; a provider that sends more is cut off.
pub const MAX_EVENT_BYTES: usize = 8 << 20;

/// What becomes of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyStep {
    /// It goes on as it came.
    Forward,
    /// It goes on with a new beginning.
    Patch(Patch),
    /// The client gets this instead.
    Reply(ErrorReply),
}

/// An answer of the gateway's own that no client takes for an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockAnswer {
    /// `content-type`
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// What becomes of a stream after some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStep {
    /// It goes on.
    Continue,
    /// It is over for the client; error event and `[DONE]` are already in the output.
    Cut,
}

/// One request with its response.
#[derive(Debug)]
pub struct Exchange {
    engine: Arc<Engine>,
    endpoint: Endpoint,
    tally: Tally,
    usage: Usage,
    asked: Asked,
    /// When it began, in microseconds since 1970.
    started_us: u64,
    failure: Option<ErrorReply>,
    inspector: Option<Box<StreamInspector>>,
    broken_off: Option<Failure>,
    /// The newest message, if the quality of the answer is judged.
    prompt: String,
    /// The same exchange with every policy enforced, where some only say what they would do. It is told all that this one is, and
    /// nothing that it answers is used.
    shadow: Option<Box<Self>>,
}

impl Exchange {
    /// Begins an exchange.
    pub fn begin(engine: Arc<Engine>) -> Self {
        let shadow = engine.shadow().cloned();
        Self {
            shadow: shadow.map(|shadow| Box::new(Self::begin(shadow))),
            engine,
            endpoint: Endpoint::ChatCompletions,
            tally: Tally::default(),
            usage: Usage::default(),
            asked: Asked::default(),
            started_us: 0,
            failure: None,
            inspector: None,
            broken_off: None,
            prompt: String::new(),
        }
    }

    /// Says which endpoint was asked; chat completions if nothing is said.
    pub fn at(&mut self, endpoint: Endpoint) {
        self.endpoint = endpoint;
        if let Some(shadow) = &mut self.shadow {
            shadow.at(endpoint);
        }
    }

    /// Gives the exchange another chain, before anything is judged.
    pub fn choose(&mut self, engine: &Arc<Engine>) {
        let shadow = engine.shadow().cloned();
        self.shadow = shadow.map(|shadow| Box::new(Self::begin(shadow)));
        self.engine = engine.clone();
        self.at(self.endpoint);
        self.started(self.started_us);
    }

    /// Says when the exchange began, in microseconds since 1970.
    pub fn started(&mut self, at_us: u64) {
        self.started_us = at_us;
        self.tally.scene.now_us = at_us;
        if let Some(shadow) = &mut self.shadow {
            shadow.started(at_us);
        }
    }

    /// Says which route the exchange takes and whose it is, before anything is judged.
    pub fn asked_by(&mut self, route: Option<&str>, consumer: Option<&str>) {
        self.tally.scene.route = route.map(str::to_owned);
        self.tally.scene.consumer = consumer.map(str::to_owned);
        if let Some(shadow) = &mut self.shadow {
            shadow.asked_by(route, consumer);
        }
    }

    /// The exceptions that were used: of policies that act, and of those that only say what they would do.
    pub fn uses(&self) -> impl Iterator<Item = &Use> {
        let monitored = self.shadow.iter().flat_map(|shadow| shadow.tally.uses());
        self.tally
            .uses()
            .iter()
            .chain(monitored.filter(|use_| self.is_monitored(use_.policy)))
    }

    /// What was not judged for the scope of a policy.
    pub fn not_run(&self) -> impl Iterator<Item = &NotRun> {
        let monitored = self.shadow.iter().flat_map(|shadow| shadow.tally.not_run());
        self.tally
            .not_run()
            .iter()
            .chain(monitored.filter(|left| self.is_monitored(left.policy)))
    }

    fn is_monitored(&self, kind: PolicyKind) -> bool {
        self.engine.config().controls.is_monitored(kind)
    }

    /// Keeps everything that is seen, for [`Self::findings`]. Costs memory for every finding.
    pub fn explain(&mut self) {
        self.tally.trace = Some(Trace::default());
        if let Some(shadow) = &mut self.shadow {
            shadow.explain();
        }
    }

    /// What was seen since [`Self::explain`].
    pub fn findings(&self) -> &[Finding] {
        let seen = self.shadow.as_deref().unwrap_or(self);
        seen.tally
            .trace
            .as_ref()
            .map_or(&[], |trace| &trace.findings)
    }

    /// The compiled configuration.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Which endpoint was asked.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// How long the answer may be.
    pub(crate) fn lengths(&self) -> &Lengths {
        &self.asked.lengths
    }

    /// Whether the client asked for a stream.
    pub fn wants_stream(&self) -> bool {
        self.asked.stream
    }

    /// What the policies said.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How loud, and what, the log says of the policy that stopped the exchange, where that is configured.
    pub fn log_line(&self) -> Option<(LogLevel, String)> {
        let stop = self.tally.stop()?;
        let level = self.engine.chain().policy(stop.policy)?.log_level()?;
        let verdict = if stop.verdict == Verdict::Escalate {
            "held for review"
        } else {
            "blocked"
        };
        Some((level, format!("{verdict} by {}", stop.policy.name())))
    }

    /// Tokens so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// What it cost, if that is known: by the target of the last of its attempts, and what was billed before.
    pub fn cost(&self, attempts: &[Attempt]) -> Option<Usd> {
        money::cost(&self.engine, self.usage, attempts)
    }

    /// The gateway's own answer, if it gave one.
    pub fn failure(&self) -> Option<&ErrorReply> {
        self.failure.as_ref()
    }

    /// Ends the exchange with an answer of the gateway that the shell found necessary.
    pub fn refuse(&mut self, reply: ErrorReply) -> ErrorReply {
        if let Some(shadow) = &mut self.shadow {
            shadow.refuse(reply.clone());
        }
        self.failure.get_or_insert(reply).clone()
    }

    /// What would have become of the exchange, had every policy been enforced; `None` where every policy is.
    pub fn would(&self) -> Option<&Self> {
        self.shadow.as_deref()
    }

    /// What the policies said, and what those would have done that only monitor.
    pub fn results(&self) -> Vec<PolicyResult> {
        let monitored = self.shadow.iter().flat_map(|shadow| {
            let results = shadow.tally.results().iter();
            results.filter(|result| self.is_monitored(result.kind))
        });
        let enforced = self.tally.results().iter().cloned();
        enforced
            .chain(monitored.cloned().map(PolicyResult::into_would))
            .collect()
    }

    /// The shadow, as long as it would go on.
    fn running_shadow(&mut self) -> Option<&mut Self> {
        self.shadow
            .as_deref_mut()
            .filter(|shadow| shadow.failure.is_none())
    }

    /// Judges the whole request body.
    pub fn request_body(&mut self, body: &[u8]) -> BodyStep {
        self.judge_request(body, None)
    }

    /// The same, with what was judged before.
    pub fn request_body_again(&mut self, body: &[u8], memory: &mut Memory) -> BodyStep {
        self.judge_request(body, Some(memory))
    }

    fn judge_request(&mut self, body: &[u8], mut memory: Option<&mut Memory>) -> BodyStep {
        if let Some(shadow) = self.running_shadow() {
            shadow.judge_request(body, memory.as_deref_mut());
        }
        self.tally.begin(self.engine.chain(), Phase::Input);
        let (engine, tally) = (&self.engine, &mut self.tally);
        match request::inspect(body, self.endpoint, engine, tally, memory, &mut self.asked) {
            Ok(patch) => {
                if self.engine.judges_quality() {
                    self.prompt = Engine::prompt_of(body);
                }
                patch.map_or(BodyStep::Forward, BodyStep::Patch)
            }
            Err(reply) => BodyStep::Reply(self.refuse(reply)),
        }
    }

    /// Judges a whole response body, which should be no stream. If it is one after all, it is judged as one.
    pub fn response_body(&mut self, body: &[u8]) -> BodyStep {
        if let Some(shadow) = self.running_shadow() {
            shadow.response_body(body);
        }
        self.answer_body(body)
    }

    fn answer_body(&mut self, body: &[u8]) -> BodyStep {
        if BodyShape::of(body) == BodyShape::Events {
            return self.whole_stream(body);
        }
        self.tally.begin(self.engine.chain(), Phase::Output);
        match response::inspect(body, &self.engine, &mut self.tally, &mut self.usage) {
            Ok(patch) => match self.judge_quality(body) {
                Some(reply) => BodyStep::Reply(self.refuse(reply)),
                None => patch.map_or(BodyStep::Forward, BodyStep::Patch),
            },
            Err(reply) => BodyStep::Reply(self.refuse(reply)),
        }
    }

    fn whole_stream(&mut self, body: &[u8]) -> BodyStep {
        let mut bytes = Vec::with_capacity(body.len());
        match self.answer_bytes(body, true, &mut bytes) {
            StreamStep::Cut => match self.failure.clone() {
                // Nothing has left yet, so the client can be told as it is told of any failure.
                Some(reply) => BodyStep::Reply(reply),
                None => BodyStep::Reply(self.refuse(ErrorReply::engine_unavailable())),
            },
            StreamStep::Continue if bytes == body => BodyStep::Forward,
            StreamStep::Continue => BodyStep::Patch(Patch {
                replaces: body.len(),
                bytes,
            }),
        }
    }

    /// Judges whether a whole answer is good enough.
    fn judge_quality(&mut self, body: &[u8]) -> Option<ErrorReply> {
        let report = self.engine.quality()?.judge_body(&self.prompt, body)?;
        let verdict = report.verdict();
        let stop = self.tally.note_quality(report, verdict)?;
        Some(ErrorReply::stopped(&stop))
    }

    /// Says that the stream's end is no proper one: what is not settled by then does not leave.
    pub fn break_off(&mut self, failure: Failure) {
        if let Some(shadow) = &mut self.shadow {
            shadow.break_off(failure);
        }
        self.broken_off = Some(failure);
    }

    /// Judges the next bytes of a streamed response and writes to `out` what the client may have.
    pub fn response_bytes(&mut self, bytes: &[u8], end: bool, out: &mut Vec<u8>) -> StreamStep {
        if let Some(shadow) = self.running_shadow() {
            shadow.response_bytes(bytes, end, &mut Vec::new());
        }
        self.answer_bytes(bytes, end, out)
    }

    fn answer_bytes(&mut self, bytes: &[u8], end: bool, out: &mut Vec<u8>) -> StreamStep {
        let tally = &mut self.tally;
        let inspector = self.inspector.get_or_insert_with(|| {
            tally.begin(self.engine.chain(), Phase::Output);
            let limit = self.engine.config().max_event_bytes;
            Box::new(StreamInspector::new(
                usize::try_from(limit).unwrap_or(MAX_EVENT_BYTES),
            ))
        });
        let mut pass = Pass {
            engine: &self.engine,
            tally,
            usage: &mut self.usage,
            hides_usage: self.asked.hides_usage,
            out,
            broken_off: self.broken_off,
            prompt: &self.prompt,
        };
        match inspector.push(bytes, end, &mut pass) {
            Ok(step) => step,
            Err(reply) => self.cut(reply, out),
        }
    }

    /// The answer in place of an error, where the policy that stopped the exchange wants one.
    pub fn block_answer(&self, reply: &ErrorReply) -> Option<BlockAnswer> {
        let about = self.refuses(reply)?;
        let (content_type, body) = if self.asked.stream {
            ("text/event-stream", about.stream(&reply.message))
        } else {
            ("application/json", about.whole(&reply.message))
        };
        body.map(|body| BlockAnswer { content_type, body })
    }

    fn refuses(&self, reply: &ErrorReply) -> Option<About> {
        let config = self.engine.config();
        let on_block = config.controls.on_block(reply.policy?);
        (on_block == OnBlock::Refusal).then_some(About {
            endpoint: self.endpoint,
            now_us: self.started_us,
            wants_usage: self.asked.usage,
        })
    }

    /// Ends a stream with an error, or with a refusal, behind what is in `out`.
    pub fn cut(&mut self, reply: ErrorReply, out: &mut Vec<u8>) -> StreamStep {
        let begun = self.inspector.as_ref().map(|inspector| inspector.begun());
        let refusal = self
            .refuses(&reply)
            .and_then(|about| about.rest(&reply.message, &begun.unwrap_or_default()));
        match refusal {
            Some(refusal) => out.extend_from_slice(&refusal),
            None => stream::write_error(&reply, out),
        }
        self.refuse(reply);
        StreamStep::Cut
    }

    /// How many bytes of memory the answer takes in the engine, between two callbacks: its open event and its texts.
    pub fn footprint(&self) -> usize {
        let own = self
            .inspector
            .as_ref()
            .map_or(0, |inspector| inspector.footprint());
        own + self.shadow.as_ref().map_or(0, |shadow| shadow.footprint())
    }

    /// Gives up to know what would have become of the exchange. True if there was something to give up.
    pub fn forgo_would(&mut self) -> bool {
        self.shadow.take().is_some()
    }

    /// The most bytes that any channel of the stream holds back.
    pub fn held(&self) -> usize {
        self.inspector
            .as_ref()
            .map_or(0, |inspector| inspector.held())
    }
}
