//! `kt events stats`: verdicts, tokens, cost and latency added up.

use std::{collections::BTreeMap, process::ExitCode};

use clap::{Args, ValueEnum};
use kt_policy::Usd;
use serde::Serialize;
use serde_json::json;

use super::{
    Files, Filter,
    log::{Event, events},
};
use crate::{Failure, PROBLEM};

/// Arguments of `kt events stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    files: Files,
    /// Only the table by this.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: Filter,
}

/// What the events are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum By {
    Total,
    Target,
    Model,
    Policy,
    User,
    Day,
}

const EVERY: [By; 6] = [
    By::Total,
    By::Target,
    By::Model,
    By::Policy,
    By::User,
    By::Day,
];

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Target => "target",
            Self::Model => "model",
            Self::Policy => "policy",
            Self::User => "user",
            Self::Day => "day",
        }
    }

    /// The groups that an event belongs to.
    fn groups(self, event: &Event) -> Vec<String> {
        let or_none = |name: &Option<String>| vec![name.clone().unwrap_or_else(|| "-".to_owned())];
        match self {
            Self::Total => vec!["all".to_owned()],
            Self::Target => or_none(&event.target_id),
            Self::Model => or_none(&event.model),
            Self::User => or_none(&event.user_id),
            Self::Day => vec![event.day().to_owned()],
            Self::Policy => {
                let mut acted: Vec<String> = event.acted().map(str::to_owned).collect();
                acted.sort();
                acted.dedup();
                acted
            }
        }
    }
}

/// Sums over one group of events.
#[derive(Debug, Default)]
struct Sums {
    requests: u64,
    verdicts: BTreeMap<String, u64>,
    /// Answered with a status of 500 and above.
    failed: u64,
    streams: u64,
    redactions: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    /// Requests of which a count is not known.
    unknown_usage: u64,
    cost: Usd,
    /// Requests whose cost is not known.
    unknown_cost: u64,
    latencies: Vec<f32>,
    first_tokens: Vec<f32>,
}

#[derive(Debug, Serialize)]
struct Row<'r> {
    requests: u64,
    verdicts: &'r BTreeMap<String, u64>,
    failed: u64,
    streams: u64,
    redactions: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    unknown_usage: u64,
    cost_usd: Usd,
    unknown_cost: u64,
    latency_ms: Quantiles,
    time_to_first_token_ms: Quantiles,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Quantiles {
    p50: Option<f32>,
    p95: Option<f32>,
    p99: Option<f32>,
}

impl Sums {
    fn add(&mut self, event: &Event) {
        self.requests += 1;
        *self.verdicts.entry(event.verdict.clone()).or_default() += 1;
        self.failed += u64::from(event.status >= 500);
        self.streams += u64::from(event.stream);
        self.redactions += event.redaction_count;
        self.prompt_tokens += event.usage.prompt_tokens.unwrap_or(0);
        self.completion_tokens += event.usage.completion_tokens.unwrap_or(0);
        let is_known = event.usage.prompt_tokens.and(event.usage.completion_tokens);
        self.unknown_usage += u64::from(is_known.is_none());
        self.unknown_cost += u64::from(event.cost_usd.is_none());
        self.cost = self.cost + event.cost_usd.unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seven digits are enough for a quantile, at half the memory"
        )]
        let note = |list: &mut Vec<f32>, ms: Option<f64>| list.extend(ms.map(|ms| ms as f32));
        note(&mut self.latencies, event.latency_ms);
        note(&mut self.first_tokens, event.time_to_first_token_ms);
    }

    fn row(&mut self) -> Row<'_> {
        Row {
            requests: self.requests,
            verdicts: &self.verdicts,
            failed: self.failed,
            streams: self.streams,
            redactions: self.redactions,
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            unknown_usage: self.unknown_usage,
            cost_usd: self.cost,
            unknown_cost: self.unknown_cost,
            latency_ms: Quantiles::of(&mut self.latencies),
            time_to_first_token_ms: Quantiles::of(&mut self.first_tokens),
        }
    }
}

impl Quantiles {
    /// By the nearest rank.
    fn of(values: &mut [f32]) -> Self {
        values.sort_by(f32::total_cmp);
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100);
            values.get(rank.checked_sub(1)?).copied()
        };
        Self {
            p50: at(50),
            p95: at(95),
            p99: at(99),
        }
    }
}

pub(super) fn stats(arguments: &Stats) -> Result<ExitCode, Failure> {
    let tables: Vec<By> = match arguments.by {
        Some(by) => vec![by],
        None => EVERY.to_vec(),
    };
    let mut sums: BTreeMap<(By, String), Sums> = BTreeMap::new();
    let unknown = events(&arguments.files.files, |event, _| {
        if arguments.filter.takes(&event) {
            for &by in &tables {
                for group in by.groups(&event) {
                    sums.entry((by, group)).or_default().add(&event);
                }
            }
        }
        Ok(())
    })?;
    if arguments.json {
        print_json(&tables, &mut sums, unknown);
    } else {
        print_tables(&tables, &mut sums);
    }
    Ok(if unknown == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(PROBLEM)
    })
}

fn print_json(tables: &[By], sums: &mut BTreeMap<(By, String), Sums>, unknown: usize) {
    let mut all = serde_json::Map::new();
    for by in tables {
        all.insert(by.name().to_owned(), json!({}));
    }
    for ((by, group), sums) in sums {
        if let Some(table) = all
            .get_mut(by.name())
            .and_then(|table| table.as_object_mut())
        {
            table.insert(group.clone(), json!(sums.row()));
        }
    }
    all.insert("lines_that_are_no_events".to_owned(), unknown.into());
    println!("{}", serde_json::Value::Object(all));
}

fn print_tables(tables: &[By], sums: &mut BTreeMap<(By, String), Sums>) {
    for &by in tables {
        let groups: Vec<_> = sums
            .iter_mut()
            .filter(|((table, _), _)| *table == by)
            .collect();
        let width = groups.iter().map(|((_, group), _)| group.chars().count());
        let width = width.chain([by.name().len()]).max().unwrap_or(0);
        println!(
            "{:<width$} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7} {:>12} {:>12} {:>14} {:>9} {:>9} {:>9}",
            by.name(),
            "requests",
            "allow",
            "redact",
            "escalate",
            "block",
            "failed",
            "prompt",
            "completion",
            "cost USD",
            "p50 ms",
            "p95 ms",
            "p99 ms",
        );
        for ((_, group), sums) in groups {
            print_row(group, width, &sums.row());
        }
        println!();
    }
}

fn print_row(group: &str, width: usize, row: &Row<'_>) {
    let verdict = |name: &str| row.verdicts.get(name).copied().unwrap_or(0);
    let ms = |value: Option<f32>| value.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    // A cost that is not known of some requests is at least this.
    let cost = match row.unknown_cost {
        0 => row.cost_usd.to_string(),
        count if count == row.requests => "-".to_owned(),
        _ => format!(">={}", row.cost_usd),
    };
    println!(
        "{group:<width$} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7} {:>12} {:>12} {cost:>14} {:>9} {:>9} {:>9}",
        row.requests,
        verdict("allow"),
        verdict("redact"),
        verdict("escalate"),
        verdict("block"),
        row.failed,
        row.prompt_tokens,
        row.completion_tokens,
        ms(row.latency_ms.p50),
        ms(row.latency_ms.p95),
        ms(row.latency_ms.p99),
    );
}
