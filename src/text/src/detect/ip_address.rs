//! IP addresses: dotted-quad IPv4 (RFC 791; no leading zeros) and IPv6 text (RFC 4291 §2.2).
//!
//! Not reported: the unspecified and loopback addresses, networks and masks, which identify nobody; what is a version, a section or a product's
//! token (`Chrome/120.0.0.1`); and short texts with `::` that may as well be code (`a::b`, `x[::2]`), unless they begin like an
//! address that is in use or words such as "address" stand before them.

use std::net::{IpAddr, Ipv6Addr};

use crate::present::Present;

use super::{Outcome, Window, digits::Groups};

/// Longest run that can hold an IPv6 text: 45 bytes with an embedded IPv4 address, and punctuation around it.
const MAX_V6: usize = 48;

/// Words whose numbers with dots are no addresses.
const VERSION_WORDS: &[&str] = &[
    "version",
    "ver",
    "ver.",
    "v",
    "release",
    "build",
    "revision",
    "rev",
    "rev.",
    "section",
    "sec.",
    "chapter",
    "clause",
    "appendix",
    "article",
    "paragraph",
    "par.",
    "figure",
    "fig.",
    "table",
    "item",
    "step",
    "rule",
    "requirement",
    "firmware",
    "driver",
    "assemblyversion",
    "fileversion",
    "productversion",
    "sdk",
    "tag",
    "upgrade",
    "upgraded",
    "update",
    "updated",
    "downgrade",
    "oid",
    "kapitel",
    "abschnitt",
    "versión",
    "versione",
    "versão",
];
/// How far such a word may stand before, other versions between them.
const VERSION_NEAR: usize = 48;
/// What may stand before `/` and an address: anything else is a product with its version (RFC 9110 §10.1.5).
const NETWORK_WORDS: &[&str] = &[
    "ip", "ip4", "ipv4", "tcp", "udp", "host", "addr", "inet", "net", "http", "https",
];
/// Words that make any IPv6 text an address.
const V6_WORDS: &[&str] = &[
    "ip",
    "ipv6",
    "inet6",
    "address",
    "addr",
    "gateway",
    "nameserver",
    "dns",
    "peer",
];
const V6_NEAR: usize = 24;

pub(super) fn judge_v4(window: &Window<'_>, groups: &Groups<'_>) -> Outcome {
    let start = groups.start;
    if matches!(window.before(start), b'.' | b'-' | b'_') {
        return Outcome::Nothing;
    }
    let all = groups.all();
    let dotted = all
        .iter()
        .take(5)
        .take_while(|group| {
            matches!(group.separator, 0 | b'.') && !group.closes && group.len() <= 3
        })
        .count();
    if groups.open && dotted == all.len().min(5) && dotted <= 4 {
        return Outcome::Open(start);
    }
    let Some(last) = all.get(3).filter(|_| dotted == 4) else {
        return Outcome::Nothing;
    };
    let after = window.byte(last.end);
    if matches!(after, b'+' | b'-') && last.end + 1 >= window.text.len() && !window.complete {
        return Outcome::Open(start);
    }
    let is_longer = all.get(4).is_some_and(|next| next.separator == b'.')
        || after.is_ascii_alphanumeric()
        || after == b'_'
        || matches!(after, b'+' | b'-') && window.byte(last.end + 1).is_ascii_alphabetic();
    let address = window
        .text
        .get(start..last.end)
        .and_then(|text| text.parse::<IpAddr>().ok());
    match address {
        Some(address) if !is_longer && identifies(address) && !is_version(window, start) => {
            Outcome::Found {
                start,
                end: last.end,
            }
        }
        _ => Outcome::Nothing,
    }
}

/// Whether what stands before makes a number with dots a version or the like.
fn is_version(window: &Window<'_>, start: usize) -> bool {
    let (before, outer) = (window.before(start), window.before(start.saturating_sub(1)));
    match before {
        b'/' if outer.is_ascii_alphanumeric() => {
            let end = start - 1;
            return window.words_end(end, V6_NEAR, NETWORK_WORDS) != Some(end);
        }
        b'=' if matches!(outer, b'=' | b'<' | b'>' | b'~' | b'!' | b'^') => return true,
        b'^' | b'~' => return true,
        _ => {}
    }
    window
        .words_end(start, VERSION_NEAR, VERSION_WORDS)
        .is_some_and(|end| {
            let between = window.bytes().get(end..start).unwrap_or_default();
            let is_sign = |byte: &u8| {
                byte.is_ascii_digit()
                    || matches!(
                        byte,
                        b' ' | b':'
                            | b'='
                            | b'"'
                            | b'\''
                            | b'('
                            | b','
                            | b'.'
                            | b'-'
                            | b'\\'
                            | b'>'
                    )
            };
            let words = between.split(|byte| !byte.is_ascii_alphabetic());
            let joins = |word: &[u8]| {
                [
                    b"".as_slice(),
                    b"s",
                    b"and",
                    b"or",
                    b"to",
                    b"from",
                    b"is",
                    b"number",
                    b"through",
                ]
                .contains(&word)
            };
            between
                .iter()
                .all(|byte| is_sign(byte) || byte.is_ascii_alphabetic())
                && words.into_iter().all(joins)
        })
}

pub(super) fn scan_v6(window: &Window<'_>, _: Present, note: &mut dyn FnMut(Outcome)) {
    let bytes = window.bytes();
    let rest = bytes.get(window.from..).unwrap_or_default();
    let mut seen_to = window.from;
    for colon in memchr::memchr_iter(b':', rest) {
        let colon = window.from + colon;
        if colon < seen_to {
            continue;
        }
        let start = run_start(window, colon);
        let end = colon
            + bytes
                .get(colon..)
                .unwrap_or_default()
                .iter()
                .take_while(|&&byte| is_v6(byte))
                .count();
        seen_to = end;
        if end == bytes.len() && !window.complete && end - start <= MAX_V6 {
            note(Outcome::Open(start));
        } else {
            note(judge_v6(window, start, end));
        }
    }
    if !window.complete {
        note(Outcome::Open(run_start(window, bytes.len())));
    }
}

/// Start of the run of address characters before `end`, no further back than an address can reach.
fn run_start(window: &Window<'_>, end: usize) -> usize {
    let before = window
        .bytes()
        .get(end.saturating_sub(MAX_V6)..end)
        .unwrap_or_default();
    end - before.iter().rev().take_while(|byte| is_v6(**byte)).count()
}

fn judge_v6(window: &Window<'_>, start: usize, end: usize) -> Outcome {
    let is_glued = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    // "IP:" may precede an address; a single colon starts none.
    let label_colon = window.byte(start) == b':' && window.byte(start + 1) != b':';
    let before = window.before(start);
    if end - start > MAX_V6
        || is_v6(before)
        || is_glued(before) && !label_colon
        || is_glued(window.byte(end))
    {
        return Outcome::Nothing;
    }
    let run = window.bytes().get(start..end).unwrap_or_default();
    let end = end - run.iter().rev().take_while(|&&byte| byte == b'.').count();
    let end = end
        - usize::from(
            end > start + 1 && window.before(end) == b':' && window.before(end - 1) != b':',
        );
    let start = start + usize::from(label_colon);
    match window
        .text
        .get(start..end)
        .and_then(|text| text.parse::<Ipv6Addr>().ok())
    {
        Some(address)
            if identifies(IpAddr::V6(address))
                && (is_in_use(run) || window.has_words(start, V6_NEAR, V6_WORDS)) =>
        {
            Outcome::Found { start, end }
        }
        _ => Outcome::Nothing,
    }
}

/// Whether an IPv6 text is no code: it begins like an address that is in use (RFC 4291 §2.4; RFC 4193), ends in an IPv4 address, or has four
/// groups and more with three digits each on average.
fn is_in_use(run: &[u8]) -> bool {
    let run = run.trim_ascii_start();
    let groups = || {
        run.split(|byte| *byte == b':')
            .filter(|group| !group.is_empty())
    };
    let first = groups().next().unwrap_or_default();
    let begins = match first.to_ascii_lowercase().as_slice() {
        [b'2' | b'3', _, _, _] => run.starts_with(first),
        [b'f', b'c' | b'd', _, _] | [b'f', b'e', b'8' | b'9' | b'a' | b'b', _] => true,
        [b'f', b'f', b'0', _] => true,
        _ => false,
    };
    let embeds = groups()
        .next_back()
        .is_some_and(|last| last.split(|byte| *byte == b'.').count() > 3);
    let count = groups().count();
    let digits = run.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    begins && (count > 1 || run.ends_with(b"::")) || embeds || count >= 4 && digits >= 3 * count
}

fn identifies(address: IpAddr) -> bool {
    // Masks, networks of eight bits, and "this network" (RFC 791 §3.2, RFC 1122 §3.2.1.3).
    let is_network = matches!(address, IpAddr::V4(address) if matches!(address.octets(), [255 | 0, ..] | [_, 0, 0, 0]));
    !address.is_unspecified() && !address.is_loopback() && !is_network
}

fn is_v6(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    super::texts(&[
        "::",
        "a::",
        "2001:db8::",
        "fe80::1 ",
        "10.1.2.",
        "10.1.2.3 ",
        "1.2.3.4.5",
        "1:",
    ])
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::IpAddress, tests::check};

    #[test]
    fn finds_addresses() {
        check("from 192.168.0.14.", &[(IpAddress, "192.168.0.14")]);
        check(
            "see 2001:db8::8a2e:370:7334: it",
            &[(IpAddress, "2001:db8::8a2e:370:7334")],
        );
        check("[fe80::1]", &[(IpAddress, "fe80::1")]);
        check("8.8.8.8/24", &[(IpAddress, "8.8.8.8")]);
        check(
            "IP:10.1.2.3 and IP:2001:db8::1.",
            &[(IpAddress, "10.1.2.3"), (IpAddress, "2001:db8::1")],
        );
        check("http://10.1.2.3/x", &[(IpAddress, "10.1.2.3")]);
        check("/ip4/10.1.2.3/tcp", &[(IpAddress, "10.1.2.3")]);
        check("IPv6 address a::b", &[(IpAddress, "a::b")]);
        check(
            "e3c1:4a6b:91d0:77aa:0f1e:8c2d:5b3a:2f10",
            &[(IpAddress, "e3c1:4a6b:91d0:77aa:0f1e:8c2d:5b3a:2f10")],
        );
        check(
            "version 4.0.0.1 runs on 10.1.2.3",
            &[(IpAddress, "10.1.2.3")],
        );
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "v1.2.3.4",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.02.3.4",
            "10:30:45",
            "std::vec",
            "a::b::c",
            "127.0.0.1",
            "255.255.255.0",
            "::1",
            "::",
            "x[::2]",
            "z[1::3]",
            "a::b",
            "be::cafe",
            "Chrome/120.0.0.0 Safari/537.36",
            "Edg/120.0.2210.91",
            "Foo/1.2.3.4",
            "Section 3.1.4.2",
            "version 4.0.0.1",
            "\"version\": \"4.0.0.1\"",
            "versions 4.0.0.1, 4.0.0.2 and 4.1.0.3",
            "pkg==1.2.3.4",
            "pkg>=1.2.3.4",
            "1.2.3.4-beta",
            "1.2.3.4+build5",
            "10.0.0.0/8",
            "00:11:22:33:44:55:66:77",
        ] {
            check(text, &[]);
        }
    }
}
