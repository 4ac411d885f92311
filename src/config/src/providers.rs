//! `providers`: everything but the targets.

use kt_policy::MAX_EVENT_BYTES;
use kt_routing::{CircuitBreaker, Failure, Fallback, Latency, Retry, Routing, Strategy};

use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, Unsupported, join},
    gateway::Target,
    lower::REMOVE,
    targets,
    yaml::{Node, Scalar, Value},
};

const STRATEGIES: &[(&str, Strategy)] = &[
    ("single", Strategy::Single),
    ("fallback", Strategy::Fallback),
    ("latency", Strategy::Latency),
    ("weighted_round_robin", Strategy::WeightedRoundRobin),
    ("round_robin", Strategy::RoundRobin),
    ("ordered", Strategy::Fallback),
    ("lowest_latency", Strategy::Latency),
    ("weighted", Strategy::WeightedRoundRobin),
    ("round-robin", Strategy::RoundRobin),
];

const UNSUPPORTED_STRATEGIES: &[&str] = &["highest_throughput", "cost", "random"];

const UNSUPPORTED_SECTIONS: &[Unsupported] = &[("model_groups", REMOVE)];

/// `providers.stream`
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    pub(crate) max_event_bytes: u32,
    pub(crate) include_usage: bool,
}

/// Reads the section.
pub(crate) fn providers(
    root: &mut Fields<'_>,
    report: &mut Report,
) -> Option<(Routing, Streams, Vec<Target>)> {
    let Some(mut fields) = root.mapping("providers", report) else {
        root.missing(
            "providers",
            "add `providers.targets` with at least one target",
            report,
        );
        return None;
    };
    let stated = strategy(&mut fields, report);
    let targets = targets::targets(&mut fields, stated, report);
    let retry = retry(&mut fields, report);
    let circuit_breaker = circuit_breaker(&mut fields, report);
    let fallback = fallback(&mut fields, report);
    let latency = latency(&mut fields, report);
    let streams = streams(&mut fields, report);
    let position = |key| fields.key_position(key);
    let positions = (position("fallback"), position("latency"));
    fields.finish(UNSUPPORTED_SECTIONS, report);
    let targets = targets?;
    let default = if targets.len() == 1 {
        Strategy::Single
    } else {
        Strategy::Fallback
    };
    let routing = Routing {
        strategy: stated.unwrap_or(default),
        retry: retry.unwrap_or_else(Retry::none),
        circuit_breaker,
        fallback: fallback.clone().unwrap_or_default(),
        latency: latency.unwrap_or_default(),
        quality: None,
    };
    if fallback.is_some() && targets.len() == 1 {
        no_effect(
            "providers.fallback",
            positions.0,
            "there is one target, and no other to fall back on",
            report,
        );
    }
    if latency.is_some() && routing.strategy != Strategy::Latency {
        let message = format!(
            "`providers.latency` has no effect on the strategy `{}`",
            routing.strategy.name()
        );
        no_effect("providers.latency", positions.1, &message, report);
    }
    Some((routing, streams, targets))
}

fn no_effect(path: &str, position: Position, message: &str, report: &mut Report) {
    report.warning(Code::NoEffect, path, position, message, "remove it");
}

/// `providers.strategy`, or `providers.routing.strategy`.
fn strategy(fields: &mut Fields<'_>, report: &mut Report) -> Option<Strategy> {
    let direct = fields.choice("strategy", STRATEGIES, UNSUPPORTED_STRATEGIES, report);
    let routed = fields.mapping("routing", report).and_then(|mut routing| {
        let strategy = routing.choice("strategy", STRATEGIES, UNSUPPORTED_STRATEGIES, report);
        routing.finish(&[], report);
        strategy
    });
    if let (Some(direct), Some(routed)) = (direct, routed)
        && direct != routed
    {
        let message = format!(
            "`providers.strategy` says {}, `providers.routing.strategy` says {}",
            direct.name(),
            routed.name()
        );
        report.error(
            Code::Contradiction,
            "providers.routing.strategy",
            fields.position,
            message,
            "keep one of them",
        );
    }
    direct.or(routed)
}

fn retry(fields: &mut Fields<'_>, report: &mut Report) -> Option<Retry> {
    let mut retry = fields.mapping("retry", report)?;
    let default = Retry::default_policy();
    let read = Retry {
        max_attempts: retry
            .integer("max_attempts", 1..=10, report)
            .unwrap_or(default.max_attempts),
        initial_delay_ms: retry
            .integer("initial_delay_ms", 0..=60_000, report)
            .unwrap_or(default.initial_delay_ms),
        max_delay_ms: retry
            .integer("max_delay_ms", 0..=300_000, report)
            .unwrap_or(default.max_delay_ms),
        retryable_status_codes: retry
            .list("retryable_status_codes", report)
            .map_or(default.retryable_status_codes, |codes| {
                statuses(codes, &retry.path_of("retryable_status_codes"), report)
            }),
    };
    if read.initial_delay_ms > read.max_delay_ms {
        let message = format!(
            "`initial_delay_ms` is {}, which is longer than `max_delay_ms`, {}",
            read.initial_delay_ms, read.max_delay_ms
        );
        report.error(
            Code::Contradiction,
            &retry.path_of("initial_delay_ms"),
            retry.key_position("initial_delay_ms"),
            message,
            "raise `max_delay_ms` or lower `initial_delay_ms`",
        );
    }
    if read.max_attempts == 1 {
        let path = retry.path_of("max_attempts");
        let position = retry.key_position("max_attempts");
        let message =
            "`max_attempts` includes the first attempt, so 1 means that nothing is retried";
        report.warning(
            Code::NoEffect,
            &path,
            position,
            message,
            "use 2 or more, or remove `retry`",
        );
    }
    retry.finish(
        &[
            ("backoff_multiplier", "remove it; the delay doubles"),
            ("jitter", "remove it; delays are always jittered"),
        ],
        report,
    );
    Some(read)
}

/// The values of a list in which each stands once. `read` says which value a node is, `name` what messages call it.
fn unique<T: PartialEq>(
    nodes: &[Node],
    path: &str,
    read: impl Fn(&Node) -> Option<T>,
    name: impl Fn(&T) -> String,
    (wrong, hint): (&str, &str),
    report: &mut Report,
) -> Vec<T> {
    let mut values = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match read(node) {
            Some(value) if values.contains(&value) => report.error(
                Code::Duplicate,
                &path,
                node.position,
                format!("{} is listed twice", name(&value)),
                "list it once",
            ),
            Some(value) => values.push(value),
            None => report.error(Code::InvalidValue, &path, node.position, wrong, hint),
        }
    }
    values
}

fn statuses(nodes: &[Node], path: &str, report: &mut Report) -> Vec<u16> {
    let read = |node: &Node| match &node.value {
        Value::Scalar(Scalar::Int(code)) => u16::try_from(*code)
            .ok()
            .filter(|code| (400..=599).contains(code)),
        _ => None,
    };
    let name = |code: &u16| format!("the status {code}");
    let wrong = (
        "this is not a status of a failed request",
        "use numbers from 400 to 599",
    );
    unique(nodes, path, read, name, wrong, report)
}

fn circuit_breaker(fields: &mut Fields<'_>, report: &mut Report) -> Option<CircuitBreaker> {
    let mut breaker = fields.mapping("circuit_breaker", report)?;
    let default = CircuitBreaker::default();
    let stated = breaker.integer("recovery_timeout_seconds", 1..=86_400, report);
    let alias = breaker.integer("cooldown_seconds", 1..=86_400, report);
    if let (Some(stated), Some(alias)) = (stated, alias)
        && stated != alias
    {
        report.error(
            Code::Contradiction,
            &breaker.path_of("cooldown_seconds"),
            breaker.key_position("cooldown_seconds"),
            "`cooldown_seconds` is another name for `recovery_timeout_seconds`, and they differ",
            "keep `recovery_timeout_seconds`",
        );
    }
    let read = CircuitBreaker {
        failure_threshold: breaker
            .integer("failure_threshold", 1..=1000, report)
            .unwrap_or(default.failure_threshold),
        recovery_timeout_seconds: stated.or(alias).unwrap_or(default.recovery_timeout_seconds),
        half_open_max_requests: breaker
            .integer("half_open_max_requests", 1..=1000, report)
            .unwrap_or(default.half_open_max_requests),
    };
    breaker.finish(&[], report);
    Some(read)
}

fn fallback(fields: &mut Fields<'_>, report: &mut Report) -> Option<Fallback> {
    let mut fallback = fields.mapping("fallback", report)?;
    let default = Fallback::default();
    let path = fallback.path_of("triggers");
    let read = Fallback {
        triggers: fallback
            .list("triggers", report)
            .map_or(default.triggers, |nodes| triggers(nodes, &path, report)),
        max_fallback_attempts: fallback
            .integer("max_fallback_attempts", 0..=32, report)
            .unwrap_or(default.max_fallback_attempts),
    };
    fallback.finish(
        &[
            ("strategy", "use `providers.strategy`"),
            ("max_retries", "use `max_fallback_attempts`"),
            ("retry_on", "use `triggers`"),
        ],
        report,
    );
    Some(read)
}

fn triggers(nodes: &[Node], path: &str, report: &mut Report) -> Vec<Failure> {
    let read = |node: &Node| match &node.value {
        Value::Scalar(Scalar::Text(name)) => Failure::named(name),
        _ => None,
    };
    let name = |failure: &Failure| format!("`{}`", failure.name());
    let known = join(Failure::ALL.iter().map(|failure| failure.name()));
    let hint = format!("expected one of {known}");
    unique(
        nodes,
        path,
        read,
        name,
        ("this is not a trigger", &hint),
        report,
    )
}

/// `providers.stream`. An event that is larger than the most would not fit beside the rest that is inspected.
fn streams(fields: &mut Fields<'_>, report: &mut Report) -> Streams {
    let mut read = Streams {
        max_event_bytes: u32::try_from(MAX_EVENT_BYTES).unwrap_or(u32::MAX),
        include_usage: true,
    };
    if let Some(mut stream) = fields.mapping("stream", report) {
        if let Some(bytes) = stream.integer("max_event_bytes", 65_536..=16_777_216, report) {
            read.max_event_bytes = bytes;
        }
        if let Some(asks) = stream.boolean("include_usage", report) {
            read.include_usage = asks;
        }
        stream.finish(&[], report);
    }
    read
}

fn latency(fields: &mut Fields<'_>, report: &mut Report) -> Option<Latency> {
    let mut latency = fields.mapping("latency", report)?;
    let default = Latency::default();
    let read = Latency {
        window_seconds: latency
            .integer("window_seconds", 1..=86_400, report)
            .unwrap_or(default.window_seconds),
        min_samples: latency
            .integer("min_samples", 1..=50, report)
            .unwrap_or(default.min_samples),
        exploration: latency
            .number("exploration", 0.0..=0.5, report)
            .unwrap_or(default.exploration),
    };
    latency.finish(&[], report);
    Some(read)
}
