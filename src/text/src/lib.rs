//! What a text says, apart from where it came from: personal data and keys, users' terms and expressions, phrases,
//! scores of the linear models, disguises and decoded views, refusals, and the markers that replace what was found.
//!
//! The crate knows no policy, no HTTP and no JSON document. It does no I/O and reads no clock, environment or
//! randomness. `kt-policy` asks it and decides.

#![cfg_attr(
    test,
    expect(clippy::string_slice, reason = "tests know where their characters lie")
)]

pub mod answers;
pub mod detect;
mod fold;
pub mod json_string;
pub mod linear;
pub mod markers;
mod needles;
pub mod patterns;
pub mod phrases;
mod present;
pub mod redact;
pub mod refusal;
pub mod steps;
pub mod terms;
pub mod view;
pub mod views;
