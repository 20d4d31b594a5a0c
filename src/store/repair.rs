//! What an unclean end leaves to do: an index rebuilt from its records, or single slots added to one.

use super::file::SegmentFile;
use crate::atomics::Ordering;
use crate::table::{CHUNK, Geometry, LINE_SLOTS, Memory, Record, SHARDS, Segment};

/// After another boot: makes fill marks and index of an unsealed segment anew from its records.
///
/// Before the segment is served; each of `threads` does its own shards, so no slot is contended.
pub(super) fn rebuild(file: &SegmentFile, threads: usize) {
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

/// After the process died in the same boot: gives every record before `chunks` a slot that has none, beside the workers.
pub(super) fn add_missing_slots(segment: &Segment<SegmentFile>, chunks: u32) {
    for chunk in 0..chunks {
        let filled = last_used(segment.memory(), chunk as usize);
        for position in chunk * CHUNK..chunk * CHUNK + filled {
            segment.index_record(position);
        }
    }
}
