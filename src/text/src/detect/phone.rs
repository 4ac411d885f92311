//! Telephone numbers (ITU-T E.164: country code and at most 15 digits; NANP: ten digits, area code and exchange not
//! beginning with 0 or 1).
//!
//! Found with a leading `+` or `00`, in one of the North American shapes, with the area in parentheses, with a leading `0` and
//! groups, or after a word such as "phone"; with an extension such as `x123`. Bare digit runs are left alone: they are order
//! numbers, timestamps and ids far more often.

use super::{
    Outcome, Window,
    digits::{Group, Groups},
};

/// How far such a word may stand before the number.
const NEAR: usize = 40;
/// The same for what may be a date.
const VERY_NEAR: usize = 16;
const CONTEXT_WORDS: &[&str] = &[
    "phone*",
    "mobile",
    "telephone*",
    "tel",
    "fax",
    "call",
    "calling",
    "cell",
    "whatsapp",
    "reach me",
    "reach us",
    "text me",
    "text us",
    "dial",
    "sms",
    "hotline",
    "contact",
    "contact me",
    "contact number",
    "my number",
    "number is",
    "messages to",
    "message to",
    "answering at",
    "ring",
    "voicemail",
    "office",
    "tel.",
    "tlf",
    "telefon*",
    "téléphone",
    "teléfono",
    "telefono",
    "handy",
    "móvil",
    "cellulare",
    "ph",
    "mob",
    // "Call me at", in the languages of Europe that most people speak.
    "anrufen",
    "ruf mich",
    "rufe mich",
    "ruft mich",
    "rufen sie",
    "rufnummer",
    "erreichbar unter",
    "appel*",
    "joindre au",
    "llám*",
    "llame al",
    "llama al",
    "llamar",
    "llamen",
    "llamenos",
    "chiam*",
    "ligue para",
    "ligue no",
    "ligar",
    "ligue-me",
    "telemóvel",
    "celular",
    "zadzwoń*",
    "zadzwon*",
    "dzwoń*",
    "komórk*",
    "bel me",
    "bel ons",
    "mobiel",
    "sună*",
    "suna-mă",
    "mobilnummer",
    "ring mig",
    "звони*",
    "позвони*",
    "тел",
    "телефон*",
    "подзвон*",
    "дзвон*",
    "τηλ",
    "τηλέφωνο",
];
/// E.164 §6: country code included.
const INTERNATIONAL: std::ops::RangeInclusive<usize> = 8..=15;
/// Digits of a number that a word announces.
const ANNOUNCED: std::ops::RangeInclusive<usize> = 7..=15;
/// Digits of an extension.
const MAX_EXTENSION: usize = 6;

pub(super) fn judge(window: &Window<'_>, groups: &Groups<'_>) -> Outcome {
    let sign = window.before(groups.start);
    let start = groups.start - usize::from(matches!(sign, b'+' | b'('));
    let outside = window.before(start);
    if matches!(outside, b'.' | b'-' | b'/' | b'_')
        && window.before(start - 1).is_ascii_alphanumeric()
        || outside.is_ascii_alphanumeric()
    {
        return Outcome::Nothing;
    }
    if groups.open && groups.digits() <= *ANNOUNCED.end() {
        return Outcome::Open(start);
    }
    let end = if sign == b'+' {
        international(groups.all())
    } else {
        national(window, groups, sign == b'(')
    };
    let Some(end) = end else {
        return Outcome::Nothing;
    };
    match extension(window, end) {
        None => Outcome::Open(start),
        Some(end) if window.byte(end).is_ascii_alphanumeric() => Outcome::Nothing,
        Some(end) => Outcome::Found { start, end },
    }
}

/// Where the number ends with its extension, `x123`; `None` while that is open.
fn extension(window: &Window<'_>, end: usize) -> Option<usize> {
    // A space may stand before it, but none at the end of what came so far: only the next digit would tell.
    let gap = usize::from(window.byte(end) == b' ' && window.byte(end + 1) == b'x');
    if window.byte(end + gap) != b'x' {
        return Some(end);
    }
    let rest = window.bytes().get(end + gap + 1..).unwrap_or_default();
    let digits = rest
        .iter()
        .take(MAX_EXTENSION)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == rest.len() && digits < MAX_EXTENSION && !window.complete {
        return None;
    }
    Some(if digits > 0 {
        end + gap + 1 + digits
    } else {
        end
    })
}

/// Country code and number: groups of at most 15 digits together.
fn international(all: &[Group]) -> Option<usize> {
    let mut digits = 0;
    let mut end = None;
    for group in all {
        digits += group.len();
        if digits > *INTERNATIONAL.end() {
            break;
        }
        if INTERNATIONAL.contains(&digits) {
            end = Some(group.end);
        }
    }
    end
}

fn national(window: &Window<'_>, groups: &Groups<'_>, parenthesis: bool) -> Option<usize> {
    let all = groups.all();
    let continues =
        window.before(groups.start) == b' ' && window.before(groups.start - 1).is_ascii_digit();
    let has_prefix = |prefix: &str| {
        !continues
            && window
                .text
                .get(groups.start..)
                .is_some_and(|text| text.starts_with(prefix))
    };
    north_american(window, all, parenthesis)
        .or_else(|| {
            if has_prefix("00") && all.len() > 1 {
                international(all).filter(|_| groups.digits() >= 10)
            } else {
                None
            }
        })
        .or_else(|| area_in_parentheses(all, parenthesis))
        .or_else(|| {
            if has_prefix("0") {
                with_trunk_prefix(all)
            } else {
                None
            }
        })
        .or_else(|| announced(window, groups, all))
}

/// `(ddd) ddd-dddd`, `ddd-ddd-dddd`, `ddd.ddd.dddd`, `1-ddd-ddd-dddd`, `001-ddd-ddd-dddd`.
fn north_american(window: &Window<'_>, all: &[Group], parenthesis: bool) -> Option<usize> {
    let is_country = |group: &Group| {
        matches!(
            window.bytes().get(group.start..group.end),
            Some(b"1" | b"001")
        )
    };
    let body = match all {
        [one, rest @ ..] if is_country(one) && !parenthesis => rest,
        _ => all,
    };
    let [area, exchange, line, rest @ ..] = body else {
        return None;
    };
    let fits = [area.len(), exchange.len(), line.len()] == [3, 3, 4]
        && is_nanp(window, area, exchange, line, parenthesis)
        && !rest
            .first()
            .is_some_and(|next| matches!(next.separator, b'-' | b'.'));
    fits.then_some(line.end)
}

/// `(dd) ddd-ddd`, `(030) 901 820`.
fn area_in_parentheses(all: &[Group], parenthesis: bool) -> Option<usize> {
    let [area, first, ..] = all else { return None };
    if !parenthesis || !first.closes || !(2..=5).contains(&area.len()) {
        return None;
    }
    let body = all.get(1..4).or(all.get(1..)).unwrap_or_default();
    let digits: usize = body.iter().map(Group::len).sum();
    let is_joined = body
        .iter()
        .skip(1)
        .all(|group| matches!(group.separator, b' ' | b'-') && group.len() >= 2);
    (is_joined && (5..=9).contains(&digits))
        .then(|| body.last().map(|group| group.end))
        .flatten()
}

/// `07700 900123`, `020 7946 0958`, `01 23 45 67 89`.
fn with_trunk_prefix(all: &[Group]) -> Option<usize> {
    let digits: usize = all.iter().map(Group::len).sum();
    let separator = all.get(1)?.separator;
    let is_joined = all
        .iter()
        .skip(1)
        .all(|group| group.separator == separator && group.len() >= 2)
        && matches!(separator, b' ' | b'-' | b'.' | b'/');
    let fits = (10..=11).contains(&digits)
        && all.len() <= 5
        && all.first().is_some_and(|area| area.len() >= 2);
    (is_joined && fits)
        .then(|| all.last().map(|group| group.end))
        .flatten()
}

/// Any groups of seven to fifteen digits after a word such as "phone", but no date and no IPv4 address.
fn announced(window: &Window<'_>, groups: &Groups<'_>, all: &[Group]) -> Option<usize> {
    let is_date = matches!(all, [first, second, third, ..] if second.separator == third.separator
        && matches!(second.separator, b'-' | b'/' | b'.')
        && matches!((first.len(), second.len(), third.len()), (1..=2, 1..=2, 4) | (4, 1..=2, 1..=2)));
    let is_address = all.len() >= 4 && all.iter().skip(1).all(|group| group.separator == b'.');
    let is_amount = matches!(window.before(groups.start), b'$' | b'#')
        || all
            .last()
            .is_some_and(|last| matches!(window.byte(last.end), b'+' | b'%'));
    let fits = ANNOUNCED.contains(&groups.digits()) && !is_date && !is_address && !is_amount;
    // `20251125` is a date unless the word stands right before it.
    let near = if is_compact_date(window, all) {
        VERY_NEAR
    } else {
        NEAR
    };
    (fits && window.has_words(groups.start, near, CONTEXT_WORDS))
        .then(|| all.last().map(|group| group.end))
        .flatten()
}

/// Year, month and day in eight digits.
fn is_compact_date(window: &Window<'_>, all: &[Group]) -> bool {
    let [group] = all else { return false };
    let number = |from: usize, to: usize| {
        let digits = window.text.get(group.start + from..group.start + to);
        digits.and_then(|digits| digits.parse::<u16>().ok())
    };
    let has = |from, to, range: std::ops::RangeInclusive<u16>| {
        number(from, to).is_some_and(|value| range.contains(&value))
    };
    group.len() == 8 && has(0, 4, 1900..=2099) && has(4, 6, 1..=12) && has(6, 8, 1..=31)
}

fn is_nanp(
    window: &Window<'_>,
    area: &Group,
    exchange: &Group,
    line: &Group,
    parenthesis: bool,
) -> bool {
    let plausible = |group: &Group| matches!(window.byte(group.start), b'2'..=b'9');
    let closed = exchange.closes && matches!(line.separator, b'-' | b'.' | b' ');
    let joined = !exchange.closes
        && matches!(exchange.separator, b'-' | b'.' | b' ')
        && exchange.separator == line.separator;
    plausible(area) && plausible(exchange) && !line.closes && (closed || joined && !parenthesis)
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    let words = CONTEXT_WORDS
        .iter()
        .map(|word| format!("{} 1234567 ", word.trim_end_matches('*')));
    words
        .chain(super::texts(&[
            "+1 415 ",
            "(415) ",
            "415-555-",
            "00 49 ",
            "07700 ",
            "415-555-2671x1",
            "+",
            "tel 1 ",
            "+4",
        ]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Phone, tests::check};

    #[test]
    fn finds_numbers() {
        for phone in [
            "+1 415 555 2671",
            "+442071838750",
            "+49 (30) 901820",
            "(415) 555-2671",
            "415-555-2671",
            "415.555.2671",
            "1-415-555-2671",
            "001-415-555-2671x123",
            "(415) 555-2671x99",
            "(37) 788-063",
            "07700 900123",
            "020 7946 0958",
            "01 23 45 67 89",
            "0049 30 901820",
        ] {
            check(&format!("Try {phone} now"), &[(Phone, phone)]);
        }
        check("my phone is 4155552671.", &[(Phone, "4155552671")]);
        check("Phone:\n60-56-85-91", &[(Phone, "60-56-85-91")]);
        check(
            "call me at 555-223-4567 x065",
            &[(Phone, "555-223-4567 x065")],
        );
    }

    #[test]
    fn names_of_leagues_and_models_announce_nothing() {
        for text in [
            "Llama 3.1: 612 345 678",
            "Ligue 1, 2023: 912 345 678",
            "the portable 912 345 678 build",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn finds_what_is_announced_in_other_languages() {
        for (words, phone) in [
            ("rufen Sie mich an unter", "030 123456"),
            ("bitte anrufen:", "0171/2345678"),
            ("appelez-moi au", "06 12 34 56 78"),
            ("llámame al", "612 345 678"),
            ("llame al", "91 234 56 78"),
            ("chiamami al", "347 123 4567"),
            ("ligue para", "912 345 678"),
            ("zadzwoń do mnie:", "601 234 567"),
            ("bel me op", "06 12345678"),
            ("sună-mă la", "0721 234 567"),
            ("ring mig på", "070-123 45 67"),
            ("позвоните мне по", "8 912 345-67-89"),
            ("подзвони мені:", "067 123 45 67"),
            ("τηλ.", "210 123 4567"),
        ] {
            check(&format!("{words} {phone}"), &[(Phone, phone)]);
        }
    }

    #[test]
    fn compact_dates_are_numbers_right_behind_their_word_only() {
        check("call 20251125", &[(Phone, "20251125")]);
        check(r#"{"phone": "20251125"}"#, &[(Phone, "20251125")]);
        check(
            "please call us back at this: 20251325",
            &[(Phone, "20251325")],
        );
        for text in [
            r#"{"call": -3e7, "date": 20251125}"#,
            "the call was made on day 20251125",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "4155552671",
            "version 1.2.3",
            "2024-11-21",
            "1700000000",
            "115-555-2671",
            "415-155-2671",
            "x415-555-2671",
            "+12",
            "call me on 12/05/2024",
            "phone 10.0.12.13.1",
            "01 02 2024",
            "callback 4155552671",
            "id-415-555-2671",
        ] {
            check(text, &[]);
        }
    }
}
