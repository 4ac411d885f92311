//! From `LiteLLM`'s `config.yaml` to a policy file.
//!
//! Sources: `LiteLLM`'s documentation ("Config.yaml", "Router: configuration and defaults", "Retries, fallbacks and cooldowns")
//! and the types of its router. One model group becomes one file: its deployments, then those of its fallbacks.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::{
    diagnostic::{Code, Report},
    provider::provider,
    testing, yaml,
};

/// `LiteLLM`'s name of a provider, and ours.
const PROVIDERS: [(&str, &str); 20] = [
    ("openai", "openai"),
    ("custom_openai", "openai"),
    ("openai_like", "openai"),
    ("together_ai", "together"),
    ("mistral", "mistral"),
    ("groq", "groq"),
    ("perplexity", "perplexity"),
    ("cerebras", "cerebras"),
    ("xai", "xai"),
    ("aiml", "aimlapi"),
    ("dashscope", "alibaba"),
    ("meta_llama", "llamaApi"),
    ("ollama", "ollama"),
    ("ollama_chat", "ollama"),
    ("hosted_vllm", "vllm"),
    ("vllm", "vllm"),
    ("litellm_proxy", "litellm"),
    ("deepseek", "openai"),
    ("openrouter", "openai"),
    ("fireworks_ai", "openai"),
];

/// Providers that are one of ours only by their address and their key.
const ADDRESSES: [(&str, &str, &str); 3] = [
    (
        "deepseek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
    ),
    (
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    ),
    (
        "fireworks_ai",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_AI_API_KEY",
    ),
];

/// What is carried over of a deployment; everything else is listed.
const OF_PARAMS: [&str; 9] = [
    "model",
    "api_key",
    "api_base",
    "base_url",
    "timeout",
    "stream_timeout",
    "weight",
    "order",
    "custom_llm_provider",
];
const PRICES: [(&str, &str); 3] = [
    ("prompt", "input_cost_per_token"),
    ("completion", "output_cost_per_token"),
    ("cached_prompt", "cache_read_input_token_cost"),
];
const OF_ROUTER: [&str; 9] = [
    "num_retries",
    "retry_after",
    "allowed_fails",
    "cooldown_time",
    "fallbacks",
    "default_fallbacks",
    "routing_strategy",
    "timeout",
    "stream_timeout",
];
const OF_SETTINGS: [&str; 5] = [
    "num_retries",
    "request_timeout",
    "fallbacks",
    "default_fallbacks",
    "allowed_fails",
];

/// A policy file, and what it does not hold of the file that it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Text of the policy file.
    pub policy: String,
    /// What was not carried over, each with its path and what to do instead.
    pub left_out: Vec<String>,
}

/// Makes a policy file of the model group `group`, or of the first one.
pub fn import(source: &str, group: Option<&str>) -> Result<Imported, Report> {
    let mut report = Report::default();
    let root = yaml::parse(source, &mut report);
    let Some(root) = root.filter(|_| !report.has_errors()) else {
        return Err(report);
    };
    let position = root.position;
    let mut import = Import::new(testing::json(&root));
    match import.write(group) {
        Ok(policy) => Ok(Imported {
            policy,
            left_out: import.left_out,
        }),
        Err((path, message, hint)) => {
            report.error(Code::Missing, path, position, message, hint);
            Err(report)
        }
    }
}

/// Path, message and hint of what ends the import.
type Ending = (&'static str, String, String);

struct Import {
    root: Json,
    left_out: Vec<String>,
}

/// One deployment, as lines of a policy file.
struct Target {
    lines: String,
    group: String,
    order: f64,
    weight: Option<f64>,
}

impl Import {
    fn new(root: Json) -> Self {
        Self {
            root,
            left_out: Vec::new(),
        }
    }

    fn leave(&mut self, path: &str, why: &str) {
        self.left_out.push(format!("{path}: {why}"));
    }

    /// A value of `router_settings`, or else of `litellm_settings`.
    fn setting(&self, name: &str) -> Option<&Json> {
        ["router_settings", "litellm_settings"]
            .iter()
            .find_map(|section| self.root.get(section)?.get(name))
            .filter(|value| !value.is_null())
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.setting(name).and_then(Json::as_f64)
    }

    fn write(&mut self, group: Option<&str>) -> Result<String, Ending> {
        let listed = self.root.get("model_list").and_then(Json::as_array);
        let listed: Vec<Json> = listed.cloned().unwrap_or_default();
        let names = || {
            listed
                .iter()
                .filter_map(|entry| entry.get("model_name")?.as_str())
        };
        let Some(main) = group.or_else(|| names().next()) else {
            return Err((
                "model_list",
                "there is no `model_list`".into(),
                "name a config.yaml of LiteLLM's proxy".into(),
            ));
        };
        let main = main.to_owned();
        if !names().any(|name| name == main) {
            let known: Vec<&str> = names().collect();
            return Err((
                "model_list",
                format!("there is no model group `{main}`"),
                format!("name one of {} with --model", known.join(", ")),
            ));
        }
        let mut wanted = vec![main.clone()];
        wanted.extend(self.fallbacks(&main));
        let mut others: Vec<&str> = names()
            .filter(|name| !wanted.iter().any(|wanted| wanted == name))
            .collect();
        others.dedup();
        for other in others {
            self.leave(
                "model_list",
                &format!("the model group `{other}` is no fallback of `{main}`; import it with --model {other}"),
            );
        }
        let mut targets = Vec::new();
        for name in &wanted {
            let of_group = listed
                .iter()
                .enumerate()
                .filter(|(_, entry)| entry.get("model_name").and_then(Json::as_str) == Some(name));
            let mut of_group: Vec<Target> = of_group
                .filter_map(|(at, entry)| self.target(at, name, entry))
                .collect();
            of_group.sort_by(|left, right| left.order.total_cmp(&right.order));
            targets.extend(of_group);
        }
        if targets.is_empty() {
            return Err((
                "model_list",
                format!("no deployment of `{main}` speaks the OpenAI format"),
                self.left_out.join("\n"),
            ));
        }
        let providers = self.providers(&main, &targets);
        self.leave_the_rest();
        Ok(format!(
            "# Made from a LiteLLM configuration, for its model group `{}`.\n\
             pack:\n  name: {}\n  version: 1.0.0\n  enabled: true\n\
             policies:\n  chain: [prompt-injection, pii-detector, safety-filter, audit-logger]\n\
             policy:\n  prompt-injection: {{threshold: 0.8, action: block}}\n  pii-detector: {{action: redact}}\n  \
             safety-filter: {{mode: strict, action: block}}\n  audit-logger: {{retention_days: 365}}\n{providers}",
            main.replace(char::is_control, " "),
            quoted(&clip(&main, 200))
        ))
    }

    /// The groups that follow `group`, in order.
    fn fallbacks(&mut self, group: &str) -> Vec<String> {
        let names = |list: &Json| -> Vec<String> {
            let items = list.as_array().into_iter().flatten();
            items
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        };
        let own = self.setting("fallbacks").and_then(|list| {
            let found = list.as_array()?.iter().find_map(|entry| entry.get(group))?;
            Some(names(found))
        });
        let mut wanted = own
            .or_else(|| self.setting("default_fallbacks").map(names))
            .unwrap_or_default();
        wanted.retain(|name| name != group);
        wanted
    }

    fn target(&mut self, at: usize, group: &str, entry: &Json) -> Option<Target> {
        let path = format!("model_list[{at}]");
        let params = entry.get("litellm_params").cloned().unwrap_or_default();
        let text = |name: &str| params.get(name).and_then(Json::as_str);
        let model = text("model").unwrap_or_default();
        let (prefix, bare) = match (text("custom_llm_provider"), model.split_once('/')) {
            (Some(named), _) => (
                named,
                model.strip_prefix(&format!("{named}/")).unwrap_or(model),
            ),
            (None, Some((prefix, bare))) => (prefix, bare),
            (None, None) => ("openai", model),
        };
        let known = PROVIDERS.iter().find(|(theirs, _)| *theirs == prefix);
        let Some(provider) = known
            .and_then(|(_, ours)| provider(ours))
            .filter(|_| !bare.is_empty())
        else {
            let why = format!(
                "`{}` speaks a format that this gateway does not translate",
                clip(model, 80)
            );
            self.leave(&format!("{path}.litellm_params.model"), &why);
            return None;
        };
        let address = ADDRESSES.iter().find(|(theirs, ..)| *theirs == prefix);
        let base = text("api_base")
            .or_else(|| text("base_url"))
            .or(address.map(|(_, url, _)| *url));
        let (id, mut lines) = (self.id(at, group, entry), String::new());
        let _ = write!(
            lines,
            "    - id: {id}\n      provider: {}\n      model: {}\n",
            provider.id,
            quoted(bare)
        );
        if let Some(base) = base.filter(|base| self.is_address(base, &path)) {
            let _ = writeln!(lines, "      base_url: {}", quoted(base));
        }
        let default = address.map(|(_, _, key)| *key).or(provider.key_env);
        if let Some(variable) = self.key(text("api_key"), default, &path) {
            let _ = writeln!(lines, "      secret_key_ref: {{env: {variable}}}");
        }
        self.limits(&params, &path, &mut lines);
        self.prices(&params, entry, &path, &mut lines);
        self.leave_others(&params, &OF_PARAMS, &format!("{path}.litellm_params"));
        Some(Target {
            lines,
            group: group.to_owned(),
            order: params.get("order").and_then(Json::as_f64).unwrap_or(0.0),
            weight: params.get("weight").and_then(Json::as_f64),
        })
    }

    /// The deployment's own id where it can be one here, else one of its group and place.
    fn id(&self, at: usize, group: &str, entry: &Json) -> String {
        let own = entry
            .get("model_info")
            .and_then(|info| info.get("id")?.as_str());
        let is_id = |id: &&str| {
            (1..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let all = self
            .root
            .get("model_list")
            .and_then(Json::as_array)
            .into_iter()
            .flatten();
        let same = |id: &&str| {
            let ids = all
                .clone()
                .filter_map(|entry| entry.get("model_info")?.get("id")?.as_str());
            ids.filter(|other| other == id).count() == 1
        };
        own.filter(is_id).filter(same).map_or_else(
            || {
                let plain = group
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
                format!("{}-{}", plain.take(48).collect::<String>(), at + 1)
            },
            quoted,
        )
    }

    fn is_address(&mut self, base: &str, path: &str) -> bool {
        let is_fine = crate::BaseUrl::parse(base).is_ok();
        if !is_fine {
            self.leave(
                &format!("{path}.litellm_params.api_base"),
                "it is no plain URL; write `base_url` by hand",
            );
        }
        is_fine
    }

    /// The variable with the key. A key that stands in the file is not copied.
    fn key(&mut self, key: Option<&str>, default: Option<&str>, path: &str) -> Option<String> {
        let path = format!("{path}.litellm_params.api_key");
        let named = key.and_then(|key| key.strip_prefix("os.environ/"));
        let is_name = |name: &&str| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if let Some(name) = named.filter(is_name) {
            return Some(name.to_owned());
        }
        if key.is_some() {
            let put = default.unwrap_or("a variable named by `secret_key_ref.env`");
            self.leave(
                &path,
                &format!("keys do not stand in policy files; put it into {put}"),
            );
        }
        default.map(str::to_owned)
    }

    /// Limits of time, of the deployment or else of all.
    fn limits(&mut self, params: &Json, path: &str, lines: &mut String) {
        for (theirs, of_all, ours) in [
            ("timeout", ["timeout", "request_timeout"], "timeout_seconds"),
            (
                "stream_timeout",
                ["stream_timeout", "stream_timeout"],
                "stream_timeout_seconds",
            ),
        ] {
            let own = params.get(theirs).and_then(Json::as_f64);
            let common = of_all.iter().find_map(|name| self.number(name));
            if let Some(seconds) = own.or(common).filter(|seconds| *seconds > 0.0) {
                let _ = writeln!(
                    lines,
                    "      {ours}: {}",
                    seconds.ceil().clamp(1.0, 86_400.0)
                );
            } else if params.get(theirs).is_some() {
                self.leave(
                    &format!("{path}.litellm_params.{theirs}"),
                    "it is no number of seconds",
                );
            }
        }
    }

    /// Prices per token become prices per million of them.
    fn prices(&mut self, params: &Json, entry: &Json, path: &str, lines: &mut String) {
        let price = |name: &str| {
            let own = params
                .get(name)
                .or_else(|| entry.get("model_info")?.get(name));
            own.and_then(Json::as_f64)
                .filter(|price| (0.0..=1.0).contains(price))
        };
        let found: Vec<(&str, f64)> = PRICES
            .iter()
            .filter_map(|(ours, theirs)| Some((*ours, price(theirs)?)))
            .collect();
        if found.is_empty() {
            return;
        }
        if !["prompt", "completion"]
            .iter()
            .all(|name| found.iter().any(|(found, _)| found == name))
        {
            self.leave(
                &format!("{path}.litellm_params"),
                "prices of both directions are needed; the one that is there is left out",
            );
            return;
        }
        let listed: Vec<String> = found
            .iter()
            .map(|(name, price)| format!("{name}: {}", per_million(*price)))
            .collect();
        let _ = writeln!(lines, "      pricing: {{{}}}", listed.join(", "));
    }

    fn providers(&mut self, main: &str, targets: &[Target]) -> String {
        let of_main = targets.iter().filter(|target| target.group == main).count();
        let ordered = targets.iter().any(|target| target.order != 0.0);
        let stated = self
            .setting("routing_strategy")
            .and_then(Json::as_str)
            .unwrap_or("simple-shuffle")
            .to_owned();
        let strategy = match stated.as_str() {
            _ if targets.len() == 1 => "single",
            _ if of_main <= 1 || ordered => "fallback",
            "latency-based-routing" => "latency",
            _ => "weighted_round_robin",
        };
        if of_main > 1 && !matches!(stated.as_str(), "simple-shuffle" | "latency-based-routing") {
            self.leave(
                "router_settings.routing_strategy",
                &format!(
                    "`{}` is not known here; `{strategy}` takes its place",
                    clip(&stated, 40)
                ),
            );
        }
        let mut text = format!("providers:\n  strategy: {strategy}\n");
        self.retry(&mut text);
        if targets.len() > 1 {
            let others = (targets.len() - 1).min(32);
            let _ = writeln!(text, "  fallback: {{max_fallback_attempts: {others}}}");
        }
        text.push_str("  targets:\n");
        for target in targets {
            text.push_str(&target.lines);
            if strategy == "weighted_round_robin" {
                // Fallbacks take no requests as long as one of the group can.
                let weight = if target.group == main {
                    target.weight.unwrap_or(1.0)
                } else {
                    0.0
                };
                let _ = writeln!(text, "      weight: {}", weight.clamp(0.0, 1e6));
            }
        }
        text
    }

    fn retry(&mut self, text: &mut String) {
        if let Some(retries) = self.number("num_retries").filter(|retries| *retries >= 1.0) {
            let attempts = (retries + 1.0).min(10.0);
            let first = self.number("retry_after").filter(|seconds| *seconds > 0.0);
            let delay = first.map_or_else(String::new, |seconds| {
                let delay = (seconds * 1000.0).clamp(1.0, 60_000.0).round();
                format!(
                    ", initial_delay_ms: {delay}, max_delay_ms: {}",
                    delay.max(5000.0)
                )
            });
            let _ = writeln!(
                text,
                "  retry: {{max_attempts: {}{delay}}}",
                attempts.floor()
            );
        }
        let fails = self.number("allowed_fails");
        let cooldown = self
            .number("cooldown_time")
            .filter(|seconds| *seconds > 0.0);
        if fails.is_some() || cooldown.is_some() {
            let threshold = (fails.unwrap_or(3.0).max(0.0) + 1.0).min(1000.0).floor();
            let recovery = cooldown.unwrap_or(5.0).ceil().clamp(1.0, 86_400.0);
            let _ = writeln!(
                text,
                "  circuit_breaker: {{failure_threshold: {threshold}, recovery_timeout_seconds: {recovery}}}"
            );
        }
    }

    fn leave_the_rest(&mut self) {
        let Json::Object(root) = self.root.clone() else {
            return;
        };
        for (section, value) in &root {
            match section.as_str() {
                "model_list" => {}
                "router_settings" => self.leave_others(value, &OF_ROUTER, section),
                "litellm_settings" => self.leave_others(value, &OF_SETTINGS, section),
                "general_settings" => self.leave_others(value, &[], section),
                other => self.leave(&clip(other, 80), "there is nothing like it here"),
            }
        }
    }

    fn leave_others(&mut self, section: &Json, carried: &[&str], path: &str) {
        let Json::Object(members) = section else {
            return;
        };
        for name in members
            .keys()
            .filter(|name| !carried.contains(&name.as_str()))
        {
            if PRICES.iter().all(|(_, price)| price != name) {
                self.leave(&format!("{path}.{}", clip(name, 80)), instead(name));
            }
        }
    }
}

/// What to do about a setting that has no place here.
fn instead(name: &str) -> &'static str {
    match name {
        "master_key" => "use `kt gateway run` with KEEPTRUSTS_GATEWAY_TOKEN",
        "rpm" | "tpm" | "max_parallel_requests" => {
            "it would have to be a limit of the gateway; see docs/reference.md"
        }
        "success_callback" | "failure_callback" | "callbacks" => {
            "events are in the event log, metrics under /metrics"
        }
        "context_window_fallbacks" | "content_policy_fallbacks" => {
            "targets follow each other after failures alone"
        }
        "drop_params" => "members of requests are passed as they are",
        "cache" | "cache_params" => "answers are not cached",
        "model_group_alias" => "the target's model replaces the client's, whatever it is called",
        _ => "there is nothing like it here",
    }
}

/// A string as YAML reads it back: JSON.
fn quoted(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

fn clip(text: &str, most: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}

/// A price per token, as one per million tokens with at most nine decimals.
fn per_million(price: f64) -> String {
    let text = format!("{:.9}", price * 1e6);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
