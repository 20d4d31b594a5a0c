//! Start after every kind of end.

use super::*;
use crate::atomics::Ordering;
use crate::table::{Cursor, Geometry, Kind, Memory, Record};

#[test]
fn a_restart_goes_on_in_the_same_chunk_after_another_boot_in_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    for (end, chunks_after) in [("clean", 1), ("kill", 1), ("clean", 1), ("other boot", 1), ("clean", 2)] {
        let store = open(dir.path());
        let active = Arc::clone(store.pending.load().active().unwrap());
        let filled = u64::from(active.filled());
        pend(&store, &mut store.writer(), filled..filled + 10, NOW).unwrap();
        assert_eq!(active.chunks_claimed(), chunks_after, "before {end}");
        match end {
            "clean" => store.close(),
            "kill" => {}
            _ => pretend_other_boot(dir.path()),
        }
    }
    let store = open(dir.path());
    for number in 0..50 {
        assert_eq!(store.writer().session().triplet(tag(&store, number), NOW), Triplet::Pending { first: NOW });
    }
}

#[test]
fn what_was_written_but_not_marked_is_not_written_over_and_counts_as_filled_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    let active = Arc::clone(store.pending.load().active().unwrap());
    // The ninth is whole, of the tenth only the word was written.
    active.memory().fills()[0].store(8, Ordering::Relaxed);
    active.memory().records()[18].store(0, Ordering::Relaxed);
    drop((store, active));
    let store = open(dir.path());
    let active = Arc::clone(store.pending.load().active().unwrap());
    assert_eq!(active.filled(), 10, "so that the first sync covers it");
    pend(&store, &mut store.writer(), 10..20, NOW).unwrap();
    keep(&store, NOW);
    for number in (0..9).chain(10..20) {
        assert_eq!(active.find(tag(&store, number)).count(), 1, "{number}");
    }
}

#[test]
fn an_unused_segment_and_its_spare_stay_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    keep(&store, NOW);
    let before = segment_files(dir.path());
    drop(store);
    keep(&open(dir.path()), NOW);
    assert_eq!(segment_files(dir.path()), before);
}

#[test]
fn a_record_whose_slot_a_killed_process_had_not_set_is_found_after_upkeep() {
    let dir = tempfile::tempdir().unwrap();
    for other_boot in [false, true] {
        let store = open(dir.path());
        let number = u64::from(other_boot);
        pend(&store, &mut store.writer(), number..number + 1, NOW).unwrap();
        let active = Arc::clone(store.pending.load().active().unwrap());
        active.memory().slots().iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
        assert_eq!(store.writer().session().triplet(tag(&store, number), NOW), Triplet::Unknown);
        drop((store, active));
        if other_boot {
            pretend_other_boot(dir.path());
        }
        let store = open(dir.path());
        if !other_boot {
            keep(&store, NOW);
        }
        assert_eq!(store.writer().session().triplet(tag(&store, number), NOW), Triplet::Pending { first: NOW });
    }
}

#[test]
fn a_second_process_is_told_who_has_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let error = open_at(dir.path(), NOW).unwrap_err();
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    assert_eq!(error.exit_code(), 75);
}

#[test]
fn too_small_a_state_is_refused_with_what_would_be_enough() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(&settings(dir.path(), 1 << 20), &TERMS, 2, NOW).unwrap_err();
    assert!(matches!(error, OpenError::TooSmall { workers: 2, .. }), "{error}");
}

#[test]
fn no_slot_is_missing_in_what_is_sealed_after_a_killed_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    let active = Arc::clone(store.pending.load().active().unwrap());
    // Killed after the words of its last record, before fill mark and slot.
    let last = Geometry::new(active.capacity()).probe(tag(&store, 9));
    last.for_each(|slot| active.memory().slots()[slot].store(0, Ordering::Relaxed));
    active.memory().fills()[0].store(9, Ordering::Relaxed);
    drop((store, active));
    let store = open(dir.path());
    let quarter = NOW.plus(TERMS.retry_window / 4);
    pend(&store, &mut store.writer(), 10..11, NOW).unwrap();
    store.upkeep(quarter, true);
    let older = store.pending.load().older.clone();
    assert_eq!(older[0].memory().sealed_at(), None, "it is closed, but this round began before the slots were set");
    keep(&store, quarter);
    assert_eq!(older[0].memory().sealed_at(), Some(quarter));
    for number in 0..11 {
        assert_eq!(older[0].find(tag(&store, number)).count(), 1, "{number}");
    }
}

/// How a segment file was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Unused,
    Open,
    Sealed,
    DamagedSeal,
}

impl Left {
    const ALL: [Self; 4] = [Self::Unused, Self::Open, Self::Sealed, Self::DamagedSeal];

    /// Makes the file with one record about `number`.
    fn make(self, store: &Store, sequence: u64, number: u64) {
        let file = open::create(RingKind::Pending, sequence, 1 << 16, &store.secret, &store.directory, NOW).unwrap();
        if self == Self::Unused {
            return;
        }
        let segment = open::writable(file, false).segment;
        let record = Record { tag: tag(store, number), kind: Kind::Pending, time: NOW, count: 0, origin: 0 };
        segment.append(&mut Cursor::default(), &record).unwrap();
        if self != Self::Open {
            segment.memory().sync_all().unwrap();
            segment.memory().seal(NOW).unwrap();
        }
        if self == Self::DamagedSeal {
            let path = segment.memory().path();
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            std::os::unix::fs::FileExt::write_at(&file, &[0xff], 512).unwrap();
        }
    }
}

#[test]
fn whatever_three_segments_were_left_nothing_is_lost_and_no_number_is_given_twice() {
    let prototype = tempfile::tempdir().unwrap();
    let store = open(prototype.path());
    for (kind, left) in (0..).zip(Left::ALL) {
        for sequence in 0..3 {
            left.make(&store, 1000 * (kind + 1) + sequence, sequence);
        }
    }
    drop(store);
    for combination in 0..64_usize {
        let lefts = [combination % 4, combination / 4 % 4, combination / 16];
        for (name, pretend) in
            [("clean", pretend_clean_end as fn(&Path)), ("kill", pretend_kill), ("other", pretend_other_boot)]
        {
            let told = format!("{:?}, {name}", lefts.map(|left| Left::ALL[left]));
            let dir = tempfile::tempdir().unwrap();
            copy_with(prototype.path(), dir.path(), lefts);
            pretend(dir.path());
            for round in 0..2_u32 {
                let store = open(dir.path());
                let now = NOW.plus(round);
                keep(&store, now);
                for (number, left) in (0..).zip(lefts) {
                    let expected = match Left::ALL[left] {
                        Left::Unused => Triplet::Unknown,
                        _ => Triplet::Pending { first: NOW },
                    };
                    assert_eq!(store.writer().session().triplet(tag(&store, number), now), expected, "{told}");
                }
                let numbers = numbers(&store);
                assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]), "{numbers:?} after {told}");
                // Two roll-overs take the spare and the one after it into use.
                for number in 0..2 {
                    let active = store.pending.load().active().unwrap().sequence();
                    let fresh = u64::from(100 + 10 * round) + number;
                    pend(&store, &mut store.writer(), fresh..fresh + 1, now).unwrap();
                    store.pending.roll_over(Some(active)).unwrap();
                    store.upkeep(now, true);
                }
                drop(store);
            }
        }
    }
}

/// The numbers of a ring's segments, spare first.
fn numbers(store: &Store) -> Vec<u64> {
    let view = store.pending.load();
    let spare = view.spare.iter().map(|spare| spare.segment.sequence());
    spare.chain(view.segments().map(|segment| segment.sequence())).collect()
}

/// A state directory whose segments 1 to 3 were left so.
fn copy_with(prototype: &Path, dir: &Path, lefts: [usize; 3]) {
    let (from, to) = (prototype.join("state"), dir.join("state"));
    fs::create_dir(&to).unwrap();
    fs::copy(from.join("key"), to.join("key")).unwrap();
    fs::write(to.join("lock"), "").unwrap();
    for (sequence, left) in (0..).zip(lefts) {
        let number = 1000 * (left as u64 + 1) + sequence;
        let name = format!("pending-{:08}.seg", sequence + 1);
        let path = to.join(name);
        fs::copy(from.join(format!("pending-{number:08}.seg")), &path).unwrap();
        renumber(&path, sequence + 1, Left::ALL[left]);
    }
}

/// Gives a file another number, in its header and in its seal.
fn renumber(path: &Path, sequence: u64, left: Left) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut bytes = [0; format::HEADER_LEN];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let header = format::Header { sequence, ..format::Header::read(&bytes).unwrap() };
    file.write_all_at(&header.to_bytes(), 0).unwrap();
    if left == Left::Sealed {
        file.write_all_at(&header.seal(NOW).to_le_bytes(), format::SEAL_AT as u64).unwrap();
    }
}
