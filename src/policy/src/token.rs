//! The gateway's own token: who may spend its keys.

use sha2::{Digest as _, Sha256};

use crate::event::hex;

/// What stands in configurations in place of a token: its SHA-256. A token is a long random text, so its hash tells nothing.
pub fn token_sha256(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Whether the value of an `Authorization` header carries the token with this hash. The time that it takes says nothing
/// about the token: two hashes are compared, each byte whatever the others are.
pub fn is_token(authorization: &str, sha256: &str) -> bool {
    let Some((scheme, token)) = authorization.split_once(' ') else {
        return false;
    };
    let found = token_sha256(token.trim_start_matches(' '));
    let pairs = found.bytes().zip(sha256.bytes());
    let difference = pairs.fold(0, |sum, (left, right)| sum | (left ^ right));
    scheme.eq_ignore_ascii_case("bearer") && sha256.len() == found.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_let_in() {
        let sha256 = token_sha256("kt-0123");
        for right in ["Bearer kt-0123", "bearer kt-0123", "BEARER  kt-0123"] {
            assert!(is_token(right, &sha256), "{right}");
        }
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "kt-0123",
            "Basic kt-0123",
            "Bearer kt-012",
            "Bearer kt-01234",
            "Bearer kt-0123 ",
            "Bearer Bearer kt-0123",
            &format!("Bearer {sha256}"),
        ] {
            assert!(!is_token(wrong, &sha256), "{wrong}");
        }
        assert!(!is_token("Bearer kt-0123", ""));
        assert!(!is_token("Bearer ", ""));
    }
}
