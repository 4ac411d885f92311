//! URLs with a user name and a password before the host (RFC 3986 §3.2.1), as in connection strings. The whole URL is the value: its
//! path and query often carry more of the kind.

use crate::present::Present;

use super::{Outcome, Window, runs::Runs};

const MAX_SCHEME: usize = 24;
const MAX_URL: usize = 1024;

pub(super) fn scan(window: &Window<'_>, present: Present, note: &mut dyn FnMut(Outcome)) {
    let rest = window.bytes().get(window.from..).unwrap_or_default();
    if present.has(b':') {
        let mut runs = Runs::default();
        for place in memchr::memmem::find_iter(rest, b"://") {
            note(judge(window, window.from + place, &mut runs));
        }
    }
    if !window.complete {
        note(Outcome::Open(scheme_start(window, open_end(window))));
    }
}

/// Where a scheme may end that is still being written.
fn open_end(window: &Window<'_>) -> usize {
    let len = window.text.len();
    let tail = [b"://".as_slice(), b":/", b":"]
        .into_iter()
        .find(|tail| window.bytes().ends_with(tail));
    len - tail.map_or(0, <[u8]>::len)
}

fn scheme_start(window: &Window<'_>, end: usize) -> usize {
    let before = window.bytes().get(..end).unwrap_or_default();
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    end - before
        .iter()
        .rev()
        .take(MAX_SCHEME)
        .take_while(part)
        .count()
}

/// Judges the URL whose scheme ends at `colon`.
fn judge(window: &Window<'_>, colon: usize, runs: &mut Runs<1>) -> Outcome {
    let start = scheme_start(window, colon);
    if start == colon {
        return Outcome::Nothing;
    }
    let rest = window.bytes().get(colon + 3..).unwrap_or_default();
    let is_part = |byte: u8| {
        !byte.is_ascii_whitespace()
            && !byte.is_ascii_control()
            && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'|' | b'\\')
    };
    let end = runs.end(0, window.bytes(), colon + 3, is_part);
    let run = (end - (colon + 3)).min(MAX_URL);
    let url = rest.get(..run).unwrap_or_default();
    let authority = url
        .iter()
        .take_while(|byte| !matches!(byte, b'/' | b'?' | b'#'))
        .count();
    let is_open = run == rest.len() && run < MAX_URL && !window.complete;
    let user = url.get(..authority).unwrap_or_default();
    let has_credentials = user
        .iter()
        .rposition(|byte| *byte == b'@')
        .is_some_and(|at| {
            let mut parts = user
                .get(..at)
                .unwrap_or_default()
                .splitn(2, |byte| *byte == b':');
            parts.next().is_some()
                && parts
                    .next()
                    .is_some_and(|password| !password.is_empty() && !is_placeholder(password))
        });
    if is_open && (has_credentials || authority == run) {
        return Outcome::Open(start);
    }
    let url = url
        .strip_suffix(b".")
        .or(url.strip_suffix(b","))
        .or(url.strip_suffix(b")"))
        .unwrap_or(url);
    if has_credentials {
        Outcome::Found {
            start,
            end: colon + 3 + url.len(),
        }
    } else {
        Outcome::Nothing
    }
}

/// `${PASSWORD}`, `<password>`, `{{ password }}` and asterisks stand for a password and are none.
fn is_placeholder(password: &[u8]) -> bool {
    matches!(password.first(), Some(b'$' | b'<' | b'{' | b'%' | b'['))
        || password.iter().all(|byte| *byte == b'*')
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    super::texts(&["a://", "https://a:b@c/", "://", "s3://a@", "http://a:$"])
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::UrlCredentials, tests::check};

    #[test]
    fn finds_credentials() {
        check(
            "use postgres://app:s3cret@db.internal:5432/main now",
            &[(
                UrlCredentials,
                "postgres://app:s3cret@db.internal:5432/main",
            )],
        );
        check(
            "(https://bob:hunter2@example.com)",
            &[(UrlCredentials, "https://bob:hunter2@example.com")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "https://example.com/a:b",
            "https://example.com:443/",
            "postgres://app:${DB_PASSWORD}@db/main",
            "://a:b",
        ] {
            check(text, &[]);
        }
    }
}
