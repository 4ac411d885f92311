//! `policy-config.yaml`: from text to a [`Gateway`], or to every problem at once with path, line, column and remedy.
//!
//! ```text
//! text ─► yaml::parse (positions kept) ─► lower (one function per section) ─► Gateway + warnings
//!                                              └────────────────────────────► Report
//! ```
//!
//! The YAML library is used for its events only and is known to the [`yaml`] module alone: a deserialiser stops
//! at the first problem, and a person who mends a file wants all of them.

mod access;
mod diagnostic;
mod fields;
mod gateway;
pub mod import;
mod limits;
mod lower;
mod policies;
mod provider;
mod providers;
mod schema;
mod seen;
mod targets;
mod testing;
mod yaml;

pub use diagnostic::{Code, Diagnostic, Report, Severity};
pub use gateway::{BaseUrl, Expected, Gateway, KeySource, Pack, Target, TestCase};
pub use policies::Policies;
pub use provider::{Provider, provider};
pub use schema::{json_schema, reference};

/// Reads a policy file. `Ok` has the gateway and its warnings.
pub fn load(source: &str) -> Result<(Gateway, Report), Report> {
    let mut report = Report::default();
    let root = yaml::parse(source, &mut report);
    let gateway = root.and_then(|root| lower::lower(&root, &mut report));
    report.sort();
    match gateway {
        Some(gateway) if !report.has_errors() => Ok((gateway, report)),
        _ => Err(report),
    }
}
