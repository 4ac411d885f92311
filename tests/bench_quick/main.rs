//! `make bench-quick`: the gateway with all policies against its filter-less twin: the same Envoy and the same
//! configuration without the two filters. Both run at the same time; rounds alternate between them, so that
//! whatever else the machine does hits both alike. The ratios are what counts, not the absolute figures.

#![expect(clippy::print_stdout, reason = "the result goes to standard output")]

mod load;
mod processes;
mod texts;

use std::time::Duration;

use load::{Sample, Work, run_round};
use processes::{Gateway, Provider};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(1500);

/// One line of the table.
struct Row {
    name: &'static str,
    connections: usize,
    request: Vec<u8>,
    script: String,
}

fn rows() -> Vec<Row> {
    let reply = texts::prose(400);
    let whole = format!("{{\"reply\":{}}}", serde_json::json!(reply));
    vec![
        Row {
            name: "1 KB request",
            connections: 16,
            request: texts::request(1 << 10, false),
            script: whole.clone(),
        },
        Row {
            name: "64 KiB request",
            connections: 4,
            request: texts::request(64 << 10, false),
            script: whole,
        },
        Row {
            name: "SSE, 500 chunks",
            connections: 4,
            request: texts::request(1 << 10, true),
            script: texts::stream_script(500),
        },
    ]
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    println!(
        "{ROUNDS} rounds of {} ms each, alternating; medians; one machine shared by load, provider and gateway",
        ROUND.as_millis()
    );
    println!(
        "{:<16} {:>10} {:>10} {:>7}   {:>16} {:>16} {:>18}",
        "", "req/s", "twin", "ratio", "p50 ms (twin)", "p99 ms (twin)", "first token (twin)"
    );
    for row in rows() {
        let provider = Provider::start(&row.script)?;
        let filtered = Gateway::start(provider.port, true)?;
        let twin = Gateway::start(provider.port, false)?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for port in [filtered.port, twin.port] {
            run_round(&Work {
                port,
                connections: row.connections,
                request: &row.request,
                length: ROUND / 3,
            })
            .await?;
        }
        for _ in 0..ROUNDS {
            with.push(
                run_round(&Work {
                    port: filtered.port,
                    connections: row.connections,
                    request: &row.request,
                    length: ROUND,
                })
                .await?,
            );
            without.push(
                run_round(&Work {
                    port: twin.port,
                    connections: row.connections,
                    request: &row.request,
                    length: ROUND,
                })
                .await?,
            );
        }
        print_row(&row, &with, &without);
    }
    Ok(())
}

fn print_row(row: &Row, with: &[Sample], without: &[Sample]) {
    let ratios: Vec<f64> = with
        .iter()
        .zip(without)
        .map(|(with, without)| with.rate / without.rate)
        .collect();
    let rate = |samples: &[Sample]| median(samples.iter().map(|sample| sample.rate).collect());
    let pair = |figure: fn(&Sample) -> f64| {
        let of = |samples: &[Sample]| median(samples.iter().map(figure).collect());
        format!("{:.2} ({:.2})", of(with), of(without))
    };
    println!(
        "{:<16} {:>10.0} {:>10.0} {:>7.2}   {:>16} {:>16} {:>18}",
        row.name,
        rate(with),
        rate(without),
        median(ratios),
        pair(|sample| sample.p50_ms),
        pair(|sample| sample.p99_ms),
        pair(|sample| sample.first_token_ms),
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
