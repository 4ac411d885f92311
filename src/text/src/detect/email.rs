//! E-mail addresses (RFC 5321 §4.1.2, dot-atoms only; RFC 1035 §2.3.4 for lengths).
//!
//! Anchor: `@`, or `at` in brackets (`bob[at]example.com`). The local part is what precedes it, at most 64 characters; the domain is the longest run
//! after it that ends in an alphabetic label. Not found: quoted local parts, address literals.

use std::ops::Range;

use crate::present::Present;

use super::{Outcome, Window};

/// RFC 5321 §4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// RFC 5321 §4.5.3.1.2.
const MAX_DOMAIN: usize = 255;

pub(super) fn scan(window: &Window<'_>, _: Present, note: &mut dyn FnMut(Outcome)) {
    let rest = window.bytes().get(window.from..).unwrap_or_default();
    for at in memchr::memchr_iter(b'@', rest) {
        note(judge(window, window.from + at));
    }
    for at in memchr::memchr3_iter(b'(', b'[', b'{', rest) {
        note(judge_written(window, window.from + at));
    }
    if !window.complete {
        let len = window.text.len();
        note(Outcome::Open(local_start(window, len)));
    }
}

fn judge(window: &Window<'_>, at: usize) -> Outcome {
    let start = local_start(window, at);
    judge_parts(window, start..at, at + 1)
}

/// Judges `victim(at)example.com`, whose bracket stands at `at`. The words alone are no address (`look at example.com`), and with a
/// space before the bracket every word of a stream would have to wait for the next.
fn judge_written(window: &Window<'_>, at: usize) -> Outcome {
    let start = local_start(window, at);
    let close = match window.byte(at) {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    };
    let expected = [b'a', b't', close];
    let word = window.bytes().get(at + 1..).unwrap_or_default();
    let word = word.get(..expected.len().min(word.len())).unwrap_or(word);
    let is_prefix = word
        .iter()
        .zip(expected)
        .all(|(byte, expected)| byte.to_ascii_lowercase() == expected);
    if !is_prefix || start == at {
        return Outcome::Nothing;
    }
    let behind = at + 1 + expected.len();
    if behind >= window.text.len() {
        return if window.complete {
            Outcome::Nothing
        } else {
            Outcome::Open(start)
        };
    }
    let domain = behind + usize::from(window.byte(behind) == b' ');
    judge_parts(window, start..at, domain)
}

/// Judges the local part and what may be the domain, which begins at `domain`.
fn judge_parts(window: &Window<'_>, local: Range<usize>, domain: usize) -> Outcome {
    let Range { start, end: at } = local;
    if start == at || window.before(at) == b'.' {
        return Outcome::Nothing;
    }
    let after = window.text.get(domain..).unwrap_or_default();
    let run = after
        .char_indices()
        .take_while(|(place, c)| *place < MAX_DOMAIN && is_domain(*c))
        .last()
        .map_or(0, |(place, c)| place + c.len_utf8());
    if run == after.len() && run < MAX_DOMAIN && !window.complete {
        return Outcome::Open(start);
    }
    let Some(length) = domain_len(after.get(..run).unwrap_or_default()) else {
        return Outcome::Nothing;
    };
    let end = domain + length;
    match is_code(window, local, domain..end) {
        None => Outcome::Open(start),
        Some(true) => Outcome::Nothing,
        Some(false) => Outcome::Found { start, end },
    }
}

/// Accounts that everybody uses to reach a host of source code.
const ACCOUNTS: &[&[u8]] = &[b"git", b"hg", b"svn", b"aur"];
/// Hosts of source code.
const FORGES: &[&[u8]] = &[
    b"github.com",
    b"gitlab.com",
    b"bitbucket.org",
    b"codeberg.org",
    b"ssh.dev.azure.com",
    b"git.sr.ht",
    b"gitee.com",
    b"aur.archlinux.org",
];

/// Whether it is the address of a repository (`git@example.com:a/b.git`) or a product of matrices (`x@w.grad()`); `None` while that is open.
fn is_code(window: &Window<'_>, local: Range<usize>, host: Range<usize>) -> Option<bool> {
    let bytes = window.bytes();
    let end = host.end;
    let next = window.byte(end);
    if next == b'(' {
        return Some(true);
    }
    if !ACCOUNTS.contains(&bytes.get(local)?) {
        return Some(false);
    }
    let host = bytes.get(host)?;
    if next == b'/' || FORGES.iter().any(|forge| host.eq_ignore_ascii_case(forge)) {
        return Some(true);
    }
    if next != b':' {
        return Some(false);
    }
    if end + 1 >= bytes.len() && !window.complete {
        return None;
    }
    let path = window.byte(end + 1);
    Some(path.is_ascii_alphanumeric() || matches!(path, b'/' | b'~' | b'.' | b'_'))
}

/// Length of the longest prefix of `run` that is a domain with an alphabetic last label.
fn domain_len(run: &str) -> Option<usize> {
    let mut end = run.len();
    loop {
        let candidate = run.get(..end)?;
        let dot = candidate.rfind('.')?;
        let label = candidate.get(dot + 1..)?;
        let letters = label.find(|c| !is_letter(c)).unwrap_or(label.len());
        let label_is_fine = label.chars().take_while(|c| is_letter(*c)).nth(1).is_some()
            && (letters == label.len()
                || label.starts_with("xn--")
                || label.as_bytes().get(letters) == Some(&b'-'));
        if label_is_fine && dot > 0 && !run.starts_with('-') {
            return Some(if label.starts_with("xn--") {
                end
            } else {
                dot + 1 + letters
            });
        }
        end = dot;
    }
}

/// Where a local part that ends at `end` would start. It does not begin with punctuation.
fn local_start(window: &Window<'_>, end: usize) -> usize {
    let text = window.text.get(..end).unwrap_or_default();
    let length: usize = text
        .chars()
        .rev()
        .take(MAX_LOCAL)
        .take_while(|&c| is_local(c))
        .map(char::len_utf8)
        .sum();
    let run = text.get(end - length..).unwrap_or_default();
    end - run.trim_start_matches(['.', '-', '%', '+']).len()
}

/// Characters of a local part that people use, letters of other alphabets among them (RFC 6531).
fn is_local(c: char) -> bool {
    c.is_ascii_digit() || is_letter(c) || matches!(c, '.' | '_' | '%' | '+' | '-')
}

/// Characters of a domain (RFC 5890 §2.3).
fn is_domain(c: char) -> bool {
    c.is_ascii_digit() || is_letter(c) || matches!(c, '.' | '-')
}

/// Letters of ASCII and of scripts that set words apart by spaces: elsewhere an address is not set apart from the text around it.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '\u{c0}'..='\u{dff}' | '\u{10a0}'..='\u{10ff}' | '\u{1e00}'..='\u{1fff}')
            && c.is_alphabetic()
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    super::texts(&[
        "a@b.co",
        "@",
        "a@",
        "@b.c",
        "a.",
        "a@b.c-1.",
        "a[at]b.co",
        "(at)b.c",
        "a[at",
    ])
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Email, tests::check};

    #[test]
    fn finds_addresses() {
        check(
            "Mail bob.o-hara+x@mail.example.co.uk.",
            &[(Email, "bob.o-hara+x@mail.example.co.uk")],
        );
        check("<jörg@example.de>", &[(Email, "jörg@example.de")]);
        check("a@b.io,c@d.io", &[(Email, "a@b.io"), (Email, "c@d.io")]);
        check("x@example.com-based", &[(Email, "x@example.com")]);
        check("x@münchen.de", &[(Email, "x@münchen.de")]);
        check(
            "иван@пример.рф, info@bücher.example",
            &[(Email, "иван@пример.рф"), (Email, "info@bücher.example")],
        );
        // A look-alike of another alphabet is a letter.
        check(
            "b\u{43e}b@ex\u{430}mple.com",
            &[(Email, "b\u{43e}b@ex\u{430}mple.com")],
        );
        for address in [
            "bob[at] example.com",
            "bob(at)example.com",
            "bob{AT} example.com",
        ] {
            check(&format!("write to {address}."), &[(Email, address)]);
        }
        check("联系bob@example.com谢谢", &[(Email, "bob@example.com")]);
    }

    #[test]
    fn leaves_look_alikes() {
        check(
            "@handle, user@host, a @ b.c, x@1.2.3, foo@.com, me@-a.com",
            &[],
        );
        for text in [
            "git@github.com:acme/tools.git",
            "git@gitlab.example.com:a/b/c.git",
            "git+ssh://git@git.example.com/a/b",
            "ssh -T git@github.com",
            "y = x@w.detach() + b",
            "look at example.com, at example.com",
            "seen [attached] example.com (at home) there",
            "x[at] the end, y[at] 10.5",
        ] {
            check(text, &[]);
        }
        check("git@gitmail.com", &[(Email, "git@gitmail.com")]);
        check("git@gitmail.com: hello", &[(Email, "git@gitmail.com")]);
    }
}
