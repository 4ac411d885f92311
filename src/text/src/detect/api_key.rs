//! Keys and tokens of services, by the prefixes that their makers give them so that scanners can find them, JSON web tokens
//! (RFC 7519) and private keys in PEM (RFC 7468).
//!
//! Sources of the forms: the documentation of each service, and GitHub's list of supported secret-scanning patterns. A key
//! must have a digit, which random ones of this length have, and no placeholder. Values of settings whose name says that they are secret are
//! found by `named_secret.rs`, keys of a shape without a prefix by `shaped_key.rs`. Not found: other keys, and short passwords.

use std::ops::Range;

use crate::present::Present;

use super::{Outcome, Window, runs::Runs};

/// Longest key that is replaced as a whole.
pub(super) const MAX_KEY: usize = 4096;

/// Which bytes a key consists of, after its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Letters, digits, `_` and `-`.
    Token,
    /// The same and `.`.
    Dotted,
    /// Capital letters and digits.
    Capital,
    /// Base64, and parts of a path.
    Path,
    /// The same and `@`.
    Url,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Token => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => Self::Token.has(byte) || byte == b'.',
            Self::Url => Self::Path.has(byte) || byte == b'@',
            Self::Path => Self::Token.has(byte) || matches!(byte, b'/' | b'+' | b'='),
            Self::Capital => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        }
    }
}

/// A prefix, how many bytes follow it at least and at most, and which.
type Form = (&'static [u8], usize, usize, Alphabet);

const fn token(prefix: &'static [u8], min: usize) -> Form {
    (prefix, min, MAX_KEY, Alphabet::Token)
}

const FORMS: &[Form] = &[
    // OpenAI, Anthropic, DeepSeek and others that follow them
    token(b"sk-", 20),
    // Stripe
    token(b"sk_live_", 16),
    token(b"sk_test_", 16),
    token(b"rk_live_", 16),
    token(b"pk_live_", 16),
    // Amazon Web Services
    (b"AKIA", 16, 16, Alphabet::Capital),
    (b"ASIA", 16, 16, Alphabet::Capital),
    // Google
    token(b"AIza", 35),
    (b"ya29.", 20, MAX_KEY, Alphabet::Dotted),
    // GitHub
    token(b"ghp_", 36),
    token(b"gho_", 36),
    token(b"ghu_", 36),
    token(b"ghs_", 36),
    token(b"ghr_", 36),
    token(b"github_pat_", 40),
    // GitLab
    token(b"glpat-", 20),
    // Groq
    token(b"gsk_", 32),
    // Slack
    token(b"xoxb-", 20),
    token(b"xoxp-", 20),
    token(b"xoxa-", 20),
    token(b"xoxr-", 20),
    token(b"xapp-", 20),
    // Together AI
    token(b"tgp_v1_", 32),
    // Hugging Face
    token(b"hf_", 30),
    // npm, PyPI
    token(b"npm_", 36),
    token(b"pypi-", 50),
    // SendGrid
    (b"SG.", 40, MAX_KEY, Alphabet::Dotted),
    // DigitalOcean, Shopify
    token(b"dop_v1_", 64),
    token(b"shpat_", 32),
    // Further services, by the name in their prefix or beside it
    token(b"ATATT3", 100),                                  // Atlassian
    token(b"AGE-SECRET-KEY-1", 50),                         // age
    token(b"AKCp", 60),                                     // Artifactory
    token(b"cmVmd", 56),                                    // Artifactory
    token(b"EZAK", 54),                                     // EasyPost
    token(b"EZTK", 54),                                     // EasyPost
    token(b"EAAA", 40),                                     // Square, Facebook
    token(b"EAAC", 40),                                     // Facebook
    token(b"EAAM", 40),                                     // Facebook
    token(b"HRKU-", 36),                                    // Heroku
    token(b"LTAI", 16),                                     // Alibaba
    token(b"NRAK-", 27),                                    // New Relic
    token(b"PMAK-", 50),                                    // Postman
    token(b"api_org_", 30),                                 // Hugging Face
    token(b"dapi", 32),                                     // Databricks
    token(b"dnkey-", 50),                                   // Defined Networking
    (b"dp.pt.", 40, MAX_KEY, Alphabet::Token),              // Doppler
    (b"dt0c01.", 60, MAX_KEY, Alphabet::Dotted),            // Dynatrace
    token(b"duffel_", 40),                                  // Duffel
    token(b"fio-u-", 50),                                   // Frame.io
    (b"fm1_", 60, MAX_KEY, Alphabet::Path),                 // Fly.io
    (b"fm2_", 60, MAX_KEY, Alphabet::Path),                 // Fly.io
    token(b"fo1_", 40),                                     // Fly.io
    token(b"glc_", 32),                                     // Grafana
    token(b"glsa_", 40),                                    // Grafana
    token(b"gldt-", 20),                                    // GitLab
    token(b"glft-", 20),                                    // GitLab
    token(b"glrt-", 20),                                    // GitLab
    token(b"glptt-", 40),                                   // GitLab
    token(b"glsoat-", 20),                                  // GitLab
    token(b"GR1348941", 20),                                // GitLab
    (b"hvs.", 60, MAX_KEY, Alphabet::Token),                // Vault
    (b"hvb.", 60, MAX_KEY, Alphabet::Token),                // Vault
    token(b"ico-", 32),                                     // Infracost
    token(b"lin_api_", 40),                                 // Linear
    token(b"ntn_", 40),                                     // Notion
    token(b"nvapi-", 40),                                   // NVIDIA
    token(b"ops_eyJ", 100),                                 // 1Password
    token(b"pplx-", 40),                                    // Perplexity
    token(b"pnu_", 36),                                     // Prefect
    token(b"pscale_", 32),                                  // PlanetScale
    token(b"pul-", 40),                                     // Pulumi
    token(b"rdme_", 60),                                    // ReadMe
    token(b"rubygems_", 48),                                // RubyGems
    token(b"s-s4t2", 60),                                   // 42
    token(b"sgp_", 40),                                     // Sourcegraph
    token(b"sha256~", 40),                                  // OpenShift
    token(b"shippo_live_", 40),                             // Shippo
    token(b"shippo_test_", 40),                             // Shippo
    token(b"shpca_", 32),                                   // Shopify
    token(b"shpss_", 32),                                   // Shopify
    token(b"sntrys_", 60),                                  // Sentry
    token(b"sntryu_", 60),                                  // Sentry
    token(b"sq0atp-", 22),                                  // Square
    token(b"sq0csp-", 40),                                  // Square
    token(b"squ_", 40),                                     // SonarQube
    token(b"sqp_", 40),                                     // SonarQube
    token(b"tfp_", 50),                                     // Typeform
    token(b"tk-us-", 48),                                   // Scalingo
    token(b"xai-", 60),                                     // xAI
    token(b"xoxe-", 40),                                    // Slack
    token(b"xoxs-", 20),                                    // Slack
    token(b"xoxo-", 20),                                    // Slack
    (b"hooks.slack.com/services/", 30, 80, Alphabet::Path), // Slack
    (b"hooks.slack.com/workflows/", 30, 120, Alphabet::Path),
    (b"hooks.slack.com/triggers/", 30, 120, Alphabet::Path),
    (b"discord.com/api/webhooks/", 60, 120, Alphabet::Path),
    (b"webhook.office.com/webhookb2/", 60, 260, Alphabet::Url), // Microsoft Teams
    token(b"glcbt-", 20),
    token(b"glimt-", 20),
    token(b"glagent-", 50),
    token(b"gloas-", 60),
    token(b"sk_prod_", 16),
    token(b"rk_prod_", 16),
    token(b"rk_test_", 16),
    token(b"sqa_", 40),
    token(b"ABSK", 100), // Amazon Bedrock
    token(b"A3-", 30),   // 1Password
    token(b"p8e-", 32),  // Adobe
    (b"fm1r_", 60, MAX_KEY, Alphabet::Path),
    (b"ABIA", 16, 16, Alphabet::Capital),
    (b"ACCA", 16, 16, Alphabet::Capital),
    (b"Bearer ", 20, MAX_KEY, Alphabet::Dotted), // RFC 6750
    (b"Basic ", 20, MAX_KEY, Alphabet::Path),    // RFC 7617
    // JSON web tokens: a header that is a JSON object
    (b"eyJ", 30, MAX_KEY, Alphabet::Dotted),
];

/// How a private key begins.
const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const PEM_KIND: &[u8] = b"PRIVATE KEY-----";
const PEM_END: &[u8] = b"-----END ";
/// Between `BEGIN` and `PRIVATE KEY`: `RSA`, `OPENSSH`, `ENCRYPTED` and so on.
const MAX_KIND: usize = 24;

/// One bit per hash of the first bytes of the prefixes: nearly every word stops here. Three bytes for prefixes of three, four for
/// the others.
static OF_THREE: [u64; 64] = begins(3);
static OF_FOUR: [u64; 64] = begins(4);

const fn slot(bytes: [u8; 4]) -> (usize, u64) {
    let hash = u32::from_le_bytes(bytes).wrapping_mul(0x9e37_79b1) >> 20;
    ((hash >> 6) as usize, 1 << (hash & 63))
}

const fn begins(len: usize) -> [u64; 64] {
    let mut table = [0; 64];
    let mut at = 0;
    while at <= FORMS.len() {
        let prefix = if at < FORMS.len() {
            #[expect(clippy::indexing_slicing, reason = "bounded by the line above")]
            FORMS[at].0
        } else {
            PEM_BEGIN
        };
        let begin = match prefix {
            [first, second, third] if len == 3 => Some([*first, *second, *third, 0]),
            [first, second, third, fourth, ..] if len == 4 => {
                Some([*first, *second, *third, *fourth])
            }
            _ => None,
        };
        if let Some(begin) = begin {
            let (word, bit) = slot(begin);
            #[expect(clippy::indexing_slicing, reason = "a slot is below 64")]
            {
                table[word] |= bit;
            }
        }
        at += 1;
    }
    table
}

/// Whether a prefix may begin with `bytes`, of which fewer than four say nothing.
fn may_begin(bytes: &[u8]) -> bool {
    let Some([first, second, third, fourth]) = bytes.first_chunk::<4>() else {
        return true;
    };
    let is_in = |table: &[u64; 64], begin| {
        let (word, bit) = slot(begin);
        table.get(word).is_some_and(|bits| bits & bit != 0)
    };
    is_in(&OF_FOUR, [*first, *second, *third, *fourth])
        || is_in(&OF_THREE, [*first, *second, *third, 0])
}

/// How many bytes of a prefix tell where its forms lie.
const BEGIN: usize = 3;
const BUCKETS: usize = 64;

/// Forms by the hash of how their prefixes begin, and where each hash starts: an anchor is compared with a few of them only.
static ORDER: [u8; FORMS.len()] = buckets().0;
static STARTS: [u8; BUCKETS + 1] = buckets().1;

const fn bucket(first: u8, second: u8, third: u8) -> usize {
    let bytes = u32::from_le_bytes([first, second, third, 0]);
    (bytes.wrapping_mul(0x9e37_79b1) >> 26) as usize
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "bounded by the loops; evaluated at compile time, where a place out of bounds does not compile"
)]
const fn buckets() -> ([u8; FORMS.len()], [u8; BUCKETS + 1]) {
    let mut order = [0; FORMS.len()];
    let mut starts = [0; BUCKETS + 1];
    let (mut count, mut wanted) = (0, 0);
    while wanted < BUCKETS {
        let mut form = 0;
        while form < FORMS.len() {
            let prefix = FORMS[form].0;
            if bucket(prefix[0], prefix[1], prefix[2]) == wanted {
                order[count] = form as u8;
                count += 1;
            }
            form += 1;
        }
        wanted += 1;
        starts[wanted] = count as u8;
    }
    (order, starts)
}

/// The forms whose prefix may begin as `rest` does, in their order.
fn forms_for(rest: &[u8]) -> impl Iterator<Item = &'static Form> {
    let range = match rest.first_chunk::<BEGIN>() {
        Some([first, second, third]) => {
            let bucket = bucket(*first, *second, *third);
            let start = |at: usize| STARTS.get(at).copied().map_or(0, usize::from);
            start(bucket)..start(bucket + 1)
        }
        None => 0..ORDER.len(),
    };
    let places = ORDER.get(range).unwrap_or_default();
    places.iter().filter_map(|at| FORMS.get(usize::from(*at)))
}

/// What was measured of a text so far.
#[derive(Default)]
struct Measured {
    /// By [`Alphabet`].
    runs: Runs<5>,
    /// Stretches without a digit.
    without_digits: Runs<1>,
}

impl Measured {
    fn run(&mut self, bytes: &[u8], at: usize, alphabet: Alphabet) -> usize {
        let fits = |byte| alphabet.has(byte);
        self.runs.end(alphabet as usize, bytes, at, fits) - at
    }

    fn has_digit(&mut self, bytes: &[u8], key: Range<usize>) -> bool {
        let digit = (self.without_digits).end(0, bytes, key.start, |byte| !byte.is_ascii_digit());
        digit < key.end
    }
}

pub(super) fn scan(window: &Window<'_>, _: Present, note: &mut dyn FnMut(Outcome)) {
    let mut measured = Measured::default();
    let mut before = window.before(window.from);
    let rest = window.bytes().get(window.from..).unwrap_or_default();
    for (place, byte) in rest.iter().copied().enumerate() {
        let starts = !before.is_ascii_alphanumeric()
            && (byte.is_ascii_alphabetic() || byte == b'-' && before != b'-');
        before = byte;
        if starts && may_begin(rest.get(place..).unwrap_or_default()) {
            match judge(window, window.from + place, &mut measured) {
                Outcome::Nothing => {}
                outcome => note(outcome),
            }
        }
    }
}

fn judge(window: &Window<'_>, at: usize, measured: &mut Measured) -> Outcome {
    let rest = window.bytes().get(at..).unwrap_or_default();
    if rest.first() == Some(&b'-') {
        return private_key(window, at, rest);
    }
    let may_follow = !window.complete;
    let mut outcome = Outcome::Nothing;
    for (prefix, min, max, alphabet) in forms_for(rest) {
        let Some(after) = rest.strip_prefix(*prefix) else {
            if may_follow && prefix.starts_with(rest) {
                outcome = Outcome::Open(at);
            }
            continue;
        };
        let start = at + prefix.len();
        let run = measured.run(window.bytes(), start, *alphabet);
        if run == after.len() && run <= *max && may_follow {
            return Outcome::Open(at);
        }
        // One of fixed length that goes on is another thing; one of any length is cut.
        if run > *max && *alphabet == Alphabet::Capital {
            continue;
        }
        let key = after.get(..run.min(*max)).unwrap_or_default();
        let key = key.strip_suffix(b".").unwrap_or(key);
        let end = start + key.len();
        if key.len() >= *min && is_key(window.bytes(), prefix, start..end, measured) {
            return Outcome::Found { start: at, end };
        }
    }
    outcome
}

fn is_key(bytes: &[u8], prefix: &[u8], range: Range<usize>, measured: &mut Measured) -> bool {
    let start = range.start;
    let key = bytes.get(range.clone()).unwrap_or_default();
    match prefix {
        // Three parts, the second an object too.
        b"eyJ" => {
            let dot = measured.run(bytes, start, Alphabet::Token);
            key.get(dot..).is_some_and(|rest| rest.starts_with(b".eyJ"))
        }
        // Without digits by chance; capitals alone are no word at this length.
        b"AKIA" | b"ASIA" | b"ABIA" | b"ACCA" => key.iter().any(|byte| *byte != b'X'),
        b"hf_" | b"api_org_" => {
            !key.contains(&b'_')
                && (measured.has_digit(bytes, range) || looks_random(key))
                && !is_placeholder(key)
        }
        // Long enough to be no word, whatever is in it.
        _ => {
            (key.len() >= 30 && prefix.ends_with(b"_") || measured.has_digit(bytes, range))
                && !is_placeholder(key)
        }
    }
}

/// Letters without digits that change between capitals and others more often than words joined together do.
fn looks_random(key: &[u8]) -> bool {
    let changes = key.windows(2).filter(|pair| matches!(pair, [left, right] if left.is_ascii_uppercase() != right.is_ascii_uppercase())).count();
    changes * 3 > key.len()
}

/// How much of a key says whether it is one.
const TELLING: usize = 64;

/// Few different characters, or many of one in a row: what stands for a key in documentation.
pub(super) fn is_placeholder(key: &[u8]) -> bool {
    let key = key.get(..TELLING).unwrap_or(key);
    let mut seen = [false; 256];
    for byte in key {
        if let Some(place) = seen.get_mut(usize::from(*byte)) {
            *place = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let mut longest = 0;
    let mut run = 0;
    for pair in key.windows(2) {
        run = if matches!(pair, [left, right] if left == right) {
            run + 1
        } else {
            0
        };
        longest = longest.max(run + 1);
    }
    key.len() >= 16 && different < 6 || longest >= 8.max(key.len() / 3)
}

/// From `-----BEGIN … PRIVATE KEY-----` to the end of `-----END … -----`, or as far as there is.
fn private_key(window: &Window<'_>, at: usize, rest: &[u8]) -> Outcome {
    let open = |is_open: bool| {
        if is_open && !window.complete {
            Outcome::Open(at)
        } else {
            Outcome::Nothing
        }
    };
    let Some(kind) = rest.strip_prefix(PEM_BEGIN) else {
        return open(PEM_BEGIN.starts_with(rest));
    };
    let head = kind
        .get(..kind.len().min(MAX_KIND + PEM_KIND.len()))
        .unwrap_or_default();
    if memchr::memmem::find(head, PEM_KIND).is_none() {
        return open(head.len() == kind.len() && !head.contains(&b'\n'));
    }
    let block = rest.get(..rest.len().min(MAX_KEY)).unwrap_or_default();
    let is_whole = block.len() == MAX_KEY;
    let end = memchr::memmem::find(block, PEM_END).and_then(|end| {
        let behind = end + PEM_END.len();
        let tail = block.get(behind..)?;
        Some(behind + memchr::memmem::find(tail, b"-----")? + 5)
    });
    match end {
        Some(end) => Outcome::Found {
            start: at,
            end: at + end,
        },
        None if is_whole || window.complete => Outcome::Found {
            start: at,
            end: at
                + window
                    .text
                    .floor_char_boundary(at + block.len())
                    .saturating_sub(at),
        },
        None => Outcome::Open(at),
    }
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let prefixes = FORMS
        .iter()
        .map(|(prefix, ..)| String::from_utf8_lossy(prefix).into_owned());
    let keys = prefixes.flat_map(|prefix| [format!("{prefix}a1B2"), prefix]);
    let private = super::texts(&[
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN ",
        "-----END RSA PRIVATE KEY-----",
        "eyJ.",
        "eyJ.eyJ",
    ]);
    keys.chain(private).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity, tests::check};

    #[test]
    fn every_prefix_begins_as_the_tables_say() {
        for (prefix, ..) in super::FORMS {
            let padded = [*prefix, b"AAAA"].concat();
            assert!(prefix.len() >= 3 && super::may_begin(&padded));
        }
    }

    #[test]
    fn keys_are_found_by_their_prefix() {
        for key in [
            "sk-proj-4f9aBcD3eFgHiJkLmNoPqRsTuVwXyZ012345",
            "sk-ant-api03-AbCdEf123456-_GhIjKl7890",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "AKIAIOSFODNN7EXAMPLE",
            "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "glpat-zxcvbnmasdfghjkl1234",
            "xoxb-123456789012-abcdefABCDEF1234",
            "hf_abcdefghijklmnopqrstuvwxyz0123456789",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
        ] {
            check(&format!("key: {key}, then"), &[(Entity::ApiKey, key)]);
        }
    }

    #[test]
    fn values_of_secret_settings_are_found() {
        for (text, value) in [
            ("api_key = \"9f8e7d6c5b4a39281706\"", "9f8e7d6c5b4a39281706"),
            ("DB_PASSWORD=correct7horse8battery", "correct7horse8battery"),
            (
                "{\"clientSecret\": \"Q1w2E3r4T5y6U7i8\"}",
                "Q1w2E3r4T5y6U7i8",
            ),
            (
                "export SNYK_TOKEN=2f1b6c3e-8a4d-4f5b-9c7e-1a2b3c4d5e6f",
                "2f1b6c3e-8a4d-4f5b-9c7e-1a2b3c4d5e6f",
            ),
        ] {
            check(text, &[(Entity::ApiKey, value)]);
        }
    }

    #[test]
    fn what_only_looks_like_a_key_stays() {
        for text in [
            "sk-learn is a library, and sk-1 a road",
            "AKIA is a prefix; AKIAIOSFODNN7EXAMPLES is longer than a key id",
            "ghp_short and task-1234567890123456789012345",
            "eyJ starts many tokens. eyJhbGciOiJIUzI1NiJ9 alone is half of one",
            "-----BEGIN CERTIFICATE-----",
            "token = get_token(session, 15)",
            "max_tokens: 4096, token_type: bearer",
            "api_key: your_api_key_1234 or password=example12345678",
            "The password: it has twelve letters",
            "tokens per second: 123456789012",
            "the skill-tree-of-a-very-long-name-without-digits",
        ] {
            check(text, &[]);
        }
    }
}
