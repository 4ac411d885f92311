//! `kt policy except`: an exception for one value, which is read and never shown.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::PathBuf,
    process::ExitCode,
    time::SystemTime,
};

use clap::Args;
use kt_policy::{Chain, PolicyConfig, PolicyKind, event::rfc3339, hashed_value};

use crate::Failure;

/// Days that an exception holds where nothing else is said.
const DAYS: u64 = 90;
/// Longest value, in bytes: a whole message.
const MAX_VALUE: usize = 1 << 20;

/// Arguments of `kt policy except`.
#[derive(Debug, Args)]
pub(crate) struct Except {
    /// Where the value comes from: `-` is standard input. Never write a value here: it would stand in the shell's history.
    #[arg(long, value_name = "-")]
    value: String,
    /// The policy that is to let it pass, where that is not the one that finds it.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    policy: Option<PolicyKind>,
    /// A policy file; the salt of its exceptions is taken, which costs the gateway less.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Its name, in events.
    #[arg(long)]
    id: Option<String>,
    /// Last day on which it holds, such as 2027-01-31; in 90 days where nothing is said.
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// Why; the policy file is refused without one.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

fn kind(name: &str) -> Result<PolicyKind, String> {
    let mut kinds = PolicyKind::ALL.into_iter();
    let known = kinds.find(|kind| kind.name() == name);
    let judges_texts =
        |kind: &PolicyKind| !matches!(kind, PolicyKind::QualityScorer | PolicyKind::AuditLogger);
    known
        .filter(judges_texts)
        .ok_or_else(|| "this policy has no exceptions".to_owned())
}

/// Prints the entry for a value from standard input.
pub(crate) fn except(arguments: &Except) -> Result<ExitCode, Failure> {
    if arguments.value != "-" {
        return Err(Failure::usage(
            "error: the value is read from standard input\nhint: write `--value -`, and the value to standard input",
        ));
    }
    let value = value()?;
    let salt = match &arguments.file {
        Some(file) => salt_of(file)?,
        None => None,
    };
    let salt = match salt {
        Some(salt) => salt,
        None => new_salt()?,
    };
    let hash = hashed_value(&salt, &value);
    let entity = entity(&value);
    let policy = arguments.policy.unwrap_or(match entity {
        Some(_) => PolicyKind::PiiDetector,
        None => PolicyKind::PromptInjection,
    });
    let what = match entity.filter(|_| policy == PolicyKind::PiiDetector) {
        Some(entity) => format!("entity: {entity}"),
        None => format!("reason_code: {}", policy.reason_code()),
    };
    let digits = hash.rsplit(':').next().and_then(|hash| hash.get(..8));
    let id = match &arguments.id {
        Some(id) => id.clone(),
        None => format!("exception-{}", digits.unwrap_or_default()),
    };
    let until = arguments.until.clone().unwrap_or_else(in_some_days);
    if arguments.reason.is_empty() {
        eprintln!("note: write the reason; the file is refused without one");
    }
    println!(
        "policy:\n  {}:\n    exceptions:\n      - id: {id}\n        {what}\n        value_sha256: \"{hash}\"\n        until: {until}\n        reason: {}",
        policy.name(),
        serde_json::Value::from(arguments.reason.as_str())
    );
    Ok(ExitCode::SUCCESS)
}

/// The value. Nothing that is printed has any of it.
fn value() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_VALUE)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    io::stdin()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("error: cannot read standard input: {error}")))?;
    if bytes.len() > MAX_VALUE {
        return Err(Failure::problem(
            "error: the value is longer than a megabyte",
        ));
    }
    let value = String::from_utf8(bytes)
        .map_err(|_| Failure::problem("error: the value is not valid UTF-8"))?;
    if value.trim().is_empty() {
        return Err(Failure::problem(
            "error: there is no value on standard input",
        ));
    }
    Ok(value)
}

/// The entity that the whole value is, if it is one.
fn entity(value: &str) -> Option<&'static str> {
    let value = value.trim();
    let settings = kt_policy::policies::pii_detector::Settings::default();
    let chain = Chain::compile(&[PolicyConfig::PiiDetector(settings)]).ok()?;
    chain.entity_of(value)
}

/// The first salt of a policy file.
fn salt_of(file: &PathBuf) -> Result<Option<String>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("error: cannot read {}: {error}", file.display()))
    })?;
    let mut hashes = text.split("value_sha256:").skip(1);
    Ok(hashes.find_map(|rest| {
        let salt = rest
            .trim_start_matches([' ', '"', '\''])
            .split(':')
            .next()?;
        let is_salt = salt.len() == 32 && salt.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_salt.then(|| salt.to_owned())
    }))
}

/// 128 random bits.
fn new_salt() -> Result<String, Failure> {
    let mut random = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .map_err(|error| Failure::usage(format!("error: no random numbers: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

fn in_some_days() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = now.map_or(0, |now| now.as_secs()) + DAYS * 86_400;
    rfc3339(seconds.saturating_mul(1_000_000))
        .chars()
        .take(10)
        .collect()
}
