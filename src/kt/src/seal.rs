//! Seals over the event log: what was in it at the end of each epoch, under a key that exists no longer.
//!
//! `kt gateway run` adds one line to the file of seals per epoch, also when nothing happened. A line covers the bytes that the log got in that
//! epoch by their SHA-256, and all lines before it by the MAC of the last one. Its own MAC is HMAC-SHA-256 (RFC 2104) under the key of the
//! epoch. The key of the next epoch is a hash of this one's, so nobody can go back: whoever takes a key today cannot seal yesterday anew.

use hmac::{Hmac, Mac as _};
pub(crate) use kt_policy::event::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What `prev` is in the first line.
pub(crate) const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const FIRST: &[u8] = b"keeptrusts audit key v1";
const NEXT: &[u8] = b"keeptrusts next epoch v1";
const MARK: &str = ",\"mac\":\"";

/// The key of an epoch.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// The key of epoch 0.
    pub(crate) fn of_secret(secret: &[u8]) -> Self {
        Self(digest_of(&[FIRST, secret]))
    }

    /// The key of the next epoch.
    pub(crate) fn next(&self) -> Self {
        Self(digest_of(&[NEXT, &self.0]))
    }

    /// The key of an epoch so many after this one.
    pub(crate) fn after(&self, epochs: u64) -> Self {
        (0..epochs).fold(self.clone(), |key, _| key.next())
    }

    /// In hexadecimal digits.
    pub(crate) fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// From hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut key = [0; 32];
        if digits.len() != 2 * key.len() {
            return None;
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(key))
    }

    fn mac(&self, text: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(text);
        Some(hex(&mac.finalize().into_bytes()))
    }
}

/// One line of the file of seals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    /// Counts from 0, through all starts of the gateway.
    pub(crate) epoch: u64,
    /// When the epoch ended, in seconds since 1970.
    pub(crate) at: u64,
    /// A random name of this start of the gateway.
    pub(crate) instance: String,
    /// SHA-256 of its policy file.
    pub(crate) config: String,
    /// How many bytes the log got.
    pub(crate) bytes: u64,
    /// How many lines they are.
    pub(crate) lines: u64,
    /// Their SHA-256.
    pub(crate) digest: String,
    /// Inode of the log's file, and where the bytes end in it: where the next start goes on.
    pub(crate) file: [u64; 2],
    /// `mac` of the line before.
    pub(crate) prev: String,
}

impl Seal {
    /// The line, with its MAC, which is returned as well.
    pub(crate) fn line(&self, key: &Key) -> Option<(String, String)> {
        let mut line = serde_json::to_string(self).ok()?;
        line.pop();
        let mac = key.mac(line.as_bytes())?;
        Some((format!("{line}{MARK}{mac}\"}}"), mac))
    }

    /// Reads a line, and the MAC that it states.
    pub(crate) fn read(line: &str) -> Option<(Self, String)> {
        let (sealed, mac) = line.rsplit_once(MARK)?;
        let mac = mac.strip_suffix("\"}")?;
        let seal = serde_json::from_str(&format!("{sealed}}}")).ok()?;
        Some((seal, mac.to_owned()))
    }

    /// Whether a line has the MAC that this key gives it.
    pub(crate) fn is_by(line: &str, key: &Key) -> bool {
        let stated = line.rsplit_once(MARK);
        stated.is_some_and(|(sealed, mac)| {
            let right = key.mac(sealed.as_bytes());
            right.is_some_and(|right| mac.strip_suffix("\"}") == Some(&right))
        })
    }
}

fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}
