//! The proxy-wasm ABI 0.2.1, as far as the filter uses it.
//!
//! The SDK has these calls too, but its versions panic on a status that they do not expect, and a panic ends every
//! stream of the Envoy worker. Here each status but `Ok` is an error that the caller answers by the fail mode.
//! The SDK's callbacks and its allocator (`proxy_on_memory_allocate`) stay in use.

#![allow(
    unsafe_code,
    reason = "calls into the host; each is wrapped in a safe function in this file"
)]

use std::{
    ptr::{null, null_mut, slice_from_raw_parts_mut},
    time::Duration,
};

use proxy_wasm::hostcalls::dispatch_http_call;

/// The host refused a call: an internal failure, answered by the fail mode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostError;

/// `proxy_map_type_t`
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Map {
    RequestHeaders = 0,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    CallResponseHeaders = 6,
}

/// `proxy_buffer_type_t`
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    DownstreamData = 2,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

const STATUS_OK: u32 = 0;
const STATUS_NOT_FOUND: u32 = 1;
const STATUS_CAS_MISMATCH: u32 = 8;
/// `proxy_stream_type_t`: towards the provider.
const STREAM_REQUEST: u32 = 0;
/// `proxy_stream_type_t`: towards the client.
const STREAM_RESPONSE: u32 = 1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        value: *mut *mut u8,
        value_len: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, pairs: *mut *mut u8, pairs_len: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, pairs: *const u8, pairs_len: usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_len: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        bytes: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        replaced: usize,
        bytes: *const u8,
        len: usize,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc: i32,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        value: *mut *mut u8,
        value_len: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        value: *mut *mut u8,
        value_len: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        value: *const u8,
        value_len: usize,
        cas: u32,
    ) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
}

fn done(status: u32) -> Result<(), HostError> {
    if status == STATUS_OK {
        Ok(())
    } else {
        Err(HostError)
    }
}

/// What the host allocated in our memory for one answer.
struct Answer {
    bytes: *mut u8,
    len: usize,
}

impl Answer {
    fn new() -> Self {
        Self {
            bytes: null_mut(),
            len: 0,
        }
    }

    /// The answer, or nothing when there is none.
    fn take(self, status: u32) -> Result<Option<Vec<u8>>, HostError> {
        match status {
            STATUS_OK if self.bytes.is_null() => Ok(Some(Vec::new())),
            // SAFETY: the host allocated exactly `len` bytes through the SDK's allocator, which makes a boxed slice,
            // and hands them over.
            STATUS_OK => Ok(Some(
                unsafe { Box::from_raw(slice_from_raw_parts_mut(self.bytes, self.len)) }.into_vec(),
            )),
            STATUS_NOT_FOUND => Ok(None),
            _ => Err(HostError),
        }
    }
}

// SAFETY, for all calls below: pointers and lengths come from live slices, or point to live locals that the host
// fills before it returns.

pub(crate) fn time_ns() -> Result<u64, HostError> {
    let mut time = 0;
    done(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) })?;
    Ok(time)
}

pub(crate) fn header(map: Map, name: &str) -> Result<Option<Vec<u8>>, HostError> {
    let mut answer = Answer::new();
    let status = unsafe {
        proxy_get_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            &raw mut answer.bytes,
            &raw mut answer.len,
        )
    };
    answer.take(status)
}

pub(crate) fn set_header(map: Map, name: &str, value: Option<&str>) -> Result<(), HostError> {
    done(match value {
        Some(value) => unsafe {
            proxy_replace_header_map_value(
                map as u32,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        },
        None => unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) },
    })
}

/// All headers of a map; bytes that are no UTF-8 are replaced.
pub(crate) fn headers(map: Map) -> Result<Vec<(String, String)>, HostError> {
    let mut answer = Answer::new();
    let status = unsafe {
        proxy_get_header_map_pairs(map as u32, &raw mut answer.bytes, &raw mut answer.len)
    };
    let bytes = answer.take(status)?.unwrap_or_default();
    deserialize(&bytes).ok_or(HostError)
}

/// Puts `headers` in place of everything in a map.
pub(crate) fn set_headers(map: Map, headers: &[(&str, &str)]) -> Result<(), HostError> {
    let pairs = serialize(headers);
    done(unsafe { proxy_set_header_map_pairs(map as u32, pairs.as_ptr(), pairs.len()) })
}

pub(crate) fn buffer(buffer: Buffer, len: usize) -> Result<Option<Vec<u8>>, HostError> {
    let mut answer = Answer::new();
    let status = unsafe {
        proxy_get_buffer_bytes(
            buffer as u32,
            0,
            len,
            &raw mut answer.bytes,
            &raw mut answer.len,
        )
    };
    answer.take(status)
}

pub(crate) fn set_buffer(buffer: Buffer, replaced: usize, bytes: &[u8]) -> Result<(), HostError> {
    done(unsafe { proxy_set_buffer_bytes(buffer as u32, 0, replaced, bytes.as_ptr(), bytes.len()) })
}

pub(crate) fn send_response(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(), HostError> {
    let headers = serialize(headers);
    done(unsafe {
        proxy_send_local_response(
            u32::from(status),
            null(),
            0,
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    })
}

/// Headers as the ABI wants them: the count, all lengths, then each text with a zero behind it.
fn serialize(headers: &[(&str, &str)]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(0).to_le_bytes();
    let mut bytes = number(headers.len()).to_vec();
    for (name, value) in headers {
        bytes.extend_from_slice(&number(name.len()));
        bytes.extend_from_slice(&number(value.len()));
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// The opposite of [`serialize`].
fn deserialize(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let number = |place: usize| {
        let digits = bytes.get(place * 4..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*digits)).ok()
    };
    let count = if bytes.is_empty() { 0 } else { number(0)? };
    let mut texts = bytes.get(count.checked_mul(8)?.checked_add(4)?.min(bytes.len())..)?;
    let mut text = |place: usize| {
        let len = number(place)?;
        let text = String::from_utf8_lossy(texts.get(..len)?).into_owned();
        texts = texts.get(len + 1..)?;
        Some(text)
    };
    (0..count)
        .map(|index| Some((text(1 + 2 * index)?, text(2 + 2 * index)?)))
        .collect()
}

pub(crate) fn property(path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
    let path = path.join("\0");
    let mut answer = Answer::new();
    let status = unsafe {
        proxy_get_property(
            path.as_ptr(),
            path.len(),
            &raw mut answer.bytes,
            &raw mut answer.len,
        )
    };
    answer.take(status)
}

pub(crate) fn set_property(name: &str, value: &[u8]) -> Result<(), HostError> {
    done(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// The value of `key` with the number of its version.
pub(crate) fn shared(key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
    let mut answer = Answer::new();
    let mut version = 0;
    let status = unsafe {
        proxy_get_shared_data(
            key.as_ptr(),
            key.len(),
            &raw mut answer.bytes,
            &raw mut answer.len,
            &raw mut version,
        )
    };
    Ok(answer.take(status)?.map(|bytes| (bytes, version)))
}

/// Writes the value of `key` if it still has this version; 0 is any. False when it has another.
pub(crate) fn share(key: &str, value: &[u8], version: u32) -> Result<bool, HostError> {
    let status = unsafe {
        proxy_set_shared_data(
            key.as_ptr(),
            key.len(),
            value.as_ptr(),
            value.len(),
            version,
        )
    };
    if status == STATUS_CAS_MISMATCH {
        return Ok(false);
    }
    done(status).map(|()| true)
}

pub(crate) fn continue_request() -> Result<(), HostError> {
    done(unsafe { proxy_continue_stream(STREAM_REQUEST) })
}

/// Makes the calls that follow speak for another stream.
pub(crate) fn act_for(context: u32) -> Result<(), HostError> {
    done(unsafe { proxy_set_effective_context(context) })
}

/// Sets how often `on_tick` comes; 0 is never.
pub(crate) fn set_tick_period(millis: u32) -> Result<(), HostError> {
    done(unsafe { proxy_set_tick_period_milliseconds(millis) })
}

/// Sends a request without a body to a cluster. The answer comes back under the token. This is the SDK's own call,
/// since the SDK hands on answers to its own tokens only.
pub(crate) fn http_call(
    cluster: &str,
    headers: Vec<(&str, &str)>,
    timeout: Duration,
) -> Result<u32, HostError> {
    dispatch_http_call(cluster, headers, None, vec![], timeout).map_err(|_| HostError)
}

pub(crate) fn reset_response() -> Result<(), HostError> {
    done(unsafe { proxy_close_stream(STREAM_RESPONSE) })
}
