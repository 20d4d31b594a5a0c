//! A disk that is lost and comes back in the same boot: what was synced is there, marks and index may be as old as ever.

use super::*;
use crate::atomics::Ordering;
use crate::table::Memory;

fn clear(words: &[crate::atomics::AtomicU32]) {
    for word in words {
        word.store(0, Ordering::Relaxed);
    }
}

/// How many of so many records are unknown after the start, and after upkeep.
fn lost_disk(records: u64, marks: bool, workers: usize) -> (usize, usize) {
    let dir = tempfile::tempdir().unwrap();
    let start = || Store::open(&settings(dir.path(), 256 << 20), &TERMS, workers, NOW).unwrap();
    let store = start();
    pend(&store, &mut store.writer(), 0..records, NOW).unwrap();
    let active = Arc::clone(store.pending.load().active().unwrap());
    if marks {
        clear(active.memory().fills());
    }
    clear(active.memory().slots());
    drop((store, active));
    let store = start();
    let at_once = unknown(&store, 0..records, NOW);
    keep(&store, NOW);
    (at_once, unknown(&store, 0..records, NOW))
}

#[test]
fn no_record_is_lost_with_the_marks() {
    for (records, workers) in [(100, 1), (4_000, 1), (8_000, 2), (20_000, 2), (12_000, 4)] {
        assert_eq!(lost_disk(records, true, workers), (0, 0), "{records} records, {workers} workers");
    }
}

#[test]
fn nor_with_the_index_alone() {
    assert_eq!(lost_disk(20_000, false, 1), (0, 0));
}

#[test]
fn nor_behind_a_hole_that_a_power_loss_has_left() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..300, NOW).unwrap();
    let active = Arc::clone(store.pending.load().active().unwrap());
    // Power loss: one sector of what was not synced is old, those behind it are new; marks as of record 50.
    active.memory().records()[192..256].iter().for_each(|word| word.store(0, Ordering::Relaxed));
    drop((store, active));
    pretend_other_boot(dir.path());
    let store = open(dir.path());
    store.sync();
    assert_eq!(unknown(&store, 150..300, NOW), 0);
    // The disk comes back in the same boot: marks and index as before the power loss, the synced records as they are.
    let active = Arc::clone(store.pending.load().active().unwrap());
    active.memory().fills()[0].store(50, Ordering::Relaxed);
    clear(active.memory().slots());
    drop((store, active));
    let store = open(dir.path());
    keep(&store, NOW);
    assert_eq!(unknown(&store, 150..300, NOW), 0);
}

#[test]
fn nor_if_the_run_before_had_more_workers() {
    let dir = tempfile::tempdir().unwrap();
    let start = |workers| Store::open(&settings(dir.path(), 256 << 20), &TERMS, workers, NOW).unwrap();
    let store = start(4);
    let mut writers: Vec<_> = (0..4).map(|_| store.writer()).collect();
    for (number, writer) in (0..).zip(&mut writers) {
        pend(&store, writer, number..number + 1, NOW).unwrap();
    }
    // Killed when two of them had claimed their chunk and stored nothing.
    let active = Arc::clone(store.pending.load().active().unwrap());
    for chunk in [1, 2] {
        let at = chunk * 4096 * 2;
        active.memory().records()[at..at + 2].iter().for_each(|word| word.store(0, Ordering::Relaxed));
        active.memory().fills()[chunk].store(0, Ordering::Relaxed);
    }
    drop((store, writers, active));
    let store = start(1);
    assert_eq!(unknown(&store, 3..4, NOW), 0);
    let active = Arc::clone(store.pending.load().active().unwrap());
    clear(active.memory().fills());
    clear(active.memory().slots());
    drop((store, active));
    let store = start(1);
    keep(&store, NOW);
    assert_eq!(unknown(&store, 3..4, NOW), 0);
}
