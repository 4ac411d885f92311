//! Groups of digits with single separators between them: the anchor of cards, phones, SSNs and IPv4.

use super::Window;

/// More digits than any number that is looked for.
const MAX_DIGITS: usize = 20;

/// A sequence of digit groups, read from one group's first digit.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// First digit of the first group.
    pub start: usize,
    groups: [Group; MAX_DIGITS],
    len: usize,
    /// The sequence reaches the end of a text that may go on.
    pub open: bool,
}

/// One run of digits.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Group {
    /// Offset of its first digit.
    pub start: usize,
    /// Offset behind its last digit.
    pub end: usize,
    /// The separator before it; 0 for the first group.
    pub separator: u8,
    /// Whether a closing parenthesis stands between the previous group and this one.
    pub closes: bool,
}

impl Group {
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }
}

impl Groups {
    /// Digits of all groups together.
    pub(crate) fn digits(&self) -> usize {
        self.all().iter().map(Group::len).sum()
    }

    /// All groups, in order.
    pub(crate) fn all(&self) -> &[Group] {
        self.groups.get(..self.len).unwrap_or_default()
    }
}

/// Calls `visit` with the start and end of each run of digits that begins at `window.from` or later.
pub(super) fn for_each_group(window: &Window<'_>, visit: &mut dyn FnMut(usize, usize)) {
    const LANE: usize = 16;
    let bytes = window.bytes();
    let mut at = window.from;
    while at < bytes.len() {
        // Prose has few digits: whole lanes without one are skipped by vector code.
        if let Some(lane) = bytes.get(at..at + LANE)
            && !lane
                .iter()
                .fold(false, |seen, byte| seen | byte.is_ascii_digit())
        {
            at += LANE;
            continue;
        }
        if !window.byte(at).is_ascii_digit() {
            at += 1;
            continue;
        }
        let end = digits_end(window, at);
        visit(at, end);
        at = end;
    }
}

/// Where the last position lies that could still begin a number when more text arrives: an opening sign.
pub(super) fn open_tail(window: &Window<'_>) -> usize {
    let len = window.text.len();
    if matches!(window.before(len), b'+' | b'(') {
        len - 1
    } else {
        len
    }
}

fn digits_end(window: &Window<'_>, start: usize) -> usize {
    let rest = window.bytes().get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The sequence that begins with the run of digits from `start` to `first_end`.
pub(super) fn read(window: &Window<'_>, start: usize, first_end: usize) -> Groups {
    let mut groups = Groups {
        start,
        ..Groups::default()
    };
    let mut next = Group {
        start,
        end: first_end,
        separator: 0,
        closes: false,
    };
    let mut digits = 0;
    loop {
        digits += next.len();
        if let Some(slot) = groups.groups.get_mut(groups.len) {
            *slot = next;
            groups.len += 1;
        }
        let end = next.end;
        if digits >= MAX_DIGITS {
            return groups;
        }
        match separator(window, end) {
            Gap::Digit {
                at,
                separator,
                closes,
            } => {
                next = Group {
                    start: at,
                    end: digits_end(window, at),
                    separator,
                    closes,
                };
            }
            Gap::EndOfText => {
                groups.open = !window.complete;
                return groups;
            }
            Gap::Other => return groups,
        }
    }
}

enum Gap {
    Digit {
        at: usize,
        separator: u8,
        closes: bool,
    },
    EndOfText,
    Other,
}

/// What follows the digits that end at `end`: a separator (`)` and one more allowed, or ` (`) and digits?
fn separator(window: &Window<'_>, end: usize) -> Gap {
    let len = window.text.len();
    let mut at = end;
    let closes = window.byte(at) == b')';
    at += usize::from(closes);
    let mut separator = if closes { b')' } else { 0 };
    if matches!(window.byte(at), b' ' | b'-' | b'.' | b'/') {
        separator = window.byte(at);
        at += 1;
    }
    at += usize::from(window.byte(at) == b'(' && separator != 0);
    if at >= len {
        return Gap::EndOfText;
    }
    if separator != 0 && window.byte(at).is_ascii_digit() {
        return Gap::Digit {
            at,
            separator,
            closes,
        };
    }
    Gap::Other
}
