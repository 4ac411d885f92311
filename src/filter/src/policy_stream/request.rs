//! The request: who asks, what it may take, which chain judges it and where it goes.

use kt_policy::{ErrorReply, Patch, Target, internal_header, is_token, limits::Most};
use kt_routing::choose::Choice;
use proxy_wasm::types::Action;

use super::PolicyStream;
use crate::{
    claims::{Caller, Claims},
    host::{self, Body, HostError},
    shared,
};

impl PolicyStream {
    /// Whether the request carries the gateway's token, if there is one. Consumers have keys of their own, in the same header.
    pub(super) fn has_token(&self) -> bool {
        let config = self.exchange.engine().config();
        let token = config.token_sha256.as_ref();
        let token = token.filter(|_| config.access.consumers.is_empty());
        token.is_none_or(|sha256| {
            let authorization = self.head.get("authorization").unwrap_or_default();
            is_token(&authorization, sha256)
        })
    }

    /// Counts the request where requests are limited.
    pub(super) fn count_request(&mut self) -> Result<(), ErrorReply> {
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
    pub(super) fn hold_budgets(&mut self, len: usize) -> Result<(), ErrorReply> {
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

    pub(super) fn is_too_large(&self, len: usize) -> bool {
        let most = self.exchange.engine().config().max_response_bytes;
        most.is_some_and(|most| len > most as usize)
    }

    /// Finds out whose key the request has.
    pub(super) fn let_in(&mut self) -> Result<(), ErrorReply> {
        let key = self.head.get("authorization");
        self.caller = self.plans.caller(key.as_deref())?;
        let id = self
            .caller
            .and_then(|caller| self.plans.consumer_id(caller));
        self.facts.consumer_id = id.map(str::to_owned);
        Ok(())
    }

    /// Finds out which chain and which targets the request gets. Without its body that is only known where no model has a say.
    pub(super) fn choose_plan(&mut self, body: Option<&[u8]>) -> Result<(), ErrorReply> {
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

    /// Chooses the target and lets the request go on.
    pub(super) fn route(&mut self, len: usize, patch: Option<&Patch>) -> Action {
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
    pub(super) fn forward(
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
    pub(super) fn address(&mut self, first: usize, len: usize) -> Result<(), HostError> {
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
}

pub(super) fn has_probe(targets: &[Target]) -> bool {
    targets.iter().any(|target| target.health_probe.is_some())
}
