//! Weights as they lie in a file: most are small, so small ones take few bits (Rice, "Some practical universal noiseless coding techniques",
//! 1979). A sign goes into the lowest bit; what stands above the lowest `k` bits of a number comes as so many ones and a zero, and those bits behind it. The
//! first byte is `k`, and bits come from the lowest one of each byte up.

/// Larger ones are no gain for weights of eight bits.
const MOST_LOW_BITS: u32 = 7;

/// The shortest form of `weights`.
pub fn pack(weights: &[i8]) -> Vec<u8> {
    (0..=MOST_LOW_BITS)
        .map(|low_bits| pack_with(weights, low_bits))
        .min_by_key(Vec::len)
        .unwrap_or_default()
}

fn pack_with(weights: &[i8], low_bits: u32) -> Vec<u8> {
    let mut bits = Vec::new();
    for weight in weights {
        let size = u32::from(weight.unsigned_abs()) << 1 | u32::from(*weight < 0);
        bits.extend((0..size >> low_bits).map(|_| true));
        bits.push(false);
        bits.extend((0..low_bits).map(|bit| size >> bit & 1 == 1));
    }
    let byte = |bits: &[bool]| {
        bits.iter()
            .rev()
            .fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit))
    };
    let packed = bits.chunks(8).map(byte);
    u8::try_from(low_bits).into_iter().chain(packed).collect()
}

/// The first `count` weights of a packed form, each as one signed byte. `None` when there are fewer, or one does not fit.
pub(super) fn unpack(packed: &[u8], count: usize) -> Option<Vec<u8>> {
    let (low_bits, packed) = packed.split_first()?;
    let low_bits = u32::from(*low_bits);
    if low_bits > MOST_LOW_BITS {
        return None;
    }
    let mut bits = Bits {
        bytes: packed,
        held: 0,
        left: 0,
    };
    (0..count).map(|_| bits.weight(low_bits)).collect()
}

/// Reads bits from the lowest one of each byte up.
struct Bits<'p> {
    bytes: &'p [u8],
    held: u64,
    left: u32,
}

impl Bits<'_> {
    /// Holds 56 bits or more, if there are so many.
    fn refill(&mut self) {
        while self.left <= 56 {
            let Some((byte, rest)) = self.bytes.split_first() else {
                return;
            };
            self.held |= u64::from(*byte) << self.left;
            self.left += 8;
            self.bytes = rest;
        }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        self.left = self.left.checked_sub(count)?;
        let taken = self.held & ((1 << count) - 1);
        self.held >>= count;
        u32::try_from(taken).ok()
    }

    fn weight(&mut self, low_bits: u32) -> Option<u8> {
        let mut above = 0;
        loop {
            self.refill();
            let ones = self.held.trailing_ones().min(self.left).min(32);
            self.take(ones)?;
            above += ones;
            if self.left == 0 && self.bytes.is_empty() || above > 0xff {
                return None;
            }
            if self.left > 0 && self.held & 1 == 0 {
                break;
            }
        }
        self.take(1)?;
        let size = above << low_bits | self.take(low_bits)?;
        let weight = i8::try_from(size >> 1).ok()?;
        let signed = if size & 1 == 1 { -weight } else { weight };
        Some(signed.to_ne_bytes()[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back() {
        let all: Vec<i8> = (-127..=127).collect();
        let small: Vec<i8> = (0..4000).map(|at| (at * at % 7) as i8 - 3).collect();
        for weights in [all, small, vec![0; 1000], vec![127; 9], vec![]] {
            let packed = pack(&weights);
            let bytes: Vec<u8> = weights.iter().map(|one| one.to_ne_bytes()[0]).collect();
            assert_eq!(unpack(&packed, weights.len()), Some(bytes));
        }
    }

    #[test]
    fn what_is_cut_or_broken_is_refused() {
        let weights: Vec<i8> = (0..500).map(|at| (at % 63) as i8 - 31).collect();
        let packed = pack(&weights);
        for len in 0..packed.len() - 1 {
            assert_eq!(unpack(&packed[..len], weights.len()), None, "{len}");
        }
        assert_eq!(unpack(&[9, 0, 0], 1), None);
        assert_eq!(unpack(&[0; 1], 1), None);
        assert_eq!(unpack(&[&[0][..], &[0xff; 900]].concat(), 1), None);
        assert_eq!(unpack(&[&[0][..], &[0xff; 31]].concat(), 1), None);
    }
}
