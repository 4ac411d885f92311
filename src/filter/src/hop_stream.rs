//! Towards a target, as HTTP/1.0.
//!
//! An answer to HTTP/1.0 ends with its connection (RFC 9112 §6.3). When a provider breaks off in the middle of a
//! stream, Envoy cannot write another byte to the client; but seen through such a connection the stream has an end,
//! and the policy filter can say in it what happened.

use proxy_wasm::{
    traits::{Context, StreamContext},
    types::Action,
};

use crate::host;

/// Longest request line: a method, one of our paths and the version.
const MAX_LINE: usize = 256;

/// The context of one connection between the listener and the targets.
#[derive(Debug, Default)]
pub(crate) struct HopStream {
    is_done: bool,
}

impl Context for HopStream {}

impl StreamContext for HopStream {
    fn on_downstream_data(&mut self, len: usize, _: bool) -> Action {
        if self.is_done {
            return Action::Continue;
        }
        let beginning = host::sent(len.min(MAX_LINE)).unwrap_or_default();
        let Some(line) = beginning.windows(2).position(|pair| pair == b"\r\n") else {
            return Action::Pause;
        };
        let mut line = beginning.get(..line).unwrap_or_default().to_vec();
        if line.pop() == Some(b'1') {
            line.push(b'0');
            let _ = host::replace_sent(&line);
        }
        self.is_done = true;
        Action::Continue
    }
}
