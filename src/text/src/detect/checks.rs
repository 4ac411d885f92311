//! Check digits that several identifiers share.

/// The digit at each place, 0 to 9.
pub(super) fn digits(
    value: &[u8],
) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + '_ {
    value.iter().map(|byte| u32::from(byte.wrapping_sub(b'0')))
}

/// ISO/IEC 7812-1 annex B.
pub(super) fn luhn(value: &[u8]) -> bool {
    let sum: u32 = digits(value)
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            if place % 2 == 1 {
                digit * 2 / 10 + digit * 2 % 10
            } else {
                digit
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The sum of digits times weights.
pub(super) fn weighted(value: &[u8], weights: &[u32]) -> u32 {
    digits(value)
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum()
}

/// All digits alike, which no office issues.
pub(super) fn is_uniform(value: &[u8]) -> bool {
    value
        .windows(2)
        .all(|pair| matches!(pair, [left, right] if left == right))
}

/// The digits as a number.
pub(super) fn number(value: &[u8]) -> u64 {
    value.iter().fold(0, |number, byte| {
        number * 10 + u64::from(byte.wrapping_sub(b'0') & 15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits() {
        assert!(luhn(b"4111111111111111") && luhn(b"046454286") && !luhn(b"4111111111111112"));
        assert_eq!(weighted(b"123", &[3, 2, 1]), 10);
        assert!(is_uniform(b"1111") && !is_uniform(b"1112"));
        assert_eq!(number(b"0420"), 420);
    }
}
