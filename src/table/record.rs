//! [`Record`]: 16 bytes, written once. This file is the only one that packs and unpacks its word.
//!
//! ```text
//! tag   u64
//! word  u64 = time:32 (unix s) | count:12 | kind:4 | origin:8 | check:8
//!             63            32   31     20  19   16  15      8  7      0
//! ```
//!
//! `check` is a CRC-8 over the tag and the rest of the word, so no single flipped bit makes another valid record, and
//! zeros are none: kind 0 does not exist.

use super::Tag;
use crate::clock::UnixSecs;

/// The largest count that a record holds.
pub const MAX_COUNT: u16 = 0xfff;

/// What a record says about its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A triplet; time is when it was first seen.
    Pending = 1,
    /// A triplet that has passed; time is when it was last seen.
    Passed = 2,
    /// A client of the auto-whitelist; time is when it was last counted or refreshed.
    Client = 3,
    /// Everything about this tag up to and including time is forgotten.
    Void = 4,
}

/// One state of one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whom it is about.
    pub tag: Tag,
    /// What it says.
    pub kind: Kind,
    /// When.
    pub time: UnixSecs,
    /// The count of a client; 0 for the other kinds. INVARIANT: at most [`MAX_COUNT`].
    pub count: u16,
    /// Which member of a group of hosts made it; 0 on a host of its own.
    pub origin: u8,
}

impl Record {
    /// The record's second half.
    pub fn word(&self) -> u64 {
        debug_assert!(self.count <= MAX_COUNT);
        let rest = u64::from(self.time.0) << 32
            | u64::from(self.count.min(MAX_COUNT)) << 20
            | (self.kind as u64) << 16
            | u64::from(self.origin) << 8;
        rest | u64::from(check(self.tag.bits(), rest))
    }

    /// The record that these two halves hold; `None` when they are unused or damaged.
    #[expect(clippy::cast_possible_truncation, reason = "each field is masked or shifted to its width")]
    pub fn unpack(tag: u64, word: u64) -> Option<Self> {
        let kind = match word >> 16 & 0xf {
            1 => Kind::Pending,
            2 => Kind::Passed,
            3 => Kind::Client,
            4 => Kind::Void,
            _ => return None,
        };
        let record = Self {
            tag: Tag::from_bits(tag)?,
            kind,
            time: UnixSecs((word >> 32) as u32),
            count: (word >> 20) as u16 & MAX_COUNT,
            origin: (word >> 8) as u8,
        };
        (check(tag, word & !0xff) == word as u8).then_some(record)
    }

    /// Whether this record makes `other`, which is about the same tag, unnecessary.
    ///
    /// Two pending records of different seconds both stay: which one counts depends on the retry window. So do two voids, of which
    /// a clock that was ahead may have made the later one: that one does not count yet.
    pub fn covers(&self, other: &Self) -> bool {
        self.tag == other.tag
            && self.kind == other.kind
            && match self.kind {
                Kind::Pending | Kind::Void => self.time == other.time,
                Kind::Passed => self.time >= other.time,
                Kind::Client => self.time >= other.time && self.count >= other.count,
            }
    }
}

/// CRC-8 with the polynomial x^8 + x^2 + x + 1 over the tag's 8 bytes and the word's upper 7.
fn check(tag: u64, word: u64) -> u8 {
    let word = (word >> 8).to_le_bytes();
    let crc = tag.to_le_bytes().iter().fold(0, |crc, byte| CRC8[usize::from(crc ^ byte)]);
    word[..7].iter().fold(crc, |crc, byte| CRC8[usize::from(crc ^ byte)])
}

static CRC8: [u8; 256] = crc8_table();

const fn crc8_table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 };
            bit += 1;
        }
        table[byte as usize] = crc;
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind, time: u32, count: u16) -> Record {
        let tag = Tag::from_bits(0x0123_4567_89ab_cdef).unwrap();
        Record { tag, kind, time: UnixSecs(time), count, origin: 7 }
    }

    #[test]
    fn fields_come_back_at_their_bounds() {
        for kind in [Kind::Pending, Kind::Passed, Kind::Client, Kind::Void] {
            for time in [0, 1, u32::MAX] {
                for count in [0, 1, MAX_COUNT] {
                    let record = record(kind, time, count);
                    assert_eq!(Record::unpack(record.tag.bits(), record.word()), Some(record));
                }
            }
        }
    }

    #[test]
    fn no_flipped_bit_is_believed() {
        let record = record(Kind::Client, 1_795_000_000, 5);
        let (tag, word) = (record.tag.bits(), record.word());
        for bit in 0..64 {
            assert_eq!(Record::unpack(tag ^ 1 << bit, word), None, "tag bit {bit}");
            assert_eq!(Record::unpack(tag, word ^ 1 << bit), None, "word bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(Record::unpack(0, 0), None);
        assert_eq!(Record::unpack(1, 0), None);
        assert_eq!(Record::unpack(0, record(Kind::Passed, 1, 0).word()), None);
    }

    #[test]
    fn a_random_word_is_believed_one_time_in_256_at_most() {
        let mut seed = 42_u64;
        let believed = (0..100_000)
            .filter(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Record::unpack(99, seed ^ seed >> 29).is_some()
            })
            .count();
        assert!(believed < 100_000 / 256, "{believed}");
    }
}
