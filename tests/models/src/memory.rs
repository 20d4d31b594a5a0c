//! Segments in loom's memory, of two chunks of two records.

use crate::atomics::Arc;

use crate::atomics::{AtomicU32, AtomicU64, Ordering};
use crate::clock::UnixSecs;
use crate::table::{CHUNK, Geometry, Kind, Lease, Memory, Record, Segment, Tag, Writable};

const CAPACITY: u32 = 2 * CHUNK;

pub(crate) struct Vectors {
    records: Vec<AtomicU64>,
    slots: Vec<AtomicU32>,
    fills: Vec<AtomicU32>,
    /// 1 once the file would have been unmapped.
    unmapped: AtomicU32,
}

impl Vectors {
    pub(crate) fn unmap(&self) {
        self.unmapped.store(1, Ordering::Relaxed);
    }

    pub(crate) fn assert_mapped(&self) {
        assert_eq!(self.unmapped.load(Ordering::Relaxed), 0, "read after it was unmapped");
    }
}

impl Memory for Vectors {
    fn records(&self) -> &[AtomicU64] {
        &self.records
    }

    fn slots(&self) -> &[AtomicU32] {
        &self.slots
    }

    fn fills(&self) -> &[AtomicU32] {
        &self.fills
    }

    fn prefetch(&self, _slot: usize) {}
}

pub(crate) fn writable(sequence: u64) -> Writable<Vectors> {
    let memory = Vectors {
        records: (0..CAPACITY * 2).map(|_| AtomicU64::new(0)).collect(),
        slots: (0..geometry().slots()).map(|_| AtomicU32::new(0)).collect(),
        fills: (0..CAPACITY / CHUNK).map(|_| AtomicU32::new(0)).collect(),
        unmapped: AtomicU32::new(0),
    };
    let lease = Lease::new();
    let segment = Segment::new(memory, sequence, 0, Vec::new(), lease.watch());
    Writable { segment: Arc::new(segment), lease }
}

pub(crate) fn geometry() -> Geometry {
    Geometry::new(CAPACITY)
}

/// A record about one of the tags that all have the same home line.
pub(crate) fn record(number: u64) -> Record {
    let tag = Tag::from_bits(number + 1).unwrap();
    Record { tag, kind: Kind::Pending, time: UnixSecs(1000), count: 0, origin: 0 }
}
