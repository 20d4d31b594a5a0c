//! The table on vectors instead of files: append and look-up, full segments, races, roll-over.

use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::atomics::{AtomicU32, AtomicU64, Ordering};
use crate::clock::UnixSecs;

struct Vectors {
    records: Vec<AtomicU64>,
    slots: Vec<AtomicU32>,
    fills: Vec<AtomicU32>,
}

impl Vectors {
    fn new(capacity: u32) -> Self {
        Self {
            records: (0..capacity * 2).map(|_| AtomicU64::new(0)).collect(),
            slots: (0..Geometry::new(capacity).slots()).map(|_| AtomicU32::new(0)).collect(),
            fills: (0..capacity / CHUNK).map(|_| AtomicU32::new(0)).collect(),
        }
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

const CAPACITY: u32 = 1 << 16;

fn writable(sequence: u64) -> Writable<Vectors> {
    let lease = Lease::new();
    let segment = Segment::new(Vectors::new(CAPACITY), sequence, 0, Vec::new(), lease.watch());
    Writable { segment: Arc::new(segment), lease }
}

fn record(number: u64) -> Record {
    let tag = Secret([7; 16]).tag(&number.to_le_bytes());
    Record { tag, kind: Kind::Pending, time: UnixSecs(1000), count: 0, origin: 0 }
}

#[test]
fn a_full_segment_holds_every_record_and_no_other() {
    let Writable { segment, .. } = writable(1);
    let mut cursor = Cursor::default();
    for number in 0..u64::from(CAPACITY) {
        segment.append(&mut cursor, &record(number)).unwrap();
    }
    assert_eq!(segment.append(&mut cursor, &record(u64::MAX)), Err(SegmentFull));
    assert_eq!(segment.filled(), CAPACITY);
    for number in 0..u64::from(CAPACITY) {
        assert_eq!(segment.find(record(number).tag).collect::<Vec<_>>(), [record(number)]);
    }
    for number in u64::from(CAPACITY)..2 * u64::from(CAPACITY) {
        assert_eq!(segment.find(record(number).tag).count(), 0);
    }
}

#[test]
fn several_records_of_one_tag_are_all_found_in_order() {
    let Writable { segment, .. } = writable(1);
    let mut cursor = Cursor::default();
    let states: Vec<Record> = (0..20).map(|age| Record { time: UnixSecs(age), ..record(1) }).collect();
    for state in &states {
        segment.append(&mut cursor, state).unwrap();
    }
    assert_eq!(segment.find(record(1).tag).collect::<Vec<_>>(), states);
}

#[test]
fn a_probe_without_a_free_slot_ends_the_segment() {
    let Writable { segment, .. } = writable(1);
    let mut cursor = Cursor::default();
    let taken =
        (0..).take_while(|&age| segment.append(&mut cursor, &Record { time: UnixSecs(age), ..record(1) }).is_ok());
    assert_eq!(taken.count(), 8 * LINE_SLOTS);
}

#[test]
fn nothing_is_written_where_anything_stands() {
    let Writable { segment, .. } = writable(1);
    // What a process leaves that died between the word and the tag of the first record of a chunk.
    segment.memory().records[1].store(record(9).word(), Ordering::Relaxed);
    segment.append(&mut Cursor::default(), &record(1)).unwrap();
    assert_eq!(segment.record(CHUNK), Some(record(1)));
    assert_eq!(segment.memory().records[0].load(Ordering::Relaxed), 0);
}

#[test]
fn a_record_without_a_slot_is_given_one_once() {
    let Writable { segment, .. } = writable(1);
    segment.append(&mut Cursor::default(), &record(1)).unwrap();
    segment.memory().slots.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
    assert_eq!(segment.find(record(1).tag).count(), 0);
    for _ in 0..2 {
        assert!(segment.index_record(0));
        assert_eq!(segment.find(record(1).tag).count(), 1);
    }
    assert!(!segment.index_record(1), "nothing stands there");
}

#[test]
fn a_slot_that_points_outside_is_passed_over() {
    let Writable { segment, .. } = writable(1);
    segment.append(&mut Cursor::default(), &record(1)).unwrap();
    let slots = &segment.memory().slots;
    let taken = slots.iter().position(|slot| slot.load(Ordering::Relaxed) != 0).unwrap();
    slots[taken + 1].store(slots[taken].load(Ordering::Relaxed), Ordering::Relaxed);
    slots[taken].store(slots[taken].load(Ordering::Relaxed) | 0x1_ffff, Ordering::Relaxed);
    assert_eq!(segment.find(record(1).tag).collect::<Vec<_>>(), [record(1)]);
}

#[test]
fn unfinished_chunks_are_continued_before_new_ones_are_begun() {
    let first = writable(1);
    first.segment.append(&mut Cursor::default(), &record(1)).unwrap();
    let Ok(segment) = Arc::try_unwrap(first.segment) else { panic!("held elsewhere") };
    let lease = Lease::new();
    let segment = Segment::new(segment.into_memory(), 1, 1, vec![0], lease.watch());
    let (mut one, mut other) = (Cursor::default(), Cursor::default());
    segment.append(&mut one, &record(2)).unwrap();
    segment.append(&mut other, &record(3)).unwrap();
    assert_eq!((segment.record(1), segment.record(CHUNK)), (Some(record(2)), Some(record(3))));
}

#[test]
fn writers_on_all_cores_lose_nothing_and_a_shared_tag_is_found_by_all() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 12_000;
    let Writable { segment, lease } = writable(1);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let segment = &segment;
            scope.spawn(move || {
                let mut cursor = Cursor::default();
                for number in 0..EACH {
                    // Every other record is one that all writers append.
                    let number = if number % 2 == 0 { number } else { number + (writer + 1) * EACH };
                    segment.append(&mut cursor, &record(number)).unwrap();
                    assert!(segment.find(record(number).tag).any(|found| found == record(number)));
                }
            });
        }
    });
    let expected: HashSet<u64> = (0..WRITERS)
        .flat_map(|writer| (0..EACH).map(move |n| if n % 2 == 0 { n } else { n + (writer + 1) * EACH }))
        .collect();
    for number in expected {
        assert!(segment.find(record(number).tag).any(|found| found == record(number)), "{number}");
    }
    assert!(!segment.is_quiet());
    drop(lease);
    assert!(segment.is_quiet());
}

#[test]
fn a_roll_over_happens_once_and_keeps_the_old_segment_writable_until_its_views_are_gone() {
    let (first, second) = (writable(1), writable(2));
    let ring = Ring::new(View { active: Some(first.clone()), older: Vec::new(), spare: Some(second) });
    let held = ring.load();
    assert_eq!(ring.roll_over(Some(1)), Ok(()));
    assert_eq!(ring.roll_over(Some(1)), Ok(()), "another worker was faster");
    assert_eq!(ring.load().active().unwrap().sequence(), 2);
    assert_eq!(ring.roll_over(Some(2)), Err(NoSpare));
    drop(first.lease);
    assert!(!first.segment.is_quiet(), "the held view may still append");
    drop(held);
    assert!(first.segment.is_quiet());
    ring.remove(1);
    assert_eq!(ring.load().segments().count(), 1);
}

#[test]
fn writers_roll_over_under_each_other_and_every_record_is_found() {
    const SEGMENTS: u64 = 6;
    let ring = Ring::new(View { active: Some(writable(1)), older: Vec::new(), spare: Some(writable(2)) });
    let total = u64::from(CAPACITY) * 4;
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let ring = &ring;
            scope.spawn(move || {
                let mut cursor = Cursor::default();
                for number in (writer..total).step_by(2) {
                    loop {
                        let view = ring.load();
                        match view.active().unwrap().append(&mut cursor, &record(number)) {
                            Ok(()) => break,
                            Err(SegmentFull) => {
                                while ring.roll_over(Some(view.active().unwrap().sequence())).is_err() {
                                    std::thread::yield_now();
                                }
                            }
                        }
                    }
                }
            });
        }
        let mut next = 3;
        while next <= SEGMENTS {
            if ring.load().spare.is_none() {
                ring.set_spare(Some(&writable(next)));
                next += 1;
            }
            std::thread::yield_now();
            if ring.load().segments().map(|segment| u64::from(segment.filled())).sum::<u64>() == total {
                break;
            }
        }
    });
    let view = ring.load();
    for number in 0..total {
        let found = view.segments().flat_map(|segment| segment.find(record(number).tag)).count();
        assert_eq!(found, 1, "record {number}");
    }
}

#[test]
fn a_state_that_comes_again_is_recorded_again_and_one_that_stands_is_not() {
    let Writable { segment, .. } = writable(1);
    let mut cursor = Cursor::default();
    // A clock that goes back and forth: the second attempt's time comes again after a third.
    for time in [100, 50, 50, 1_000_000, 50] {
        segment.append(&mut cursor, &Record { time: UnixSecs(time), ..record(1) }).unwrap();
    }
    let times: Vec<u32> = segment.find(record(1).tag).map(|record| record.time.0).collect();
    assert_eq!(times, [100, 50, 1_000_000, 50]);
}
