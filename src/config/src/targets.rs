//! `providers.targets`.

use kt_policy::{Price, Pricing};
use kt_routing::{HealthProbe, Strategy};

use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, Unsupported, closest, join},
    gateway::{BaseUrl, KeySource, Target},
    provider::{OTHER_FORMATS, Provider, names, provider},
};

/// A day.
const MAX_TIMEOUT: u32 = 86_400;

const UNSUPPORTED_FIELDS: &[Unsupported] = &[
    (
        "api_key",
        "never write a key into the file; use `secret_key_ref: {env: NAME}`",
    ),
    (
        "api_key_header",
        "remove it; the key is sent as `Authorization: Bearer`",
    ),
    (
        "api_key_prefix",
        "remove it; the key is sent as `Authorization: Bearer`",
    ),
    (
        "provider_type",
        "remove it; targets speak the OpenAI format",
    ),
    ("data_policy", "remove it; nothing would enforce it"),
    ("zdr", "remove it; nothing would enforce it"),
    ("data_collection", "remove it; nothing would enforce it"),
    (
        "azure_api_version",
        "remove it; targets speak the OpenAI format",
    ),
    (
        "azure_deployment",
        "remove it; targets speak the OpenAI format",
    ),
    ("path_template", "put the path into `base_url`"),
    ("escalation_routing", "remove it; nothing would enforce it"),
    (
        "cloudflare_account_id_env",
        "put the account into `base_url`",
    ),
    (
        "snowflake_account_identifier_env",
        "remove it; targets speak the OpenAI format",
    ),
];

pub(crate) fn targets(
    providers: &mut Fields<'_>,
    strategy: Option<Strategy>,
    report: &mut Report,
) -> Option<Vec<Target>> {
    if providers.get("targets").is_none() {
        providers.missing(
            "targets",
            "add at least one target with `id`, `provider` and `model`",
            report,
        );
        return None;
    }
    let nodes = providers.list("targets", report)?;
    let path = providers.path_of("targets");
    let mut ids: Vec<(&str, usize)> = Vec::new();
    let mut targets = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let Some(mut fields) = Fields::of(node, &format!("{path}[{index}]"), report) else {
            continue;
        };
        if let Some((id, position)) = fields.text("id", &mut Report::default()) {
            match ids.iter().find(|(other, _)| *other == id) {
                Some((_, line)) => {
                    let message =
                        format!("duplicate target id \"{id}\"; the first is on line {line}");
                    report.error(
                        Code::Duplicate,
                        &fields.path_of("id"),
                        position,
                        message,
                        "give each target an id of its own",
                    );
                }
                None => ids.push((id, position.line)),
            }
        }
        targets.extend(target(fields, strategy, report));
    }
    let position = nodes
        .first()
        .map_or(providers.position, |node| node.position);
    if nodes.is_empty() {
        report.error(
            Code::Missing,
            &path,
            position,
            "`providers.targets` is empty",
            "add at least one target",
        );
    }
    let is_complete = targets.len() == nodes.len() && !targets.is_empty();
    if let Some(strategy) = strategy {
        fits(strategy, nodes.len(), &targets, (&path, position), report);
    }
    is_complete.then_some(targets)
}

/// Reports targets that contradict the strategy.
fn fits(
    strategy: Strategy,
    count: usize,
    targets: &[Target],
    (path, position): (&str, Position),
    report: &mut Report,
) {
    if strategy == Strategy::Single && count > 1 {
        let message = format!("`strategy: single` uses one target, and there are {count}");
        report.error(
            Code::Contradiction,
            path,
            position,
            message,
            "use `strategy: fallback`, or remove the other targets",
        );
    }
    if strategy == Strategy::WeightedRoundRobin
        && count > 0
        && targets.iter().all(|target| target.weight == 0.0)
    {
        report.error(
            Code::Contradiction,
            path,
            position,
            "every target has the weight 0, so none would get a request",
            "give at least one target a weight above 0",
        );
    }
}

fn target(
    mut fields: Fields<'_>,
    strategy: Option<Strategy>,
    report: &mut Report,
) -> Option<Target> {
    let id = fields.required_text("id", "give the target an id", report);
    if let Some((id, position)) = id.filter(|(id, _)| !is_id(id)) {
        let message = format!("the id `{id}` cannot be used as a name");
        report.error(
            Code::InvalidValue,
            &fields.path_of("id"),
            position,
            message,
            "use 1 to 64 letters, digits, `_`, `-` and `.`",
        );
    }
    let (known, model) = provider_and_model(&mut fields, report);
    let base_url = base_url(&mut fields, known, report);
    let key = key(&mut fields, known, report);
    let timeout_seconds = fields
        .integer("timeout_seconds", 1..=MAX_TIMEOUT, report)
        .unwrap_or(60);
    let stream_timeout_seconds = fields
        .integer("stream_timeout_seconds", 1..=MAX_TIMEOUT, report)
        .unwrap_or(timeout_seconds);
    fields.choice("format", &[("openai", ())], &["anthropic"], report);
    let description = fields
        .text("description", report)
        .map(|(text, _)| text.to_owned());
    let weight = weight(&mut fields, strategy, report);
    let pricing = pricing(&mut fields, report);
    let health_probe = health_probe(&mut fields, report);
    let quantizations = fields
        .text("quantizations", report)
        .map(|(text, _)| text.to_owned());
    fields.finish(UNSUPPORTED_FIELDS, report);
    Some(Target {
        id: id?.0.to_owned(),
        provider: known?.id,
        model: model?,
        base_url: base_url?,
        key,
        timeout_seconds,
        stream_timeout_seconds,
        description,
        weight,
        pricing,
        health_probe,
        quantizations,
    })
}

/// Ids become cluster names, metric labels and header values.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// `provider: together` with `model`, or `provider: together:chat:<model>`.
fn provider_and_model(
    fields: &mut Fields<'_>,
    report: &mut Report,
) -> (Option<&'static Provider>, Option<String>) {
    let stated = fields.required_text("provider", "name a provider, such as `together`", report);
    let explicit = fields.text("model", report);
    let Some((text, position)) = stated else {
        return (None, explicit.map(|(model, _)| model.to_owned()));
    };
    let mut parts = text.splitn(3, ':');
    let name = parts.next().unwrap_or_default();
    let known = find_provider(name, &fields.path_of("provider"), position, report);
    let embedded = match (parts.next(), parts.next()) {
        (None, _) => None,
        (Some("chat"), Some(model)) if !model.is_empty() => Some(model),
        (Some("completion" | "embedding"), _) => {
            let message = format!("`{text}` is not a chat target");
            report.error(
                Code::NotSupported,
                &fields.path_of("provider"),
                position,
                message,
                format!("use `{name}:chat:<model>`"),
            );
            return (known, None);
        }
        _ => {
            let message = format!("`{text}` is not a provider shorthand");
            report.error(
                Code::InvalidValue,
                &fields.path_of("provider"),
                position,
                message,
                format!("use `{name}` or `{name}:chat:<model>`"),
            );
            return (known, None);
        }
    };
    let model = match (embedded, explicit) {
        (Some(embedded), Some((explicit, position))) if embedded != explicit => {
            let message = format!("`model` says `{explicit}`, the shorthand says `{embedded}`");
            report.error(
                Code::Contradiction,
                &fields.path_of("model"),
                position,
                message,
                "keep one of them",
            );
            None
        }
        (Some(model), _) | (None, Some((model, _))) if !model.is_empty() => Some(model.to_owned()),
        _ => {
            fields.missing(
                "model",
                "add `model`, or write it into `provider` as `together:chat:<model>`",
                report,
            );
            None
        }
    };
    (known, model)
}

fn find_provider(
    name: &str,
    path: &str,
    position: Position,
    report: &mut Report,
) -> Option<&'static Provider> {
    if let Some(known) = provider(name) {
        return Some(known);
    }
    if OTHER_FORMATS.contains(&name) {
        let message =
            format!("provider `{name}` speaks a format that this gateway does not translate yet");
        report.error(
            Code::NotSupported,
            path,
            position,
            message,
            "use a provider that speaks the OpenAI format",
        );
        return None;
    }
    let hint = match closest(name, names()) {
        Some(other) => format!("did you mean `{other}`?"),
        None => format!(
            "known providers: {}; for another one that speaks the OpenAI format use `openai` with its `base_url`",
            join(names())
        ),
    };
    report.error(
        Code::UnknownProvider,
        path,
        position,
        format!("unknown provider `{name}`"),
        hint,
    );
    None
}

fn base_url(
    fields: &mut Fields<'_>,
    known: Option<&'static Provider>,
    report: &mut Report,
) -> Option<BaseUrl> {
    let path = fields.path_of("base_url");
    if let Some((url, position)) = fields.text("base_url", report) {
        return match BaseUrl::parse(url) {
            Ok(base_url) => Some(base_url),
            Err(reason) => {
                report.error(
                    Code::InvalidValue,
                    &path,
                    position,
                    format!("`base_url` cannot be used: {reason}"),
                    "use a URL such as `https://api.together.xyz/v1`",
                );
                None
            }
        };
    }
    let known = known?;
    if known.base_url.is_none() {
        fields.missing(
            "base_url",
            &format!("`{}` has a different URL for every account", known.id),
            report,
        );
    }
    known.base_url.and_then(|url| BaseUrl::parse(url).ok())
}

fn key(
    fields: &mut Fields<'_>,
    known: Option<&'static Provider>,
    report: &mut Report,
) -> Option<KeySource> {
    let default = known.and_then(|known| known.key_env);
    let default = default.map(|name| KeySource::Env(name.to_owned()));
    let Some(mut reference) = fields.mapping("secret_key_ref", report) else {
        return default;
    };
    let position = fields.key_position("secret_key_ref");
    let (env, file) = (
        reference.text("env", report),
        reference.text("file", report),
    );
    if let Some((_, position)) = env.filter(|(name, _)| !is_variable(name)) {
        report.error(
            Code::InvalidValue,
            &reference.path_of("env"),
            position,
            "`env` must be the name of an environment variable",
            "use letters, digits and `_`; the key itself never stands in the file",
        );
    }
    if let Some((_, position)) = file.filter(|(path, _)| !is_file_path(path)) {
        report.error(
            Code::InvalidValue,
            &reference.path_of("file"),
            position,
            "`file` must be the absolute path of the file that holds the key",
            "begin it with `/`, and use letters, digits, `_`, `-`, `.` and `/`, 200 at most; the key itself never stands in the file",
        );
    }
    match (env, file) {
        (Some(_), Some((_, position))) => report.error(
            Code::InvalidValue,
            &reference.path_of("file"),
            position,
            "the key has two places, `env` and `file`",
            "keep one of them",
        ),
        (None, None) if reference.get("env").is_none() && reference.get("file").is_none() => {
            report.error(
                Code::Missing,
                &reference.path_of("env"),
                position,
                format!("`{}` is missing", reference.path_of("env")),
                "name the environment variable that holds the key, or with `file` the file",
            );
        }
        _ => {}
    }
    reference.finish(
        &[("store", "use `env: NAME` or `file: PATH`; secret stores are not supported, but most can write a file")],
        report,
    );
    let env = env.map(|(name, _)| KeySource::Env(name.to_owned()));
    env.or_else(|| file.map(|(path, _)| KeySource::File(path.to_owned())))
        .or(default)
}

/// Paths become names of secrets and of files.
fn is_file_path(path: &str) -> bool {
    path.len() <= 200
        && path.starts_with('/')
        && !path.ends_with('/')
        && path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
}

pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn weight(fields: &mut Fields<'_>, strategy: Option<Strategy>, report: &mut Report) -> f64 {
    let node = fields.get("weight");
    let weight = fields.number("weight", 0.0..=1e6, report);
    if let (Some(node), Some(_)) = (node, weight)
        && strategy != Some(Strategy::WeightedRoundRobin)
    {
        let path = fields.path_of("weight");
        report.warning(
            Code::NoEffect,
            &path,
            node.position,
            "`weight` has an effect on the strategy `weighted_round_robin` only",
            "remove it, or set `providers.strategy: weighted_round_robin`",
        );
    }
    weight.unwrap_or(1.0)
}

fn pricing(fields: &mut Fields<'_>, report: &mut Report) -> Option<Pricing> {
    let mut pricing = fields.mapping("pricing", report)?;
    let prompt = price(&mut pricing, "prompt", report);
    let completion = price(&mut pricing, "completion", report);
    let cached_prompt = price(&mut pricing, "cached_prompt", report);
    for key in ["prompt", "completion"] {
        if pricing.get(key).is_none() {
            pricing.missing(key, "prices are USD per one million tokens", report);
        }
    }
    pricing.finish(&[], report);
    Some(Pricing {
        prompt: prompt?,
        completion: completion?,
        cached_prompt,
    })
}

/// A price, exactly as it is written.
fn price(pricing: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Option<Price> {
    let number = pricing.number(key, 0.0..=1e6, report)?;
    // The shortest text that means this number is the one that was written.
    let price = number.to_string().parse().ok();
    if price.is_none() {
        let (path, position) = (pricing.path_of(key), pricing.key_position(key));
        let message = format!("`{path}` has more than nine decimals");
        let hint = "prices are USD per one million tokens; round it";
        report.error(Code::InvalidValue, &path, position, message, hint);
    }
    price
}

fn health_probe(fields: &mut Fields<'_>, report: &mut Report) -> Option<HealthProbe> {
    let mut probe = fields.mapping("health_probe", report)?;
    let enabled = probe.boolean("enabled", report).unwrap_or(false);
    let interval_seconds = probe
        .integer("interval_seconds", 1..=3600, report)
        .unwrap_or(30);
    let timeout_seconds = probe
        .integer("timeout_seconds", 1..=600, report)
        .unwrap_or(5);
    probe.finish(&[], report);
    enabled.then_some(HealthProbe {
        interval_seconds,
        timeout_seconds,
    })
}
