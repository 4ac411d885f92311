//! The headers of a request or an answer, read in one call and written in one.

use kt_policy::{CallerIds, RequestHead, event::Facts, headers};

use crate::host::{self, Headers, HostError};

/// Headers as they came.
#[derive(Debug, Default)]
pub(crate) struct Head(Vec<(String, String)>);

/// What stays of a request's own headers. The last two are made by Envoy, which finds no route without the protocol; the
/// target's cluster drops both.
const KEPT: &[&str] = &[
    ":method",
    ":scheme",
    ":authority",
    "x-request-id",
    "x-forwarded-proto",
    #[cfg(feature = "drill")]
    "x-kt-drill",
];

impl Head {
    /// Reads all headers.
    pub(crate) fn read(which: Headers) -> Result<Self, HostError> {
        host::headers(which).map(Self)
    }

    /// The value of a header; of one that came several times, all of them.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        let first = values.next()?.to_owned();
        Some(values.fold(first, |joined, value| joined + "," + value))
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a coding of the content is named that hides it.
    pub(crate) fn is_encoded(&self) -> bool {
        self.values("content-encoding")
            .any(|coding| coding != "identity")
    }

    /// What is sent of a request to `path`: a few headers of its own, those that every request has, and `more`.
    pub(crate) fn send_request(&self, path: &str, more: &[(&str, &str)]) -> Result<(), HostError> {
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((*name, self.values(name).next()?)));
        let all: Vec<(&str, &str)> = kept
            .chain([(":path", path)])
            .chain(headers::TO_PROVIDER)
            .chain(more.iter().copied())
            .collect();
        host::set_headers(Headers::Request, &all)
    }

    /// Leaves of an answer what the client may see. Streams have no length: their text may change.
    pub(crate) fn send_answer(
        &self,
        ids: &CallerIds,
        is_stream: bool,
        more: &[(&str, &str)],
    ) -> Result<(), HostError> {
        let now_us = host::now_us();
        let mut values: Vec<(&str, std::borrow::Cow<'_, str>)> = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            // Ours take the place of the provider's.
            let is_ours = more.iter().any(|(other, _)| other == name);
            let is_first = !is_ours && values.iter().all(|(other, _)| other != name);
            if is_first
                && !(is_stream && name == "content-length")
                && let Some(value) = headers::to_client(name, value, ids, now_us)
            {
                values.push((name, value));
            }
        }
        let all: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (*name, value.as_ref()))
            .chain(more.iter().copied())
            .collect();
        host::set_headers(Headers::Response, &all)
    }

    /// Who sent a request, as its event shows it.
    pub(crate) fn identify(&self, ids: &CallerIds, facts: &mut Facts) {
        let shown = |name| self.get(name).map(|id| ids.shown(&id));
        facts.request_id = shown("x-request-id").unwrap_or_default();
        facts.agent_id = shown("x-keeptrusts-agent-id");
        facts.user_id = shown("x-user-id");
        facts.trace_id = self
            .get("traceparent")
            .and_then(|parent| ids.trace_id(&parent));
    }
}

impl RequestHead for Head {
    fn header(&self, name: &str) -> Option<String> {
        self.get(name)
    }
}
