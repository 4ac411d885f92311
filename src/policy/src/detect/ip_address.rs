//! IP addresses: dotted-quad IPv4 (RFC 791; no leading zeros) and IPv6 text (RFC 4291 §2.2).
//!
//! Not reported: the unspecified and loopback addresses, which identify nobody.

use std::net::{IpAddr, Ipv6Addr};

use crate::present::Present;

use super::{Outcome, Window, digits::Groups};

/// Longest run that can hold an IPv6 text: 45 bytes with an embedded IPv4 address, and punctuation around it.
const MAX_V6: usize = 48;

pub(super) fn judge_v4(window: &Window<'_>, groups: &Groups) -> Outcome {
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
    let is_longer = all.get(4).is_some_and(|next| next.separator == b'.')
        || after.is_ascii_alphanumeric()
        || after == b'_';
    let address = window
        .text
        .get(start..last.end)
        .and_then(|text| text.parse::<IpAddr>().ok());
    match address {
        Some(address) if !is_longer && identifies(address) => Outcome::Found {
            start,
            end: last.end,
        },
        _ => Outcome::Nothing,
    }
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
        Some(address) if identifies(IpAddr::V6(address)) => Outcome::Found { start, end },
        _ => Outcome::Nothing,
    }
}

fn identifies(address: IpAddr) -> bool {
    let is_mask = matches!(address, IpAddr::V4(address) if address.octets().first() == Some(&255));
    !address.is_unspecified() && !address.is_loopback() && !is_mask
}

fn is_v6(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
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
        ] {
            check(text, &[]);
        }
    }
}
