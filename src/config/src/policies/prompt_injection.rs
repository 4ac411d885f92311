//! `policy.prompt-injection`.

use kt_policy::{
    StopAction,
    policies::prompt_injection::{LogLevel, Settings},
};
use kt_text::patterns::Pattern;

use super::{STOP_ACTIONS, patterns};
use crate::{
    diagnostic::{Code, Report},
    fields::Fields,
};

/// What matches of `attack_patterns` are called.
const PATTERN: &str = "ATTACK_PATTERN";
pub(super) const LONGEST_MESSAGE: usize = 500;

pub(super) fn read(mut fields: Fields<'_>, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    threshold(&mut fields, "threshold", &mut settings, report);
    let has_threshold = fields.get("threshold").is_some();
    embedding(&mut fields, has_threshold, &mut settings, report);
    if let Some(action) = fields.choice("action", STOP_ACTIONS, &["log"], report) {
        settings.action = action;
    }
    fields.choice("backend", &[("local", ())], &[], report);
    settings.attack_patterns = attack_patterns(&mut fields, report);
    if let Some(mut detection) = fields.mapping("detection", report) {
        threshold(&mut detection, "threshold", &mut settings, report);
        embedding(&mut detection, has_threshold, &mut settings, report);
        settings
            .attack_patterns
            .extend(attack_patterns(&mut detection, report));
        detection.finish(&[], report);
    }
    if let Some(mut encoding) = fields.mapping("encoding", report) {
        if let Some(decode_base64) = encoding.boolean("decode_base64", report) {
            settings.decode_base64 = decode_base64;
        }
        for key in ["normalize_unicode", "detect_homoglyphs"] {
            if encoding.boolean(key, report) == Some(false) {
                let path = encoding.path_of(key);
                let message = format!(
                    "`{path}: false` has no effect: text is always normalised, since an attack could hide in what is not"
                );
                report.warning(
                    Code::NoEffect,
                    &path,
                    encoding.key_position(key),
                    message,
                    "remove it",
                );
            }
        }
        encoding.finish(&[], report);
    }
    if let Some(mut boundaries) = fields.mapping("boundaries", report) {
        if let Some(enforce) = boundaries.boolean("enforce_delimiters", report) {
            settings.enforce_delimiters = enforce;
        }
        if let Some(reject) = boundaries.boolean("reject_fake_boundaries", report) {
            settings.reject_fake_boundaries = reject;
        }
        boundaries.finish(&[], report);
    }
    if let Some(turn_safe) = fields.boolean("turn_safe", report) {
        settings.turn_safe = turn_safe;
    }
    settings.trusted_system_prompts = trusted(&mut fields, report);
    if let Some(response) = fields.mapping("response", report) {
        let action = fields.get("action").is_some().then_some(settings.action);
        self::response(response, action, &mut settings, report);
    }
    fields.finish(&[], report);
    settings
}

fn threshold(
    fields: &mut Fields<'_>,
    key: &'static str,
    settings: &mut Settings,
    report: &mut Report,
) {
    if let Some(threshold) = fields.number(key, 0.0..=1.0, report) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a threshold needs no more precision than f32"
        )]
        let threshold = threshold as f32;
        settings.threshold = threshold;
    }
}

/// `embedding_threshold`, the reference's word for the threshold.
fn embedding(
    fields: &mut Fields<'_>,
    has_threshold: bool,
    settings: &mut Settings,
    report: &mut Report,
) {
    const KEY: &str = "embedding_threshold";
    if fields.get(KEY).is_none() {
        return;
    }
    let path = fields.path_of(KEY);
    if has_threshold {
        let message = format!("`{path}` and `threshold` say the same thing twice");
        report.error(
            Code::Contradiction,
            &path,
            fields.key_position(KEY),
            message,
            "keep `threshold`",
        );
        return;
    }
    threshold(fields, KEY, settings, report);
    let message = format!(
        "`{path}` is read as `threshold`: scores come from patterns and a linear model, not from embeddings"
    );
    report.warning(
        Code::NoEffect,
        &path,
        fields.key_position(KEY),
        message,
        "write `threshold` instead",
    );
}

fn attack_patterns(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Pattern> {
    let strings = patterns::strings(fields, "attack_patterns", report);
    let patterns = strings.into_iter().filter_map(|(text, path, position)| {
        // Attackers do not keep to the case of the pattern.
        let any_case = format!("(?i:{text})");
        patterns::regex(text, PATTERN, &path, position, report)?;
        patterns::regex(&any_case, PATTERN, &path, position, report)
    });
    patterns.collect()
}

/// Hashes of texts, as `kt policy trust` prints them.
fn trusted(fields: &mut Fields<'_>, report: &mut Report) -> Vec<String> {
    let mut hashes = Vec::new();
    for (text, path, position) in patterns::strings(fields, "trusted_system_prompts", report) {
        let is_hash = text.len() == 64
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash {
            hashes.push(text.to_owned());
            continue;
        }
        report.error(
            Code::InvalidValue,
            &path,
            position,
            format!("`{path}` is no SHA-256 in lower-case hexadecimal"),
            "write what `kt policy trust` prints for the exact text of the prompt",
        );
    }
    hashes
}

fn response(
    mut fields: Fields<'_>,
    action: Option<StopAction>,
    settings: &mut Settings,
    report: &mut Report,
) {
    if let Some(own) = fields.choice("action", STOP_ACTIONS, &["log"], report) {
        if action.is_some_and(|action| action != own) {
            let path = fields.path_of("action");
            let message = format!("`{path}` and `action` contradict each other");
            report.error(
                Code::Contradiction,
                &path,
                fields.key_position("action"),
                message,
                "keep one of them",
            );
        }
        settings.action = own;
    }
    if let Some((message, position)) = fields.text("message", report) {
        let path = fields.path_of("message");
        if message.is_empty() || message.len() > LONGEST_MESSAGE {
            let problem = format!("`{path}` has {} bytes", message.len());
            report.error(
                Code::InvalidValue,
                &path,
                position,
                problem,
                format!("write 1 to {LONGEST_MESSAGE} bytes"),
            );
        }
        settings.message = Some(message.to_owned());
    }
    let levels = [
        ("debug", LogLevel::Debug),
        ("info", LogLevel::Info),
        ("warn", LogLevel::Warn),
        ("error", LogLevel::Error),
    ];
    settings.log_level = fields.choice("log_level", &levels, &[], report);
    fields.finish(&[], report);
}
