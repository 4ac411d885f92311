//! `kt policy`: work with policy files without Envoy.

mod except;
mod judge;
mod review;
mod test;

use std::{
    fs,
    io::{self, Read as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand};
use kt_config::{Diagnostic, Gateway, Report, Severity};
use kt_policy::policies::prompt_injection::fingerprint;
use serde_json::{Value, json};

use crate::{Failure, USAGE};

/// Subcommands of `kt policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a policy file and print every problem. Exit 0 when it is valid, 2 when not.
    Lint(Lint),
    /// Show which policy, detector and field decided on one request or response.
    Explain(judge::Explain),
    /// Judge recorded conversations and count the verdicts.
    Replay(judge::Replay),
    /// Print what `trusted_system_prompts` needs for the exact text on standard input.
    Trust,
    /// Print an exception for a value on standard input, which is not shown.
    Except(except::Except),
    /// Print the JSON Schema of policy files, for editors; with --markdown the reference of every key.
    Schema(Schema),
    /// Run the conversations of `testing.suites` and `tests/*.json` and compare the verdicts. Exit 0 when all pass, 1 when not.
    Test(test::Test),
}

/// Arguments of `kt policy schema`.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Print the reference as Markdown.
    #[arg(long)]
    markdown: bool,
}

/// Arguments of `kt policy lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Treat warnings as errors.
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Lint(arguments) => lint(arguments),
        Command::Explain(arguments) => judge::explain(arguments),
        Command::Replay(arguments) => judge::replay(arguments),
        Command::Trust => trust(),
        Command::Except(arguments) => except::except(arguments),
        Command::Schema(arguments) => Ok(schema(arguments)),
        Command::Test(arguments) => test::test(arguments),
    }
}

fn lint(lint: &Lint) -> Result<ExitCode, Failure> {
    let file = lint.file.display().to_string();
    let source = fs::read_to_string(&lint.file)
        .map_err(|error| Failure::usage(format!("error: cannot read {file}: {error}")))?;
    let loaded = kt_config::load(&source);
    let (report, gateway) = match &loaded {
        Ok((gateway, warnings)) => (warnings, Some(gateway)),
        Err(report) => (report, None),
    };
    let gateway = gateway.filter(|_| !lint.strict || report.diagnostics().is_empty());
    if lint.json {
        println!("{}", as_json(&file, report, gateway));
    } else {
        eprint!("{}", report.render(&file, &source));
        match gateway {
            Some(gateway) => print!("{}", summary(&file, gateway)),
            None => eprintln!("policy lint failed ({})", counts(report)),
        }
    }
    Ok(gateway.map_or(ExitCode::from(USAGE), |_| ExitCode::SUCCESS))
}

fn schema(arguments: &Schema) -> ExitCode {
    if arguments.markdown {
        print!("{}", kt_config::reference());
    } else {
        println!("{:#}", kt_config::json_schema());
    }
    ExitCode::SUCCESS
}

fn trust() -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    io::stdin()
        .read_to_end(&mut text)
        .map_err(|error| Failure::usage(format!("error: cannot read standard input: {error}")))?;
    let Ok(text) = String::from_utf8(text) else {
        return Err(Failure::problem("error: the text is not valid UTF-8"));
    };
    if text.is_empty() {
        return Err(Failure::problem(
            "error: there is no text on standard input",
        ));
    }
    if text.ends_with('\n') {
        eprintln!("note: the text ends in a line break, which counts");
    }
    println!("{}", fingerprint(&text));
    Ok(ExitCode::SUCCESS)
}

/// Errors and warnings, each counted as what it is.
fn counts(report: &Report) -> String {
    let count = |severity| {
        let found = report.diagnostics().iter();
        found.filter(|found| found.severity == severity).count()
    };
    let errors = format!("{} error(s)", count(Severity::Error));
    match count(Severity::Warning) {
        0 => errors,
        warnings => format!("{errors}, {warnings} warning(s)"),
    }
}

fn kinds(gateway: &Gateway) -> Vec<String> {
    let kind = |policy| {
        serde_json::to_value(policy)
            .ok()
            .and_then(|policy: Value| policy.get("kind")?.as_str().map(str::to_owned))
    };
    gateway.policies.chain.iter().filter_map(kind).collect()
}

fn summary(file: &str, gateway: &Gateway) -> String {
    let kinds = kinds(gateway);
    format!(
        "OK {file} is valid\n   Pack: {} (v{})\n   Chain: {}\n   Policies validated: {}\n",
        gateway.pack.name,
        gateway.pack.version,
        kinds.join(" -> "),
        kinds.len()
    )
}

fn as_json(file: &str, report: &Report, gateway: Option<&Gateway>) -> Value {
    let list = |severity: Option<Severity>| -> Value {
        report
            .diagnostics()
            .iter()
            .filter(|found| severity.is_none_or(|severity| found.severity == severity))
            .map(diagnostic)
            .collect()
    };
    match gateway {
        Some(gateway) => json!({
            "valid": true,
            "file": file,
            "pack": {"name": gateway.pack.name, "version": gateway.pack.version},
            "chain": kinds(gateway),
            "policy_count": gateway.policies.chain.len(),
            "warnings": list(Some(Severity::Warning)),
        }),
        None => json!({"valid": false, "file": file, "errors": list(None)}),
    }
}

fn diagnostic(diagnostic: &Diagnostic) -> Value {
    json!({
        "code": diagnostic.code.as_str(),
        "path": diagnostic.path,
        "line": diagnostic.position.line,
        "column": diagnostic.position.column,
        "message": diagnostic.message,
        "suggestion": diagnostic.hint,
    })
}
