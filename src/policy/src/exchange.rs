//! One request and its response: the engine as the shell sees it.

mod binary;
mod inspect;
mod named;
mod neighbours;
mod numbers;
mod request;
mod response;
mod stream;
mod unread;

use std::sync::Arc;

use kt_routing::Failure;

use crate::{
    body_shape::BodyShape,
    endpoint::Endpoint,
    engine::Engine,
    error::ErrorReply,
    memory::Memory,
    policies::prompt_injection::LogLevel,
    splice::Patch,
    tally::{Finding, Tally, Trace},
    verdict::{Phase, Verdict},
};

pub use request::set_model;
use stream::{Pass, StreamInspector};

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

/// What becomes of a stream after some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStep {
    /// It goes on.
    Continue,
    /// It is over for the client; error event and `[DONE]` are already in the output.
    Cut,
}

/// Token counts as the provider reported them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// `usage.prompt_tokens`
    pub prompt_tokens: Option<u64>,
    /// `usage.completion_tokens`
    pub completion_tokens: Option<u64>,
    /// `usage.prompt_tokens_details.cached_tokens`
    pub cached_tokens: Option<u64>,
}

/// One request with its response.
#[derive(Debug)]
pub struct Exchange {
    engine: Arc<Engine>,
    endpoint: Endpoint,
    tally: Tally,
    usage: Usage,
    stream: bool,
    failure: Option<ErrorReply>,
    inspector: Option<Box<StreamInspector>>,
    broken_off: Option<Failure>,
    /// The newest message, if the quality of the answer is judged.
    prompt: String,
}

impl Exchange {
    /// Begins an exchange.
    pub fn begin(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            endpoint: Endpoint::ChatCompletions,
            tally: Tally::default(),
            usage: Usage::default(),
            stream: false,
            failure: None,
            inspector: None,
            broken_off: None,
            prompt: String::new(),
        }
    }

    /// Says which endpoint was asked; chat completions if nothing is said.
    pub fn at(&mut self, endpoint: Endpoint) {
        self.endpoint = endpoint;
    }

    /// Keeps everything that is seen, for [`Self::findings`]. Costs memory for every finding.
    pub fn explain(&mut self) {
        self.tally.trace = Some(Trace::default());
    }

    /// What was seen since [`Self::explain`].
    pub fn findings(&self) -> &[Finding] {
        self.tally
            .trace
            .as_ref()
            .map_or(&[], |trace| &trace.findings)
    }

    /// The compiled configuration.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether the client asked for a stream.
    pub fn wants_stream(&self) -> bool {
        self.stream
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

    /// The gateway's own answer, if it gave one.
    pub fn failure(&self) -> Option<&ErrorReply> {
        self.failure.as_ref()
    }

    /// Ends the exchange with an answer of the gateway that the shell found necessary.
    pub fn refuse(&mut self, reply: ErrorReply) -> ErrorReply {
        self.failure.get_or_insert(reply).clone()
    }

    /// Judges the whole request body.
    pub fn request_body(&mut self, body: &[u8]) -> BodyStep {
        self.judge_request(body, None)
    }

    /// The same, with what was judged before.
    pub fn request_body_again(&mut self, body: &[u8], memory: &mut Memory) -> BodyStep {
        self.judge_request(body, Some(memory))
    }

    fn judge_request(&mut self, body: &[u8], memory: Option<&mut Memory>) -> BodyStep {
        self.tally.begin(self.engine.chain(), Phase::Input);
        match request::inspect(body, self.endpoint, &self.engine, &mut self.tally, memory) {
            Ok(seen) => {
                self.stream = seen.stream;
                if self.engine.judges_quality() {
                    self.prompt = Engine::prompt_of(body);
                }
                seen.patch.map_or(BodyStep::Forward, BodyStep::Patch)
            }
            Err(reply) => BodyStep::Reply(self.refuse(reply)),
        }
    }

    /// Judges a whole response body, which should be no stream. If it is one after all, it is judged as one.
    pub fn response_body(&mut self, body: &[u8]) -> BodyStep {
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
        match self.response_bytes(body, true, &mut bytes) {
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
        self.broken_off = Some(failure);
    }

    /// Judges the next bytes of a streamed response and writes to `out` what the client may have.
    pub fn response_bytes(&mut self, bytes: &[u8], end: bool, out: &mut Vec<u8>) -> StreamStep {
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
            out,
            broken_off: self.broken_off,
            prompt: &self.prompt,
        };
        match inspector.push(bytes, end, &mut pass) {
            Ok(step) => step,
            Err(reply) => self.cut(reply, out),
        }
    }

    /// Ends a stream with an error, behind what is in `out`.
    pub fn cut(&mut self, reply: ErrorReply, out: &mut Vec<u8>) -> StreamStep {
        stream::write_error(&reply, out);
        self.refuse(reply);
        StreamStep::Cut
    }

    /// How many bytes of memory the answer takes in the engine, between two callbacks: its open event and its texts.
    pub fn footprint(&self) -> usize {
        self.inspector
            .as_ref()
            .map_or(0, |inspector| inspector.footprint())
    }

    /// The most bytes that any channel of the stream holds back.
    pub fn held(&self) -> usize {
        self.inspector
            .as_ref()
            .map_or(0, |inspector| inspector.held())
    }
}
