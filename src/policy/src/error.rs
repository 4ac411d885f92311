//! The error object that clients receive, in OpenAI's envelope.

use kt_routing::Failure;
use serde::Serialize;

use crate::{
    limits::{Limit, Refusal},
    policy::PolicyKind,
    tally::Stop,
    verdict::{Phase, Verdict},
};

/// An answer of the gateway itself instead of the provider's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// HTTP status, where none was sent yet.
    pub status: u16,
    /// `type` of the error object.
    pub kind: &'static str,
    /// `code` of the error object.
    pub code: &'static str,
    /// `policy` of the error object.
    pub policy: Option<PolicyKind>,
    /// `message` of the error object. Never quotes the exchange.
    pub message: String,
    /// `Retry-After`, in seconds.
    pub retry_after_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    message: &'a str,
    policy: Option<&'a str>,
    code: &'a str,
    param: Option<&'a str>,
}

impl ErrorReply {
    /// A policy stopped the exchange: 409.
    pub fn stopped(stop: &Stop) -> Self {
        let (code, subject) = match (stop.verdict, stop.phase) {
            (Verdict::Escalate, Phase::Input) => ("escalation_required", "Request held for review"),
            (Verdict::Escalate, Phase::Output) => {
                ("escalation_required", "Response held for review")
            }
            (_, Phase::Input) => ("input_blocked", "Request blocked"),
            (_, Phase::Output) => ("output_blocked", "Response blocked"),
        };
        let place = stop
            .turn
            .map(|turn| format!(" (message {turn})"))
            .unwrap_or_default();
        let cause = match stop.policy {
            PolicyKind::PromptInjection => "potential prompt injection detected",
            PolicyKind::PiiDetector => "personal data detected",
            PolicyKind::DlpFilter => "protected data detected",
            PolicyKind::SafetyFilter => "disallowed content",
            PolicyKind::QualityScorer => "the answer is not good enough",
            PolicyKind::AuditLogger => "not allowed",
        };
        Self {
            status: 409,
            kind: "policy_violation",
            code,
            policy: Some(stop.policy),
            message: match &stop.message {
                Some(message) => format!("{message}{place}"),
                None => format!("{subject}: {cause}{place}"),
            },
            retry_after_seconds: None,
        }
    }

    /// The request is malformed: 422.
    pub fn invalid_request(message: String) -> Self {
        Self {
            status: 422,
            kind: "validation_error",
            code: "invalid_request",
            policy: None,
            message,
            retry_after_seconds: None,
        }
    }

    /// The request cannot be inspected as it is encoded: 415.
    pub fn unsupported_encoding(message: &str) -> Self {
        Self {
            status: 415,
            kind: "validation_error",
            code: "unsupported_encoding",
            policy: None,
            message: message.to_owned(),
            retry_after_seconds: None,
        }
    }

    /// Something in the exchange cannot be read, and the configuration refuses that.
    pub(crate) fn unreadable(phase: Phase, field: &str) -> Self {
        match phase {
            Phase::Input => Self::unsupported_encoding(&format!(
                "`{field}` cannot be inspected, and this gateway refuses what it cannot inspect"
            )),
            Phase::Output => Self::upstream_failed(
                "The provider's answer holds something that cannot be inspected",
            ),
        }
    }

    /// What came takes too many steps to inspect, or holds too many findings: 413 or 502.
    pub(crate) fn inspection_limit(phase: Phase) -> Self {
        const CODE: &str = "inspection_limit_exceeded";
        match phase {
            Phase::Input => Self {
                status: 413,
                code: CODE,
                ..Self::invalid_request("The request is too costly to inspect".to_owned())
            },
            Phase::Output => Self {
                code: CODE,
                ..Self::upstream_failed("The provider's answer is too costly to inspect")
            },
        }
    }

    /// The request does not carry the gateway's token: 401.
    pub fn wrong_token() -> Self {
        Self {
            status: 401,
            kind: "authentication_error",
            code: "invalid_api_key",
            policy: None,
            message: "Send the token of this gateway as `Authorization: Bearer …`".to_owned(),
            retry_after_seconds: None,
        }
    }

    /// The provider failed, or its answer cannot be inspected: 502.
    pub fn upstream_failed(message: &str) -> Self {
        Self {
            status: 502,
            kind: "upstream_error",
            code: "upstream_failed",
            policy: None,
            message: message.to_owned(),
            retry_after_seconds: None,
        }
    }

    /// The policy engine itself failed: 503.
    pub fn engine_unavailable() -> Self {
        let message =
            "The policy engine is unavailable; the request was not let through".to_owned();
        Self {
            status: 503,
            kind: "upstream_error",
            code: "no_target_available",
            policy: None,
            message,
            retry_after_seconds: None,
        }
    }

    /// The exchange would leave no event, and must leave one: 503.
    pub fn event_log_unavailable() -> Self {
        Self {
            code: "event_log_unavailable",
            message: "The event log cannot be written; the request was not let through".to_owned(),
            retry_after_seconds: Some(1),
            ..Self::engine_unavailable()
        }
    }

    /// No target can take the request: 503.
    pub fn no_target_available(wait_us: u64) -> Self {
        Self {
            message: "No target is available".to_owned(),
            retry_after_seconds: Some(wait_us.div_ceil(1_000_000).max(1)),
            ..Self::engine_unavailable()
        }
    }

    /// There are consumers, and the request has no key: 401.
    pub(crate) fn no_key() -> Self {
        Self::not_let_in(
            "The request has no key of this gateway; send it as `Authorization: Bearer …`",
        )
    }

    /// The request has a key that is no consumer's: 401.
    pub(crate) fn unknown_key() -> Self {
        Self::not_let_in("The key is not known to this gateway")
    }

    fn not_let_in(message: &str) -> Self {
        Self {
            status: 401,
            kind: "authentication_error",
            code: "invalid_api_key",
            policy: None,
            message: message.to_owned(),
            retry_after_seconds: None,
        }
    }

    /// The consumer may not use the model: 403. The model is not named: its name is the client's text.
    pub(crate) fn model_not_allowed() -> Self {
        Self {
            status: 403,
            kind: "permission_error",
            code: "model_not_allowed",
            policy: None,
            message:
                "The key may not be used for this model; `GET /v1/models` lists those that it may"
                    .to_owned(),
            retry_after_seconds: None,
        }
    }

    /// There is no such model: 404, as OpenAI answers.
    pub(crate) fn model_not_found() -> Self {
        Self {
            status: 404,
            kind: "validation_error",
            code: "model_not_found",
            policy: None,
            message: "The model does not exist here; `GET /v1/models` lists those that do"
                .to_owned(),
            retry_after_seconds: None,
        }
    }

    /// A limit has no room for the request: 429.
    pub fn over_limit(limit: &Limit, refusal: &Refusal) -> Self {
        let (code, message) = if limit.is_budget {
            (
                "budget_exceeded",
                "What is left of the budget is less than the request may take",
            )
        } else {
            ("rate_limited", "The rate limit is reached")
        };
        Self {
            status: 429,
            kind: "rate_limit",
            code,
            policy: None,
            message: message.to_owned(),
            retry_after_seconds: Some(refusal.wait_us.div_ceil(1_000_000).max(1)),
        }
    }

    /// The answer is longer than `size_limits.max_response_bytes`.
    pub fn response_too_large() -> Self {
        Self::upstream_failed("The provider's answer is larger than allowed")
    }

    /// The request is longer than `size_limits.max_body_bytes`.
    pub fn request_too_large(most: u32) -> Self {
        Self {
            status: 413,
            kind: "validation_error",
            code: "request_too_large",
            policy: None,
            message: format!("The request body is larger than {most} bytes"),
            retry_after_seconds: None,
        }
    }

    /// Nothing more can be held in memory: 429.
    pub fn no_room() -> Self {
        Self {
            status: 429,
            kind: "rate_limit",
            code: "rate_limited",
            policy: None,
            message: "Too many large requests are on their way at once; try again".to_owned(),
            retry_after_seconds: Some(1),
        }
    }

    /// The last attempt failed, and no other may follow.
    pub fn attempts_failed(failure: Failure, retry_after_seconds: Option<u64>) -> Self {
        let (status, kind, code, message) = match failure {
            Failure::RateLimit => (
                429,
                "rate_limit",
                "rate_limited",
                "The provider's rate limit is reached",
            ),
            Failure::ServerError => (
                502,
                "upstream_error",
                "upstream_failed",
                "The provider failed",
            ),
            Failure::Connection => (
                502,
                "upstream_error",
                "upstream_failed",
                "The connection to the provider failed",
            ),
            Failure::Quality => (
                502,
                "upstream_error",
                "upstream_failed",
                "No answer was good enough",
            ),
            Failure::Timeout => (
                504,
                "upstream_error",
                "upstream_timeout",
                "The provider did not answer in time",
            ),
        };
        Self {
            status,
            kind,
            code,
            policy: None,
            message: message.to_owned(),
            retry_after_seconds,
        }
    }

    /// A stream broke off in the middle.
    pub fn interrupted(failure: Failure) -> Self {
        match failure {
            Failure::Timeout => Self::attempts_failed(failure, None),
            _ => Self::upstream_failed("The provider's stream broke off before its end"),
        }
    }

    /// The JSON body.
    pub fn body(&self) -> Vec<u8> {
        let policy = self.policy.map(PolicyKind::name);
        let error = Body {
            r#type: self.kind,
            message: &self.message,
            policy,
            code: self.code,
            param: None,
        };
        serde_json::to_vec(&Envelope { error }).unwrap_or_default()
    }

    /// Reason code of the event, where no policy gave one.
    pub fn reason_code(&self) -> &'static str {
        match self.policy {
            Some(policy) => policy.reason_code(),
            None => self.code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_every_member() {
        let stop = Stop {
            policy: PolicyKind::PromptInjection,
            verdict: Verdict::Block,
            phase: Phase::Input,
            at: 0,
            message: None,
            turn: Some(2),
        };
        assert_eq!(
            String::from_utf8(ErrorReply::stopped(&stop).body()).unwrap(),
            r#"{"error":{"type":"policy_violation","message":"Request blocked: potential prompt injection detected (message 2)","policy":"prompt-injection","code":"input_blocked","param":null}}"#
        );
    }
}
