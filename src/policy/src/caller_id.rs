//! Ids that callers send: of a user, an agent, a trace. They stand in events, so they are judged like text.
//!
//! What is no plain identifier, or holds a value that the detectors know, is replaced by a hash under a secret of the
//! running gateway: the events of one caller still find each other, and nobody can try values until one fits.

use sha2::{Digest, Sha256};

use crate::event::hex;
use kt_text::detect::{Entity, Scanner, Window};

/// Longest id that is shown as it came.
const LONGEST: usize = 128;
/// As many digits may be a number of a person; shorter ones are counted too often to be one.
const LONG_NUMBER: usize = 9;
/// Shortest and longest number of a payment card.
const CARD: std::ops::RangeInclusive<usize> = 13..=19;
/// Shorter stretches decode to readable characters by chance.
const SHORTEST_DECODED: usize = 6;

/// Judges ids of callers.
#[derive(Debug)]
pub struct CallerIds {
    scanner: Scanner,
    secret: [u8; 32],
}

impl CallerIds {
    /// `secret` must be unpredictable and the same for all workers of a gateway.
    pub fn new(secret: [u8; 32]) -> Self {
        Self {
            scanner: Scanner::new(Entity::ALL),
            secret,
        }
    }

    /// The id as events show it.
    pub fn shown(&self, id: &str) -> String {
        if self.is_clean(id) {
            id.to_owned()
        } else {
            self.hash(id)
        }
    }

    /// The trace id of a `traceparent` (W3C Trace Context §3.2); nothing if it is not well-formed.
    pub fn trace_id(&self, traceparent: &str) -> Option<String> {
        let mut parts = traceparent.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, len| text.len() == len && text.bytes().all(is_lower_hex);
        let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
        let is_well_formed = is_hex(version, 2)
            && is_hex(trace, 32)
            && is_hex(parent, 16)
            && is_hex(flags, 2)
            && is_set(trace)
            && is_set(parent)
            && parts.next().is_none();
        is_well_formed.then(|| self.shown(trace))
    }

    /// Whether an id says nothing but who.
    pub fn is_clean(&self, id: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || is_separator(byte);
        if id.is_empty() || id.len() > LONGEST || !id.bytes().all(is_plain) {
            return false;
        }
        let is_hex_id = matches!(id.len(), 16 | 32)
            && id.bytes().all(is_lower_hex)
            && id.bytes().any(|byte| byte.is_ascii_lowercase());
        let numbers = digits(id);
        let is_random = is_random_uuid(id);
        // Random digits in a row are no number, unless they have the check digit of a card.
        let has_number = if is_random || is_hex_id {
            numbers.iter().any(|digits| has_card(digits))
        } else {
            numbers.iter().any(|digits| digits.len() >= LONG_NUMBER)
        };
        if has_number || is_random {
            return !has_number;
        }
        !is_encoded_text(id) && !self.has_value(id)
    }

    /// Whether detectors find something, with the separators as they are or as spaces.
    fn has_value(&self, id: &str) -> bool {
        let spaced = |kept: u8| -> String {
            let space = |byte: u8| {
                if is_separator(byte) && byte != kept {
                    ' '
                } else {
                    char::from(byte)
                }
            };
            id.bytes().map(space).collect()
        };
        let mut found = Vec::new();
        for text in [id, &spaced(b'-'), &spaced(b'.'), &spaced(b'_')] {
            self.scanner.scan(&Window::whole(text), &mut found);
        }
        !found.is_empty()
    }

    /// 64 bits of a keyed hash. The secret has a fixed length and most of the hash stays hidden, so no longer id can be
    /// derived from it.
    fn hash(&self, id: &str) -> String {
        format!("hash:{}", hex(&self.digest(id)))
    }

    /// A number for an id, by which nobody finds it.
    pub fn number(&self, id: &str) -> u64 {
        u64::from_le_bytes(self.digest(id))
    }

    fn digest(&self, id: &str) -> [u8; 8] {
        let digest = Sha256::new()
            .chain_update(self.secret)
            .chain_update(id.as_bytes())
            .finalize();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.' | b':')
}

/// A UUID of random or time-ordered bits (RFC 9562 §5.4 and §5.7).
fn is_random_uuid(id: &str) -> bool {
    let bytes = id.as_bytes();
    let at = |place: usize| bytes.get(place).copied().unwrap_or(0).to_ascii_lowercase();
    bytes.len() == 36
        && (0..36).all(|place| match place {
            8 | 13 | 18 | 23 => at(place) == b'-',
            14 => matches!(at(place), b'4' | b'7'),
            19 => matches!(at(place), b'8' | b'9' | b'a' | b'b'),
            _ => is_lower_hex(at(place)),
        })
}

/// The digits of each number in `id`; a single separator does not end a number.
fn digits(id: &str) -> Vec<Vec<u8>> {
    let mut numbers = vec![Vec::new()];
    let mut was_separator = false;
    for byte in id.bytes() {
        if byte.is_ascii_digit() {
            if let Some(number) = numbers.last_mut() {
                number.push(byte - b'0');
            }
        } else if !is_separator(byte) || was_separator {
            numbers.push(Vec::new());
        }
        was_separator = is_separator(byte);
    }
    numbers
}

/// Whether some of `digits` in a row are the number of a payment card.
fn has_card(digits: &[u8]) -> bool {
    (0..digits.len()).any(|start| {
        let rest = digits.get(start..).unwrap_or_default();
        let begins = matches!(rest.first(), Some(2..=6));
        begins
            && CARD
                .into_iter()
                .any(|len| rest.get(..len).is_some_and(passes_luhn))
    })
}

/// ISO/IEC 7812-1, annex B.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(*digit) << (place % 2);
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether a part of `id` is text in hexadecimal or base64.
fn is_encoded_text(id: &str) -> bool {
    id.split(['.', ':'])
        .chain(id.split(['.', ':', '-', '_']))
        .any(|part| {
            [from_hex(part), from_base64(part)]
                .into_iter()
                .flatten()
                .any(|bytes| is_readable(&bytes))
        })
}

fn is_readable(bytes: &[u8]) -> bool {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    text.len() >= SHORTEST_DECODED && text.iter().all(|byte| (b' '..=b'~').contains(byte))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let nibbles: Option<Vec<u8>> = text.bytes().map(nibble).collect();
    let bytes: Vec<u8> = nibbles?
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble))
        .collect();
    // Zeros in front fill up an id of a fixed length.
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    text.len()
        .is_multiple_of(2)
        .then(|| bytes.get(start..).unwrap_or_default().to_vec())
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    (text.len() % 4 != 1).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> CallerIds {
        CallerIds::new([7; 32])
    }

    #[test]
    fn plain_ids_are_shown() {
        for id in [
            "u-1",
            "agent.7",
            "jane_doe",
            "team:billing",
            "user-20261125",
            "12345678",
            "550e8400-e29b-41d4-a716-446655440000",
            "0af7651916cd43dd8448eb211c80319c",
            "b7ad6b7169203331",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "support-bot-v2.1.0",
            "user_42",
            "a",
            "usr_8sJ2kQp0",
            "customer-service-agent",
        ] {
            assert_eq!(ids().shown(id), id);
        }
    }

    #[test]
    fn values_are_hashed() {
        for id in [
            "536-22-8726",
            "536.22.8726",
            "536_22_8726",
            "536228726",
            "ssn:536228726",
            "user-536-22-8726",
            "4111111111111111",
            "4111-1111-1111-1111",
            "4111.1111.1111.1111",
            "card_4111111111111111_x",
            "00004111111111111111000000000000",
            "a0004111111111111111000000000000",
            "sk-proj-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4",
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "DE89370400440532013000",
            "203.0.113.77",
            "user.203.0.113.77",
            "2001:db8::8a2e:370:7334",
            "415-555-2671",
            "14155552671",
            "jane.doe@example.com",
            "+14155552671",
            "a b",
            "",
            "jane%40example.com",
            "6a616e6540657861",
            "6a616e65406578616d706c652e636f6d",
            "amFuZS5kb2VAZXhhbXBsZS5jb20",
            "user:amFuZS5kb2VAZXhhbXBsZS5jb20",
            "00000000000000000000000536228726",
            "00000000-0000-0000-4111-111111111111",
            "0000000000006a616e6540782e636f6d",
        ] {
            let shown = ids().shown(id);
            assert!(
                shown.starts_with("hash:") && shown.len() == 21,
                "{id}: {shown}"
            );
        }
        assert!(!ids().is_clean(&"a".repeat(129)));
    }

    #[test]
    fn a_hash_depends_on_the_secret_and_the_id_only() {
        let id = "jane.doe@example.com";
        assert_eq!(ids().shown(id), ids().shown(id));
        assert_ne!(ids().shown(id), ids().shown("john.doe@example.com"));
        assert_ne!(ids().shown(id), CallerIds::new([8; 32]).shown(id));
    }

    #[test]
    fn random_ids_are_seldom_hashed() {
        let ids = ids();
        let mut hashed = 0;
        for number in 0..2000_u32 {
            let digest = Sha256::digest(number.to_le_bytes());
            let hex = hex(&digest[..16]);
            hashed += u32::from(!ids.is_clean(&hex));
            let uuid = format!(
                "{}-{}-4{}-a{}-{}",
                &hex[..8],
                &hex[8..12],
                &hex[13..16],
                &hex[17..20],
                &hex[20..]
            );
            hashed += u32::from(!ids.is_clean(&uuid));
        }
        assert!(hashed <= 20, "{hashed} of 4000");
    }

    #[test]
    fn a_trace_has_the_form_of_the_standard() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let good = format!("00-{trace}-b7ad6b7169203331-01");
        assert_eq!(ids().trace_id(&good).as_deref(), Some(trace));
        for bad in [
            "00-536-22-8726",
            "",
            "-",
            "x-536228726",
            &format!("00-{trace}-b7ad6b7169203331"),
            &format!("00-{trace}-b7ad6b7169203331-01-jane"),
            &format!("00-{trace}-jane-01"),
            &good.to_uppercase(),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert_eq!(ids().trace_id(bad), None, "{bad}");
        }
        let card = "00-00004111111111111111000000000000-b7ad6b7169203331-01";
        assert!(
            ids()
                .trace_id(card)
                .is_some_and(|shown| shown.starts_with("hash:"))
        );
    }
}
