//! `kt policy explain` and `kt policy replay`: the engine that runs in Envoy, run here.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};

use clap::Args;
use kt_envoy_gen::{Options, policy_filter_config};
use kt_policy::{
    BodyStep, Endpoint, Engine, Exchange, Model,
    event::{Facts, Outcome},
    heaviest,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::review::{Review, Said};
use crate::{Failure, gateway::load};

/// Arguments of `kt policy explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON line.
    #[arg(long)]
    json: bool,
    /// A request or response as JSON; `-` reads standard input.
    #[arg(default_value = "-")]
    body: PathBuf,
}

/// Arguments of `kt policy replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Another policy file; print where it decides differently.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    against: Option<PathBuf>,
    /// Print one JSON line per conversation.
    #[arg(long)]
    json: bool,
    /// Conversations, one JSON object per line: `{"id", "messages": […]}`, with `"response": "…"` to judge the answer
    /// too, or `{"id", "text"}` for one user message. `-` reads standard input.
    transcripts: PathBuf,
}

/// One recorded conversation. Members beyond these are the recorder's own.
#[derive(Debug, Deserialize)]
struct Transcript {
    #[serde(default)]
    id: Value,
    messages: Option<Value>,
    response: Option<String>,
    text: Option<String>,
}

fn engine(file: &Path) -> Result<Arc<Engine>, Failure> {
    let gateway = load(file)?;
    let config = policy_filter_config(&gateway, &Options::default());
    let engine = Engine::new(config);
    engine
        .map(Arc::new)
        .map_err(|reason| Failure::problem(format!("error: {}: {reason}", file.display())))
}

/// An exchange of now that keeps what is seen.
pub(super) fn begin(engine: &Arc<Engine>) -> Exchange {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_us = now.map_or(0, |now| now.as_secs().saturating_mul(1_000_000));
    let mut exchange = Exchange::begin(engine.clone());
    exchange.started(now_us);
    exchange.explain();
    exchange
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|error| {
        Failure::usage(format!("error: cannot read {}: {error}", path.display()))
    })?;
    Ok(text)
}

/// Judges one request or response.
pub(crate) fn explain(arguments: &Explain) -> Result<ExitCode, Failure> {
    let engine = engine(&arguments.file)?;
    let text = read(&arguments.body)?;
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut exchange = begin(&engine);
    if body.get("choices").is_some() || body.get("output").is_some() || body.get("data").is_some() {
        exchange.response_body(text.as_bytes());
    } else {
        exchange.at(endpoint(&body));
        exchange.request_body(text.as_bytes());
    }
    let mut judged = line(body.get("id").unwrap_or(&Value::Null), &exchange);
    name_grams(&body, &mut judged);
    println!(
        "{}",
        if arguments.json {
            judged.to_string()
        } else {
            prose(&judged)
        }
    );
    Ok(ExitCode::SUCCESS)
}

/// So many n-grams are named of each window.
const GRAMS: usize = 8;

/// Says for each finding of a model which n-grams weighed most. A window of texts that were read as one, or of what a text says when it
/// is decoded, is none of the member's text and stays without.
fn name_grams(body: &Value, judged: &mut Value) {
    let findings = judged.get_mut("findings").and_then(Value::as_array_mut);
    for finding in findings.into_iter().flatten() {
        let model = match finding.get("entity").and_then(Value::as_str) {
            Some("injection_model") => Model::Injection,
            Some("safety_model") => Model::Safety,
            Some("answer_model") => Model::Answers,
            _ => continue,
        };
        let place = |name| usize::try_from(finding.get(name)?.as_u64()?).ok();
        let window = || {
            let pointer = finding.get("field")?.as_str()?;
            let pointer = pointer.replace('[', "/").replace(']', "").replace('.', "/");
            let text = body.pointer(&format!("/{pointer}"))?.as_str()?;
            let (start, end) = (place("start")?, place("end")?);
            (end <= text.chars().count()).then(|| {
                text.chars()
                    .skip(start)
                    .take(end - start)
                    .collect::<String>()
            })
        };
        let Some(window) = window() else { continue };
        let grams: Vec<Value> = heaviest(model, &window, GRAMS)
            .into_iter()
            .map(|one| json!({"gram": one.gram, "weight": (f64::from(one.weight) * 1000.0).round() / 1000.0}))
            .collect();
        if let Some(members) = finding.as_object_mut() {
            members.insert("ngrams".to_owned(), Value::from(grams));
        }
    }
}

fn endpoint(body: &Value) -> Endpoint {
    match body {
        _ if body.get("messages").is_some() => Endpoint::ChatCompletions,
        _ if body.get("prompt").is_some() => Endpoint::Completions,
        _ if body.get("input").is_some() => Endpoint::Responses,
        _ => Endpoint::ChatCompletions,
    }
}

/// Judges recorded conversations.
pub(crate) fn replay(arguments: &Replay) -> Result<ExitCode, Failure> {
    let first = engine(&arguments.file)?;
    let second = arguments.against.as_deref().map(engine).transpose()?;
    let text = read(&arguments.transcripts)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut review = Review::default();
    for (number, recorded) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let place = format!("{}:{}", arguments.transcripts.display(), number + 1);
        let transcript = parse(recorded, &place)?;
        let (judged, redactions) = judge(&first, &transcript);
        if arguments.json {
            println!("{judged}");
            continue;
        }
        let verdict = decision(&judged);
        if let Some(other) = &second {
            let (others, other_redactions) = judge(other, &transcript);
            let said = |judged, redactions| Said {
                judged,
                decision: decision(judged),
                redactions,
            };
            review.compare(
                &transcript.id,
                &said(&judged, redactions),
                &said(&others, other_redactions),
            );
        }
        *counts.entry(verdict).or_default() += 1;
    }
    if second.is_some() {
        print!("{}", review.render());
    }
    for (verdict, count) in counts {
        println!("{count:>8}  {verdict}");
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(recorded: &str, place: &str) -> Result<Transcript, Failure> {
    let transcript: Transcript = serde_json::from_str(recorded)
        .map_err(|error| Failure::usage(format!("error: {place}: {error}")))?;
    if transcript.messages.is_none() && transcript.text.is_none() {
        let hint = "a line needs `messages` or `text`";
        return Err(Failure::usage(format!(
            "error: {place}: nothing to judge\nhint: {hint}"
        )));
    }
    Ok(transcript)
}

/// Judges one conversation as the gateway would: the answer only if the request may go on. Also says what was replaced.
fn judge(engine: &Arc<Engine>, transcript: &Transcript) -> (Value, Vec<String>) {
    let text = transcript.text.as_deref().unwrap_or_default();
    let messages = transcript
        .messages
        .clone()
        .unwrap_or_else(|| json!([{"role": "user", "content": text}]));
    let mut exchange = begin(engine);
    let step = exchange.request_body(json!({"messages": messages}).to_string().as_bytes());
    if let (Some(response), false) = (&transcript.response, matches!(step, BodyStep::Reply(_))) {
        let message = json!({"role": "assistant", "content": response});
        exchange.response_body(
            json!({"choices": [{"index": 0, "message": message}]})
                .to_string()
                .as_bytes(),
        );
    }
    let redactions = exchange.tally().redactions().iter();
    let replaced = redactions.map(|redaction| {
        format!(
            "{} {}..{}",
            redaction.category, redaction.start, redaction.end
        )
    });
    (line(&transcript.id, &exchange), replaced.collect())
}

/// One line of `--json`.
pub(super) fn line(id: &Value, exchange: &Exchange) -> Value {
    let outcome = Outcome::of(exchange, &Facts::default());
    let decided = exchange.tally().outcome().1;
    let mut line = json!({
        "id": id,
        "verdict": outcome.verdict,
        "reason_code": outcome.reason_code,
        "policy": decided.map(|(policy, _)| policy.name()),
        "policy_results": exchange.results(),
        "findings": exchange.findings(),
    });
    if let Value::Object(members) = &mut line {
        let (uses, not_run): (Vec<_>, Vec<_>) =
            (exchange.uses().collect(), exchange.not_run().collect());
        if !uses.is_empty() {
            members.insert("exceptions".to_owned(), json!(uses));
        }
        if !not_run.is_empty() {
            members.insert("not_run".to_owned(), json!(not_run));
        }
    }
    if let (Some(would), Value::Object(members)) = (exchange.would(), &mut line) {
        let outcome = Outcome::of(would, &Facts::default());
        members.insert("would_verdict".to_owned(), json!(outcome.verdict));
        members.insert("would_reason_code".to_owned(), json!(outcome.reason_code));
    }
    line
}

/// Verdict and reason in one word each, and where policies monitor what they would have been.
fn decision(judged: &Value) -> String {
    let own = said(judged, "verdict", "reason_code");
    if judged.get("would_verdict").is_none() {
        return own;
    }
    let would = said(judged, "would_verdict", "would_reason_code");
    format!("{own:<36} would: {would}")
}

fn said(judged: &Value, verdict: &str, reason_code: &str) -> String {
    let member = |name: &str| {
        judged
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    format!("{} {}", member(verdict), member(reason_code))
}

/// The explanation for a person. Findings are named by place, and what a model thinks by its n-grams; nothing is quoted otherwise.
fn prose(judged: &Value) -> String {
    let list = |name: &str| {
        judged
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let word = |value: &Value, name: &str| match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "-".to_owned(),
    };
    let mut lines = vec![decision(judged)];
    lines.extend(list("policy_results").iter().map(|result| {
        let (said, would) = match result.get("would") {
            Some(would) => (would, "would "),
            None => (result, ""),
        };
        format!(
            "  {} ({}): {would}{}, score {}",
            word(result, "kind"),
            word(result, "phase"),
            word(said, "verdict"),
            word(said, "score")
        )
    }));
    lines.extend(list("findings").iter().map(|finding| {
        let place = format!(
            "{}[{}..{}]",
            word(finding, "field"),
            word(finding, "start"),
            word(finding, "end")
        );
        let grams = finding.get("ngrams").and_then(Value::as_array);
        let grams: Vec<String> = (grams.into_iter().flatten())
            .map(|gram| format!("{} {}", word(gram, "gram"), word(gram, "weight")))
            .collect();
        let heaviest = if grams.is_empty() {
            String::new()
        } else {
            format!("; heaviest: {}", grams.join(", "))
        };
        format!(
            "  {} in {place}, score {}{heaviest}",
            word(finding, "entity"),
            word(finding, "score")
        )
    }));
    lines.join("\n")
}
