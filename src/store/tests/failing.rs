//! Disks that fail: what could not be synced is not believed, and costs nothing that was.

use super::*;
use crate::store::recorder::{Event, Image, Loss, Tape, World};

#[test]
fn what_has_failed_to_be_synced_takes_no_more_records() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer = store.writer();
    pend(&store, &mut writer, 0..10, NOW).unwrap();
    let failed = Arc::clone(store.pending.load().active().unwrap());
    failed.memory().note_failed();
    assert_eq!(pend(&store, &mut writer, 10..11, NOW), Err(Full), "no spare yet");
    store.upkeep(NOW, true);
    assert_eq!(pend(&store, &mut writer, 10..11, NOW), Ok(()));
    assert_eq!(failed.filled(), 10);
    keep(&store, NOW);
    assert_eq!(failed.memory().sealed_at(), None, "nor is it sealed");
    assert_eq!(writer.session().triplet(tag(&store, 3), NOW), Triplet::Pending { first: NOW }, "but still read");
}

#[test]
fn what_has_failed_to_be_synced_takes_no_more_records_after_a_restart_either() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    store.pending.load().active().unwrap().memory().note_failed();
    drop(store);
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 10..20, NOW).unwrap();
    keep(&store, NOW);
    let failed = Arc::clone(&store.pending.load().older[0]);
    assert_eq!((failed.filled(), failed.memory().sealed_at()), (10, None));
    assert_eq!(store.writer().session().triplet(tag(&store, 3), NOW), Triplet::Pending { first: NOW });
}

#[test]
fn a_spare_that_cannot_be_made_is_not_tried_again_at_once_whatever_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for ring in ["pending", "established"] {
        for number in 1..20 {
            fs::create_dir(dir.path().join(format!("state/{ring}-{number:08}.new"))).unwrap();
        }
    }
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    for _ in 0..20 {
        store.upkeep(NOW.plus(TERMS.retry_window / 4), true);
    }
    assert_eq!(store.counters()[1].get(Counter::SpareFailures), 2, "one a ring");
}

#[test]
fn failing_syncs_cost_nothing_that_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    keep(&store, NOW);
    pass(&store, 0..1000, NOW).unwrap();
    let mut now = NOW.plus(10 * DAY);
    keep(&store, now);
    for second in 0..30_u64 {
        let _ = pass(&store, 5000 + second..5001 + second, now);
        // What a round of syncing does that fails.
        let active = Arc::clone(store.established.load().active().unwrap());
        active.memory().note_failed();
        let _ = store.established.roll_over(Some(active.sequence()));
        now = now.plus(1);
        keep(&store, now);
    }
    assert!(store.established.load().segments().count() < 6, "one new segment in ten seconds, whatever happens to it");
    assert_eq!(store.writer().session().triplet(tag(&store, 0), now), Triplet::Passed { last: NOW });
}

#[test]
fn of_two_that_may_go_the_one_that_failed_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 80 << 20, &TERMS);
    let mut now = NOW;
    keep(&store, now);
    let mut next = fill_established(&store, &mut now);
    let (oldest, failed) = {
        let view = store.established.load();
        (view.older.last().unwrap().sequence(), Arc::clone(&view.older[0]))
    };
    failed.memory().note_failed();
    let failed = failed.sequence();
    let dropped = store.counters()[1].get(Counter::SegmentsDroppedEarly);
    while store.counters()[1].get(Counter::SegmentsDroppedEarly) == dropped {
        pass(&store, next..next + 10_000, now).unwrap();
        next += 10_000;
        now = now.plus(1);
        keep(&store, now);
    }
    let left: Vec<u64> = store.established.load().segments().map(|segment| segment.sequence()).collect();
    assert!(left.contains(&oldest) && !left.contains(&failed), "{oldest}, {failed}: {left:?}");
}

#[test]
fn a_segment_that_failed_goes_at_its_time_whatever_restarts_there_are_and_until_then_no_end_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    keep(&store, NOW);
    pass(&store, 0..10, NOW).unwrap();
    let failed = Arc::clone(store.established.load().active().unwrap());
    failed.memory().note_failed();
    let path = failed.memory().path().to_owned();
    drop(failed);
    keep(&store, NOW);
    store.close();
    drop(store);
    for month in 1..=3 {
        let now = NOW.plus(month * 30 * DAY);
        let store = open_at(dir.path(), now).unwrap();
        keep(&store, now);
        store.close();
        let is_clean = fs::read_to_string(dir.path().join("state/run")).unwrap().starts_with("clean ");
        assert_eq!(is_clean, !path.exists(), "month {month}");
    }
    assert!(!path.exists());
}

#[test]
fn one_damaged_file_costs_no_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 80 << 20, &TERMS);
    let mut now = NOW;
    keep(&store, now);
    fill_established(&store, &mut now);
    let before: Vec<u64> = store.established.load().segments().map(|segment| segment.sequence()).collect();
    let victim = Arc::clone(&store.established.load().older[1]);
    let (path, sequence) = (victim.memory().path().to_owned(), victim.sequence());
    drop((victim, store));
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(fs::metadata(&path).unwrap().len() - 4096).unwrap();
    let store = open_with(dir.path(), 80 << 20, &TERMS);
    keep(&store, now);
    let after: Vec<u64> = store.established.load().segments().map(|segment| segment.sequence()).collect();
    let expected: Vec<u64> = before.into_iter().filter(|&number| number != sequence).collect();
    assert!(expected.iter().all(|number| after.contains(number)), "{expected:?}, {after:?}");
}

#[test]
fn a_larger_spare_that_cannot_be_made_leaves_the_one_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    keep(&store, NOW);
    for number in 3..20 {
        fs::create_dir(dir.path().join(format!("state/pending-{number:08}.new"))).unwrap();
    }
    pend(&store, &mut store.writer(), 0..40_000, NOW).unwrap();
    store.upkeep(NOW.plus(10), true);
    assert_eq!(store.counters()[1].get(Counter::SpareFailures), 1, "a larger one was tried");
    assert!(store.pending.load().spare.is_some());
}

/// The disk's own word: msync fails once.
#[test]
fn a_sync_that_fails_is_counted_and_not_tried_again_and_replies_leave() {
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::start(&dir.path().join("state"));
    let settings = StateSettings { sync: SyncMode::Always, ..settings(dir.path(), 64 << 20) };
    let store = Store::open(&settings, &TERMS, 2, NOW).unwrap();
    keep(&store, NOW);
    let mut writer = store.writer();
    pend(&store, &mut writer, 0..10, NOW).unwrap();
    let commits = store.commits().unwrap();
    let ticket = commits.request();
    tape.let_flushing_fail(true);
    store.commit(Duration::ZERO);
    assert_eq!(commits.completed(), ticket, "the replies leave as decided");
    assert_eq!(store.counters()[0].get(Counter::SyncFailures), 1);
    tape.let_flushing_fail(false);
    let flushed = |event: &Event| matches!(event, Event::Flushed(..));
    let before = tape.events().iter().filter(|event| flushed(event)).count();
    store.sync();
    assert_eq!(tape.events().iter().filter(|event| flushed(event)).count(), before, "it is not tried again");
    pend(&store, &mut writer, 10..20, NOW).unwrap();
    store.sync();
    assert_eq!(
        tape.events().iter().filter(|event| flushed(event)).count(),
        before + 1,
        "what comes then is in another one"
    );
    assert_eq!(store.counters()[0].get(Counter::SyncFailures), 1);
    let session = writer.session();
    assert!((0..20).all(|number| session.triplet(tag(&store, number), NOW) == Triplet::Pending { first: NOW }));
    session.take_unsettled();
    session.triplet(tag(&store, 3), NOW);
    assert!(session.take_unsettled(), "what could not be synced is never taken for durable");
}

/// The fill marks are not synced before the clean end, which cannot do it any more.
#[test]
fn what_was_synced_before_a_sync_that_failed_survives_a_stop_and_a_power_loss() {
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::start(&dir.path().join("state"));
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..1000, NOW).unwrap();
    store.sync();
    pend(&store, &mut store.writer(), 1000..1001, NOW).unwrap();
    tape.let_flushing_fail(true);
    store.sync();
    tape.let_flushing_fail(false);
    store.close();
    drop(store);
    assert_eq!(known_after_power_loss(&tape, 0..1000), 1000);
}

#[test]
fn the_directory_that_a_killed_process_had_just_made_is_durable_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let tape = Tape::start(&state);
    disk::make_directory(&state, 0o700).unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    store.sync();
    assert_eq!(known_after_power_loss(&tape, 0..10), 10);
}

/// Neither what is said then, nor that it was taken back, is sure.
#[test]
fn a_start_that_cannot_write_down_durably_that_the_state_is_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::start(&dir.path().join("state"));
    open(dir.path()).close();
    tape.let_next_sync_of_names_fail(true);
    assert!(matches!(open_at(dir.path(), NOW), Err(OpenError::Io { .. })));
    tape.let_next_sync_of_names_fail(false);
    open(dir.path());
}

/// How many of these are known where everything was lost that was not synced.
fn known_after_power_loss(tape: &Tape, numbers: std::ops::Range<u64>) -> usize {
    let mut world = World::default();
    tape.events().iter().for_each(|event| world.apply(event, None));
    let left = tempfile::tempdir().unwrap();
    Image::of(&world, Loss::All, |_| 0).write(&left.path().join("state")).unwrap();
    let store = open(left.path());
    numbers.clone().count() - unknown(&store, numbers, NOW)
}
