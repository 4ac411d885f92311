//! E-mail addresses (RFC 5321 §4.1.2, dot-atoms only; RFC 1035 §2.3.4 for lengths).
//!
//! Anchor: `@`. The local part is what precedes it, at most 64 characters; the domain is the longest run
//! after it that ends in an alphabetic label. Not found: quoted local parts, address literals.

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
    if !window.complete {
        note(Outcome::Open(local_start(window, window.text.len())));
    }
}

fn judge(window: &Window<'_>, at: usize) -> Outcome {
    let start = local_start(window, at);
    if start == at || window.before(at) == b'.' {
        return Outcome::Nothing;
    }
    let after = window.bytes().get(at + 1..).unwrap_or_default();
    let run = after
        .iter()
        .take(MAX_DOMAIN)
        .take_while(|&&byte| is_domain(byte))
        .count();
    if run == after.len() && run < MAX_DOMAIN && !window.complete {
        return Outcome::Open(start);
    }
    match domain_len(after.get(..run).unwrap_or_default()) {
        Some(length) => Outcome::Found {
            start,
            end: at + 1 + length,
        },
        None => Outcome::Nothing,
    }
}

/// Length of the longest prefix of `run` that is a domain with an alphabetic last label.
fn domain_len(run: &[u8]) -> Option<usize> {
    let mut end = run.len();
    loop {
        let candidate = run.get(..end)?;
        let dot = candidate.iter().rposition(|&byte| byte == b'.')?;
        let label = candidate.get(dot + 1..)?;
        let letters = label
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let label_is_fine = letters >= 2
            && (letters == label.len()
                || label.starts_with(b"xn--")
                || label.get(letters) == Some(&b'-'));
        if label_is_fine && dot > 0 && run.first() != Some(&b'-') {
            return Some(if label.starts_with(b"xn--") {
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

/// Characters of a local part that people use, Latin letters with diacritics among them (RFC 6531).
fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '\u{c0}'..='\u{24f}')
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
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
        check("x@münchen.de", &[]);
    }

    #[test]
    fn leaves_look_alikes() {
        check(
            "@handle, user@host, a @ b.c, x@1.2.3, foo@.com, me@-a.com",
            &[],
        );
    }
}
