//! `policy.safety-filter`.

use kt_policy::policies::safety_filter::{Mode, Settings};
use kt_text::answers::StreamMode;

use super::{REMOVE, STOP_ACTIONS, controls, patterns, prompt_injection::LONGEST_MESSAGE};
use crate::{
    diagnostic::{Code, Report},
    fields::{Fields, join},
    yaml::Node,
};

/// What matches of `block_if` are called.
const TERM: &str = "BLOCK_IF";

pub(super) fn read(mut fields: Fields<'_>, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    let lists = [
        ("strict", Mode::Strict),
        ("critical_infrastructure", Mode::CriticalInfrastructure),
        ("automotive", Mode::Automotive),
        ("education", Mode::Education),
        ("law_enforcement", Mode::LawEnforcement),
    ];
    // Whether the filter acts is read with what all policies have, and what is wrong in how it is said reported there.
    if let Some((word, node)) = controls::modes(&mut fields, &mut Report::default()).0 {
        match lists.iter().find(|(name, _)| *name == word) {
            Some((_, mode)) => settings.mode = *mode,
            None => unknown_mode(word, &fields.path_of("mode"), node, &lists, report),
        }
    }
    if let Some(action) = fields.choice("action", STOP_ACTIONS, &[], report) {
        settings.action = action;
    }
    if let Some(mut output) = fields.mapping("output", report) {
        let modes = [("cut", StreamMode::Cut), ("hold", StreamMode::Hold)];
        if let Some(mode) = output.choice("stream", &modes, &[], report) {
            settings.output.stream = mode;
        }
        output.finish(&[], report);
    }
    if let Some((message, position)) = fields.text("self_harm_message", report) {
        if message.len() > LONGEST_MESSAGE {
            let path = fields.path_of("self_harm_message");
            report.error(
                Code::InvalidValue,
                &path,
                position,
                format!("`{path}` has {} bytes", message.len()),
                format!("write at most {LONGEST_MESSAGE} bytes"),
            );
        }
        settings.self_harm_message = Some(message.to_owned());
    }
    let max_distance = patterns::distance(&mut fields, 1, report);
    settings.block_if = patterns::terms(&mut fields, "block_if", TERM, max_distance, report);
    if !settings.block_if.is_empty() {
        let path = fields.path_of("block_if");
        let message = format!(
            "`{path}` replaces the list of the mode: only its terms and abuse of minors are blocked"
        );
        report.warning(
            Code::NoEffect,
            &path,
            fields.key_position("block_if"),
            message,
            "leave it out to keep the list of the mode",
        );
    }
    fields.finish(&[("max_age", REMOVE)], report);
    settings
}

fn unknown_mode(word: &str, path: &str, node: &Node, lists: &[(&str, Mode)], report: &mut Report) {
    let words = lists.iter().map(|(name, _)| *name);
    report.error(
        Code::InvalidValue,
        path,
        node.position,
        format!("`mode` cannot be `{word}`"),
        format!(
            "expected one of {}",
            join(words.chain(["enforce", "monitor"]))
        ),
    );
}
