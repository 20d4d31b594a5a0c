//! What an unclean end leaves to do: fill marks set right, an index rebuilt from its records, or single slots added to one.

use std::num::NonZero;
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::file::SegmentFile;
use super::format::RingKind;
use crate::atomics::Ordering;
use crate::table::{CHUNK, Geometry, LINE_SLOTS, Memory, Other, Placed, Record, SHARDS, Segment, Tag};

/// How long one step may last: the spares wait meanwhile.
const STEP: Duration = Duration::from_millis(10);
/// How many slots are fetched ahead of being set.
const AHEAD: usize = 16;
/// How many records are looked through before what is found in them is set.
const TOGETHER: usize = 1 << 21;
/// How many slots of a probe are passed over before it is asked whether they are about the same tag: half of them.
const UNREAD: usize = 4 * LINE_SLOTS;
/// How many records are looked up to see whether an index is whole.
const LOOKED_AT: usize = 4096;
/// Bytes of an index that are read in at once.
const PIECE: usize = 16 << 20;

/// After another boot: makes fill marks and index of an unsealed segment anew from its records.
///
/// Before the segment is served; each of `threads`, or of as many cores as there are, does its own shards, so no slot is
/// contended.
pub(super) fn rebuild(file: &SegmentFile, threads: usize) {
    let threads = threads.min(SHARDS as usize).min(available_parallelism().map_or(1, NonZero::get));
    file.read_in();
    set_marks(file, threads);
    let geometry = Geometry::new(file.header().capacity);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || rebuild_shards(file, geometry, |shard| shard as usize % threads == thread));
        }
    });
}

fn set_marks(file: &SegmentFile, threads: usize) {
    let each = file.fills().len().div_ceil(threads);
    std::thread::scope(|scope| {
        for (part, fills) in file.fills().chunks(each).enumerate() {
            scope.spawn(move || {
                for (chunk, fill) in (part * each..).zip(fills) {
                    fill.store(last_used(file, chunk), Ordering::Relaxed);
                }
            });
        }
    });
}

fn clear_shards(file: &SegmentFile, geometry: Geometry, mine: impl Fn(u32) -> bool) {
    let shard_slots = geometry.slots() / SHARDS as usize;
    debug_assert!(shard_slots.is_multiple_of(LINE_SLOTS));
    for (_, slots) in (0..).zip(file.slots().chunks(shard_slots)).filter(|(shard, _)| mine(*shard)) {
        // A page of zeros that is only read stays clean.
        slots.iter().filter(|slot| slot.load(Ordering::Relaxed) != 0).for_each(|slot| slot.store(0, Ordering::Relaxed));
    }
}

fn rebuild_shards(file: &SegmentFile, geometry: Geometry, mine: impl Fn(u32) -> bool) {
    clear_shards(file, geometry, &mine);
    let mut repeated = Vec::new();
    let record = |tag, position| record_of(file, tag, position);
    // To read the record that a slot may be about is to wait for memory. The order of first attempts depends on it; else it only
    // keeps a tag with many records from taking the slots of others.
    let unread = if file.ring() == RingKind::Pending { 0 } else { UNREAD };
    let mut set = |tag, position| {
        let placed = geometry.place(file.slots(), tag, position, unread, |other| {
            match record(tag, other).and_then(|other| Some((other, record(tag, position)?))) {
                Some((other, new)) if other.covers(&new) => Other::IsEnough,
                Some((other, new)) if new.covers(&other) => Other::GivesWay,
                Some(_) => Other::StaysBeside,
                None => Other::OfAnotherTag,
            }
        });
        if unread == 0 && placed == Placed::BesideAnother {
            repeated.push(tag);
        }
    };
    // The slots of one shard lie close together: its records are set one after the other, some thousands at a time.
    let mut shards: Vec<Vec<(Tag, u32)>> = vec![Vec::new(); SHARDS as usize];
    let mut set_all = |shard: &mut Vec<(Tag, u32)>| {
        for (index, &(tag, position)) in shard.iter().enumerate() {
            if let Some(&(ahead, _)) = shard.get(index + AHEAD) {
                file.prefetch(geometry.home(ahead));
            }
            set(tag, position);
        }
        shard.clear();
    };
    let mut positions = 0..file.chunks_used() * CHUNK;
    while !positions.is_empty() {
        for position in positions.by_ref().take(TOGETHER) {
            let at = position as usize * 2;
            let Some(tag) = Tag::from_bits(file.records()[at].load(Ordering::Relaxed)) else { continue };
            let shard = Geometry::shard(tag);
            if mine(shard) && record_at(file, position).is_some() {
                shards[shard as usize].push((tag, position));
            }
        }
        shards.iter_mut().for_each(&mut set_all);
    }
    for tag in repeated {
        put_in_order(file, geometry, tag);
    }
}

/// Of several first attempts it counts which came later. Within a chunk their positions tell; of two writers' the time has to,
/// in which one that was given up stays so. A clock that was ahead may have given an earlier one of a chunk a later time.
fn put_in_order(file: &SegmentFile, geometry: Geometry, tag: Tag) {
    let time = |position| Some((position, record_of(file, tag, position)?.time));
    let found = geometry.find(file.slots(), tag).filter_map(time);
    let mut found: Vec<_> = found.collect();
    found.sort_unstable();
    for next in 1..found.len() {
        let (before, last) = found[next - 1];
        if before / CHUNK == found[next].0 / CHUNK {
            found[next].1 = found[next].1.max(last);
        }
    }
    let key = |position| found.iter().find(|known| known.0 == position).map(|&(position, time)| (time, position));
    geometry.sort(file.slots(), tag, key);
}

fn record_at(file: &SegmentFile, position: u32) -> Option<Record> {
    let at = position as usize * 2;
    let [tag, word] = [at, at + 1].map(|at| file.records()[at].load(Ordering::Relaxed));
    Record::unpack(tag, word)
}

fn record_of(file: &SegmentFile, tag: Tag, position: u32) -> Option<Record> {
    record_at(file, position).filter(|record| record.tag == tag)
}

/// How many records of a chunk are used, up to the last that is not all zeros.
fn last_used(file: &SegmentFile, chunk: usize) -> u32 {
    let words = CHUNK as usize * 2;
    let words = &file.records()[chunk * words..(chunk + 1) * words];
    let last = words.iter().rposition(|word| word.load(Ordering::Relaxed) != 0);
    last.map_or(0, |last| u32::try_from(last / 2 + 1).unwrap_or(CHUNK))
}

/// After the process died in the same boot: raises the fill marks over the records that it had written, but not marked. Whether
/// the death of so many `workers` explains all that is missing: else the disk was lost and came back, or a copy was put in
/// the place of its files, and the index has to be made anew.
///
/// Before the segment is served. The chunks were claimed in order, and a worker leaves at most one record without a mark and
/// at most one chunk in which nothing stands yet.
pub(super) fn raise_marks(file: &SegmentFile, workers: usize) -> bool {
    let (marked, mut raised, mut is_explained) = (file.chunks_used() as usize, 0, true);
    for (chunk, fill) in file.fills().iter().enumerate().take(marked + workers * 2 + 1) {
        let mark = fill.load(Ordering::Relaxed).min(CHUNK);
        let used = if mark < CHUNK { last_used(file, chunk) } else { CHUNK };
        if used > mark {
            fill.store(used, Ordering::Relaxed);
            raised += 1;
            is_explained &= used == mark + 1 && raised <= workers && chunk < marked + workers;
        }
    }
    is_explained && newest_without_slot(file, workers) <= workers
}

/// How many of the newest records have no slot. Some of those that any worker may have written last are looked at.
fn newest_without_slot(file: &SegmentFile, workers: usize) -> usize {
    let (geometry, end) = (Geometry::new(file.header().capacity), file.chunks_used() * CHUNK);
    let chunks = u32::try_from(workers + 1).unwrap_or(u32::MAX);
    let newest = end.saturating_sub(chunks.saturating_mul(CHUNK))..end;
    let step = newest.len().div_ceil(LOOKED_AT).max(1);
    let has_none = |&position: &u32| record_at(file, position).is_some_and(|record| !has_slot(file, geometry, &record));
    newest.step_by(step).filter(has_none).count()
}

/// Whether a record is found by its tag, or needs no slot, or could not get one.
fn has_slot(file: &SegmentFile, geometry: Geometry, record: &Record) -> bool {
    let covers = |position| record_at(file, position).is_some_and(|found| found.covers(record));
    let is_taken = |slot: usize| file.slots()[slot].load(Ordering::Relaxed) != 0;
    geometry.find(file.slots(), record.tag).any(covers) || geometry.probe(record.tag).all(is_taken)
}

/// After the process died in the same boot: its records get the slots that they lack, beside the workers, a little at a
/// time. The chunks that the workers claim meanwhile are not its business.
#[derive(Debug, Default)]
pub(super) struct Repair(Vec<(Weak<Segment<SegmentFile>>, Range<u32>)>);

impl Repair {
    /// For all that stands in these segments now.
    pub(super) fn of(segments: &[Arc<Segment<SegmentFile>>]) -> Self {
        Self(segments.iter().map(|segment| (Arc::downgrade(segment), 0..segment.chunks_claimed())).collect())
    }

    /// Whether every record has its slot.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes over the next chunks. A segment that was dropped meanwhile needs no slots.
    pub(super) fn step(&mut self) {
        let started = Instant::now();
        while started.elapsed() < STEP
            && let Some((segment, chunks)) = self.0.last_mut()
        {
            match (segment.upgrade(), chunks.next()) {
                (Some(segment), Some(chunk)) => add_missing_slots(&segment, chunk),
                _ => drop(self.0.pop()),
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

/// After a start: reads the indexes into memory, a piece at a time.
#[derive(Debug, Default)]
pub(super) struct ReadIn(Vec<(Weak<Segment<SegmentFile>>, usize)>);

impl ReadIn {
    /// For these segments, the last one first.
    pub(super) fn of(segments: &[Arc<Segment<SegmentFile>>]) -> Self {
        Self(segments.iter().map(|segment| (Arc::downgrade(segment), 0)).collect())
    }

    /// Whether there is nothing more to read.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the next piece.
    pub(super) fn step(&mut self) {
        let Some((segment, done)) = self.0.last_mut() else { return };
        let more = segment.upgrade().is_some_and(|segment| segment.memory().read_index_in(*done..*done + PIECE));
        *done += PIECE;
        if !more {
            self.0.pop();
        }
    }
}
