//! How much the state holds, for statistics.

use super::Store;
use super::file::SegmentFile;
use crate::table::Ring;

/// One ring of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingSize {
    /// Segments that hold records.
    pub segments: usize,
    /// Their records, of which several may be of one tag.
    pub records: u64,
    /// Bytes of files, with the spare.
    pub bytes: u64,
}

impl Store {
    /// The pending ring and the established one.
    pub fn sizes(&self) -> [RingSize; 2] {
        [&self.pending, &self.established].map(size)
    }
}

fn size(ring: &Ring<SegmentFile>) -> RingSize {
    let view = ring.load();
    let spare = view.spare.iter().map(|spare| spare.segment.memory().len()).sum::<u64>();
    view.segments().fold(RingSize { bytes: spare, ..RingSize::default() }, |size, segment| RingSize {
        segments: size.segments + 1,
        records: size.records + u64::from(segment.filled()),
        bytes: size.bytes + segment.memory().len(),
    })
}
