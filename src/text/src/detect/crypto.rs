//! Addresses of Bitcoin (`Base58Check`; BIP 173 and BIP 350 for `bc1`) and Ethereum (`0x` and forty hexadecimal digits).
//!
//! `Base58Check` is verified. Ethereum's mixed case is not: its checksum needs another hash than any other detector.

use sha2::{Digest as _, Sha256};

use super::{Outcome, Window};

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [
    0x3b6a_57b2,
    0x2650_8e6d,
    0x1ea1_19fa,
    0x3d42_33dd,
    0x2a14_62b3,
];
/// Longest address, and one byte more to see that it ends.
const MAX: usize = 62;

/// Judges the run of digits that begins at `digit`.
pub(super) fn judge(window: &Window<'_>, digit: usize) -> Outcome {
    let is_bech32 = window.byte(digit) == b'1'
        && window
            .bytes()
            .get(..digit)
            .is_some_and(|before| before.ends_with(b"bc"));
    let start = if is_bech32 { digit - 2 } else { digit };
    if !matches!(window.byte(digit), b'0' | b'1' | b'3')
        || window.before(start).is_ascii_alphanumeric()
    {
        return Outcome::Nothing;
    }
    let rest = window.bytes().get(start..).unwrap_or_default();
    let run = rest
        .iter()
        .take(MAX + 1)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    if run == rest.len() && run <= MAX && !window.complete {
        return Outcome::Open(start);
    }
    let word = rest.get(..run).unwrap_or_default();
    if is_bitcoin(word) || is_segwit(word) || is_ethereum(word) {
        Outcome::Found {
            start,
            end: start + run,
        }
    } else {
        Outcome::Nothing
    }
}

fn is_ethereum(word: &[u8]) -> bool {
    word.strip_prefix(b"0x")
        .is_some_and(|digits| digits.len() == 40 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// 25 bytes in base 58: version, hash, and four bytes of the hash of both.
fn is_bitcoin(word: &[u8]) -> bool {
    if !(25..=35).contains(&word.len()) || !matches!(word.first(), Some(b'1' | b'3')) {
        return false;
    }
    let mut bytes = [0_u8; 25];
    for letter in word {
        let Some(value) = BASE58.iter().position(|known| known == letter) else {
            return false;
        };
        let mut carry = u32::try_from(value).unwrap_or(0);
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = u8::try_from(carry & 0xff).unwrap_or(0);
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
    let (payload, check) = bytes.split_at(21);
    Sha256::digest(Sha256::digest(payload)).starts_with(check)
}

fn is_segwit(word: &[u8]) -> bool {
    let Some(data) = word
        .strip_prefix(b"bc1")
        .filter(|data| (11..=59).contains(&data.len()))
    else {
        return false;
    };
    // The human-readable part, expanded.
    let mut check = [3, 3, 0, 2, 3].into_iter().fold(1, polymod);
    for letter in data {
        let Some(value) = BECH32.iter().position(|known| known == letter) else {
            return false;
        };
        check = polymod(check, u32::try_from(value).unwrap_or(0));
    }
    matches!(check, 1 | 0x2bc8_30a3)
}

fn polymod(check: u32, value: u32) -> u32 {
    let top = check >> 25;
    let shifted = (check & 0x01ff_ffff) << 5 ^ value;
    GENERATOR
        .iter()
        .enumerate()
        .filter(|(bit, _)| top >> bit & 1 == 1)
        .fold(shifted, |check, (_, generator)| check ^ generator)
}

/// What this detector looks for, and nearly finds.
pub(super) fn anchors() -> Vec<String> {
    super::texts(&[
        "1Boat",
        "11111111111111111111111111111111 ",
        "bc1q",
        "bc1qqqqqqqqqqqqqq ",
        "0x742d",
        "3J98",
    ])
}

#[cfg(test)]
mod tests {
    use super::super::{Entity::Crypto, tests::check};

    #[test]
    fn finds_addresses() {
        for address in [
            "1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
        ] {
            check(&format!("to {address}."), &[(Crypto, address)]);
        }
    }

    #[test]
    fn leaves_look_alikes() {
        for text in [
            "1BoatSLRHtKNngkdXEeobR76b53LETtpyU",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "0x742d35Cc6634C0532925a3b844Bc454e4438f4",
        ] {
            check(text, &[]);
        }
    }
}
