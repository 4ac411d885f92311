//! `policy.audit-logger`.

use kt_policy::policies::audit_logger::Settings;

use super::REMOVE;
use crate::{diagnostic::Report, fields::Fields};

pub(super) fn read(mut fields: Fields<'_>, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    if let Some(immutable) = fields.boolean("immutable", report) {
        settings.immutable = immutable;
    }
    if let Some(days) = fields.integer("retention_days", 1..=36_500, report) {
        settings.retention_days = days;
    }
    if let Some(log_all_access) = fields.boolean("log_all_access", report) {
        settings.log_all_access = log_all_access;
    }
    let stops_nothing = "remove it; the audit logger stops and changes nothing";
    let unsupported = [
        ("hipaa_audit_controls", REMOVE),
        ("mode", stops_nothing),
        ("on_block", stops_nothing),
        ("scope", stops_nothing),
        ("exceptions", stops_nothing),
    ];
    fields.finish(&unsupported, report);
    settings
}
