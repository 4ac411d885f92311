//! What the rewrite filter tells the policy filter about the attempts of an exchange, by shared data.
//!
//! Envoy cannot delete shared data, so the keys are a fixed ring: an exchange writes to the slot of its request
//! id. Two exchanges in one slot at the same time cost the older one its list of attempts, nothing else.

use kt_policy::event::Attempt;

use crate::host;

const SLOTS: u32 = 8192;

fn slot(request_id: &str) -> String {
    let hash = request_id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("kt.attempts.{}", hash % SLOTS)
}

/// Adds an attempt of the exchange with this request id.
pub(crate) fn record(request_id: &str, attempt: &Attempt) {
    let key = slot(request_id);
    let mut text = read(&key, request_id).unwrap_or_else(|| format!("{request_id}\n"));
    let status = attempt.status.unwrap_or(0);
    let error = attempt.error.as_deref().unwrap_or("");
    text.push_str(&format!(
        "{}\t{status}\t{}\t{error}\n",
        attempt.target_id, attempt.latency_ms
    ));
    host::share(&key, text.as_bytes());
}

/// The recorded attempts of the exchange with this request id.
pub(crate) fn recorded(request_id: &str) -> Vec<Attempt> {
    let text = read(&slot(request_id), request_id).unwrap_or_default();
    text.lines().skip(1).filter_map(parse).collect()
}

fn read(key: &str, request_id: &str) -> Option<String> {
    let text = String::from_utf8(host::shared(key)?).ok()?;
    (text.lines().next() == Some(request_id)).then_some(text)
}

fn parse(line: &str) -> Option<Attempt> {
    let mut fields = line.split('\t');
    let target_id = fields.next()?.to_owned();
    let status = fields.next()?.parse().ok().filter(|status| *status > 0);
    let latency_ms = fields.next()?.parse().ok()?;
    let error = fields
        .next()
        .filter(|error| !error.is_empty())
        .map(str::to_owned);
    Some(Attempt {
        target_id,
        status,
        latency_ms,
        error,
    })
}

/// Envoy's words for a failure, without anything that could be a value: letters, digits and plain punctuation.
pub(crate) fn failure_text(words: &str) -> String {
    words
        .chars()
        .filter(|c| {
            c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | ':' | '.' | '{' | '}' | '-')
        })
        .take(120)
        .collect()
}
