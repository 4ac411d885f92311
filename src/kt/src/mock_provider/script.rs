//! What a scripted answer does.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One answer. Every member has a default; the default script echoes the last message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Script {
    /// HTTP status; 200 if absent.
    pub(crate) status: Option<u16>,
    /// Further response headers; `content-type` replaces the usual one.
    pub(crate) headers: BTreeMap<String, String>,
    /// The text of the answer. Streamed, it is cut into word-sized deltas.
    pub(crate) reply: Option<String>,
    /// The exact deltas of a streamed answer.
    pub(crate) deltas: Option<Vec<String>>,
    /// The exact body, in the pieces in which it is written.
    pub(crate) raw: Option<Vec<String>>,
    /// The exact body as hexadecimal digits, for what is no text.
    pub(crate) raw_hex: Option<String>,
    /// The exact JSON body of an answer that is not streamed.
    pub(crate) body: Option<Value>,
    /// Wait before the answer starts.
    pub(crate) delay_ms: u64,
    /// Wait before each piece of a stream but the first.
    pub(crate) piece_delay_ms: u64,
    /// Break the connection.
    pub(crate) disconnect: Option<Disconnect>,
    /// Leave out the token counts.
    pub(crate) no_usage: bool,
    /// The exact token counts.
    pub(crate) usage: Option<Value>,
}

/// Where a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Disconnect {
    /// Instead of an answer.
    BeforeHeaders,
    /// After the headers, before any of the body.
    AfterHeaders,
    /// After this many pieces of the body.
    AfterPieces(usize),
}
