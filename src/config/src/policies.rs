//! `policies.chain` and `policy.<kind>`.

mod audit_logger;
mod dlp_filter;
mod patterns;
mod pii_detector;
mod prompt_injection;
mod quality_scorer;
mod safety_filter;

use kt_policy::{PolicyConfig, PolicyKind, StopAction};

use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, Unsupported, closest, join, wrong_type},
    yaml::{Node, Scalar, Value},
};

/// Kinds of the product that this gateway does not enforce.
const UNSUPPORTED_KINDS: &[&str] = &[
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

/// Reads the settings of one policy; without any, its defaults apply.
fn policy(kind: PolicyKind, fields: Option<Fields<'_>>, report: &mut Report) -> PolicyConfig {
    macro_rules! read {
        ($variant:ident, $module:ident) => {
            PolicyConfig::$variant(
                fields
                    .map(|fields| $module::read(fields, report))
                    .unwrap_or_default(),
            )
        };
    }
    match kind {
        PolicyKind::PromptInjection => read!(PromptInjection, prompt_injection),
        PolicyKind::PiiDetector => read!(PiiDetector, pii_detector),
        PolicyKind::DlpFilter => read!(DlpFilter, dlp_filter),
        PolicyKind::SafetyFilter => read!(SafetyFilter, safety_filter),
        PolicyKind::QualityScorer => read!(QualityScorer, quality_scorer),
        PolicyKind::AuditLogger => read!(AuditLogger, audit_logger),
    }
}

/// What a policy that cannot redact does.
const STOP_ACTIONS: &[(&str, StopAction)] = &[
    ("block", StopAction::Block),
    ("escalate", StopAction::Escalate),
];
