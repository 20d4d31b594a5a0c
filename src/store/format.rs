//! The segment file, byte by byte. `docs/FORMAT.md` says the same in words.
//!
//! ```text
//! 0          header, 512 bytes, written once, CRC-32 at its end
//! 512        seal word, 8 bytes: time:32 | CRC-32 of ring, sequence and time; 0 = not sealed
//! 520        failure word, 8 bytes: not 0 once a sync of the file has failed
//! 4,096      fill marks, 4 bytes a chunk, padded to a page
//! then       records, 16 bytes each
//! then       index, 8 bytes a record
//! ```
//!
//! Little-endian. A header becomes a trusted [`Header`] only through [`Header::read`].

use bytemuck::{Pod, Zeroable};

use crate::clock::UnixSecs;
use crate::table::{CHUNK, Geometry, Secret};

#[cfg(target_endian = "big")]
compile_error!("segment files are little-endian and mapped as they are");

/// The format that is written; formats up to it are read.
pub(super) const VERSION: u32 = 1;
/// Where the seal word is: in a sector of its own.
pub(super) const SEAL_AT: usize = HEADER_LEN;
/// Where the failure word is.
pub(super) const FAILED_AT: usize = SEAL_AT + 8;
/// Bytes of a header.
pub(super) const HEADER_LEN: usize = 512;
/// Where the fill marks are.
pub(super) const FILLS_AT: usize = PAGE;
const PAGE: usize = 4096;
const MAGIC: [u8; 8] = *b"irongrey";
/// The largest segment: 27 position bits in a slot.
pub(super) const MAX_CAPACITY: u32 = 1 << 26;
/// The largest sequence number: a new segment each second reaches it in nine million years.
const MAX_SEQUENCE: u64 = 1 << 48;

/// The two rings of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RingKind {
    /// Triplets that have not passed.
    Pending = 1,
    /// Triplets that have passed, clients, voids.
    Established = 2,
}

impl RingKind {
    pub(super) const BOTH: [Self; 2] = [Self::Pending, Self::Established];

    /// Whether a file of this name is, or was, one of its segments.
    pub(super) fn owns(self, name: &[u8]) -> bool {
        name.strip_prefix(self.name().as_bytes()).is_some_and(|rest| rest.starts_with(b"-"))
    }

    /// The name of its segment with this number.
    pub(super) fn file_name(self, sequence: u64) -> String {
        format!("{}-{sequence:08}.seg", self.name())
    }

    /// The name in file names and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Established => "established",
        }
    }
}

/// Where the parts of a segment file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    capacity: u32,
}

impl Layout {
    pub(super) fn new(capacity: u32) -> Self {
        Self { capacity }
    }

    pub(super) fn capacity(self) -> usize {
        self.capacity as usize
    }

    pub(super) fn chunks(self) -> usize {
        (self.capacity / CHUNK) as usize
    }

    pub(super) fn slots(self) -> usize {
        Geometry::new(self.capacity).slots()
    }

    pub(super) fn records_at(self) -> usize {
        FILLS_AT + (self.chunks() * 4).next_multiple_of(PAGE)
    }

    pub(super) fn index_at(self) -> usize {
        self.records_at() + self.capacity() * 16
    }

    pub(super) fn file_len(self) -> usize {
        self.index_at() + self.slots() * 4
    }
}

/// What a segment file says about itself, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) ring: RingKind,
    pub(super) sequence: u64,
    pub(super) capacity: u32,
    pub(super) created: UnixSecs,
    pub(super) key_check: u64,
}

/// Why a header is not used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHeader {
    /// Whole, but of a format that this version does not know.
    #[error("its format is version {0}")]
    Version(u32),
    #[error("its header is damaged")]
    Damaged,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct RawHeader {
    magic: [u8; 8],
    version: u32,
    ring: u32,
    sequence: u64,
    key_check: u64,
    capacity: u32,
    chunk: u32,
    created: u32,
    unused: [u32; 116],
    crc: u32,
}

impl Header {
    /// The header's bytes.
    pub(super) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut raw = RawHeader {
            magic: MAGIC,
            version: VERSION,
            ring: self.ring as u32,
            sequence: self.sequence,
            key_check: self.key_check,
            capacity: self.capacity,
            chunk: CHUNK,
            created: self.created.0,
            unused: [0; 116],
            crc: 0,
        };
        raw.crc = crc_of(bytemuck::bytes_of(&raw));
        bytemuck::cast(raw)
    }

    /// The header that these bytes hold.
    pub(super) fn read(bytes: &[u8; HEADER_LEN]) -> Result<Self, BadHeader> {
        let raw: RawHeader = bytemuck::cast(*bytes);
        if raw.magic != MAGIC || raw.crc != crc_of(bytes) {
            return Err(BadHeader::Damaged);
        }
        if raw.version != VERSION {
            return Err(BadHeader::Version(raw.version));
        }
        let ring = RingKind::BOTH.into_iter().find(|&ring| ring as u32 == raw.ring).ok_or(BadHeader::Damaged)?;
        let numbers_fit = raw.sequence <= MAX_SEQUENCE
            && raw.chunk == CHUNK
            && raw.capacity >= CHUNK * 2
            && raw.capacity <= MAX_CAPACITY
            && raw.capacity.is_multiple_of(CHUNK);
        numbers_fit.then_some(()).ok_or(BadHeader::Damaged)?;
        Ok(Self {
            ring,
            sequence: raw.sequence,
            capacity: raw.capacity,
            created: UnixSecs(raw.created),
            key_check: raw.key_check,
        })
    }

    /// The file's name in the state directory.
    pub(super) fn file_name(&self) -> String {
        self.ring.file_name(self.sequence)
    }

    /// The seal word of a segment that was sealed at `time`.
    pub(super) fn seal(&self, time: UnixSecs) -> u64 {
        u64::from(time.0) << 32 | u64::from(self.seal_crc(time))
    }

    /// When the segment was sealed; `None` if it was not, or the word is damaged.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the word")]
    pub(super) fn sealed_at(&self, word: u64) -> Option<UnixSecs> {
        let time = UnixSecs((word >> 32) as u32);
        (word != 0 && word as u32 == self.seal_crc(time)).then_some(time)
    }

    fn seal_crc(&self, time: UnixSecs) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&(self.ring as u32).to_le_bytes());
        hasher.update(&self.sequence.to_le_bytes());
        hasher.update(&time.0.to_le_bytes());
        hasher.finalize()
    }
}

/// What stands in a header for the key: a value by which another key is known, and that tells nothing about it.
pub(super) fn key_check(secret: &Secret) -> u64 {
    secret.tag(b"irongrey state key").bits()
}

fn crc_of(header: &[u8]) -> u32 {
    crc32fast::hash(&header[..HEADER_LEN - 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        ring: RingKind::Established,
        sequence: 17,
        capacity: 1 << 16,
        created: UnixSecs(1_795_000_000),
        key_check: 99,
    };

    #[test]
    fn a_header_comes_back_and_no_flipped_bit_is_believed() {
        let bytes = HEADER.to_bytes();
        assert_eq!(Header::read(&bytes), Ok(HEADER));
        for bit in 0..HEADER_LEN * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&flipped), Err(BadHeader::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_number_after_which_there_is_no_other_is_damage() {
        for (sequence, read) in [(MAX_SEQUENCE, true), (MAX_SEQUENCE + 1, false), (u64::MAX, false)] {
            assert_eq!(Header::read(&Header { sequence, ..HEADER }.to_bytes()).is_ok(), read, "{sequence}");
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut raw: RawHeader = bytemuck::cast(HEADER.to_bytes());
        raw.version = 2;
        raw.crc = crc_of(bytemuck::bytes_of(&raw));
        assert_eq!(Header::read(&bytemuck::cast(raw)), Err(BadHeader::Version(2)));
    }

    #[test]
    fn a_seal_checks_itself() {
        let seal = HEADER.seal(UnixSecs(5));
        assert_eq!(HEADER.sealed_at(seal), Some(UnixSecs(5)));
        assert_eq!(HEADER.sealed_at(0), None);
        for bit in 0..64 {
            assert_eq!(HEADER.sealed_at(seal ^ 1 << bit), None, "bit {bit}");
        }
        assert_eq!(Header { sequence: 18, ..HEADER }.sealed_at(seal), None);
    }

    #[test]
    fn a_triplet_takes_at_most_24_and_a_half_bytes() {
        for capacity in [1 << 16, 1 << 20, MAX_CAPACITY] {
            let layout = Layout::new(capacity);
            assert!(layout.file_len() * 2 <= layout.capacity() * 49, "{capacity}");
            assert!(layout.index_at().is_multiple_of(PAGE));
        }
    }
}
