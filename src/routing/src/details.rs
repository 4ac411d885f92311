//! What Envoy says of how a response ended: its response code details, and the filter's own word on a header.

use crate::config::Failure;

/// Envoy's response code details, as far as anything depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details {
    /// Nothing is said.
    Unsaid,
    /// The upstream answered.
    Answered,
    /// The client left, or its connection broke.
    Client,
    /// A limit of time was reached.
    Timeout,
    /// Anything else: no connection, one that broke, an answer of Envoy's own.
    Broken,
}

impl Details {
    /// Reads them.
    ///
    /// Sources: Envoy's `ResponseCodeDetails` (`envoy/stream_info/stream_info.h`) and the docs on response code details. A client's end
    /// is named `downstream_…`; limits are named by `timeout`, `max_duration` or `max_stream_duration`, alone or in the reason of a
    /// reset (`upstream_reset_before_response_started{connection_timeout}`).
    pub fn of(details: Option<&str>) -> Self {
        let says = |words: &[&str]| {
            let details = details.unwrap_or_default();
            words.iter().any(|word| details.contains(word))
        };
        match details {
            None | Some("") => Self::Unsaid,
            Some("via_upstream") => Self::Answered,
            Some(_) if says(&["downstream"]) => Self::Client,
            Some(_) if says(&["timeout", "max_duration", "max_stream_duration"]) => Self::Timeout,
            Some(_) => Self::Broken,
        }
    }

    /// Whether the response is Envoy's own. Without a word it is the provider's.
    pub fn is_own(self) -> bool {
        !matches!(self, Self::Unsaid | Self::Answered)
    }

    /// What that says about the target, where it gave no answer.
    pub fn failure(self) -> Failure {
        match self {
            Self::Timeout => Failure::Timeout,
            _ => Failure::Connection,
        }
    }
}

/// Why the filter of attempts has no answer of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The last attempt failed.
    Failed(Failure),
    /// The target takes no requests now.
    Unavailable,
    /// The gateway itself failed.
    Engine,
}

impl NoAnswer {
    /// Its name on the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.name(),
            Self::Unavailable => "unavailable",
            Self::Engine => "engine",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        let others = [Self::Unavailable, Self::Engine];
        let other = others.into_iter().find(|other| other.name() == name);
        other.or_else(|| Failure::named(name).map(Self::Failed))
    }

    /// The status of an answer that says so.
    pub fn status(self) -> u16 {
        match self {
            Self::Failed(Failure::RateLimit) => 429,
            Self::Failed(Failure::Timeout) => 504,
            Self::Failed(_) => 502,
            Self::Unavailable | Self::Engine => 503,
        }
    }
}

/// Envoy's words for a failure, without anything that could be a value: letters, digits and plain punctuation.
pub fn plain_words(words: &str) -> String {
    let is_plain = |c: &char| {
        c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | ':' | '.' | '{' | '}' | '-')
    };
    words.chars().filter(is_plain).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_have_one_meaning() {
        for (details, means) in [
            (None, Details::Unsaid),
            (Some(""), Details::Unsaid),
            (Some("via_upstream"), Details::Answered),
            (Some("downstream_remote_disconnect"), Details::Client),
            (
                Some("http1.codec_error.downstream_timeout"),
                Details::Client,
            ),
            (Some("upstream_response_timeout"), Details::Timeout),
            (Some("upstream_per_try_timeout"), Details::Timeout),
            (Some("stream_idle_timeout"), Details::Timeout),
            (Some("max_duration_timeout"), Details::Timeout),
            (
                Some("upstream_max_stream_duration_reached"),
                Details::Timeout,
            ),
            (
                Some("upstream_reset_before_response_started{connection_timeout}"),
                Details::Timeout,
            ),
            (
                Some("upstream_reset_before_response_started{connection_termination}"),
                Details::Broken,
            ),
            (
                Some("upstream_reset_after_response_started{protocol_error}"),
                Details::Broken,
            ),
            (Some("no_healthy_upstream"), Details::Broken),
            (Some("route_not_found"), Details::Broken),
        ] {
            assert_eq!(Details::of(details), means, "{details:?}");
            let is_own = !matches!(details, None | Some("" | "via_upstream"));
            assert_eq!(means.is_own(), is_own, "{details:?}");
            let failure = if means == Details::Timeout {
                Failure::Timeout
            } else {
                Failure::Connection
            };
            assert_eq!(means.failure(), failure, "{details:?}");
        }
    }

    #[test]
    fn every_name_is_found_again() {
        let failures = Failure::ALL
            .into_iter()
            .chain([Failure::Quality])
            .map(NoAnswer::Failed);
        for reason in failures.chain([NoAnswer::Unavailable, NoAnswer::Engine]) {
            assert_eq!(NoAnswer::named(reason.name()), Some(reason));
            assert!((429..505).contains(&reason.status()));
        }
        assert_eq!(NoAnswer::named("anything"), None);
    }

    #[test]
    fn words_are_plain() {
        assert_eq!(plain_words("a{b}: <c>@d\n1.2-3_4"), "a{b}: cd1.2-3_4");
        assert_eq!(plain_words(&"x".repeat(500)).len(), 120);
    }
}
