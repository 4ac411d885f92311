//! One file per policy. To add one: its file, a line here, its variants in [`crate::policy`].

pub mod audit_logger;
pub mod dlp_filter;
pub mod pii_detector;
pub mod prompt_injection;
pub mod quality_scorer;
pub mod safety_filter;
