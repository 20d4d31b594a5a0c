//! [`each_line`]: where each line ends and where its first `=` is, found 64 bytes at a time.
//!
//! A request has some thirty short lines: to look for one byte after the other in each costs twice as much as to look at all
//! bytes once and keep what was found as two masks.

use std::ops::ControlFlow;

use wide::u8x16;

/// Bytes looked at together, one bit each in a mask.
const BLOCK: usize = 64;

/// A line that has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where its newline is.
    pub(super) end: usize,
    /// Where its first `=` is behind the place where the search began; behind its end if it has none.
    pub(super) equals: usize,
}

/// Gives each line that ends at or behind `from` to `visit`, until that breaks off.
// Inlined, so that the masks stay in registers from line to line.
#[inline]
pub(super) fn each_line<B>(
    buffer: &[u8],
    from: usize,
    mut visit: impl FnMut(Line) -> ControlFlow<B>,
) -> ControlFlow<B> {
    // The first `=` of a line that goes on from an earlier block.
    let mut begun = usize::MAX;
    for (number, block) in buffer[from.min(buffer.len())..].chunks(BLOCK).enumerate() {
        let start = from + number * BLOCK;
        let mut last = [0; BLOCK];
        let block = block.first_chunk().unwrap_or_else(|| {
            last[..block.len()].copy_from_slice(block);
            &last
        });
        let (mut newlines, mut equals) = (mask(block, b'\n'), mask(block, b'='));
        while newlines != 0 {
            let up_to_it = newlines ^ (newlines - 1);
            // Without one it is behind the block.
            let here = start + (equals & up_to_it).trailing_zeros() as usize;
            let end = start + newlines.trailing_zeros() as usize;
            newlines &= !up_to_it;
            equals &= !up_to_it;
            visit(Line { end, equals: begun.min(here) })?;
            begun = usize::MAX;
        }
        if equals != 0 {
            begun = begun.min(start + equals.trailing_zeros() as usize);
        }
    }
    ControlFlow::Continue(())
}

/// Bit n: byte n is `wanted`.
fn mask(block: &[u8; BLOCK], wanted: u8) -> u64 {
    let wanted = u8x16::splat(wanted);
    let sixteenths = block.as_chunks::<16>().0.iter();
    sixteenths.rev().fold(0, |mask, bytes| mask << 16 | u64::from(u8x16::new(*bytes).simd_eq(wanted).to_bitmask()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, one byte after the other.
    fn one_by_one(buffer: &[u8], from: usize) -> Vec<(usize, Option<usize>)> {
        let (mut lines, mut equals) = (Vec::new(), None);
        for (at, byte) in buffer.iter().enumerate().skip(from) {
            match byte {
                b'\n' => lines.push((at, equals.take())),
                b'=' => equals = equals.or(Some(at)),
                _ => {}
            }
        }
        lines
    }

    #[test]
    fn every_line_is_found_wherever_the_blocks_are_cut() {
        let mut seed = 11_u64;
        for length in 0..400 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    b"\n==\0\xffabcdefghijklmn"[usize::try_from(seed >> 33).unwrap() % 19]
                })
                .collect();
            for from in 0..=bytes.len() {
                let mut lines = Vec::new();
                let end: ControlFlow<()> = each_line(&bytes, from, |Line { end, equals }| {
                    lines.push((end, (equals < end).then_some(equals)));
                    ControlFlow::Continue(())
                });
                assert!(end.is_continue());
                assert_eq!(lines, one_by_one(&bytes, from), "{length} from {from}");
            }
        }
    }
}
