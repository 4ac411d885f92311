//! What the filter asks of Envoy, in its own words. Nothing here panics; nothing else calls the host.

use std::time::Duration;

use kt_policy::{ErrorReply, Patch};

use crate::ffi::{self, Buffer, Map};

pub(crate) use crate::ffi::HostError;

/// Which headers are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Headers {
    /// Of the request.
    Request,
    /// Of the response.
    Response,
    /// Of the answer to a call.
    Call,
}

impl Headers {
    fn map(self) -> Map {
        match self {
            Self::Request => Map::RequestHeaders,
            Self::Response => Map::ResponseHeaders,
            Self::Call => Map::CallResponseHeaders,
        }
    }
}

/// Which body is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// Of the request.
    Request,
    /// Of the response, or its current chunk.
    Response,
}

impl Body {
    fn buffer(self) -> Buffer {
        match self {
            Self::Request => Buffer::RequestBody,
            Self::Response => Buffer::ResponseBody,
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    ffi::time_ns().unwrap_or(0) / 1000
}

/// A header's value; bytes that are no UTF-8 are replaced.
pub(crate) fn header(which: Headers, name: &str) -> Option<String> {
    let value = ffi::header(which.map(), name).ok()??;
    Some(
        String::from_utf8(value)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// Sets or removes a header.
pub(crate) fn set_header(which: Headers, name: &str, value: Option<&str>) -> Result<(), HostError> {
    ffi::set_header(which.map(), name, value)
}

/// All headers, in one call.
pub(crate) fn headers(which: Headers) -> Result<Vec<(String, String)>, HostError> {
    ffi::headers(which.map())
}

/// Puts these headers in place of all that there are, in one call.
pub(crate) fn set_headers(which: Headers, headers: &[(&str, &str)]) -> Result<(), HostError> {
    ffi::set_headers(which.map(), headers)
}

/// Removes the trailers of the response.
pub(crate) fn clear_response_trailers() -> Result<(), HostError> {
    ffi::set_headers(Map::ResponseTrailers, &[])
}

/// The first `len` bytes of a body.
pub(crate) fn body(which: Body, len: usize) -> Result<Vec<u8>, HostError> {
    if len == 0 {
        return Ok(Vec::new());
    }
    let bytes = ffi::buffer(which.buffer(), len)?.unwrap_or_default();
    if bytes.len() == len {
        Ok(bytes)
    } else {
        Err(HostError)
    }
}

/// Gives a body a new beginning. The rest stays in Envoy and is not copied.
pub(crate) fn patch_body(which: Body, patch: &Patch) -> Result<(), HostError> {
    ffi::set_buffer(which.buffer(), patch.replaces, &patch.bytes)
}

/// Replaces the first `len` bytes of a body, all of it, by `bytes`.
pub(crate) fn replace_body(which: Body, len: usize, bytes: &[u8]) -> Result<(), HostError> {
    ffi::set_buffer(which.buffer(), len, bytes)
}

/// The first `len` bytes of what a connection brought.
pub(crate) fn sent(len: usize) -> Option<Vec<u8>> {
    ffi::buffer(Buffer::DownstreamData, len).ok()?
}

/// The first `len` bytes of the body of the answer to a call; nothing if it cannot be read.
pub(crate) fn call_body(len: usize) -> Vec<u8> {
    let body = ffi::buffer(Buffer::CallResponseBody, len);
    body.ok().flatten().unwrap_or_default()
}

/// Overwrites the beginning of what a connection brought.
pub(crate) fn replace_sent(bytes: &[u8]) -> Result<(), HostError> {
    ffi::set_buffer(Buffer::DownstreamData, bytes.len(), bytes)
}

/// Answers in place of the provider, with further headers.
pub(crate) fn reply(reply: &ErrorReply, more: &[(&str, String)]) -> Result<(), HostError> {
    let retry_after = reply.retry_after_seconds.map(|seconds| seconds.to_string());
    let mut headers = vec![("content-type", "application/json")];
    if reply.status == 409 {
        // The official OpenAI clients repeat a request on 409; a verdict will not change.
        headers.push(("x-should-retry", "false"));
    }
    if let Some(seconds) = &retry_after {
        headers.push(("retry-after", seconds));
    }
    headers.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
    answer(reply.status, &headers, &reply.body())
}

/// Answers in place of whoever else would.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), HostError> {
    ffi::send_response(status, headers, body)
}

/// Cuts the connection to the client.
pub(crate) fn reset_response() {
    if ffi::reset_response().is_err() {
        log::error!("the response could not be reset");
    }
}

/// A text property of the stream.
pub(crate) fn property(path: &[&str]) -> Option<String> {
    let value = ffi::property(path).ok()??;
    String::from_utf8(value)
        .ok()
        .filter(|text| !text.is_empty())
}

/// A number among the properties of the stream; times are nanoseconds since 1970.
pub(crate) fn number(path: &[&str]) -> Option<u64> {
    let bytes = ffi::property(path).ok()??;
    u64::try_from(i64::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// Hands a value to the access log as filter state `wasm.<name>`.
pub(crate) fn publish(name: &str, value: &str) {
    if ffi::set_property(name, value.as_bytes()).is_err() {
        log::error!("`{name}` could not be published");
    }
}

/// Reads shared data.
pub(crate) fn shared(key: &str) -> Option<Vec<u8>> {
    ffi::shared(key).ok()?.map(|(bytes, _)| bytes)
}

/// Writes shared data.
pub(crate) fn share(key: &str, value: &[u8]) {
    if ffi::share(key, value, 0).is_err() {
        log::error!("shared data could not be written");
    }
}

/// Changes shared data, against all other workers: `change` sees the current value and may run again.
pub(crate) fn update<T>(
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> (Vec<u8>, T),
) -> Option<T> {
    loop {
        let current = ffi::shared(key).ok()?;
        let (bytes, version) = match &current {
            Some((bytes, version)) => (Some(bytes.as_slice()), *version),
            None => (None, 0),
        };
        let (value, result) = change(bytes);
        if ffi::share(key, &value, version).ok()? {
            return Some(result);
        }
    }
}

/// Lets a request go on that was held back.
pub(crate) fn continue_request() -> Result<(), HostError> {
    ffi::continue_request()
}

/// Makes the calls that follow speak for another stream.
pub(crate) fn act_for(context: u32) -> Result<(), HostError> {
    ffi::act_for(context)
}

/// Sets how often the root context is called; 0 is never.
pub(crate) fn set_tick_period(millis: u32) {
    if ffi::set_tick_period(millis).is_err() {
        log::error!("the timer could not be set");
    }
}

/// Sends a `GET` to a cluster; the answer comes to the root context under the token.
pub(crate) fn get(
    cluster: &str,
    authority: &str,
    path: &str,
    timeout: Duration,
) -> Result<u32, HostError> {
    let headers = vec![
        (":method", "GET"),
        (":path", path),
        (":authority", authority),
    ];
    ffi::http_call(cluster, headers, timeout)
}

/// The plugin's configuration.
pub(crate) fn plugin_configuration(len: usize) -> Option<Vec<u8>> {
    ffi::buffer(Buffer::PluginConfiguration, len).ok()?
}
