//! Media in base64 pass as they came, whatever their member, and no policy takes them for something else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "media pass in requests; the rest is for streams")]
mod common;

use common::engine;
use kt_policy::{BodyStep, Exchange, Verdict};

/// Base64 of random bytes.
fn noise(digits: usize, seed: u64) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = String::with_capacity(digits);
    for _ in 0..digits {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.push(char::from(
            *DIGITS
                .get(usize::try_from(state >> 40 & 63).unwrap())
                .unwrap(),
        ));
    }
    out
}

/// A request with media in each of the ways that APIs have for it.
fn bodies(media: &str) -> Vec<String> {
    let part = |part: String| {
        format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"text\",\"text\":\"What is this?\"}},{part}]}}],\"model\":\"m\"}}"
        )
    };
    let lines: Vec<&str> = media
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    vec![
        part(format!(
            "{{\"type\":\"video_url\",\"video_url\":{{\"url\":\"data:video/mp4;base64,{media}\"}}}}"
        )),
        part(format!(
            "{{\"type\":\"audio_url\",\"audio_url\":{{\"url\":\"DATA:audio/wav;BASE64,{media}\"}}}}"
        )),
        part(format!(
            "{{\"type\":\"image\",\"source\":{{\"type\":\"base64\",\"data\":\"{media}\"}}}}"
        )),
        part(format!("{{\"type\":\"unknown\",\"whatever\":\"{media}\"}}")),
        part(format!(
            "{{\"type\":\"text\",\"text\":\"See ![it](data:image/png;base64,{media}) there.\"}}"
        )),
        part(format!(
            "{{\"type\":\"file\",\"file\":{{\"file_data\":\"{}\"}}}}",
            lines.join("\\r\\n")
        )),
        part(format!(
            "{{\"type\":\"text\",\"text\":\"{}\"}}",
            media.replace('/', "\\/")
        )),
    ]
}

#[test]
fn random_media_pass_in_every_member() {
    for (digits, count) in [(400_000, 6), (1 << 20, 3), (3 << 20, 1)] {
        for seed in 0..count {
            for body in bodies(&noise(digits, seed + 1)) {
                let mut exchange = Exchange::begin(engine());
                let step = exchange.request_body(body.as_bytes());
                let verdict = exchange.tally().outcome().0;
                assert_eq!(
                    (step, verdict),
                    (BodyStep::Forward, Verdict::Allow),
                    "{digits} {seed} {}",
                    body.get(90..180).unwrap()
                );
            }
        }
    }
}
