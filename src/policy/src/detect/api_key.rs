//! Keys and tokens of services, by the prefixes that their makers give them so that scanners can find them, JSON web tokens
//! (RFC 7519) and private keys in PEM (RFC 7468).
//!
//! Sources of the forms: the documentation of each service, and GitHub's list of supported secret-scanning patterns. A key
//! must have a digit, which random ones of this length have. Not found: keys without a prefix, and passwords.

use super::{Outcome, Window};

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
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Token => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => Self::Token.has(byte) || byte == b'.',
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
    // JSON web tokens: a header that is a JSON object
    (b"eyJ", 30, MAX_KEY, Alphabet::Dotted),
];

/// How a private key begins.
const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const PEM_KIND: &[u8] = b"PRIVATE KEY-----";
const PEM_END: &[u8] = b"-----END ";
/// Between `BEGIN` and `PRIVATE KEY`: `RSA`, `OPENSSH`, `ENCRYPTED` and so on.
const MAX_KIND: usize = 24;

/// Bytes that some prefix begins with.
static BEGINS: [bool; 256] = begins();

const fn begins() -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    #[expect(
        clippy::indexing_slicing,
        reason = "bounded by the loop, and a byte indexes a table of 256; evaluated at compile time"
    )]
    while at < FORMS.len() {
        table[FORMS[at].0[0] as usize] = true;
        at += 1;
    }
    #[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
    {
        table[b'-' as usize] = true;
    }
    table
}

pub(super) fn scan(window: &Window<'_>, note: &mut dyn FnMut(Outcome)) {
    let mut before = window.before(window.from);
    let rest = window.bytes().get(window.from..).unwrap_or_default();
    for (place, byte) in rest.iter().copied().enumerate() {
        let begins = BEGINS.get(usize::from(byte)).copied().unwrap_or(false);
        if begins && !before.is_ascii_alphanumeric() && !(byte == b'-' && before == b'-') {
            match judge(window, window.from + place) {
                Outcome::Nothing => {}
                outcome => note(outcome),
            }
        }
        before = byte;
    }
}

fn judge(window: &Window<'_>, at: usize) -> Outcome {
    let rest = window.bytes().get(at..).unwrap_or_default();
    if rest.first() == Some(&b'-') {
        return private_key(window, at, rest);
    }
    let may_follow = !window.complete;
    let mut outcome = Outcome::Nothing;
    for (prefix, min, max, alphabet) in FORMS {
        let Some(after) = rest.strip_prefix(*prefix) else {
            if may_follow && prefix.starts_with(rest) {
                outcome = Outcome::Open(at);
            }
            continue;
        };
        let run = after
            .iter()
            .take(*max + 1)
            .take_while(|byte| alphabet.has(**byte))
            .count();
        if run == after.len() && run <= *max && may_follow {
            return Outcome::Open(at);
        }
        // One of fixed length that goes on is another thing; one of any length is cut.
        if run > *max && *alphabet == Alphabet::Capital {
            continue;
        }
        let key = after.get(..run.min(*max)).unwrap_or_default();
        let key = key.strip_suffix(b".").unwrap_or(key);
        if key.len() >= *min && is_key(prefix, key) {
            return Outcome::Found {
                start: at,
                end: at + prefix.len() + key.len(),
            };
        }
    }
    outcome
}

fn is_key(prefix: &[u8], key: &[u8]) -> bool {
    let has_digit = key.iter().any(u8::is_ascii_digit);
    match prefix {
        // Three parts, the second an object too.
        b"eyJ" => {
            let mut parts = key.split(|byte| *byte == b'.');
            parts.next().is_some() && parts.next().is_some_and(|part| part.starts_with(b"eyJ"))
        }
        _ => has_digit,
    }
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

#[cfg(test)]
mod tests {
    use super::super::{Entity, tests::check};

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
    fn what_only_looks_like_a_key_stays() {
        for text in [
            "sk-learn is a library, and sk-1 a road",
            "AKIA is a prefix; AKIAIOSFODNN7EXAMPLES is longer than a key id",
            "ghp_short and task-1234567890123456789012345",
            "eyJ starts many tokens. eyJhbGciOiJIUzI1NiJ9 alone is half of one",
            "-----BEGIN CERTIFICATE-----",
            "the skill-tree-of-a-very-long-name-without-digits",
        ] {
            check(text, &[]);
        }
    }
}
