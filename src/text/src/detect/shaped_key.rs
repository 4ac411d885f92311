//! Keys without a prefix of their own that can be told by their shape: client secrets of Azure, tokens of Discord and Telegram bots, keys of
//! Mailchimp and Twilio, and what stands behind `curl --user`. Sources: the services' documentation.

use crate::present::Present;

use super::{Outcome, Window};

/// Longest key of these.
const MAX: usize = 80;
/// Longest way from `-u` to what it announces.
const MAX_GAP: usize = 16;
/// How far `curl` may stand before `-u`: both lie within the context of a detector.
const NEAR: usize = 46;

/// What stands for a password in documentation.
const STAND_INS: [&[u8]; 6] = [
    b"pass",
    b"password",
    b"passwd",
    b"token",
    b"secret",
    b"test",
];

/// Keys that have digits, by a byte that they need too, what they are looked for by, and how they are judged.
const BY_DIGITS: [(u8, &[u8], Judge); 6] = [
    (b'~', b"Q~", azure),
    (b':', b":AA", telegram),
    (b'.', b".", discord),
    (b'-', b"-us", mailchimp),
    (0, b"SK", twilio),
    (0, b"AC", twilio),
];

type Judge = fn(&Window<'_>, usize) -> Outcome;

pub(super) fn scan(window: &Window<'_>, present: Present, note: &mut dyn FnMut(Outcome)) {
    // What `-u` announces may begin here although the `-u` was settled before.
    let start = window.from.saturating_sub(MAX_GAP);
    let rest = window.bytes().get(start..).unwrap_or_default();
    let mut anchors = |needle: &[u8], judge: Judge| {
        for place in memchr::memmem::find_iter(rest, needle) {
            match judge(window, start + place) {
                Outcome::Nothing => {}
                outcome => note(outcome),
            }
        }
    };
    if present.has(b'-') {
        anchors(b"-u", curl_user);
    }
    if present.has(b'0') {
        for (byte, needle, judge) in BY_DIGITS {
            if byte == 0 || present.has(byte) {
                anchors(needle, judge);
            }
        }
    }
    if !window.complete {
        let part = |byte: &&u8| is_part(**byte) || **byte == b':';
        let open = window
            .bytes()
            .iter()
            .rev()
            .take(MAX)
            .take_while(part)
            .count();
        note(Outcome::Open(window.text.len() - open));
    }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'~' | b'.')
}

/// How many bytes from `at` on fit, and whether the text ends there and may go on.
fn run(window: &Window<'_>, at: usize, fits: impl Fn(u8) -> bool) -> (usize, bool) {
    let rest = window.bytes().get(at..).unwrap_or_default();
    let run = rest
        .iter()
        .take(2 * MAX)
        .take_while(|byte| fits(**byte))
        .count();
    (run, run == rest.len() && !window.complete)
}

fn found_if(is_key: bool, is_open: bool, start: usize, end: usize) -> Outcome {
    match (is_open, is_key) {
        (true, _) => Outcome::Open(start),
        (false, true) => Outcome::Found { start, end },
        (false, false) => Outcome::Nothing,
    }
}

/// Microsoft Entra: three characters, a digit, `Q~`, 31 to 34 characters.
fn azure(window: &Window<'_>, at: usize) -> Outcome {
    let Some(start) = at.checked_sub(4) else {
        return Outcome::Nothing;
    };
    let head = window.bytes().get(start..at).unwrap_or_default();
    let fits = head.iter().all(|byte| is_part(*byte))
        && window.before(at).is_ascii_digit()
        && !window.before(start).is_ascii_alphanumeric();
    if !fits {
        return Outcome::Nothing;
    }
    let (tail, is_open) = run(window, at + 2, is_part);
    found_if((31..=36).contains(&tail), is_open, start, at + 2 + tail)
}

/// The number of a bot, `:AA`, 33 characters.
fn telegram(window: &Window<'_>, at: usize) -> Outcome {
    let before = window.bytes().get(..at).unwrap_or_default();
    let digits = before
        .iter()
        .rev()
        .take(12)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let start = at - digits;
    if !(8..=10).contains(&digits) || window.before(start).is_ascii_alphanumeric() {
        return Outcome::Nothing;
    }
    let (tail, is_open) = run(window, at + 1, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
    });
    found_if((34..=36).contains(&tail), is_open, start, at + 1 + tail)
}

/// Three parts joined by dots: the user in base64, six characters, 27 or more.
fn discord(window: &Window<'_>, at: usize) -> Outcome {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let before = window.bytes().get(..at).unwrap_or_default();
    let head = before
        .iter()
        .rev()
        .take(28)
        .take_while(|byte| is_letter(**byte))
        .count();
    let start = at - head;
    if !(23..=26).contains(&head) || !matches!(window.byte(start), b'M' | b'N' | b'O') {
        return Outcome::Nothing;
    }
    let (middle, is_open) = run(window, at + 1, is_letter);
    if is_open || middle != 6 || window.byte(at + 7) != b'.' {
        return found_if(false, is_open && middle <= 6, start, start);
    }
    let (tail, is_open) = run(window, at + 8, is_letter);
    found_if((27..=45).contains(&tail), is_open, start, at + 8 + tail)
}

/// 32 hexadecimal digits and a data center, `-us12`.
fn mailchimp(window: &Window<'_>, at: usize) -> Outcome {
    let Some(start) = at.checked_sub(32) else {
        return Outcome::Nothing;
    };
    let head = window.bytes().get(start..at).unwrap_or_default();
    if !head.iter().all(u8::is_ascii_hexdigit) || window.before(start).is_ascii_alphanumeric() {
        return Outcome::Nothing;
    }
    let (digits, is_open) = run(window, at + 3, |byte| byte.is_ascii_digit());
    found_if((1..=2).contains(&digits), is_open, start, at + 3 + digits)
}

/// `SK` or `AC` and 32 hexadecimal digits.
fn twilio(window: &Window<'_>, at: usize) -> Outcome {
    if window.before(at).is_ascii_alphanumeric() || window.before(at) == b'_' {
        return Outcome::Nothing;
    }
    let (tail, is_open) = run(window, at + 2, |byte| {
        byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
    });
    let digits = window
        .bytes()
        .get(at + 2..at + 2 + tail)
        .unwrap_or_default()
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .count();
    let ends = !window.byte(at + 2 + tail).is_ascii_alphanumeric();
    found_if(
        tail == 32 && ends && digits >= 4,
        is_open,
        at,
        at + 2 + tail,
    )
}

/// `-u name:password` and `--user name:password`.
fn curl_user(window: &Window<'_>, at: usize) -> Outcome {
    let rest = window.bytes().get(at..).unwrap_or_default();
    let is_long = rest.starts_with(b"-user");
    let gap_at = at + if is_long { 5 } else { 2 };
    // Few are followed by what they would announce; the words before them are looked at last.
    let is_followed = matches!(window.byte(gap_at), b' ' | b'=');
    let is_curl = || is_long && window.before(at) == b'-' || window.has_words(at, NEAR, &["curl"]);
    if !is_followed || !is_curl() {
        return Outcome::Nothing;
    }
    let (gap, _) = run(window, gap_at, |byte| {
        matches!(byte, b' ' | b'=' | b'"' | b'\'')
    });
    if gap_at - at + gap > MAX_GAP {
        return Outcome::Nothing;
    }
    let start = gap_at + gap;
    let (value, is_open) = run(window, start, |byte| {
        !byte.is_ascii_whitespace() && byte.is_ascii() && !byte.is_ascii_control()
    });
    let text = window.bytes().get(start..start + value).unwrap_or_default();
    let trimmed = text
        .strip_suffix(b"\"")
        .or(text.strip_suffix(b"'"))
        .unwrap_or(text);
    let mut parts = trimmed.splitn(2, |byte| *byte == b':');
    let (user, password) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let is_secret = (password.len() >= 4 && password.iter().any(u8::is_ascii_alphabetic)
        || password.is_empty() && user.len() >= 8 && trimmed.ends_with(b":"))
        && !matches!(password.first(), Some(b'$' | b'<' | b'{' | b'*' | b'%'))
        && !matches!(user.first(), Some(b'$' | b'<' | b'[' | b'{'))
        && !STAND_INS
            .iter()
            .any(|word| password.eq_ignore_ascii_case(word))
        && user != password
        && password.first() != Some(&b'[');
    found_if(is_secret, is_open, start, start + trimmed.len())
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let needles = BY_DIGITS
        .iter()
        .map(|(_, needle, _)| format!("a1{}", String::from_utf8_lossy(needle)));
    needles
        .chain(super::texts(&[
            "curl -u a:b",
            "-u ",
            "--user a",
            "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.",
            "110201543:AA",
            "SK0123456789abcdef",
            "0123456789abcdef-us",
        ]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::ApiKey, tests::check};

    #[test]
    fn keys_are_found_by_their_shape() {
        for key in [
            "QtT8Q~9C-_Ij~RouHVpD2Tuf3oHWGh.DQ3kcjbAn",
            "110201543:AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw",
            "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
            "343ea45721923ed956e2b38c31db76aa-us30",
            "SK0123456789abcdef0123456789abcdef",
        ] {
            check(&format!("use {key} now"), &[(ApiKey, key)]);
        }
        check(
            "curl -u bob:P@ssw0rd1 https://x.example",
            &[(ApiKey, "bob:P@ssw0rd1")],
        );
        check("curl --user 'bob:hunter22' x", &[(ApiKey, "bob:hunter22")]);
    }

    #[test]
    fn look_alikes_are_left() {
        for text in [
            "docker run -u 1000:1000 x",
            "the year 2024. A new one.",
            "SKU 0123456789",
            "curl --user $USER:$PASS x",
            "e.g. this is it",
        ] {
            check(text, &[]);
        }
    }
}
