//! `policy.dlp-filter`.

use kt_policy::policies::dlp_filter::{Rule, Settings};

use super::{
    REMOVE,
    patterns::{self, Detect},
    pii_detector::ACTIONS,
};
use crate::{
    diagnostic::{Code, Report},
    fields::Fields,
};

/// What matches are called that have no name of their own.
const PATTERN: &str = "DLP";
const TERM: &str = "BLOCKED_TERM";

pub(super) fn read(mut fields: Fields<'_>, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    if let Some(action) = fields.choice("action", ACTIONS, &[], report) {
        settings.action = action;
    }
    let action = settings.action;
    for item in patterns::detect(&mut fields, PATTERN, report) {
        match item {
            Detect::Entity(entity) => settings.entities.push(entity),
            Detect::Regex(pattern) => settings.rules.push(Rule { pattern, action }),
        }
    }
    named(&mut fields, &mut settings, report);
    let max_distance = patterns::distance(&mut fields, 1, report);
    let terms = patterns::terms(&mut fields, "blocked_terms", TERM, max_distance, report);
    settings
        .rules
        .extend(terms.into_iter().map(|pattern| Rule { pattern, action }));
    if settings.rules.is_empty() && settings.entities.is_empty() {
        let message = "`dlp-filter` has nothing to look for";
        report.warning(
            Code::NoEffect,
            &fields.path,
            fields.position,
            message,
            "add `detect_patterns`, `patterns` or `blocked_terms`",
        );
    }
    fields.finish(&[("sensitivity_level", REMOVE)], report);
    settings
}

/// `patterns`: expressions with names and actions of their own.
fn named(fields: &mut Fields<'_>, settings: &mut Settings, report: &mut Report) {
    let nodes = fields.list("patterns", report).unwrap_or_default();
    let path = fields.path_of("patterns");
    patterns::too_many(nodes, &path, report);
    for (index, node) in nodes.iter().enumerate() {
        let Some(mut fields) = Fields::of(node, &format!("{path}[{index}]"), report) else {
            continue;
        };
        let name = fields.required_text(
            "name",
            "name the pattern; markers and events use it",
            report,
        );
        let regex = fields.required_text("regex", "write what to look for", report);
        let action = fields
            .choice("action", ACTIONS, &[], report)
            .unwrap_or(settings.action);
        if let (Some((name, _)), Some((regex, position))) = (name, regex) {
            let pattern = patterns::regex(regex, name, &fields.path_of("regex"), position, report);
            settings
                .rules
                .extend(pattern.map(|pattern| Rule { pattern, action }));
        }
        fields.finish(&[], report);
    }
}
