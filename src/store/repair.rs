//! What an unclean end leaves to do: fill marks set right, an index rebuilt from its records, or single slots added to one.

use std::ops::Range;
use std::sync::Arc;

use super::file::SegmentFile;
use crate::atomics::{AtomicU64, Ordering};
use crate::config::MAX_WORKERS;
use crate::table::{CHUNK, Geometry, LINE_SLOTS, Memory, Record, SHARDS, Segment};

/// So many that a step lasts some ten milliseconds.
const CHUNKS_A_STEP: u32 = 64;

/// After another boot: makes fill marks and index of an unsealed segment anew from its records.
///
/// Before the segment is served; each of `threads` does its own shards, so no slot is contended.
pub(super) fn rebuild(file: &SegmentFile, threads: usize) {
    file.read_in();
    for (chunk, fill) in file.fills().iter().enumerate() {
        fill.store(last_used(file, chunk), Ordering::Relaxed);
    }
    let geometry = Geometry::new(file.header().capacity);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || rebuild_shards(file, geometry, |shard| shard as usize % threads == thread));
        }
    });
}

fn rebuild_shards(file: &SegmentFile, geometry: Geometry, mine: impl Fn(u32) -> bool) {
    let shard_slots = geometry.slots() / SHARDS as usize;
    debug_assert!(shard_slots.is_multiple_of(LINE_SLOTS));
    for (shard, slots) in (0..).zip(file.slots().chunks(shard_slots)).filter(|(shard, _)| mine(*shard)) {
        let _: u32 = shard;
        // A page of zeros that is only read stays clean.
        slots.iter().filter(|slot| slot.load(Ordering::Relaxed) != 0).for_each(|slot| slot.store(0, Ordering::Relaxed));
    }
    for (position, words) in (0..).zip(file.records().chunks_exact(2)) {
        let [tag, word] = [&words[0], &words[1]].map(|word| word.load(Ordering::Relaxed));
        if tag == 0 {
            continue;
        }
        if let Some(record) = Record::unpack(tag, word).filter(|record| mine(Geometry::shard(record.tag))) {
            geometry.insert(file.slots(), record.tag, position, |_| false);
        }
    }
}

/// How many records of a chunk are used, up to the last that is not all zeros.
fn last_used(file: &SegmentFile, chunk: usize) -> u32 {
    let words = CHUNK as usize * 2;
    let words = &file.records()[chunk * words..(chunk + 1) * words];
    let last = words.iter().rposition(|word| word.load(Ordering::Relaxed) != 0);
    last.map_or(0, |last| u32::try_from(last / 2 + 1).unwrap_or(CHUNK))
}

/// After the process died in the same boot: raises the fill marks over the records that it had written, but not marked.
///
/// Before the segment is served. The chunks were claimed in order, and at most one a worker has no mark yet.
pub(super) fn raise_marks(file: &SegmentFile) {
    let marked = file.chunks_used() as usize;
    for (chunk, fill) in file.fills().iter().enumerate().take(marked + MAX_WORKERS) {
        let (mark, start) = (fill.load(Ordering::Relaxed).min(CHUNK), chunk * CHUNK as usize);
        let unmarked = &file.records()[(start + mark as usize) * 2..(start + CHUNK as usize) * 2];
        let is_used = |words: &&[AtomicU64]| words.iter().any(|word| word.load(Ordering::Relaxed) != 0);
        let used = (mark + 1..).zip(unmarked.chunks_exact(2)).take_while(|(_, words)| is_used(words)).last();
        if let Some((used, _)) = used {
            fill.store(used, Ordering::Relaxed);
        }
    }
}

/// After the process died in the same boot: its records get the slots that they lack, beside the workers, some chunks at
/// a time. The chunks that the workers claim meanwhile are not its business.
#[derive(Debug, Default)]
pub(super) struct Repair(Vec<(Arc<Segment<SegmentFile>>, Range<u32>)>);

impl Repair {
    /// For all that stands in these segments now.
    pub(super) fn of(segments: Vec<Arc<Segment<SegmentFile>>>) -> Self {
        let whole = |segment: Arc<Segment<SegmentFile>>| (0..segment.chunks_claimed(), segment);
        Self(segments.into_iter().map(whole).map(|(chunks, segment)| (segment, chunks)).collect())
    }

    /// Whether every record has its slot.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes over the next chunks.
    pub(super) fn step(&mut self) {
        for _ in 0..CHUNKS_A_STEP {
            let Some((segment, chunks)) = self.0.last_mut() else { return };
            match chunks.next() {
                Some(chunk) => add_missing_slots(segment, chunk),
                None => drop(self.0.pop()),
            }
        }
    }
}

fn add_missing_slots(segment: &Segment<SegmentFile>, chunk: u32) {
    let filled = segment.memory().fills()[chunk as usize].load(Ordering::Relaxed).min(CHUNK);
    for position in chunk * CHUNK..chunk * CHUNK + filled {
        segment.index_record(position);
    }
}
