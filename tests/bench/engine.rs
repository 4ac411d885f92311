//! `make bench-engine`: what each stage of the engine costs, natively: instructions for each byte, which do not depend on what else
//! the machine does (counted by valgrind, where it is installed), nanoseconds, and allocations.

use std::{
    env, fs,
    hint::black_box,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use kt_policy::{Chain, Engine, Exchange, FilterConfig, Phase, PolicyConfig};
use kt_text::{
    detect::{Entity, Scanner, Window},
    linear::Weights,
};

use crate::{
    policies,
    texts::{self, Technical},
};

/// One run of a stage. The name is what valgrind looks for.
#[inline(never)]
fn measured(run: &mut dyn FnMut()) {
    run();
}

/// A stage, ready to run on a text.
type Stage = Box<dyn FnMut(&str)>;

fn chain(policies: &[PolicyConfig]) -> Result<Stage, String> {
    let chain = Chain::compile(policies)?;
    Ok(Box::new(move |text| {
        black_box(chain.judge_text(Phase::Input, text));
    }))
}

fn entity(entity: Entity) -> Stage {
    let (scanner, mut found) = (Scanner::new(&[entity]), Vec::new());
    Box::new(move |text| {
        found.clear();
        black_box(scanner.scan(&Window::whole(text), &mut found));
    })
}

fn request() -> Result<Stage, String> {
    let policies =
        serde_json::to_value(policies::of(policies::SEED)?).map_err(|error| error.to_string())?;
    let config = serde_json::json!({
        "format": kt_policy::FORMAT, "role": "policy", "gateway_id": "g", "pack": {"name": "bench", "version": "1.0.0"},
        "fail_mode": "block", "unreadable": "allow", "model_per_attempt": false, "policies": policies,
        "targets": [{"id": "a", "provider": "together", "model": "m", "authority": "a.test", "base_path": "/v1", "weight": 1,
            "timeout_ms": 60000, "first_token_ms": 60000}]
    });
    let engine = Arc::new(Engine::new(FilterConfig::from_json(
        config.to_string().as_bytes(),
    )?)?);
    Ok(Box::new(move |text| {
        let mut exchange = Exchange::begin(Arc::clone(&engine));
        black_box(exchange.request_body(text.as_bytes()));
    }))
}

/// All stages by name.
fn stages() -> Vec<String> {
    let fixed = ["chain", "request", "models"].map(str::to_owned);
    let policies = policies::SEED.iter().map(|name| (*name).to_owned());
    let entities = Entity::ALL.iter().map(|entity| entity.name().to_owned());
    fixed.into_iter().chain(policies).chain(entities).collect()
}

fn stage(name: &str) -> Result<Stage, String> {
    match name {
        "chain" => chain(&policies::of(policies::SEED)?),
        "request" => request(),
        "models" => {
            let weights = Weights::for_requests().ok_or("the weights cannot be read")?;
            Ok(Box::new(move |text| {
                black_box(weights.judge(text));
            }))
        }
        _ => match Entity::ALL.iter().find(|entity| entity.name() == name) {
            Some(known) => Ok(entity(*known)),
            None => chain(&policies::of(&[name])?),
        },
    }
}

/// Runs a stage on the text of a file, for valgrind.
pub(crate) fn once(name: &str, file: &str) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let mut run = stage(name)?;
    // What is made once is made before.
    run(&text);
    measured(&mut || run(&text));
    Ok(())
}

/// Prints a line for each stage and text; of those whose name has `only` in it, if that is given.
pub(crate) fn run(only: Option<&str>) -> Result<(), String> {
    let technical = Technical::read()?.text(64 << 10, 1);
    let prose = texts::prose(1024);
    let message = serde_json::json!(prose);
    let request =
        format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":{message}}}]}}");
    println!(
        "{:<24} {:>9} {:>22} {:>12} {:>12}",
        "", "text", "instructions per byte", "ns per byte", "allocations"
    );
    for name in stages() {
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        if name == "request" {
            line(&name, "1 KB body", &request)?;
        } else {
            line(&name, "technical", &technical)?;
            line(&name, "prose", &prose)?;
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures to be read")]
fn line(name: &str, kind: &str, text: &str) -> Result<(), String> {
    let mut run = stage(name)?;
    run(text);
    let allocations = allocation_counter::measure(|| run(text)).count_total;
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let begin = Instant::now();
        run(text);
        best = best.min(begin.elapsed());
    }
    let bytes = text.len() as f64;
    let counted = instructions(name, text)?.map_or_else(
        || "-".to_owned(),
        |count| format!("{:.1}", count as f64 / bytes),
    );
    println!(
        "{name:<24} {kind:>9} {counted:>22} {:>22.2} {allocations:>22}",
        best.as_secs_f64() * 1e9 / bytes
    );
    Ok(())
}

/// Instructions of one run; `None` without valgrind.
fn instructions(name: &str, text: &str) -> Result<Option<u64>, String> {
    let file = env::temp_dir().join(format!("kt-bench-{}.txt", std::process::id()));
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*measured*",
        ])
        .arg(own)
        .args(["--once", name])
        .arg(&file)
        .output();
    let _ = fs::remove_file(&file);
    let Ok(output) = output else { return Ok(None) };
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = report
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .map(|(_, count)| count.trim().parse());
    Ok(count.and_then(Result::ok))
}
