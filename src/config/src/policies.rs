//! `policies.chain` and `policy.<kind>`.

mod audit_logger;
mod controls;
mod dlp_filter;
pub(crate) mod exceptions;
mod patterns;
mod pii_detector;
mod prompt_injection;
mod quality_scorer;
mod safety_filter;

use kt_policy::{Control, Controls, PolicyConfig, PolicyKind, StopAction};

use crate::{
    diagnostic::{Code, Position, Report},
    fields::{Fields, Unsupported, closest, join, wrong_type},
    yaml::{Entry, Node, Scalar, Value},
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

/// Policies in their order, and how far they are switched on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policies {
    /// With their settings.
    pub chain: Vec<PolicyConfig>,
    /// Beside their own settings.
    pub controls: Controls,
}

impl Policies {
    /// The policies that act.
    pub fn enforced(&self) -> impl Iterator<Item = &PolicyConfig> {
        let chain = self.chain.iter();
        chain.filter(|policy| !self.controls.is_monitored(policy.kind()))
    }
}

/// Reads the chain and the settings of its policies. `elsewhere` are those of other chains.
pub(crate) fn chain(
    root: &mut Fields<'_>,
    elsewhere: &[PolicyKind],
    report: &mut Report,
) -> Option<Policies> {
    let kinds = kinds(root, report);
    let mut blocks = root.mapping("policy", report);
    let mut policies = Policies::default();
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
        let (policy, control) = policy(*kind, settings, report);
        policies.chain.push(policy);
        policies.controls.set(*kind, control);
    }
    if let Some(mut blocks) = blocks {
        for kind in PolicyKind::ALL {
            let is_listed = kinds.iter().flatten().any(|(listed, _)| *listed == kind);
            if let Some(node) = blocks.get(kind.name()).filter(|_| !is_listed) {
                let path = blocks.path_of(kind.name());
                if !elsewhere.contains(&kind) {
                    let message = format!("`{path}` has settings and never runs");
                    report.warning(
                        Code::NoEffect,
                        &path,
                        blocks.key_position(kind.name()),
                        message,
                        format!("add `{}` to `policies.chain`", kind.name()),
                    );
                }
                policy(kind, Fields::of(node, &path, report), report);
            }
        }
        let unsupported: Vec<Unsupported> = UNSUPPORTED_KINDS
            .iter()
            .map(|kind| (*kind, REMOVE))
            .collect();
        blocks.finish(&unsupported, report);
    }
    kinds.map(|_| policies)
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
    let kinds = kinds_of(nodes, &policies.path_of("chain"), report);
    policies.finish(&[], report);
    Some(kinds)
}

/// The kinds of another chain, if there is one at `key`.
pub(crate) fn kinds_at(
    fields: &mut Fields<'_>,
    key: &'static str,
    report: &mut Report,
) -> Option<Vec<PolicyKind>> {
    let nodes = fields.list(key, report)?;
    let kinds = kinds_of(nodes, &fields.path_of(key), report);
    Some(kinds.into_iter().map(|(kind, _)| kind).collect())
}

fn kinds_of(nodes: &[Node], path: &str, report: &mut Report) -> Vec<(PolicyKind, Position)> {
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
    kinds
}

/// Checks settings that are put over those of `policy`.
pub(crate) fn check_settings(node: &Node, path: &str, report: &mut Report) {
    let mut own = Report::default();
    if let Some(mut blocks) = Fields::of(node, path, &mut own) {
        for kind in PolicyKind::ALL {
            if let Some(fields) = blocks.mapping(kind.name(), &mut own) {
                policy(kind, Some(fields), &mut own);
            }
        }
        let unsupported = UNSUPPORTED_KINDS.iter().map(|kind| (*kind, REMOVE));
        blocks.finish(&unsupported.collect::<Vec<_>>(), &mut own);
    }
    report.add(own);
}

/// The policies of a chain with the settings of `base`, each of which those of `over` replace. Both were checked for themselves; what
/// they say together is checked here.
pub(crate) fn with_settings(
    kinds: &[PolicyKind],
    base: Option<&Node>,
    over: Option<&Node>,
    report: &mut Report,
) -> Policies {
    let mut policies = Policies::default();
    for kind in kinds {
        let (below, above) = (block(base, *kind), block(over, *kind));
        let mut merged = below.map(<[Entry]>::to_vec).unwrap_or_default();
        for entry in above.unwrap_or_default() {
            merged.retain(|known| known.key != entry.key);
            merged.push(entry.clone());
        }
        let node = Node {
            value: Value::Mapping(merged),
            position: over
                .or(base)
                .map_or_else(Position::default, |node| node.position),
        };
        let mut together = Report::default();
        let fields = Fields::of(&node, &format!("policy.{}", kind.name()), &mut together);
        let (settings, control) = policy(*kind, fields, &mut together);
        policies.chain.push(settings);
        policies.controls.set(*kind, control);
        if above.is_some() {
            report.add_new(together);
        }
    }
    policies
}

fn block(policy: Option<&Node>, kind: PolicyKind) -> Option<&[Entry]> {
    let Value::Mapping(blocks) = &policy?.value else {
        return None;
    };
    let block = blocks.iter().find(|block| block.key == kind.name())?;
    match &block.value.value {
        Value::Mapping(entries) => Some(entries),
        _ => None,
    }
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
fn policy(
    kind: PolicyKind,
    mut fields: Option<Fields<'_>>,
    report: &mut Report,
) -> (PolicyConfig, Control) {
    let mut control = fields
        .as_mut()
        .filter(|_| kind != PolicyKind::AuditLogger)
        .map(|fields| controls::read(kind, fields, report))
        .unwrap_or_default();
    let judges_texts = !matches!(kind, PolicyKind::AuditLogger | PolicyKind::QualityScorer);
    let mut excepted = Vec::new();
    if let Some(fields) = fields.as_mut().filter(|_| judges_texts) {
        control.scope = controls::scope(fields, report);
        excepted = exceptions::read(kind, fields, report);
    }
    macro_rules! read {
        ($variant:ident, $module:ident) => {
            PolicyConfig::$variant(
                fields
                    .map(|fields| $module::read(fields, report))
                    .unwrap_or_default(),
            )
        };
    }
    let policy = match kind {
        PolicyKind::PromptInjection => read!(PromptInjection, prompt_injection),
        PolicyKind::PiiDetector => read!(PiiDetector, pii_detector),
        PolicyKind::DlpFilter => read!(DlpFilter, dlp_filter),
        PolicyKind::SafetyFilter => read!(SafetyFilter, safety_filter),
        PolicyKind::QualityScorer => read!(QualityScorer, quality_scorer),
        PolicyKind::AuditLogger => read!(AuditLogger, audit_logger),
    };
    control.exceptions = exceptions::resolve(kind, &policy, excepted, report);
    (policy, control)
}

/// What a policy that cannot redact does.
const STOP_ACTIONS: &[(&str, StopAction)] = &[
    ("block", StopAction::Block),
    ("escalate", StopAction::Escalate),
];
