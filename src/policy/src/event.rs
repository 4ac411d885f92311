//! The decision event: one JSON object per exchange, without text, personal data or keys.

pub use kt_routing::Attempt;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    exchange::Exchange,
    filter_config::Pack,
    money::Usd,
    narrowing::{NotRun, Use},
    tally::{PolicyResult, Redaction, Skipped},
    verdict::{Phase, Verdict},
};

/// What the shell knows of an exchange beyond the engine.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// When the request came, in microseconds since 1970.
    pub started_us: u64,
    /// When the exchange ended.
    pub ended_us: u64,
    /// When the first byte of the response body left.
    pub first_byte_us: Option<u64>,
    /// `x-request-id`.
    pub request_id: String,
    /// `traceparent`'s trace id.
    pub trace_id: Option<String>,
    /// `x-keeptrusts-agent-id`.
    pub agent_id: Option<String>,
    /// `x-user-id`.
    pub user_id: Option<String>,
    /// The consumer whose key the request had.
    pub consumer_id: Option<String>,
    /// The route that it matched.
    pub route: Option<String>,
    /// Status that the client got; 0 when it went away before.
    pub status: u16,
    /// Every attempt in order.
    pub attempts: Vec<Attempt>,
    /// Why the exchange failed outside the engine, as a reason code.
    pub failure: Option<&'static str>,
    /// The engine failed and the fail mode let the exchange through.
    pub uninspected: bool,
    /// Why Envoy refused the request before the engine saw it, in Envoy's words.
    pub refused: Option<String>,
}

/// The event's members, in the order in which they are written.
#[derive(Debug, Serialize)]
struct Event<'a> {
    id: String,
    event_type: &'static str,
    timestamp: String,
    request_id: &'a str,
    trace_id: Option<&'a str>,
    gateway_id: &'a str,
    agent_id: Option<&'a str>,
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    config: &'a Pack,
    verdict: Verdict,
    reason_code: &'static str,
    phase: Option<Phase>,
    provider: Option<&'a str>,
    target_id: Option<&'a str>,
    model: Option<&'a str>,
    target_description: Option<&'a str>,
    quantizations: Option<&'a str>,
    stream: bool,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
    /// What would have become of the exchange, had every policy been enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_reason_code: Option<&'static str>,
    policy_results: Vec<PolicyResult>,
    /// Exceptions that were used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exceptions: Vec<&'a Use>,
    redactions: &'a [Redaction],
    redaction_count: usize,
    usage: Tokens,
    cost_usd: Option<Usd>,
    latency_ms: f64,
    time_to_first_token_ms: Option<f64>,
    prompt_redacted: bool,
    attempts: &'a [Attempt],
    coverage: Coverage<'a>,
    retention_days: Option<u32>,
}

/// Token counts; `null` where the provider reported none, since absent is not zero.
#[derive(Debug, Serialize)]
struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Coverage<'a> {
    scanned_bytes: usize,
    skipped: &'a [Skipped],
    /// Texts that a policy did not judge, for its scope.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_run: Vec<&'a NotRun>,
    /// Lines of an event stream that were not let through, because no reader knows them or nobody judges them.
    #[serde(skip_serializing_if = "is_zero")]
    dropped_lines: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Links events so that a changed, missing or reordered line shows.
///
/// `hash` is the SHA-256, in hexadecimal, of the event's line up to and including `"prev_hash":"…"`, that is the
/// line without `,"hash":"…"}` at its end.
#[derive(Debug, Clone)]
pub struct EventChain {
    chain_id: String,
    seq: u64,
    prev_hash: String,
}

impl EventChain {
    /// Starts a chain. `chain_id` is unique per chain; chains of different Envoy workers run side by side.
    pub fn new(chain_id: String) -> Self {
        Self {
            chain_id,
            seq: 0,
            prev_hash: "0".repeat(64),
        }
    }

    /// Adds the chain's members to the JSON object `line`.
    fn link(&mut self, line: &mut String) {
        line.pop();
        line.push_str(&format!(
            ",\"chain_id\":\"{}\",\"seq\":{},\"prev_hash\":\"{}\"",
            self.chain_id, self.seq, self.prev_hash
        ));
        self.prev_hash = hex(&Sha256::digest(line.as_bytes()));
        self.seq += 1;
        line.push_str(&format!(",\"hash\":\"{}\"}}", self.prev_hash));
    }
}

/// The hash that a line of a chain should have. `None` for a line that has none.
pub fn hash_of(line: &[u8]) -> Option<String> {
    const MARK: &[u8] = b",\"hash\":\"";
    let at = memchr::memmem::rfind(line, MARK)?;
    Some(hex(&Sha256::digest(line.get(..at)?)))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// How an exchange ended, in one word each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub verdict: Verdict,
    /// Why.
    pub reason_code: &'static str,
    /// Where that was decided.
    pub phase: Option<Phase>,
}

impl Outcome {
    /// The outcome of `exchange` as far as it went.
    pub fn of(exchange: &Exchange, facts: &Facts) -> Self {
        let refused = match facts.failure {
            _ if facts.refused.is_some() => Some("gateway.refused"),
            Some(too_large @ "request_too_large") => Some(too_large),
            _ => None,
        };
        if let Some(reason_code) = refused {
            return Self {
                verdict: Verdict::Block,
                reason_code,
                phase: Some(Phase::Input),
            };
        }
        let (verdict, decided_by) = exchange.tally().outcome();
        let phase = decided_by.map(|(_, phase)| phase);
        let reason_code = match (exchange.failure(), decided_by, facts.failure) {
            // A request that the gateway cannot accept is stopped as surely as one that a policy blocks.
            (Some(failure), ..)
                if matches!(
                    failure.kind,
                    "validation_error" | "authentication_error" | "permission_error"
                ) || failure.kind == "rate_limit" && facts.attempts.is_empty() =>
            {
                return Self {
                    verdict: Verdict::Block,
                    reason_code: failure.code,
                    phase: Some(Phase::Input),
                };
            }
            (Some(failure), ..) => failure.reason_code(),
            (_, _, Some(failure)) => failure,
            (_, Some((policy, _)), _) => policy.reason_code(),
            _ if facts.uninspected => "engine.failed_open",
            _ => "all_policies_passed",
        };
        Self {
            verdict,
            reason_code,
            phase,
        }
    }

    /// Nothing happened but an answer.
    fn is_plain(&self) -> bool {
        self.reason_code == "all_policies_passed"
    }
}

/// The event of `exchange` as one line of JSON, or `None` when the audit logger does not want it.
pub fn line(
    exchange: &Exchange,
    facts: &Facts,
    gateway_id: &str,
    chain: &mut EventChain,
) -> Option<String> {
    let audit = exchange.engine().audit();
    let outcome = Outcome::of(exchange, facts);
    let would_be_plain = exchange
        .would()
        .is_none_or(|would| Outcome::of(would, facts).is_plain());
    if outcome.is_plain() && would_be_plain && audit.is_some_and(|audit| !audit.log_all_access) {
        return None;
    }
    let mut line = serde_json::to_string(&event(exchange, facts, gateway_id, &outcome)).ok()?;
    if audit.is_some_and(|audit| audit.immutable) {
        chain.link(&mut line);
    }
    Some(line)
}

fn event<'e>(
    exchange: &'e Exchange,
    facts: &'e Facts,
    gateway_id: &'e str,
    outcome: &Outcome,
) -> Event<'e> {
    let (engine, tally, usage) = (exchange.engine(), exchange.tally(), exchange.usage());
    let target = facts
        .attempts
        .last()
        .and_then(|attempt| engine.target(&attempt.target_id));
    let would = exchange.would().map(|would| Outcome::of(would, facts));
    Event {
        id: format!("evt_{}", facts.request_id),
        event_type: "decision",
        timestamp: rfc3339(facts.started_us),
        request_id: &facts.request_id,
        trace_id: facts.trace_id.as_deref(),
        gateway_id,
        agent_id: facts.agent_id.as_deref(),
        user_id: facts.user_id.as_deref(),
        consumer_id: facts.consumer_id.as_deref(),
        route: facts.route.as_deref(),
        config: &engine.config().pack,
        verdict: outcome.verdict,
        reason_code: outcome.reason_code,
        phase: outcome.phase,
        provider: target.map(|target| target.provider.as_str()),
        target_id: target.map(|target| target.id.as_str()),
        model: target.map(|target| target.model.as_str()),
        target_description: target.and_then(|target| target.description.as_deref()),
        quantizations: target.and_then(|target| target.quantizations.as_deref()),
        stream: exchange.wants_stream(),
        status: facts.status,
        details: facts.refused.as_deref(),
        would_verdict: would.map(|would| would.verdict),
        would_reason_code: would.map(|would| would.reason_code),
        policy_results: exchange.results(),
        exceptions: exchange.uses().collect(),
        redactions: tally.redactions(),
        redaction_count: tally.redaction_count(),
        usage: Tokens {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            cached_tokens: usage.cached_tokens,
            reasoning_tokens: usage.reasoning_tokens,
        },
        cost_usd: exchange.cost(&facts.attempts),
        latency_ms: millis(facts.started_us, facts.ended_us),
        time_to_first_token_ms: facts
            .first_byte_us
            .map(|first| millis(facts.started_us, first)),
        prompt_redacted: tally.input_redacted(),
        attempts: &facts.attempts,
        coverage: Coverage {
            scanned_bytes: tally.scanned_bytes,
            skipped: &tally.skipped,
            not_run: exchange.not_run().collect(),
            dropped_lines: tally.dropped_lines,
        },
        retention_days: engine.audit().map(|audit| audit.retention_days),
    }
}

fn millis(from_us: u64, to_us: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "durations stay far below 2^52 microseconds"
    )]
    let micros = to_us.saturating_sub(from_us) as f64;
    micros / 1e3
}

/// UTC with microseconds (RFC 3339 §5.6).
pub fn rfc3339(micros: u64) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{micros:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Days since 1970 to year, month and day (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            rfc3339(1_795_252_327_000_042),
            "2026-11-21T09:12:07.000042Z"
        );
        assert_eq!(rfc3339(951_826_554_000_000), "2000-02-29T12:15:54.000000Z");
    }

    #[test]
    fn a_chain_can_be_recomputed_from_its_lines() {
        let mut chain = EventChain::new("c".into());
        let mut lines = [String::from("{\"a\":1}"), String::from("{\"b\":2}")];
        for line in &mut lines {
            chain.link(line);
        }
        let mut prev = "0".repeat(64);
        for (seq, line) in lines.iter().enumerate() {
            let (hashed, hash) = line.split_once(",\"hash\":\"").unwrap();
            assert!(
                hashed.ends_with(&format!(
                    "\"chain_id\":\"c\",\"seq\":{seq},\"prev_hash\":\"{prev}\""
                )),
                "{line}"
            );
            assert_eq!(hash, format!("{}\"}}", hex(&Sha256::digest(hashed))));
            assert_eq!(hash_of(line.as_bytes()), Some(hex(&Sha256::digest(hashed))));
            prev = hash.trim_end_matches("\"}").into();
        }
    }
}
