//! Numbers that look random and follow from a key alone, the same on every machine.
//!
//! `scramble` is a bijection of 64-bit numbers, so distinct keys stay distinct. It is not fit for secrets.

/// What one step adds to a `SplitMix64` state.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// One step of `SplitMix64`.
pub(super) fn scramble(mut x: u64) -> u64 {
    x = x.wrapping_add(STEP);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
