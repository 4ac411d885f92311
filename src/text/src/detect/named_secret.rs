//! Values of settings whose name says that they are secret: `api_key = "…"`, `PASSWORD=…`, `"clientSecret": "…"`, `Authorization: …`.
//!
//! A value has at least twelve characters, letters and two digits; behind names that end in "key" or "login" only, it must look random. Not found:
//! short passwords, but those that are the whole value of a member of JSON, and names with many meanings.

use crate::present::Present;

use super::{Outcome, Window, api_key::is_placeholder, runs::Runs};

/// Names of settings that hold a secret, in lower case without separators.
const SECRET_NAMES: &[&[u8]] = &[
    b"apikey",
    b"apitoken",
    b"accesskey",
    b"accountkey",
    b"authkey",
    b"authtoken",
    b"accesstoken",
    b"refreshtoken",
    b"secret",
    b"password",
    b"passwd",
    b"privatekey",
    b"credential",
    b"clientkey",
    b"token",
    b"pwd",
    b"userauth",
    b"accessid",
    b"authorization",
    b"storagekey",
    b"sharedkey",
    b"signingkey",
    b"encryptionkey",
];
/// What a name ends with that may hold a secret, or something else.
const ENDINGS: &[&[u8]] = &[b"key", b"login", b"clientid", b"clientsecret"];
/// What a name ends with that says where, what or how long rather than the secret.
const OTHER_ENDINGS: &[&[u8]] = &[
    b"credentialid",
    b"credentialsid",
    b"url",
    b"uri",
    b"name",
    b"type",
    b"length",
    b"path",
    b"file",
    b"count",
    b"variable",
    b"expires",
    b"expiry",
    b"limit",
    b"tokens",
    b"version",
    b"primarykey",
    b"foreignkey",
    b"cachekey",
    b"sortkey",
    b"partitionkey",
    b"secrets",
    b"policy",
    b"hint",
];
/// Anywhere in a name: what is no secret.
const PUBLIC: &[&[u8]] = &[b"public", b"csrf", b"xsrf", b"nonmatching"];
/// Longest name that is looked at, and longest way from its end to the value: both within the context of a detector.
const MAX_NAME: usize = 36;
const MAX_GAP: usize = 12;
/// `Api-Token `.
const LONGEST_SCHEME: usize = 10;
/// Lengths of a value.
const VALUE: std::ops::RangeInclusive<usize> = 12..=512;
/// Lengths of a password that is the value of a member.
const PASSWORD: std::ops::RangeInclusive<usize> = 6..=128;
/// A random value of a name that may hold something else.
const MIN_RANDOM: usize = 32;
/// What stands where a secret belongs.
const PLACEHOLDERS: &[&[u8]] = &[
    b"example",
    b"placeholder",
    b"xxxx",
    b"your",
    b"redacted",
    b"changeme",
    b"1234567890abcdef",
];

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Secret,
    Perhaps,
    Other,
}

pub(super) fn scan(window: &Window<'_>, present: Present, note: &mut dyn FnMut(Outcome)) {
    if !present.has(b':') && !present.has(b'=') {
        return;
    }
    // A value may begin here whose name was settled before.
    let start = window.from.saturating_sub(MAX_GAP + LONGEST_SCHEME);
    let rest = window.bytes().get(start..).unwrap_or_default();
    let mut runs = Runs::default();
    for place in memchr::memchr2_iter(b'=', b':', rest) {
        match assigned(window, start + place, &mut runs) {
            Outcome::Nothing => {}
            outcome => note(outcome),
        }
    }
}

/// Judges what stands behind the `=` or `:` at `at`.
fn assigned(window: &Window<'_>, at: usize, runs: &mut Runs<1>) -> Outcome {
    match member(window, at) {
        None | Some(Outcome::Nothing) => {}
        Some(outcome) => return outcome,
    }
    let name = name(window.bytes().get(..at).unwrap_or_default());
    if name == Name::Other {
        return Outcome::Nothing;
    }
    let behind = window.bytes().get(at + 1..).unwrap_or_default();
    let gap = behind
        .iter()
        .take(MAX_GAP)
        .take_while(|byte| matches!(byte, b' ' | b'"' | b'\'' | b'=' | b'>' | b'`' | b'\\'))
        .count();
    let gap = gap + scheme(behind.get(gap..).unwrap_or_default());
    let value = behind.get(gap..).unwrap_or_default();
    let start = at + 1 + gap;
    let run = runs.end(0, window.bytes(), start, is_part) - start;
    if (run == value.len() && run <= *VALUE.end() || gap >= behind.len()) && !window.complete {
        return Outcome::Open(start);
    }
    let value = value.get(..run).unwrap_or_default();
    if VALUE.contains(&run) && is_secret(name, value) {
        Outcome::Found {
            start,
            end: start + run,
        }
    } else {
        Outcome::Nothing
    }
}

/// Judges the string that is the value of a member of JSON called a password, whose colon stands at `at`.
fn member(window: &Window<'_>, at: usize) -> Option<Outcome> {
    const MAX_QUOTE: usize = 7;
    let near = at.saturating_sub(MAX_NAME + MAX_QUOTE);
    let before = window.bytes().get(near..at)?.trim_ascii_end();
    let name = before.strip_suffix(b"\"")?;
    let slashes = slashes_before(name, name.len());
    if !is_password_name(name.get(..name.len() - slashes)?) {
        return None;
    }
    let behind = window.bytes().get(at + 1..)?;
    let gap = behind.iter().take(2).take_while(|byte| **byte == b' ');
    let gap = gap.count();
    let quote = behind.get(gap..)?;
    let opening = slashes_before(quote, quote.len().min(slashes));
    let start = at + 1 + gap + slashes + 1;
    match quote.get(slashes) {
        None if !window.complete && opening == quote.len() => return Some(Outcome::Open(at + 1)),
        Some(b'"') if opening == slashes => {}
        _ => return None,
    }
    let value = window.bytes().get(start..)?;
    let longest = PASSWORD.end() + slashes + 1;
    let end = memchr::memchr_iter(b'"', value.get(..longest.min(value.len()))?).find(|end| {
        let before = slashes_before(value, *end);
        before == slashes || slashes == 0 && before.is_multiple_of(2)
    });
    let Some(end) = end else {
        return (value.len() < longest && !window.complete).then_some(Outcome::Open(start));
    };
    let value = window.text.get(start..start + end - slashes)?;
    is_password(value).then_some(Outcome::Found {
        start,
        end: start + value.len(),
    })
}

/// How many backslashes stand before `end`.
fn slashes_before(bytes: &[u8], end: usize) -> usize {
    let before = bytes.get(..end).unwrap_or_default();
    before
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count()
}

/// Whether the value of a member with this name is a password.
pub fn is_password_name(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] = [b"password", b"passwd", b"passphrase", b"pwd"];
    let name = name
        .strip_suffix(b"s")
        .or(name.strip_suffix(b"S"))
        .unwrap_or(name);
    NAMES.iter().any(|ending| {
        name.len()
            .checked_sub(ending.len())
            .and_then(|from| name.get(from..))
            .is_some_and(|end| end.eq_ignore_ascii_case(ending))
    })
}

/// Whether a string that is the whole value of such a member is a password, and nothing that stands for one. In prose a short
/// word behind `password:` is mostly none.
pub fn is_password(text: &str) -> bool {
    const PLACEHOLDERS: [&str; 6] = [
        "password", "example", "your", "changeme", "redacted", "xxxx",
    ];
    let has = |kind: fn(u8) -> bool| text.bytes().any(kind);
    let is_mixed = has(|byte| byte.is_ascii_alphabetic())
        && has(|byte| byte.is_ascii_digit() || byte.is_ascii_punctuation());
    let is_written_out =
        !text.starts_with(['[', '<', '{', '$', '*', '%']) && !text.contains(char::is_whitespace);
    let lower = text.to_ascii_lowercase();
    PASSWORD.contains(&text.len())
        && is_mixed
        && is_written_out
        && !PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

/// Length of a scheme of HTTP authentication before the credentials.
fn scheme(value: &[u8]) -> usize {
    let schemes: [&[u8]; 4] = [b"Token ", b"Api-Token ", b"ApiKey ", b"Bot "];
    schemes
        .into_iter()
        .find(|scheme| value.starts_with(scheme))
        .map_or(0, <[u8]>::len)
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'-' | b'/' | b'+' | b'=' | b'.' | b'~' | b'|')
}

/// Whether what stands where a secret belongs is part of `value`.
fn stands_for(value: &[u8]) -> bool {
    let mut lower = [0; *VALUE.end()];
    for (place, byte) in lower.iter_mut().zip(value) {
        *place = byte.to_ascii_lowercase();
    }
    let lower = lower.get(..value.len()).unwrap_or_default();
    let holds = |word: &&[u8]| memchr::memmem::find(lower, word).is_some();
    PLACEHOLDERS.iter().any(holds)
}

fn is_secret(name: Name, value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    let is_mixed = digits >= 2 && letters > 0 || digits >= 14 && letters == 0;
    let is_random = value.len() >= MIN_RANDOM
        && digits >= 4
        && letters >= 4
        && value
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_mixed
        && (name == Name::Secret || is_random)
        && !is_placeholder(value)
        && !is_code(value)
        && !stands_for(value)
}

/// `settings.token_v2`, `db1.example.com`: names with dots between them.
fn is_code(value: &[u8]) -> bool {
    let is_word = |part: &[u8]| {
        part.first().is_some_and(u8::is_ascii_alphabetic)
            && part.iter().filter(|byte| byte.is_ascii_digit()).count() * 3 < part.len()
    };
    value.contains(&b'.') && value.len() < 60 && value.split(|byte| *byte == b'.').all(is_word)
}

/// Whether a name has any of the parts that names of secrets have: a look at its letters that spares nearly all names the lists.
fn has_stem(name: &[u8]) -> bool {
    name.iter().enumerate().any(|(place, letter)| {
        let stems: &[&[u8]] = match letter {
            b'k' => &[b"key"],
            b't' => &[b"token"],
            b's' => &[b"secret"],
            b'p' => &[b"passw", b"pwd"],
            b'c' => &[b"credential", b"clientid"],
            b'u' => &[b"userauth"],
            b'a' => &[b"accessid", b"authorization"],
            b'l' => &[b"login"],
            _ => return false,
        };
        let rest = name.get(place..).unwrap_or_default();
        stems.iter().any(|stem| rest.starts_with(stem))
    })
}

/// The name that `before` ends in, up to an `=` or `:`.
fn name(before: &[u8]) -> Name {
    let mut name = [0; MAX_NAME];
    let mut len = 0;
    let from_end = before
        .iter()
        .rev()
        .take(MAX_NAME + 4)
        .skip_while(|byte| matches!(byte, b' ' | b'"' | b'\'' | b':' | b'?' | b'\\'))
        .take(MAX_NAME);
    for byte in from_end
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    {
        if byte.is_ascii_alphanumeric()
            && let Some(place) = name.get_mut(MAX_NAME - 1 - len)
        {
            *place = byte.to_ascii_lowercase();
            len += 1;
        }
    }
    let name = name.get(MAX_NAME - len..).unwrap_or_default();
    if !has_stem(name) {
        return Name::Other;
    }
    let holds = |words: &[&[u8]]| {
        words
            .iter()
            .any(|word| memchr::memmem::find(name, word).is_some())
    };
    let ends = |words: &[&[u8]]| words.iter().any(|word| name.ends_with(word));
    match () {
        () if len < 3 || holds(PUBLIC) || ends(OTHER_ENDINGS) => Name::Other,
        () if holds(SECRET_NAMES) => Name::Secret,
        () if ends(ENDINGS) && len > 3 => Name::Perhaps,
        () => Name::Other,
    }
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let names = SECRET_NAMES
        .iter()
        .chain(ENDINGS)
        .map(|name| String::from_utf8_lossy(name).into_owned());
    let values = names.flat_map(|name| [format!("{name}: "), format!("{name}=a1b2")]);
    values
        .chain(super::texts(&[
            "password=example12",
            "secret: Bot ",
            "{\"password\": \"a1b2c3\"",
            "\"pwd\":\"",
        ]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::ApiKey, tests::check};

    #[test]
    fn values_are_found_by_their_name() {
        check(
            "api_key = \"9f8e7d6c5b4a3928\"",
            &[(ApiKey, "9f8e7d6c5b4a3928")],
        );
        check("DB_PASSWORD=hunter2hunter2", &[(ApiKey, "hunter2hunter2")]);
        check(
            "HEROKU_KEY: 12345678-abcd-4bcd-9bcd-1234567890ab",
            &[(ApiKey, "12345678-abcd-4bcd-9bcd-1234567890ab")],
        );
    }

    #[test]
    fn passwords_are_values_of_members() {
        for (text, value) in [
            ("{\"password\": \"hunter2Xy!9\"}", "hunter2Xy!9"),
            ("{\"dbPassword\":\"a-1\\\"b c2\"}", ""),
            ("{\"db_PWD\" : \"a-1\\\"b-c2\"}", "a-1\\\"b-c2"),
            ("\"{\\\"password\\\": \\\"hunter2Xy!9\\\"}\"", "hunter2Xy!9"),
            ("{\"password\": \"your-password\"}", ""),
            ("{\"password\": \"secret\"}", ""),
            ("{\"password\": \"[API_KEY_REDACTED]\"}", ""),
            ("{\"password_hint\": \"hunter2Xy!9\"}", ""),
        ] {
            let values: &[_] = if value.is_empty() {
                &[]
            } else {
                &[(ApiKey, value)]
            };
            check(text, values);
        }
    }

    #[test]
    fn every_name_has_a_stem() {
        assert!(
            super::SECRET_NAMES
                .iter()
                .chain(super::ENDINGS)
                .all(|name| super::has_stem(name))
        );
    }

    #[test]
    fn other_settings_are_left() {
        for text in [
            "password: your-password-123",
            "token: settings.auth.token_v2",
            "secret_length = X25519.secret_length",
            "credentialsId: '29f63271-dc2f-4734-8221-5b31b5169bac'",
            "key: 29f63271",
            "max_tokens: 100000000000000",
            "publicToken = 9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLf",
        ] {
            check(text, &[]);
        }
    }
}
