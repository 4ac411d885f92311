//! `make bench`: what the policies cost, beside the same Envoy and configuration without the filters.
//!
//! The first figure is Envoy's own time on a processor per session, from its process's clock: load, provider and whatever else the
//! machine does have no part in it. Rounds of all gateways alternate, so that what slows the machine hits all alike, and the
//! ratios are those of one round to the twin's round beside it; medians of them are shown. `--quick` measures the chain alone, fast.

#![expect(clippy::print_stdout, reason = "the result goes to standard output")]

mod engine;
mod load;
mod policies;
mod processes;
mod texts;

use std::{env, fs, io::Write as _, sync::Arc};

use load::{Sample, run_round};
use processes::{Gateway, Provider, root};
use serde_json::json;
use texts::{Session, Technical};

/// One kind of session.
struct Row {
    name: &'static str,
    connections: usize,
    /// Sessions per round.
    count: usize,
    /// Whether the provider answers with a stream.
    streams: bool,
    /// Whether it is among the rows of the quick run.
    is_quick: bool,
    session: fn(&Technical, usize) -> Session,
}

/// All rows; those of one provider follow each other.
fn rows() -> Vec<Row> {
    let row = |name, connections, count, is_quick, session| Row {
        name,
        connections,
        count,
        streams: false,
        is_quick,
        session,
    };
    vec![
        row("1 KB of prose", 16, 1500, true, |_, _| {
            vec![texts::request(&texts::prose(824), false)]
        }),
        row("1 KB, one connection", 1, 400, false, |_, _| {
            vec![texts::request(&texts::prose(824), false)]
        }),
        row("16 KiB technical", 4, 200, false, |technical, serial| {
            vec![texts::request(&technical.text(16 << 10, serial), false)]
        }),
        row("64 KiB of prose", 4, 100, false, |_, serial| {
            let text = format!("Part {serial}. {}", texts::prose(64 << 10));
            vec![texts::request(&text, false)]
        }),
        row("64 KiB technical", 4, 100, true, |technical, serial| {
            vec![texts::request(&technical.text(64 << 10, serial), false)]
        }),
        row("4 MiB technical", 1, 2, false, |technical, serial| {
            vec![texts::request(&technical.text(4 << 20, serial), false)]
        }),
        row("20 turns to 100 KiB", 4, 8, true, |technical, serial| {
            texts::conversation(technical, 20, 100 << 10, serial)
        }),
        Row {
            streams: true,
            ..row("stream of 500 chunks", 4, 40, true, |_, _| {
                vec![texts::request(&texts::prose(824), true)]
            })
        },
    ]
}

/// A gateway's figures in one round.
#[derive(Clone, Copy)]
struct Figures {
    /// Microseconds of Envoy's per session.
    cpu_us: f64,
    sample: Sample,
    memory: f64,
}

struct Bench {
    technical: Technical,
    rounds: usize,
    is_quick: bool,
    /// Sessions so far, so that none is like another.
    serial: usize,
    raw: fs::File,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let only = arguments
        .iter()
        .map(String::as_str)
        .find(|argument| !argument.is_empty() && !argument.starts_with("--"));
    match arguments.as_slice() {
        [flag, name, file] if flag == "--once" => return engine::once(name, file),
        [flag, ..] if flag == "--engine" => return engine::run(only),
        _ => {}
    }
    let file = root().join("target/bench.jsonl");
    let raw = fs::File::create(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut bench = Bench {
        technical: Technical::read()?,
        rounds: if is_quick { 5 } else { 7 },
        is_quick,
        serial: 0,
        raw,
    };
    println!(
        "{} rounds, alternating; medians. Raw figures: target/bench.jsonl",
        bench.rounds
    );
    let chosen = |row: &Row| match only {
        Some(part) => row.name.contains(part),
        None => !is_quick || row.is_quick,
    };
    let (streams, wholes): (Vec<Row>, Vec<Row>) = rows()
        .into_iter()
        .filter(chosen)
        .partition(|row| row.streams);
    let whole = json!({"reply": texts::prose(400)}).to_string();
    for (rows, script) in [(wholes, whole), (streams, texts::stream_script(500))] {
        if !rows.is_empty() {
            bench.run(&rows, &script).await?;
        }
    }
    Ok(())
}

impl Bench {
    /// Measures `rows` with one provider.
    async fn run(&mut self, rows: &[Row], script: &str) -> Result<(), String> {
        let provider = Provider::start(script)?;
        let mut gateways = vec![(
            "twin",
            Gateway::start(&policies::file(policies::SEED, provider.port), false)?,
        )];
        for (name, chain) in policies::CHAINS {
            if !self.is_quick || *chain == policies::SEED {
                let policy = policies::file(chain, provider.port);
                gateways.push((name, Gateway::start(&policy, true)?));
            }
        }
        println!("\n{:<22} {}", "", heading(&gateways));
        for (name, gateway) in &gateways {
            self.note(&json!({"gateway": name, "ready_s": gateway.ready.as_secs_f64(), "idle_mib": gateway.memory()}));
        }
        print_line(
            "ready, s",
            gateways
                .iter()
                .map(|(_, gateway)| gateway.ready.as_secs_f64()),
        );
        print_line(
            "anonymous MiB, idle",
            gateways.iter().map(|(_, gateway)| gateway.memory()),
        );
        for row in rows {
            let figures = self.measure(row, &gateways).await?;
            print_row(row, &figures);
        }
        print_line(
            "anonymous MiB, after",
            gateways.iter().map(|(_, gateway)| gateway.memory()),
        );
        Ok(())
    }

    /// All rounds of one row: per gateway its figures in each of them.
    async fn measure(
        &mut self,
        row: &Row,
        gateways: &[(&'static str, Gateway)],
    ) -> Result<Vec<Vec<Figures>>, String> {
        let mut all: Vec<Vec<Figures>> = gateways.iter().map(|_| Vec::new()).collect();
        for round in 0..=self.rounds {
            for ((name, gateway), figures) in gateways.iter().zip(&mut all) {
                // The first round warms up.
                let count = if round == 0 {
                    row.count.div_ceil(4)
                } else {
                    row.count
                };
                let sessions: Vec<Session> = (0..count)
                    .map(|place| (row.session)(&self.technical, self.serial + place))
                    .collect();
                self.serial += count;
                let before = gateway.cpu();
                let sample = run_round(gateway.port, row.connections, &Arc::new(sessions)).await?;
                let cpu = gateway.cpu().saturating_sub(before);
                if round > 0 {
                    #[expect(clippy::cast_precision_loss, reason = "there are few sessions")]
                    let cpu_us = cpu.as_secs_f64() * 1e6 / count as f64;
                    let memory = gateway.memory();
                    self.note(&json!({"row": row.name, "gateway": name, "round": round, "cpu_us": cpu_us, "rate": sample.rate,
                        "p50_ms": sample.p50_ms, "p99_ms": sample.p99_ms, "first_token_ms": sample.first_token_ms, "mib": memory}));
                    figures.push(Figures {
                        cpu_us,
                        sample,
                        memory,
                    });
                }
            }
        }
        Ok(all)
    }

    fn note(&mut self, figures: &serde_json::Value) {
        let _ = writeln!(self.raw, "{figures}");
    }
}

fn heading(gateways: &[(&'static str, Gateway)]) -> String {
    let names: Vec<String> = gateways
        .iter()
        .map(|(name, _)| format!("{name:>11}"))
        .collect();
    names.concat()
}

fn print_line(name: &str, figures: impl Iterator<Item = f64>) {
    let figures: Vec<String> = figures.map(|figure| format!("{figure:>11.2}")).collect();
    println!("{name:<22} {}", figures.concat());
}

/// The figures of each gateway; all but those of the first, which is the twin, as multiples of the twin's.
fn print_row(row: &Row, all: &[Vec<Figures>]) {
    let Some(twin) = all.first() else { return };
    let absolute = |figure: fn(&Figures) -> f64| {
        all.iter()
            .map(move |rounds| median(rounds.iter().map(figure).collect()))
    };
    println!("{}", row.name);
    print_line("  CPU us per session", absolute(|figures| figures.cpu_us));
    let ratios = all.iter().map(|rounds| {
        let pairs = rounds.iter().zip(twin);
        median(pairs.map(|(own, twin)| own.cpu_us / twin.cpu_us).collect())
    });
    print_line("  CPU / twin", ratios);
    print_line("  p50 ms", absolute(|figures| figures.sample.p50_ms));
    print_line("  p99 ms", absolute(|figures| figures.sample.p99_ms));
    if row.streams {
        print_line(
            "  first token ms",
            absolute(|figures| figures.sample.first_token_ms),
        );
    }
    print_line("  sessions per s", absolute(|figures| figures.sample.rate));
    print_line("  anonymous MiB", absolute(|figures| figures.memory));
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
