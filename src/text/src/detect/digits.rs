//! Groups of digits with single separators between them: the anchor of cards, phones, SSNs and IPv4.

use super::Window;

/// More digits than any number that is looked for.
const MAX_DIGITS: usize = 20;

/// A sequence of digit groups, read from one group's first digit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups<'r> {
    /// First digit of the first group.
    pub start: usize,
    groups: &'r [Group],
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

impl<'r> Groups<'r> {
    /// Digits of all groups together.
    pub(crate) fn digits(&self) -> usize {
        self.all().iter().map(Group::len).sum()
    }

    /// All groups, in order.
    pub(crate) fn all(&self) -> &'r [Group] {
        self.groups
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

/// Reads sequences of groups from one group after the other, and each group once: a sequence is what is known of the last one, without
/// its first group and with what follows.
#[derive(Debug, Default)]
pub(super) struct GroupReader {
    /// Groups that stand one behind the other.
    known: Vec<Group>,
    /// The first of them that still counts.
    first: usize,
    /// Digits of those that count.
    digits: usize,
    /// What follows the last of them.
    end: End,
}

/// How far a sequence is known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Another group may follow.
    #[default]
    Unread,
    /// No other group follows.
    Closed,
    /// The text ends.
    OfText,
}

impl GroupReader {
    /// Groups in front of those that count, before they are dropped.
    const PASSED: usize = 64;

    /// The sequence that begins with the run of digits from `start` to `end`. Each begins behind the one before.
    pub(super) fn read(&mut self, window: &Window<'_>, start: usize, end: usize) -> Groups<'_> {
        while let Some(passed) = self
            .known
            .get(self.first)
            .filter(|known| known.start < start)
        {
            self.digits -= passed.len();
            self.first += 1;
        }
        match self
            .known
            .get_mut(self.first)
            .filter(|known| known.start == start)
        {
            Some(first) => {
                first.separator = 0;
                first.closes = false;
            }
            None => self.begin(start, end),
        }
        if self.first > Self::PASSED {
            self.known.drain(..self.first);
            self.first = 0;
        }
        while self.digits < MAX_DIGITS && self.end == End::Unread {
            self.extend(window);
        }
        self.groups(start, window)
    }

    fn begin(&mut self, start: usize, end: usize) {
        self.known.clear();
        self.known.push(Group {
            start,
            end,
            separator: 0,
            closes: false,
        });
        self.first = 0;
        self.digits = end - start;
        self.end = End::Unread;
    }

    fn extend(&mut self, window: &Window<'_>) {
        let end = self.known.last().map_or(0, |last| last.end);
        match separator(window, end) {
            Gap::Digit {
                at,
                separator,
                closes,
            } => {
                let group = Group {
                    start: at,
                    end: digits_end(window, at),
                    separator,
                    closes,
                };
                self.digits += group.len();
                self.known.push(group);
            }
            Gap::EndOfText => self.end = End::OfText,
            Gap::Other => self.end = End::Closed,
        }
    }

    /// What counts of the known groups: as many as hold the digits that are looked for.
    fn groups(&self, start: usize, window: &Window<'_>) -> Groups<'_> {
        let groups = self.known.get(self.first..).unwrap_or_default();
        Groups {
            start,
            groups,
            open: self.end == End::OfText && self.digits < MAX_DIGITS && !window.complete,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is remembered is what would be read.
    #[test]
    fn sequences_are_the_same_from_every_group() {
        let texts = [
            "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5",
            "415-555-2671 (415) 555.2671x 12345678901234567890 1 22/333",
            "1 2  3a4 5-6 12345678901234567890123 4 5 6 +7 8",
            "1",
        ];
        for text in texts.iter().map(|text| text.repeat(9)) {
            for complete in [true, false] {
                let window = Window {
                    text: &text,
                    from: 0,
                    complete,
                };
                let mut reader = GroupReader::default();
                for_each_group(&window, &mut |start, end| {
                    let known = format!("{:?}", reader.read(&window, start, end));
                    let mut fresh = GroupReader::default();
                    assert_eq!(known, format!("{:?}", fresh.read(&window, start, end)));
                });
            }
        }
    }
}
