//! Every call into Envoy, each returning a value instead of panicking.

use std::time::UNIX_EPOCH;

use kt_policy::{ErrorReply, Patch};
use proxy_wasm::{
    hostcalls,
    types::{BufferType, MapType},
};

/// The host refused a call: an internal failure, answered by the fail mode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostError;

/// Which headers are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Headers {
    /// Of the request.
    Request,
    /// Of the response.
    Response,
}

impl Headers {
    fn map(self) -> MapType {
        match self {
            Self::Request => MapType::HttpRequestHeaders,
            Self::Response => MapType::HttpResponseHeaders,
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
    fn buffer(self) -> BufferType {
        match self {
            Self::Request => BufferType::HttpRequestBody,
            Self::Response => BufferType::HttpResponseBody,
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since = hostcalls::get_current_time()
        .ok()
        .and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    since
        .and_then(|since| u64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

/// A header's value; bytes that are no UTF-8 are replaced.
pub(crate) fn header(which: Headers, name: &str) -> Option<String> {
    let value = hostcalls::get_map_value_bytes(which.map(), name).ok()??;
    Some(
        String::from_utf8(value)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// Sets or removes a header.
pub(crate) fn set_header(which: Headers, name: &str, value: Option<&str>) -> Result<(), HostError> {
    hostcalls::set_map_value(which.map(), name, value).map_err(|_| HostError)
}

/// The first `len` bytes of a body.
pub(crate) fn body(which: Body, len: usize) -> Result<Vec<u8>, HostError> {
    match hostcalls::get_buffer(which.buffer(), 0, len) {
        Ok(bytes) => Ok(bytes.unwrap_or_default()),
        // Envoy answers so for an empty buffer.
        Err(_) if len == 0 => Ok(Vec::new()),
        Err(_) => Err(HostError),
    }
}

/// Gives a body a new beginning. The rest stays in Envoy and is not copied.
pub(crate) fn patch_body(which: Body, patch: &Patch) -> Result<(), HostError> {
    hostcalls::set_buffer(which.buffer(), 0, patch.replaces, &patch.bytes).map_err(|_| HostError)
}

/// Replaces the first `len` bytes of a body, all of it, by `bytes`.
pub(crate) fn replace_body(which: Body, len: usize, bytes: &[u8]) -> Result<(), HostError> {
    hostcalls::set_buffer(which.buffer(), 0, len, bytes).map_err(|_| HostError)
}

/// Answers in place of the provider.
pub(crate) fn reply(reply: &ErrorReply) -> Result<(), HostError> {
    let mut headers = vec![("content-type", "application/json")];
    if reply.status == 409 {
        // The official OpenAI clients repeat a request on 409; a verdict will not change.
        headers.push(("x-should-retry", "false"));
    }
    hostcalls::send_http_response(u32::from(reply.status), headers, Some(&reply.body()))
        .map_err(|_| HostError)
}

/// Cuts the connection to the client.
pub(crate) fn reset_response() {
    if hostcalls::reset_http_response().is_err() {
        log::error!("the response could not be reset");
    }
}

/// A text property of the stream.
pub(crate) fn property(path: &[&str]) -> Option<String> {
    let value = hostcalls::get_property(path.to_vec()).ok()??;
    String::from_utf8(value)
        .ok()
        .filter(|text| !text.is_empty())
}

/// Hands a value to the access log as filter state `wasm.<name>`.
pub(crate) fn publish(name: &str, value: &str) {
    if hostcalls::set_property(vec![name], Some(value.as_bytes())).is_err() {
        log::error!("`{name}` could not be published");
    }
}

/// Reads shared data.
pub(crate) fn shared(key: &str) -> Option<Vec<u8>> {
    hostcalls::get_shared_data(key).ok()?.0
}

/// Writes shared data.
pub(crate) fn share(key: &str, value: &[u8]) {
    if hostcalls::set_shared_data(key, Some(value), None).is_err() {
        log::error!("shared data could not be written");
    }
}

/// The plugin's configuration.
pub(crate) fn plugin_configuration(len: usize) -> Option<Vec<u8>> {
    hostcalls::get_buffer(BufferType::PluginConfiguration, 0, len).ok()?
}
