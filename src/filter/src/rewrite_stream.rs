//! The rewrite filter: one context per attempt. It makes the request fit the target that Envoy picked.
//!
//! Attempts share one header map, so everything is overwritten, never extended.

use std::sync::Arc;

use kt_policy::{Endpoint, Engine, ErrorReply, Target, event::Attempt, set_model};
use proxy_wasm::{
    traits::{Context, HttpContext},
    types::Action,
};

use crate::{
    attempts,
    host::{self, Body, Headers, HostError},
};

/// The context of one attempt.
pub(crate) struct RewriteStream {
    engine: Arc<Engine>,
    target_id: String,
    request_id: String,
    started_us: u64,
    recorded: bool,
}

impl RewriteStream {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            target_id: String::new(),
            request_id: String::new(),
            started_us: 0,
            recorded: false,
        }
    }

    fn target(&self) -> Option<&Target> {
        self.engine.target(&self.target_id)
    }

    fn set_place(&self) -> Result<(), HostError> {
        let target = self.target().ok_or(HostError)?;
        // Whichever target the last attempt went to, the path ends in the endpoint.
        let path = host::header(Headers::Request, ":path").unwrap_or_default();
        let endpoint = Endpoint::of_path(&path).ok_or(HostError)?;
        host::set_header(
            Headers::Request,
            ":path",
            Some(&format!("{}{}", target.base_path, endpoint.suffix())),
        )?;
        host::set_header(Headers::Request, ":authority", Some(&target.authority))
    }

    fn set_body(&self, len: usize) -> Result<(), HostError> {
        let target = self.target().ok_or(HostError)?;
        let bytes = host::body(Body::Request, len)?;
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

    /// A local reply from here is final, so an attempt that cannot be made right is refused rather than sent.
    fn refuse() -> Action {
        if host::reply(&ErrorReply::engine_unavailable()).is_err() {
            host::reset_response();
        }
        Action::Pause
    }

    fn record(&mut self, status: Option<u16>, error: Option<String>) {
        if std::mem::replace(&mut self.recorded, true) || self.target_id.is_empty() {
            return;
        }
        let latency_ms = host::now_us().saturating_sub(self.started_us) / 1000;
        attempts::record(
            &self.request_id,
            &Attempt {
                target_id: self.target_id.clone(),
                status,
                latency_ms,
                error,
            },
        );
    }
}

impl Context for RewriteStream {
    /// Attempts that got no answer are recorded when they end.
    fn on_done(&mut self) -> bool {
        if !self.recorded {
            let reason = host::property(&["upstream", "transport_failure_reason"])
                .or_else(|| host::property(&["response", "code_details"]));
            self.record(
                None,
                Some(attempts::failure_text(
                    &reason.unwrap_or_else(|| "no answer".into()),
                )),
            );
        }
        true
    }
}

impl HttpContext for RewriteStream {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.started_us = host::now_us();
        self.target_id = host::header(Headers::Request, "x-kt-target").unwrap_or_default();
        self.request_id = host::header(Headers::Request, "x-request-id").unwrap_or_default();
        if end || self.set_place().is_err() {
            Self::refuse()
        } else {
            Action::Pause
        }
    }

    fn on_http_request_body(&mut self, len: usize, end: bool) -> Action {
        match end.then(|| self.set_body(len)) {
            None => Action::Pause,
            Some(Ok(())) => Action::Continue,
            Some(Err(HostError)) => Self::refuse(),
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let status =
            host::header(Headers::Response, ":status").and_then(|status| status.parse().ok());
        self.record(status, None);
        Action::Continue
    }
}
