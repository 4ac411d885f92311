//! From the YAML tree to the [`Gateway`]: the top level and `pack`.

use kt_policy::{PolicyConfig, policies::quality_scorer::FailureAction};
use kt_routing::QualityFailure;

use crate::{
    access,
    diagnostic::{Code, Report},
    fields::{Fields, Unsupported},
    gateway::{Gateway, Pack},
    limits,
    policies::{self, Policies},
    providers, testing,
    yaml::{Node, Value},
};

/// Sections of the product at the top level that are not enforced here.
const UNSUPPORTED_SECTIONS: &[Unsupported] = &[
    ("agents", REMOVE),
    ("rate_limits", REMOVE),
    ("provider_fallback", "use `providers.strategy: fallback`"),
    ("provider_routing", "use `providers.strategy`"),
    ("callbacks", REMOVE),
    ("health_monitor", "use `health_probe` on a target"),
    ("traffic_mirroring", REMOVE),
    ("ab_test", REMOVE),
    ("loads", REMOVE),
    ("history", REMOVE),
    ("memory", REMOVE),
    ("learning", REMOVE),
    ("review", REMOVE),
    ("moderation", REMOVE),
    ("caching", REMOVE),
    ("hosted", REMOVE),
    (
        "exceptions",
        "write each in `policy.<kind>.exceptions`, with the settings of its policy",
    ),
];

pub(crate) const REMOVE: &str = "remove it; nothing would enforce it";

/// Keys that only the legacy shape has at the top level.
const LEGACY_KEYS: &[&str] = &[
    "version",
    "gateway",
    "input_policies",
    "output_policies",
    "includes",
];

pub(crate) fn lower(root: &Node, report: &mut Report) -> Option<Gateway> {
    if is_legacy(root) {
        let message = "the file has the legacy shape (`version`, `gateway`, a list of `policies`), which this gateway does not read";
        let hint = "write `pack`, `policies.chain`, `policy.<kind>` and `providers.targets`; see policy-configs/minimal.yaml";
        report.error(Code::LegacyShape, "", root.position, message, hint);
        return None;
    }
    let mut fields = Fields::of(root, "", report)?;
    let pack = pack(&mut fields, report);
    let sections = access::sections(&mut fields, report);
    let chain = policies::chain(&mut fields, &sections.kinds(), report);
    let providers = providers::providers(&mut fields, report);
    let (limits, sizes) = limits::limits(&mut fields, sections.limits(), report);
    if let Some((.., targets)) = &providers {
        limits::check_prices(&limits, targets, &fields, report);
    }
    let tests = testing::cases(&mut fields, report);
    let fields_position = fields.key_position("policy");
    let settings = fields.get("policy");
    fields.finish(UNSUPPORTED_SECTIONS, report);
    policies::exceptions::check_names(root, report);
    let (pack, policies, (mut routing, streams, targets)) = (pack?, chain?, providers?);
    let policies = if pack.enabled {
        policies
    } else {
        Policies::default()
    };
    let access = sections.resolve(settings, &policies, &targets, pack.enabled, report);
    routing.quality = policies.enforced().find_map(asks_again);
    if routing.quality == Some(QualityFailure::Fallback) && targets.len() < 2 {
        let path = "policy.quality-scorer.failure_action";
        let message = format!(
            "`{path}` is `fallback`, and there is no other target: answers that fail are blocked"
        );
        report.warning(
            Code::NoEffect,
            path,
            fields_position,
            message,
            "add a target, or use `block` or `retry`",
        );
    }
    Some(Gateway {
        pack,
        policies,
        access,
        routing,
        max_event_bytes: streams.max_event_bytes,
        include_usage: streams.include_usage,
        limits,
        sizes,
        targets,
        without_key: Vec::new(),
        tests,
    })
}

/// What follows an answer that is too bad, if another one is asked for.
fn asks_again(policy: &PolicyConfig) -> Option<QualityFailure> {
    match policy {
        PolicyConfig::QualityScorer(settings) => match settings.failure_action {
            FailureAction::Block => None,
            FailureAction::Retry => Some(QualityFailure::Retry),
            FailureAction::Fallback => Some(QualityFailure::Fallback),
        },
        _ => None,
    }
}

fn is_legacy(root: &Node) -> bool {
    let Value::Mapping(entries) = &root.value else {
        return false;
    };
    let has_list = entries
        .iter()
        .any(|entry| entry.key == "policies" && matches!(entry.value.value, Value::Sequence(_)));
    has_list
        || entries.iter().all(|entry| entry.key != "pack")
            && entries
                .iter()
                .any(|entry| LEGACY_KEYS.contains(&entry.key.as_str()))
}

fn pack(root: &mut Fields<'_>, report: &mut Report) -> Option<Pack> {
    let Some(mut fields) = root.mapping("pack", report) else {
        root.missing(
            "pack",
            "add `pack:` with `name`, `version` and `enabled`",
            report,
        );
        return None;
    };
    let name = fields.required_text("name", "name the pack", report);
    let version = fields.required_text("version", "add a version such as `1.0.0`", report);
    let enabled = fields.boolean("enabled", report);
    if enabled.is_none() && fields.get("enabled").is_none() {
        fields.missing("enabled", "add `enabled: true`", report);
    }
    for (key, limit) in [("id", 200), ("author", 200), ("description", 2000)] {
        if let Some((text, position)) = fields.text(key, report) {
            length(&fields.path_of(key), text, 0, limit, position, report);
        }
    }
    let name_is_fine = name.is_some_and(|(name, position)| {
        length(&fields.path_of("name"), name, 1, 200, position, report)
    });
    if let Some((version, position)) = version.filter(|(version, _)| !is_semver(version)) {
        let message = format!("`{version}` is not a version");
        report.error(
            Code::InvalidValue,
            &fields.path_of("version"),
            position,
            message,
            "use MAJOR.MINOR.PATCH, such as `1.0.0`",
        );
    }
    if enabled == Some(false) {
        let position = fields
            .get("enabled")
            .map_or(fields.position, |node| node.position);
        report.warning(
            Code::NoEffect,
            &fields.path_of("enabled"),
            position,
            "the pack is disabled: no policy runs",
            "set `enabled: true` to enforce the chain",
        );
    }
    fields.finish(&[], report);
    let (name, version) = (name.filter(|_| name_is_fine)?.0, version?.0);
    Some(Pack {
        name: name.to_owned(),
        version: version.to_owned(),
        enabled: enabled?,
    })
}

fn length(
    path: &str,
    text: &str,
    min: usize,
    max: usize,
    position: crate::diagnostic::Position,
    report: &mut Report,
) -> bool {
    let fits = (min..=max).contains(&text.chars().count());
    if !fits {
        let message = format!("`{path}` must have {min} to {max} characters");
        report.error(
            Code::InvalidValue,
            path,
            position,
            message,
            "shorten or fill it",
        );
    }
    fits
}

fn is_semver(version: &str) -> bool {
    let parts: Vec<&str> = version.split('.').collect();
    parts.len() == 3
        && parts.iter().all(|part| {
            part.len() < 10
                && !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && (part.len() == 1 || !part.starts_with('0'))
        })
}
