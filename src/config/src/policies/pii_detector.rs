//! `policy.pii-detector`.

use kt_policy::{
    MarkerFormat, RedactionSettings,
    policies::pii_detector::{Action, Settings},
};
use kt_text::detect::Entity;

use super::patterns::{self, Detect};
use crate::{
    diagnostic::{Code, Report},
    fields::{Fields, join, wrong_type},
    yaml::{Scalar, Value},
};

/// What can happen to a value.
pub(super) const ACTIONS: &[(&str, Action)] =
    &[("redact", Action::Redact), ("block", Action::Block)];
/// What matches of an expression without a name are called.
const PATTERN: &str = "CUSTOM";
const LONGEST_MARKER: usize = 200;

pub(super) fn read(mut fields: Fields<'_>, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    if let Some(action) = fields.choice("action", ACTIONS, &[], report) {
        settings.action = action;
    }
    let healthcare_mode = fields.boolean("healthcare_mode", report).unwrap_or(false);
    let pci_mode = fields.boolean("pci_mode", report);
    settings.entities = Settings::entities(pci_mode.unwrap_or(true), healthcare_mode);
    let mut named = entities(&mut fields, "entities", report);
    for item in patterns::detect(&mut fields, PATTERN, report) {
        match item {
            Detect::Entity(entity) => settings.entities.push(entity),
            Detect::Regex(pattern) => settings.patterns.push(pattern),
        }
    }
    if let Some(mut redaction) = fields.mapping("redaction", report) {
        let categories = entities(&mut redaction, "categories", report);
        if categories.is_some() && named.is_some() {
            let path = redaction.path_of("categories");
            let message = format!("`{path}` and `entities` say the same thing twice");
            report.error(
                Code::Contradiction,
                &path,
                redaction.key_position("categories"),
                message,
                "keep one of them",
            );
        }
        named = named.or(categories);
        settings.redaction = self::redaction(redaction, report);
    }
    if let Some(named) = named {
        settings.entities = named;
        if healthcare_mode {
            settings.entities.extend(Entity::HEALTHCARE);
        }
        if pci_mode == Some(true) {
            settings
                .entities
                .extend(Entity::PCI.into_iter().chain([Entity::CreditCard]));
        }
    }
    settings.entities.sort_unstable();
    settings.entities.dedup();
    fields.finish(&[], report);
    settings
}

/// A list of entities; nothing when it is absent.
fn entities(
    fields: &mut Fields<'_>,
    key: &'static str,
    report: &mut Report,
) -> Option<Vec<Entity>> {
    let nodes = fields.list(key, report)?;
    let path = fields.path_of(key);
    if nodes.is_empty() {
        let message = format!("`{key}` is empty: nothing would be detected");
        report.error(
            Code::InvalidValue,
            &path,
            fields.position,
            message,
            "list entities, or remove the key to detect all of them",
        );
    }
    let mut entities = Vec::new();
    for (name, path, position) in patterns::strings(fields, key, report) {
        if let Some(entity) = Entity::from_name(name) {
            entities.push(entity);
        } else {
            let message = format!("the entity `{name}` cannot be detected");
            let hint = format!(
                "known entities: {}",
                join(Entity::ALL.iter().map(|entity| entity.name()))
            );
            report.error(Code::NotSupported, &path, position, message, hint);
        }
    }
    Some(entities)
}

fn redaction(mut fields: Fields<'_>, report: &mut Report) -> RedactionSettings {
    let mut settings = RedactionSettings::default();
    let formats = [
        ("label", MarkerFormat::Label),
        ("asterisks", MarkerFormat::Asterisks),
        ("partial", MarkerFormat::Partial),
    ];
    if let Some(format) = fields.choice("marker_format", &formats, &[], report) {
        settings.marker_format = format;
    }
    if let Some(include_metadata) = fields.boolean("include_metadata", report) {
        settings.include_metadata = include_metadata;
    }
    if let Some(preserve_length) = fields.boolean("preserve_length", report) {
        settings.preserve_length = preserve_length;
    }
    let path = fields.path_of("custom_markers");
    for (name, node) in fields.entries_of("custom_markers", report) {
        let path = format!("{path}.{name}");
        let Value::Scalar(Scalar::Text(marker)) = &node.value else {
            wrong_type(node, &path, "a string", report);
            continue;
        };
        let label = Entity::from_name(name).map(|entity| entity.name().to_owned());
        if label.is_none() && patterns::label(name) != PATTERN {
            let message = format!("the entity `{name}` cannot be detected");
            let hint = format!(
                "known entities: {}, and `{PATTERN}` for your own patterns",
                join(Entity::ALL.iter().map(|entity| entity.name()))
            );
            report.error(Code::NotSupported, &path, node.position, message, hint);
        }
        if marker.len() > LONGEST_MARKER
            || marker
                .chars()
                .any(|c| c.is_control() || matches!(c, '"' | '\\'))
        {
            let message = format!(
                "the marker at `{path}` would not survive inside JSON, or is longer than {LONGEST_MARKER} bytes"
            );
            report.error(
                Code::InvalidValue,
                &path,
                node.position,
                message,
                "write it without quotation marks, backslashes and control characters",
            );
        }
        settings.custom_markers.insert(
            label.unwrap_or_else(|| patterns::label(name)),
            marker.clone(),
        );
    }
    fields.finish(&[], report);
    settings
}
