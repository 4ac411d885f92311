//! `policies.chain` and `policy.<kind>`.

use kt_policy::{
    PolicyConfig, PolicyKind, StopAction,
    detect::Entity,
    policies::{audit_logger, pii_detector, prompt_injection, safety_filter},
};

use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, Unsupported, closest, join, wrong_type},
    yaml::{Node, Scalar, Value},
};

/// Kinds of the product that this gateway does not enforce.
const UNSUPPORTED_KINDS: &[&str] = &[
    "quality-scorer",
    "dlp-filter",
    "agent-firewall",
    "rbac",
    "data-routing-policy",
    "human-oversight",
    "citation-verifier",
    "hipaa-phi-detector",
    "language-validator",
    "bot-detector",
    "external-moderation",
    "embedding-detector",
    "response-rewriter",
    "request-rewriter",
    "code-sanitizer",
    "document-analyzer",
    "content-extractor",
    "student-privacy",
    "itar-ear-filter",
    "flagged-review",
    "gdpr-compliance",
    "eu-ai-act",
    "bias-monitor",
    "mnpi-filter",
    "cjis-mode",
    "case-privacy",
    "entity-list-filter",
    "dual-use-filter",
    "financial-compliance",
    "healthcare-compliance",
    "tool-validation",
    "tool-budget",
    "upl-filter",
];

const REMOVE: &str = "remove it; nothing would enforce it";

/// Reads the chain and the settings of its policies.
pub(crate) fn chain(root: &mut Fields<'_>, report: &mut Report) -> Option<Vec<PolicyConfig>> {
    let kinds = kinds(root, report);
    let mut blocks = root.mapping("policy", report);
    let mut chain = Vec::new();
    for (kind, position) in kinds.iter().flatten() {
        let settings = blocks
            .as_mut()
            .and_then(|blocks| blocks.mapping(kind.name(), report));
        if settings.is_none() {
            let message = format!(
                "`{}` is in the chain and has no settings; its defaults apply",
                kind.name()
            );
            report.warning(
                Code::NoSettings,
                "policies.chain",
                *position,
                message,
                format!("add `policy.{}`", kind.name()),
            );
        }
        chain.push(policy(*kind, settings, report));
    }
    if let Some(mut blocks) = blocks {
        for kind in PolicyKind::ALL {
            let is_listed = kinds.iter().flatten().any(|(listed, _)| *listed == kind);
            if let Some(node) = blocks.get(kind.name()).filter(|_| !is_listed) {
                let path = blocks.path_of(kind.name());
                let message = format!("`{path}` has settings and never runs");
                report.warning(
                    Code::NoEffect,
                    &path,
                    blocks.key_position(kind.name()),
                    message,
                    format!("add `{}` to `policies.chain`", kind.name()),
                );
                policy(kind, Fields::of(node, &path, report), report);
            }
        }
        let unsupported: Vec<Unsupported> = UNSUPPORTED_KINDS
            .iter()
            .map(|kind| (*kind, REMOVE))
            .collect();
        blocks.finish(&unsupported, report);
    }
    kinds.map(|_| chain)
}

fn kinds(root: &mut Fields<'_>, report: &mut Report) -> Option<Vec<(PolicyKind, Position)>> {
    let Some(mut policies) = root.mapping("policies", report) else {
        root.missing(
            "policies",
            "add `policies.chain` with the policies to run",
            report,
        );
        return None;
    };
    if policies.get("chain").is_none() {
        policies.missing("chain", "list the policies to run, in order", report);
        policies.finish(&[], report);
        return None;
    }
    let nodes = policies.list("chain", report).unwrap_or_default();
    let path = policies.path_of("chain");
    let mut kinds: Vec<(PolicyKind, Position)> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(kind) = kind(node, &path, report) else {
            continue;
        };
        if kinds.iter().any(|(other, _)| *other == kind) {
            report.error(
                Code::Duplicate,
                &path,
                node.position,
                format!("`{}` is in the chain twice", kind.name()),
                "keep one of them",
            );
        } else {
            kinds.push((kind, node.position));
        }
    }
    policies.finish(&[], report);
    Some(kinds)
}

fn kind(node: &Node, path: &str, report: &mut Report) -> Option<PolicyKind> {
    let Value::Scalar(Scalar::Text(name)) = &node.value else {
        wrong_type(node, path, "a string", report);
        return None;
    };
    if let Some(kind) = PolicyKind::ALL.into_iter().find(|kind| kind.name() == name) {
        return Some(kind);
    }
    if UNSUPPORTED_KINDS.contains(&name.as_str()) {
        let message =
            format!("`{name}` is a policy of the product that this gateway does not enforce yet");
        report.error(Code::NotSupported, path, node.position, message, REMOVE);
        return None;
    }
    let known = || PolicyKind::ALL.into_iter().map(PolicyKind::name);
    let hint = match closest(name, known().chain(UNSUPPORTED_KINDS.iter().copied())) {
        Some(kind) => format!("did you mean `{kind}`?"),
        None => format!("known policies: {}", join(known())),
    };
    report.error(
        Code::UnknownPolicy,
        path,
        node.position,
        format!("unknown policy kind `{name}`"),
        hint,
    );
    None
}

fn policy(kind: PolicyKind, fields: Option<Fields<'_>>, report: &mut Report) -> PolicyConfig {
    match kind {
        PolicyKind::PromptInjection => PolicyConfig::PromptInjection(
            fields
                .map(|fields| prompt_injection(fields, report))
                .unwrap_or_default(),
        ),
        PolicyKind::PiiDetector => PolicyConfig::PiiDetector(
            fields
                .map(|fields| pii_detector(fields, report))
                .unwrap_or_default(),
        ),
        PolicyKind::SafetyFilter => PolicyConfig::SafetyFilter(
            fields
                .map(|fields| safety_filter(fields, report))
                .unwrap_or_default(),
        ),
        PolicyKind::AuditLogger => PolicyConfig::AuditLogger(
            fields
                .map(|fields| audit_logger(fields, report))
                .unwrap_or_default(),
        ),
    }
}

const STOP_ACTIONS: &[(&str, StopAction)] = &[
    ("block", StopAction::Block),
    ("escalate", StopAction::Escalate),
];

const PROMPT_INJECTION_UNSUPPORTED: &[Unsupported] = &[
    ("embedding_threshold", "use `threshold`"),
    ("backend", REMOVE),
    ("attack_patterns", REMOVE),
    ("detection", "use `threshold`"),
    ("encoding", REMOVE),
    ("boundaries", REMOVE),
    ("response", "use `action`"),
];

fn prompt_injection(mut fields: Fields<'_>, report: &mut Report) -> prompt_injection::Settings {
    let mut settings = prompt_injection::Settings::default();
    if let Some(threshold) = fields.number("threshold", 0.0..=1.0, report) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a threshold needs no more precision than f32"
        )]
        let threshold = threshold as f32;
        settings.threshold = threshold;
    }
    if let Some(action) = fields.choice("action", STOP_ACTIONS, &["log"], report) {
        settings.action = action;
    }
    fields.finish(PROMPT_INJECTION_UNSUPPORTED, report);
    settings
}

const PII_DETECTOR_UNSUPPORTED: &[Unsupported] = &[
    ("healthcare_mode", REMOVE),
    ("pci_mode", "remove it; card numbers are always detected"),
    ("detect_patterns", REMOVE),
    (
        "redaction",
        "remove it; values are replaced by `[<ENTITY>_REDACTED]`",
    ),
];

fn pii_detector(mut fields: Fields<'_>, report: &mut Report) -> pii_detector::Settings {
    let mut settings = pii_detector::Settings::default();
    let actions = [
        ("redact", pii_detector::Action::Redact),
        ("block", pii_detector::Action::Block),
    ];
    if let Some(action) = fields.choice("action", &actions, &[], report) {
        settings.action = action;
    }
    if let Some(nodes) = fields.list("entities", report) {
        let path = fields.path_of("entities");
        let named = nodes
            .iter()
            .enumerate()
            .filter_map(|(index, node)| entity(node, &format!("{path}[{index}]"), report));
        settings.entities = named.collect();
        settings.entities.sort_unstable();
        settings.entities.dedup();
        if nodes.is_empty() {
            report.error(
                Code::InvalidValue,
                &path,
                fields.position,
                "`entities` is empty: nothing would be detected",
                "list entities, or remove the key to detect all of them",
            );
        }
    }
    fields.finish(PII_DETECTOR_UNSUPPORTED, report);
    settings
}

fn entity(node: &Node, path: &str, report: &mut Report) -> Option<Entity> {
    let Value::Scalar(Scalar::Text(name)) = &node.value else {
        wrong_type(node, path, "a string", report);
        return None;
    };
    let entity = Entity::from_name(name);
    if entity.is_none() {
        let hint = format!(
            "known entities: {}",
            join(Entity::ALL.iter().map(|entity| entity.name()))
        );
        report.error(
            Code::NotSupported,
            path,
            node.position,
            format!("the entity `{name}` cannot be detected"),
            hint,
        );
    }
    entity
}

const SAFETY_FILTER_UNSUPPORTED: &[Unsupported] = &[
    ("block_if", REMOVE),
    ("fuzzy_matching", REMOVE),
    ("max_distance", REMOVE),
    ("max_age", REMOVE),
];

fn safety_filter(mut fields: Fields<'_>, report: &mut Report) -> safety_filter::Settings {
    let mut settings = safety_filter::Settings::default();
    let modes = [("strict", safety_filter::Mode::Strict)];
    let unsupported_modes = [
        "critical_infrastructure",
        "automotive",
        "education",
        "law_enforcement",
    ];
    if let Some(mode) = fields.choice("mode", &modes, &unsupported_modes, report) {
        settings.mode = mode;
    }
    if let Some(action) = fields.choice("action", STOP_ACTIONS, &[], report) {
        settings.action = action;
    }
    fields.finish(SAFETY_FILTER_UNSUPPORTED, report);
    settings
}

fn audit_logger(mut fields: Fields<'_>, report: &mut Report) -> audit_logger::Settings {
    let mut settings = audit_logger::Settings::default();
    if let Some(immutable) = fields.boolean("immutable", report) {
        settings.immutable = immutable;
    }
    if let Some(days) = fields.integer("retention_days", 1..=36_500, report) {
        settings.retention_days = days;
    }
    if let Some(log_all_access) = fields.boolean("log_all_access", report) {
        settings.log_all_access = log_all_access;
    }
    fields.finish(&[("hipaa_audit_controls", REMOVE)], report);
    settings
}
