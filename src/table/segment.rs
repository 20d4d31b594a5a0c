//! [`Segment`]: an array of records that only ever grows, and the index over it.
//!
//! The array is cut into chunks of 4,096 records. A writer claims a chunk and fills it alone, front to back: word, tag,
//! the chunk's fill mark, the index slot. So there are no holes and no contention, and whatever the moment at which the
//! process dies, everything before the last fill mark is whole.
//!
//! INVARIANT: nothing but zeros is ever written over. The memory is somebody else's: mapped files in `store`, vectors in
//! tests.

use std::ops::Range;

use super::index::{Geometry, Inserted};
use super::{Record, Tag, Watch};
use crate::atomics::{AtomicU32, AtomicU64, Ordering, weakened};
use crate::clock::UnixSecs;

/// Records of one chunk.
pub const CHUNK: u32 = if cfg!(loom) { 2 } else { 4096 };

/// Where a segment lives.
pub trait Memory: Send + Sync {
    /// Two words a record: tag, then the packed rest.
    fn records(&self) -> &[AtomicU64];
    /// The index.
    fn slots(&self) -> &[AtomicU32];
    /// One mark a chunk: how many of its records are filled.
    fn fills(&self) -> &[AtomicU32];
    /// A hint that this slot will be read soon.
    fn prefetch(&self, slot: usize);
}

/// One segment of a ring.
#[derive(Debug)]
pub struct Segment<M> {
    memory: M,
    sequence: u64,
    geometry: Geometry,
    capacity: u32,
    /// The next chunk that nobody has claimed.
    next_chunk: AtomicU32,
    /// Chunks that a clean stop left unfinished, to be continued before new ones are begun.
    unfinished: Vec<u32>,
    next_unfinished: AtomicU32,
    /// Whether anyone may append.
    writers: Watch,
    /// How many records of each chunk are durable. INVARIANT: raised only after a sync that covered them.
    durable: Vec<AtomicU32>,
}

/// Where one writer stands in the segment that it appends to.
#[derive(Debug, Default)]
pub struct Cursor {
    /// Sequence number of the segment, and the chunk: INVARIANT: claimed by this cursor's writer alone.
    claim: Option<(u64, u32)>,
    /// Filled records of that chunk.
    filled: u32,
}

/// The segment takes no more records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFull;

impl<M: Memory> Segment<M> {
    /// A segment over `memory`, whose chunks before `next_chunk` are taken but for those in `unfinished`.
    ///
    /// `writers` tells whether anyone may append.
    pub fn new(memory: M, sequence: u64, next_chunk: u32, unfinished: Vec<u32>, writers: Watch) -> Self {
        let capacity = u32::try_from(memory.records().len() / 2).unwrap_or(u32::MAX);
        let durable = memory.fills().iter().map(|_| AtomicU32::new(0)).collect();
        Self {
            geometry: Geometry::new(capacity),
            capacity,
            memory,
            sequence,
            next_chunk: AtomicU32::new(next_chunk),
            unfinished,
            next_unfinished: AtomicU32::new(0),
            writers,
            durable,
        }
    }

    /// The memory it lives in.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Gives the memory back.
    #[cfg(test)]
    pub(super) fn into_memory(self) -> M {
        self.memory
    }

    /// Its number in its ring: a later segment has a higher one.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many records it can hold.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// How many chunks have been claimed.
    pub fn chunks_claimed(&self) -> u32 {
        self.next_chunk.load(Ordering::Relaxed).min(self.capacity / CHUNK)
    }

    /// How many records stand in it.
    pub fn filled(&self) -> u32 {
        let claimed = self.chunks_claimed() as usize;
        self.memory.fills()[..claimed].iter().map(|fill| fill.load(Ordering::Relaxed).min(CHUNK)).sum()
    }

    /// The latest time in it. Goes over all its records: a clock that went back has left the latest anywhere.
    pub fn newest_time(&self) -> UnixSecs {
        let newest_of = |chunk: u32| {
            let filled = self.memory.fills()[chunk as usize].load(Ordering::Relaxed).min(CHUNK);
            let positions = chunk * CHUNK..chunk * CHUNK + filled;
            positions.filter_map(|position| self.record(position)).map(|record| record.time).max()
        };
        (0..self.chunks_claimed()).filter_map(newest_of).max().unwrap_or_default()
    }

    /// Whether nobody can append any more; everything that was appended is then visible to the caller.
    pub fn is_quiet(&self) -> bool {
        self.writers.is_over()
    }

    /// A hint that `tag` will be looked up.
    pub fn prefetch(&self, tag: Tag) {
        self.memory.prefetch(self.geometry.home(tag));
    }

    /// The valid records of `tag`, in the order in which they were appended.
    pub fn find(&self, tag: Tag) -> impl Iterator<Item = Record> + Clone + '_ {
        self.geometry
            .find(self.memory.slots(), tag)
            .filter_map(|position| self.record(position))
            .filter(move |record| record.tag == tag)
    }

    /// The record at `position`, if there is a valid one.
    pub fn record(&self, position: u32) -> Option<Record> {
        let at = position as usize * 2;
        // Acquire: pairs with the Release in `append`, so a tag that is there has its word.
        let tag = self.memory.records()[at].load(Ordering::Acquire);
        Record::unpack(tag, self.memory.records()[at + 1].load(Ordering::Relaxed))
    }

    /// Appends `record` and makes it visible to every look-up that begins afterwards.
    pub fn append(&self, cursor: &mut Cursor, record: &Record) -> Result<(), SegmentFull> {
        let position = self.place(cursor)?;
        let (at, chunk) = (position as usize * 2, position / CHUNK);
        self.memory.records()[at + 1].store(record.word(), Ordering::Relaxed);
        // Release: pairs with the Acquire in `record`.
        self.memory.records()[at].store(record.tag.bits(), weakened!(weak_lookup, Ordering::Release));
        cursor.filled += 1;
        // Release: pairs with the Acquire of those who sync or repair what lies before the mark.
        self.memory.fills()[chunk as usize].store(cursor.filled, weakened!(weak_commit, Ordering::Release));
        let covered = |winner| self.record(winner).is_some_and(|winner| winner.covers(record));
        match self.geometry.insert(self.memory.slots(), record.tag, position, covered) {
            Inserted::Done => Ok(()),
            Inserted::NoSlot => Err(SegmentFull),
        }
    }

    /// Has `sync` make durable what was filled when this was called and is not durable yet, as one range of positions.
    ///
    /// One thread at a time.
    pub fn commit<E>(&self, sync: impl FnOnce(Range<u32>) -> Result<(), E>) -> Result<(), E> {
        let mut grown = Vec::new();
        let (mut first, mut end) = (None, 0);
        for (chunk, durable) in (0..self.chunks_claimed()).zip(&self.durable) {
            let known = durable.load(Ordering::Relaxed);
            // Acquire: pairs with the Release of the fill mark in `append`, so the records before it are whole.
            let filled = self.memory.fills()[chunk as usize].load(Ordering::Acquire).min(CHUNK);
            if filled > known {
                first = first.or(Some(chunk * CHUNK + known));
                end = chunk * CHUNK + filled;
                grown.push((durable, filled));
            }
        }
        // The kernel passes over the pages between them that have not changed.
        first.map_or(Ok(()), |first| sync(first..end))?;
        for (durable, filled) in grown {
            durable.store(filled, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Notes that everything in it is durable: it is sealed.
    pub fn note_durable(&self) {
        for (durable, fill) in self.durable.iter().zip(self.memory.fills()) {
            durable.store(fill.load(Ordering::Relaxed).min(CHUNK), Ordering::Relaxed);
        }
    }

    /// Whether every record of `tag` that a look-up finds is durable.
    pub fn is_durable(&self, tag: Tag) -> bool {
        let mut positions = self.geometry.find(self.memory.slots(), tag);
        positions.all(|position| {
            let durable = self.durable[(position / CHUNK) as usize].load(Ordering::Relaxed);
            position % CHUNK < durable || self.record(position).is_none_or(|record| record.tag != tag)
        })
    }

    /// Gives the record at `position` its slot if it is valid and has none. Safe beside writers.
    pub fn index_record(&self, position: u32) -> bool {
        let Some(record) = self.record(position) else { return false };
        self.geometry.insert(self.memory.slots(), record.tag, position, |_| false) == Inserted::Done
    }

    /// The position for the next record of `cursor`: in its chunk, or at the front of one that it claims now.
    fn place(&self, cursor: &mut Cursor) -> Result<u32, SegmentFull> {
        loop {
            let chunk = match cursor.claim {
                Some((sequence, chunk)) if sequence == self.sequence && cursor.filled < CHUNK => chunk,
                _ => self.claim(cursor)?,
            };
            let position = chunk * CHUNK + cursor.filled;
            let at = position as usize * 2;
            let is_zero = |word: &AtomicU64| word.load(Ordering::Relaxed) == 0;
            if self.memory.records()[at..at + 2].iter().all(is_zero) {
                return Ok(position);
            }
            cursor.claim = None;
        }
    }

    fn claim(&self, cursor: &mut Cursor) -> Result<u32, SegmentFull> {
        let chunks = self.capacity / CHUNK;
        let chunk = match claim_below(&self.next_unfinished, u32::try_from(self.unfinished.len()).unwrap_or(0)) {
            Some(index) => self.unfinished[index as usize],
            None => claim_below(&self.next_chunk, chunks).ok_or(SegmentFull)?,
        };
        cursor.claim = Some((self.sequence, chunk));
        cursor.filled = self.memory.fills()[chunk as usize].load(Ordering::Relaxed).min(CHUNK - 1);
        Ok(chunk)
    }
}

/// Takes the next number of a counter, once for each caller, if it is below `bound`.
fn claim_below(counter: &AtomicU32, bound: u32) -> Option<u32> {
    // The load keeps a counter that has reached its bound from growing until it wraps.
    if counter.load(Ordering::Relaxed) >= bound {
        return None;
    }
    let claimed = counter.fetch_add(1, Ordering::Relaxed);
    (claimed < bound).then_some(claimed)
}
