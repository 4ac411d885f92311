//! The answer: judged whole or as it comes, and what stands in place of one.

use kt_policy::{
    BodyShape, BodyStep, ErrorReply, MediaType, Opening, Patch, StreamStep, headers,
    internal_header, media_type,
};
use kt_routing::{Attempt, Failure, NoAnswer};
use proxy_wasm::types::Action;

use super::{Mode, PolicyStream};
use crate::{
    head::Head,
    host::{self, Body, Headers, HostError},
    shared,
};

/// After a cut stream, what the provider still sends is swallowed up to here, so that the response ends properly;
/// beyond it the connection is cut.
const MAX_SWALLOWED: usize = 256 * 1024;

/// The account of what a stream holds is kept in steps, so that most of its events do not change it.
const FOOTPRINT_STEP: usize = 4 * 1024;

impl PolicyStream {
    /// What the client is told of an answer by headers: who gave it, and what it cost as far as that is known.
    pub(super) fn told(&self) -> Vec<(&'static str, String)> {
        let target = self.facts.attempts.last();
        let target = target.map(|attempt| (headers::TARGET, attempt.target_id.clone()));
        let standings = self.claims.standings.headers();
        let cost = self.exchange.cost(&self.facts.attempts);
        let cost = cost.map(|cost| (headers::COST, cost.to_string()));
        target.into_iter().chain(cost).chain(standings).collect()
    }

    /// The same for a whole answer that has been judged.
    pub(super) fn tell_cost(&self) -> Result<(), HostError> {
        match self.exchange.cost(&self.facts.attempts) {
            Some(cost) => {
                host::set_header(Headers::Response, headers::COST, Some(&cost.to_string()))
            }
            None => Ok(()),
        }
    }

    /// Notes who answers, before the attempts are known to their end.
    pub(super) fn note_target(&mut self) {
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

    /// Whether the provider's 2xx is its only target's, and no filter in front of that asked if it is an answer.
    pub(super) fn is_direct(&self) -> bool {
        self.attempts_of.is_empty() && matches!(self.facts.status, 200..300)
    }

    /// The only target failed, although its status says that it did not.
    pub(super) fn fail_in_place(&mut self, failure: Failure) -> Action {
        self.in_place = Some(failure);
        self.reply(ErrorReply::attempts_failed(failure, None))
    }

    pub(super) fn judge_whole(&mut self, len: usize) -> Action {
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
    pub(super) fn is_stream_after_all(&self, len: usize) -> bool {
        /// So many bytes tell.
        const FIRST: usize = 64;
        self.collected < FIRST
            && self.exchange.wants_stream()
            && !self.attempts_of.is_empty()
            && host::body(Body::Response, len.min(FIRST))
                .is_ok_and(|bytes| BodyShape::of(&bytes) == BodyShape::Events)
    }

    pub(super) fn judge_stream(&mut self, len: usize, end: bool) -> Action {
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
    pub(super) fn has_room(&mut self) -> bool {
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

    pub(super) fn swallow(&mut self, len: usize, swallowed: usize) -> Action {
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
    pub(super) fn begin_response(&mut self, head: &Head, end: bool) -> Action {
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
    pub(super) fn reply_to(&self, failure: &str, head: &Head) -> ErrorReply {
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
}

/// Replaces the beginning of a body and corrects its length.
pub(super) fn replace(
    headers: Headers,
    body: Body,
    len: usize,
    patch: &Patch,
) -> Result<(), HostError> {
    host::set_header(
        headers,
        "content-length",
        Some(&patch.patched_len(len).to_string()),
    )?;
    host::patch_body(body, patch)
}
