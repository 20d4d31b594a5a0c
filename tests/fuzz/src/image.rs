//! [`Image`]: a segment file made and read after `docs/FORMAT.md` alone, with none of the daemon's code but its hash.

use std::path::Path;

use irongrey::clock::UnixSecs;
use irongrey::table::{Kind, Secret, Tag};

/// The smallest capacity that a segment may have: two chunks.
pub(crate) const CAPACITY: u32 = 2 * CHUNK;
const CHUNK: u32 = 4096;
const PAGE: usize = 4096;
const SEAL_AT: usize = 512;

/// One of the two rings, by its number in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    Pending = 1,
    Established = 2,
}

/// A record as a file holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) tag: Tag,
    pub(crate) kind: Kind,
    pub(crate) time: UnixSecs,
    pub(crate) count: u16,
}

/// The bytes of a segment file.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    ring: Ring,
    sequence: u64,
    filled: u32,
    pub(crate) bytes: Vec<u8>,
}

/// The parts of an image of [`CAPACITY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Header,
    Words,
    Fills,
    Records,
    Index,
}

impl Part {
    /// Where it begins, and how many bytes of it matter.
    pub(crate) fn place(self, filled: u32) -> (usize, usize) {
        let (records, capacity) = (2 * PAGE, CAPACITY as usize);
        match self {
            Self::Header => (0, SEAL_AT),
            Self::Words => (SEAL_AT, 16),
            Self::Fills => (PAGE, 8),
            Self::Records => (records, filled as usize * 16 + 64),
            Self::Index => (records + capacity * 16, capacity * 8),
        }
    }
}

impl Image {
    /// A segment that holds nothing, made at `created`.
    pub(crate) fn new(ring: Ring, sequence: u64, created: UnixSecs, secret: &Secret) -> Self {
        let (index, len) = Part::Index.place(0);
        let mut image = Self { ring, sequence, filled: 0, bytes: vec![0; index + len] };
        image.bytes[..8].copy_from_slice(b"irongrey");
        image.put(8, &1_u32.to_le_bytes());
        image.put(12, &(ring as u32).to_le_bytes());
        image.put(16, &sequence.to_le_bytes());
        image.put(24, &secret.tag(b"irongrey state key").bits().to_le_bytes());
        image.put(32, &CAPACITY.to_le_bytes());
        image.put(36, &CHUNK.to_le_bytes());
        image.put(40, &created.0.to_le_bytes());
        image.check_header();
        image
    }

    /// How many records were appended.
    pub(crate) fn filled(&self) -> u32 {
        self.filled
    }

    /// The name that goes with what the header says.
    pub(crate) fn name(&self) -> String {
        let sequence = self.bytes.get(16..24).and_then(|bytes| bytes.try_into().ok());
        let sequence = sequence.map_or(self.sequence, u64::from_le_bytes);
        let ring = match self.bytes.get(12) {
            Some(1) => Ring::Pending,
            Some(2) => Ring::Established,
            _ => self.ring,
        };
        format!("{}-{sequence:08}.seg", if ring == Ring::Pending { "pending" } else { "established" })
    }

    /// Writes over these bytes, as far as the file goes.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        for (old, new) in self.bytes.iter_mut().skip(at).zip(bytes) {
            *old = *new;
        }
    }

    /// Makes the header's check right for what stands there.
    pub(crate) fn check_header(&mut self) {
        if let Some(header) = self.bytes.get(..508) {
            let crc = crc32fast::hash(header);
            self.put(508, &crc.to_le_bytes());
        }
    }

    /// Appends a record, with its fill mark and its slot.
    pub(crate) fn append(&mut self, record: &Record) {
        let position = self.filled;
        self.filled += 1;
        self.put(Part::Records.place(0).0 + position as usize * 16, &record.to_bytes());
        self.put(PAGE, &self.filled.min(CHUNK).to_le_bytes());
        let (slots, tag) = (Part::Index.place(0).0, record.tag.bits());
        let lines = CAPACITY / 512;
        let line = u64::from(lines) * (tag >> 58) + (((tag >> 26 & 0xffff_ffff) * u64::from(lines)) >> 32);
        let mut slot = slots + usize::try_from(line).unwrap_or(0) * 64;
        while self.bytes[slot..slot + 4] != [0; 4] {
            slot += 4;
        }
        // 14 bits hold the positions up to 8,192.
        let tag_bits = tag.to_le_bytes();
        let tag_bits = u32::from_le_bytes([tag_bits[0], tag_bits[1], tag_bits[2], tag_bits[3]]);
        self.put(slot, &(tag_bits << 14 | (position + 1)).to_le_bytes());
    }

    /// Seals it at this time.
    pub(crate) fn seal(&mut self, time: UnixSecs) {
        let mut sealed = (self.ring as u32).to_le_bytes().to_vec();
        sealed.extend(self.bytes.get(16..24).unwrap_or_default());
        sealed.extend(time.0.to_le_bytes());
        self.put(SEAL_AT, &crc32fast::hash(&sealed).to_le_bytes());
        self.put(SEAL_AT + 4, &time.0.to_le_bytes());
    }

    /// Every record that may be read out of it, wherever it stands.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> {
        let (all, _) = self.bytes.as_chunks();
        all.iter().filter_map(Record::read)
    }

    /// Writes the file, with holes where there are zeros.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::create(path)?;
        file.set_len(self.bytes.len() as u64)?;
        for (page, bytes) in (0..).zip(self.bytes.chunks(PAGE)).filter(|(_, bytes)| bytes.iter().any(|&byte| byte != 0))
        {
            file.write_all_at(bytes, page * PAGE as u64)?;
        }
        Ok(())
    }
}

impl Record {
    /// Its 16 bytes.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.tag.bits().to_le_bytes());
        let kind = [0, self.kind as u8 | self.count.to_le_bytes()[0] << 4, (self.count >> 4).to_le_bytes()[0]];
        bytes[9..12].copy_from_slice(&kind);
        bytes[12..].copy_from_slice(&self.time.0.to_le_bytes());
        bytes[8] = check(&bytes);
        bytes
    }

    fn read(bytes: &[u8; 16]) -> Option<Self> {
        let [t0, t1, t2, t3, t4, t5, t6, t7, sum, _, low, high, s0, s1, s2, s3] = *bytes;
        let kind = match low & 0xf {
            1 => Kind::Pending,
            2 => Kind::Passed,
            3 => Kind::Client,
            4 => Kind::Void,
            _ => return None,
        };
        let tag = Tag::from_bits(u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]))?;
        let (time, count) =
            (UnixSecs(u32::from_le_bytes([s0, s1, s2, s3])), u16::from(high) << 4 | u16::from(low >> 4));
        (sum == check(bytes)).then_some(Self { tag, kind, time, count })
    }
}

/// CRC-8 with polynomial 7, bit by bit, over all bytes but the check itself.
fn check(record: &[u8; 16]) -> u8 {
    record[..8]
        .iter()
        .chain(&record[9..])
        .fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc: u8, _| crc << 1 ^ if crc & 0x80 == 0 { 0 } else { 7 }))
}
