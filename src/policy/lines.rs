//! [`Lines`]: where each line ends and where its first `=` is, found 64 bytes at a time.
//!
//! A request has some thirty short lines: to look for one byte after the other in each costs twice as much as to look at all
//! bytes once and keep what was found as two masks.

use wide::u8x16;

/// Bytes looked at together, one bit each in a mask.
const BLOCK: usize = 64;

/// A line that has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where its newline is.
    pub(super) end: usize,
    /// Where its first `=` is, if it has one behind the place where the search began.
    pub(super) equals: Option<usize>,
}

/// The lines of a buffer that end at or behind some place in it.
pub(super) struct Lines<'a> {
    buffer: &'a [u8],
    /// Where the block begins that the masks are about.
    block: usize,
    newlines: u64,
    equals: u64,
    /// The first `=` of a line that goes on from an earlier block.
    begun: Option<usize>,
}

impl<'a> Lines<'a> {
    /// Searches from `from` on.
    pub(super) fn new(buffer: &'a [u8], from: usize) -> Self {
        let mut lines = Self { buffer, block: from, newlines: 0, equals: 0, begun: None };
        lines.look();
        lines
    }

    /// Makes the masks of the block; all of them 0 behind the end.
    fn look(&mut self) {
        let rest = self.buffer.get(self.block..).unwrap_or_default();
        let mut last = [0; BLOCK];
        let block = rest.first_chunk().unwrap_or_else(|| {
            last[..rest.len()].copy_from_slice(rest);
            &last
        });
        self.newlines = mask(block, b'\n');
        self.equals = mask(block, b'=');
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        while self.newlines == 0 {
            if self.begun.is_none() && self.equals != 0 {
                self.begun = Some(self.block + self.equals.trailing_zeros() as usize);
            }
            self.block += BLOCK;
            if self.block >= self.buffer.len() {
                return None;
            }
            self.look();
        }
        let bit = self.newlines.trailing_zeros();
        let before = (1 << bit) - 1;
        let here = self.equals & before;
        let equals = self.begun.take().or((here != 0).then(|| self.block + here.trailing_zeros() as usize));
        self.newlines &= self.newlines - 1;
        self.equals &= !before;
        Some(Line { end: self.block + bit as usize, equals })
    }
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
    fn one_by_one(buffer: &[u8], from: usize) -> Vec<Line> {
        let (mut lines, mut equals) = (Vec::new(), None);
        for (at, byte) in buffer.iter().enumerate().skip(from) {
            match byte {
                b'\n' => lines.push(Line { end: at, equals: equals.take() }),
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
                assert_eq!(
                    Lines::new(&bytes, from).collect::<Vec<_>>(),
                    one_by_one(&bytes, from),
                    "{length} from {from}"
                );
            }
        }
    }
}
