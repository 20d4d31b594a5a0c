//! What an unclean end leaves to do: fill marks set right, an index rebuilt from its records, or single slots added to one.

use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::file::SegmentFile;
use super::format::RingKind;
use crate::atomics::{AtomicU64, Ordering};
use crate::table::{CHUNK, Geometry, LINE_SLOTS, Memory, Other, Placed, Record, SHARDS, Segment, Tag};

/// How long one step may last: the spares wait meanwhile.
const STEP: Duration = Duration::from_millis(10);
/// How many slots are fetched ahead of being set.
const AHEAD: usize = 16;
/// How many records are looked through before what is found in them is set.
const TOGETHER: usize = 1 << 21;
/// Bytes of an index that are read in at once.
const PIECE: usize = 16 << 20;

/// After another boot: makes fill marks and index of an unsealed segment anew from its records.
///
/// Before the segment is served; each of `threads` does its own shards, so no slot is contended.
pub(super) fn rebuild(file: &SegmentFile, threads: usize) {
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
    let record = |tag, position| record_at(file, position).filter(|record| record.tag == tag);
    let mut set = |tag, position| {
        let Some(new) = record(tag, position) else { return };
        let placed = geometry.place(file.slots(), tag, position, |other| match record(tag, other) {
            Some(other) if other.covers(&new) => Other::IsEnough,
            Some(other) if new.covers(&other) => Other::GivesWay,
            Some(_) => Other::StaysBeside,
            None => Other::OfAnotherTag,
        });
        if placed == Placed::BesideAnother && file.ring() == RingKind::Pending {
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
    // Of several first attempts it counts which came later, and that the positions of two writers do not tell. In the order of
    // time one that was given up stays so.
    for tag in repeated {
        geometry.sort(file.slots(), tag, |position| record(tag, position).map(|record| record.time));
    }
}

fn record_at(file: &SegmentFile, position: u32) -> Option<Record> {
    let at = position as usize * 2;
    let [tag, word] = [at, at + 1].map(|at| file.records()[at].load(Ordering::Relaxed));
    Record::unpack(tag, word)
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
/// Before the segment is served. The chunks were claimed in order, and at most one of each of its `workers` has no mark yet.
pub(super) fn raise_marks(file: &SegmentFile, workers: usize) {
    let marked = file.chunks_used() as usize;
    for (chunk, fill) in file.fills().iter().enumerate().take(marked + workers) {
        let (mark, start) = (fill.load(Ordering::Relaxed).min(CHUNK), chunk * CHUNK as usize);
        let unmarked = &file.records()[(start + mark as usize) * 2..(start + CHUNK as usize) * 2];
        let is_used = |words: &&[AtomicU64]| words.iter().any(|word| word.load(Ordering::Relaxed) != 0);
        let used = (mark + 1..).zip(unmarked.chunks_exact(2)).take_while(|(_, words)| is_used(words)).last();
        if let Some((used, _)) = used {
            fill.store(used, Ordering::Relaxed);
        }
    }
}

/// Whether records stand where a process that died in the same boot with so many `workers` cannot have left them without a
/// mark: the file system was lost and mounted again, or a copy was put in the place of its files.
///
/// It is enough to look at as many chunks as show it. What a round of syncing made durable came with all that stood in the
/// chunks claimed before, and of those each worker has one at most in which nothing stands yet.
pub(super) fn has_lost_marks(file: &SegmentFile, workers: usize) -> bool {
    let chunks = file.records().chunks_exact(CHUNK as usize * 2);
    let words = chunks.skip(file.chunks_used() as usize + workers).take(workers + 1);
    words.flat_map(|chunk| &chunk[..2]).any(|word| word.load(Ordering::Relaxed) != 0)
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
