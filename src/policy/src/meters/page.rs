//! The page for Prometheus: text format 0.0.4, base units, labels whose values come from the configuration or from us.

use std::fmt::Write as _;

use kt_routing::{TargetReport, TargetState};

use super::{Family, NO_TARGET, SUM, Series, Shown, Sums, VERDICTS};
use crate::{
    filter_config::{FilterConfig, Target},
    money::{COST_DECIMALS, decimal},
    policy::PolicyKind,
};

/// A number that is read when the page is asked for.
struct Gauge {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// Labels with values.
    samples: Vec<(String, u64)>,
}

impl Gauge {
    /// A gauge with one value.
    fn of(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            kind: "gauge",
            samples: vec![(String::new(), value)],
        }
    }

    /// What is known of all targets.
    fn of_targets(config: &FilterConfig, states: &[TargetState], now_us: u64) -> Vec<Self> {
        let reports: Vec<(String, TargetReport)> = config
            .targets
            .iter()
            .zip(states)
            .map(|(target, state)| {
                let report = TargetReport::of(state, &config.routing, now_us);
                (label("target", &target.id), report)
            })
            .collect();
        let is_in = |labels: &str, report: &TargetReport| {
            STATES.map(|state| {
                let is_so = u64::from(report.state == state);
                (format!("{labels},{}", label("state", state)), is_so)
            })
        };
        let states = reports
            .iter()
            .flat_map(|(labels, report)| is_in(labels, report));
        let failures = reports.iter().flat_map(|(labels, report)| {
            let named = |(kind, count)| (format!("{labels},{}", label("failure", kind)), count);
            report.failures.by_kind().map(named)
        });
        let per_target = |value: fn(&TargetReport) -> u64| {
            let all = reports.iter();
            all.map(|(labels, report)| (labels.clone(), value(report)))
                .collect()
        };
        let all = [
            (
                "keeptrusts_target_state",
                "Whether the target is in this state: closed and half-open take requests.",
                "gauge",
                states.collect(),
            ),
            (
                "keeptrusts_target_attempts_total",
                "Attempts that began.",
                "counter",
                per_target(|report| report.attempts),
            ),
            (
                "keeptrusts_target_failures_total",
                "Attempts that failed, by kind.",
                "counter",
                failures.collect(),
            ),
            (
                "keeptrusts_target_circuit_opened_total",
                "How often the circuit breaker opened.",
                "counter",
                per_target(|report| report.circuit_opened),
            ),
        ];
        all.into_iter()
            .map(|(name, help, kind, samples)| Self {
                name,
                help,
                kind,
                samples,
            })
            .collect()
    }
}

const STATES: [&str; 4] = ["closed", "half-open", "open", "unhealthy"];

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "keeptrusts_llm_requests_total",
            Self::Tokens => "keeptrusts_llm_tokens_total",
            Self::UnknownUsage => "keeptrusts_llm_unknown_usage_total",
            Self::Cost => "keeptrusts_llm_cost_total",
            Self::UnknownCost => "keeptrusts_llm_unknown_cost_total",
            Self::Latency => "keeptrusts_llm_latency_seconds",
            Self::FirstToken => "keeptrusts_llm_time_to_first_token_seconds",
            Self::Evaluations => "keeptrusts_gateway_policy_evaluations_total",
            Self::Quality => "keeptrusts_quality_score_ratio",
            Self::Faults => "keeptrusts_engine_faults_total",
            Self::Would => "keeptrusts_would_total",
            Self::Remembered => "keeptrusts_history_texts_total",
            Self::Unlogged => "keeptrusts_event_log_refused_total",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Requests => {
                "Exchanges that are over, by the status that the client got; 0 when it went away before."
            }
            Self::Tokens => "Tokens as providers reported them.",
            Self::UnknownUsage => "Answers of which the provider did not report all tokens.",
            Self::Cost => "What is known to have been spent, in USD.",
            Self::UnknownCost => {
                "Answers whose cost is not known: without a price, or without tokens."
            }
            Self::Latency => "From the request to the end of the exchange.",
            Self::FirstToken => {
                "From the request to the first byte of a stream that left for the client."
            }
            Self::Evaluations => "What policies said of requests and answers.",
            Self::Quality => "Scores of answers by the quality scorer.",
            Self::Faults => "Failures of the engine that the fail mode decided on.",
            Self::Would => {
                "What would have become of exchanges, had policies that monitor been enforced."
            }
            Self::Remembered => "Texts of requests, by whether they had been judged before.",
            Self::Unlogged => "Requests that were refused since events could not be written.",
        }
    }

    fn kind(self) -> &'static str {
        match self.bounds() {
            Some(_) => "histogram",
            None => "counter",
        }
    }

    /// Decimals of its numbers as they are counted.
    fn decimals(self) -> u32 {
        match self {
            Self::Cost => COST_DECIMALS,
            Self::Latency | Self::FirstToken => 6,
            Self::Quality => 2,
            _ => 0,
        }
    }
}

/// The labels of a series, as they stand in the page.
pub(super) fn labels(series: Series, config: &FilterConfig) -> String {
    let [first, second, third] = series.labels;
    let target = of_target(
        config
            .targets
            .get(usize::from(first))
            .filter(|_| first != NO_TARGET),
    );
    let verdict = |number: u16| {
        let verdict = VERDICTS
            .get(usize::from(number))
            .copied()
            .unwrap_or_default();
        match verdict {
            crate::Verdict::Allow => "allow",
            crate::Verdict::Redact => "redact",
            crate::Verdict::Escalate => "escalate",
            crate::Verdict::Block => "block",
        }
    };
    match series.family {
        Family::Requests => format!(
            "{target},{},{}",
            label("status", &second.to_string()),
            label("verdict", verdict(third))
        ),
        Family::Tokens => {
            let direction = if second == 0 { "prompt" } else { "completion" };
            format!("{target},{}", label("direction", direction))
        }
        Family::Evaluations => {
            let kind = PolicyKind::ALL.get(usize::from(first));
            let phase = if second == 0 { "input" } else { "output" };
            format!(
                "{},{},{}",
                label("policy", kind.map_or("", |kind| kind.name())),
                label("phase", phase),
                label("result", verdict(third))
            )
        }
        Family::Would => label("verdict", verdict(first)),
        Family::Remembered => label("known", if first == 0 { "no" } else { "yes" }),
        Family::Quality | Family::Faults | Family::Unlogged => String::new(),
        _ => target,
    }
}

fn of_target(target: Option<&Target>) -> String {
    let part = |name, value: fn(&Target) -> &str| label(name, target.map_or("", value));
    [
        part("target", |target| &target.id),
        part("model", |target| &target.model),
        part("provider", |target| &target.provider),
    ]
    .join(",")
}

fn label(name: &str, value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace(char::is_control, " ");
    format!("{name}=\"{escaped}\"")
}

/// The page: what all workers counted, and what is known of the targets.
pub fn page(
    workers: Vec<Shown>,
    config: &FilterConfig,
    states: &[TargetState],
    now_us: u64,
) -> String {
    let total = |value: fn(&Shown) -> u64| workers.iter().map(value).sum();
    let mut gauges = Gauge::of_targets(config, states, now_us);
    gauges.extend([
        Gauge::of(
            "keeptrusts_gateway_held_bytes",
            "Bodies on their way that are held in memory.",
            total(|worker| worker.held_bytes),
        ),
        Gauge::of(
            "keeptrusts_gateway_module_memory_bytes",
            "Memory of the filter's machines at the listener.",
            total(|worker| worker.memory_bytes),
        ),
        Gauge::of(
            "keeptrusts_history_bytes",
            "What is kept of texts that were judged.",
            total(|worker| worker.history_bytes),
        ),
    ]);
    let mut sums = Sums::default();
    for worker in workers {
        sums.merge(worker.sums);
    }
    render(&sums, &gauges)
}

fn render(sums: &Sums, gauges: &[Gauge]) -> String {
    let mut out = String::new();
    for family in Family::ALL {
        head(&mut out, family.name(), family.help(), family.kind());
        match family.bounds() {
            Some(bounds) => histograms(&mut out, family, bounds, sums),
            None => counters(&mut out, family, sums),
        }
    }
    for gauge in gauges {
        head(&mut out, gauge.name, gauge.help, gauge.kind);
        for (labels, value) in &gauge.samples {
            sample(&mut out, gauge.name, labels, &value.to_string());
        }
    }
    out
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(out: &mut String, name: &str, labels: &str, value: &str) {
    let _ = match labels {
        "" => writeln!(out, "{name} {value}"),
        _ => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

fn counters(out: &mut String, family: Family, sums: &Sums) {
    let mut is_there = false;
    for (labels, _, count) in sums.of(family) {
        is_there = true;
        sample(
            out,
            family.name(),
            labels,
            &decimal(count, family.decimals()),
        );
    }
    // A number without labels is there from the start, so that a rise from nothing shows.
    if !is_there && matches!(family, Family::Faults | Family::Unlogged) {
        sample(out, family.name(), "", "0");
    }
}

fn histograms(out: &mut String, family: Family, bounds: &[u64], sums: &Sums) {
    let mut all: Vec<&str> = sums.of(family).map(|(labels, ..)| labels).collect();
    all.dedup();
    for labels in all {
        let cells = || sums.of(family).filter(|(other, ..)| *other == labels);
        let comma = if labels.is_empty() { "" } else { "," };
        let bucket = |out: &mut String, bound: &str, count: u128| {
            let labels = format!("{labels}{comma}le=\"{bound}\"");
            sample(
                out,
                &format!("{}_bucket", family.name()),
                &labels,
                &count.to_string(),
            );
        };
        let up_to = |last: usize| {
            let below = cells().filter(|(_, cell, _)| usize::from(*cell) <= last && *cell != SUM);
            below.map(|(.., count)| count).sum::<u128>()
        };
        for (at, bound) in bounds.iter().enumerate() {
            bucket(out, &decimal((*bound).into(), family.decimals()), up_to(at));
        }
        let count = up_to(usize::from(SUM));
        bucket(out, "+Inf", count);
        let sum = cells()
            .find(|(_, cell, _)| *cell == SUM)
            .map_or(0, |(.., sum)| sum);
        sample(
            out,
            &format!("{}_sum", family.name()),
            labels,
            &decimal(sum, family.decimals()),
        );
        sample(
            out,
            &format!("{}_count", family.name()),
            labels,
            &count.to_string(),
        );
    }
}

impl Sums {
    /// Labels, cell and count of all numbers of a family.
    fn of(&self, family: Family) -> impl Iterator<Item = (&str, u8, u128)> {
        let all = self.0.range((family, String::new(), 0)..);
        all.take_while(move |((other, ..), _)| *other == family)
            .map(|((_, labels, cell), count)| (labels.as_str(), *cell, *count))
    }
}
