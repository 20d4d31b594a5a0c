//! Numbers that look random and follow from a key alone, the same on every machine.
//!
//! `scramble` is a bijection of 64-bit numbers, so distinct keys stay distinct. `Draw` is a sequence of numbers from one
//! key. Neither is fit for secrets.

/// What one step adds to a `SplitMix64` state.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One step of `SplitMix64`.
pub(super) fn scramble(mut x: u64) -> u64 {
    x = x.wrapping_add(STEP);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A sequence of numbers from one key.
#[derive(Clone, Debug)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(key: u64) -> Self {
        Self(key)
    }

    /// Any 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        let bits = scramble(self.0);
        self.0 = self.0.wrapping_add(STEP);
        bits
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(limit)) >> 32) as u32
    }

    /// A number below `limit`, small ones far more often: a quarter of the draws fall into the lowest sixteenth.
    pub(super) fn skewed_below(&mut self, limit: u32) -> u32 {
        let range = self.below(limit) + 1;
        self.below(range)
    }

    /// True in `percent` of a hundred draws.
    pub(super) fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < u32::from(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_from_the_key_and_stay_below_their_limit() {
        let numbers = |key| {
            let mut draw = Draw::new(key);
            (0..1000).map(|_| draw.below(7)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        for wanted in 0..7 {
            assert!(numbers(1).contains(&wanted));
        }
        assert!(numbers(1).into_iter().all(|number| number < 7));
    }

    #[test]
    fn skewed_draws_prefer_small_numbers() {
        let mut draw = Draw::new(3);
        let low = (0..10_000).filter(|_| draw.skewed_below(1600) < 100).count();
        assert!((2000..3000).contains(&low), "{low}");
    }
}
