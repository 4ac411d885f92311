//! Which headers go on. What is not named here stays behind: a header can carry any text, and nobody inspects it.

use std::borrow::Cow;

use kt_routing::retry_after_ms;

use crate::{
    caller_id::CallerIds,
    media_type::{MediaType, media_type},
};

/// Of every request to a provider, in place of what the client sent.
pub const TO_PROVIDER: [(&str, &str); 3] = [
    ("accept", "application/json, text/event-stream"),
    ("content-type", "application/json"),
    ("user-agent", "keeptrusts-gateway"),
];

/// On an answer: the target that gave it.
pub const TARGET: &str = "x-keeptrusts-target";
/// On an answer that is no stream: what it cost, in USD; absent when that is not known.
pub const COST: &str = "x-keeptrusts-cost-usd";

/// Longest amount of a limit, such as `1h59m59.999s`.
const LONGEST_AMOUNT: usize = 24;
/// Longest number, in digits.
const LONGEST_NUMBER: usize = 12;

/// What the client gets of a header of a provider's answer.
pub fn to_client<'v>(
    name: &str,
    value: &'v str,
    ids: &CallerIds,
    now_us: u64,
) -> Option<Cow<'v, str>> {
    let number = || is_number(value).then_some(Cow::Borrowed(value));
    match name {
        ":status" | "content-length" | "retry-after-ms" | "openai-processing-ms" => number(),
        "content-type" => match media_type(value) {
            MediaType::Json => Some(Cow::Borrowed("application/json")),
            MediaType::EventStream => Some(Cow::Borrowed("text/event-stream")),
            MediaType::Other => None,
        },
        // A date becomes a number of seconds.
        "retry-after" => number().or_else(|| {
            let millis = retry_after_ms(None, Some(value), now_us)?;
            Some(Cow::Owned(millis.div_ceil(1000).to_string()))
        }),
        "x-request-id" => ids.is_clean(value).then_some(Cow::Borrowed(value)),
        "x-ratelimit-limit-requests"
        | "x-ratelimit-limit-tokens"
        | "x-ratelimit-remaining-requests"
        | "x-ratelimit-remaining-tokens"
        | "x-ratelimit-reset-requests"
        | "x-ratelimit-reset-tokens" => is_amount(value).then_some(Cow::Borrowed(value)),
        _ => None,
    }
}

fn is_number(value: &str) -> bool {
    (1..=LONGEST_NUMBER).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number, or a duration as OpenAI writes it: `6m0s`, `120ms`.
fn is_amount(value: &str) -> bool {
    let is_part =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'd' | b'h' | b'm' | b's' | b'.');
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    value.len() <= LONGEST_AMOUNT
        && (1..=LONGEST_NUMBER).contains(&digits)
        && value.bytes().all(is_part)
        && value.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, value: &str) -> Option<String> {
        to_client(name, value, &CallerIds::new([0; 32]), 1_795_252_327_000_000).map(Cow::into_owned)
    }

    #[test]
    fn what_clients_need_goes_on() {
        for (name, value) in [
            (":status", "200"),
            ("content-length", "272"),
            ("content-type", "application/json"),
            ("retry-after", "20"),
            ("retry-after-ms", "1500"),
            ("openai-processing-ms", "531"),
            ("x-request-id", "req_8f2c1b3a4d5e"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "8.64s"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ] {
            assert_eq!(answer(name, value).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn values_are_made_plain() {
        let kind = "application/json; charset=utf-8; note=jane@example.com";
        assert_eq!(
            answer("content-type", kind).as_deref(),
            Some("application/json")
        );
        let kind = "Text/Event-Stream;charset=UTF-8";
        assert_eq!(
            answer("content-type", kind).as_deref(),
            Some("text/event-stream")
        );
        let date = answer("retry-after", "Sat, 21 Nov 2026 09:12:27 GMT").unwrap();
        assert_eq!(date, "20");
    }

    #[test]
    fn everything_else_stays_behind() {
        for (name, value) in [
            ("location", "https://example.com/"),
            ("www-authenticate", "Basic realm=x"),
            ("set-cookie", "a=b"),
            ("server", "nginx"),
            ("x-note", "hello"),
            ("x-keeptrusts-target", "forged"),
            ("x-envoy-upstream-service-time", "3"),
            ("openai-organization", "org-1"),
            ("content-type", "text/html"),
            ("retry-after", "jane@example.com"),
            ("retry-after-ms", "1e9"),
            ("content-length", "-1"),
            ("x-request-id", "jane@example.com"),
            ("x-request-id", "4111111111111111"),
            ("x-ratelimit-limit-requests", "many"),
            ("x-ratelimit-reset-tokens", "4111 1111"),
            ("x-ratelimit-reset-tokens", "4111111111111111"),
            ("x-ratelimit-reset-tokens", ""),
        ] {
            assert_eq!(answer(name, value), None, "{name}: {value}");
        }
    }
}
