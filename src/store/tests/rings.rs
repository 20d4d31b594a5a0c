//! What upkeep does to the rings: roll-over, seal, drop, floods, the bound on their size.

use super::*;
use crate::table::{CHUNK, Memory};

#[test]
fn a_flood_stays_within_its_share_and_takes_nothing_established() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer = store.writer();
    let passed = tag(&store, u64::MAX);
    writer.session().append(passed, Change::Passed(NOW), NOW).unwrap();
    let mut now = NOW;
    for number in 0..200 {
        let first = number * 10_000;
        pend(&store, &mut writer, first..first + 10_000, now).unwrap();
        now = now.plus(100);
        store.upkeep(now, true);
        assert!(state_bytes(dir.path()) <= 64 << 20, "{} bytes", state_bytes(dir.path()));
    }
    assert!(store.counters()[1].get(Counter::SegmentsDroppedEarly) > 0);
    assert_eq!(writer.session().triplet(tag(&store, 0), now), Triplet::Unknown);
    assert_eq!(
        writer.session().triplet(tag(&store, 1_999_999), now),
        Triplet::Pending { first: UnixSecs(now.0 - 100) }
    );
    assert_eq!(writer.session().triplet(passed, now), Triplet::Passed { last: NOW });
}

#[test]
fn what_is_younger_than_twice_the_delay_is_not_dropped_for_a_flood() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer = store.writer();
    let taken = (0..1000_u64)
        .take_while(|number| {
            store.upkeep(NOW, true);
            pend(&store, &mut writer, number * 10_000..(number + 1) * 10_000, NOW).is_ok()
        })
        .count();
    assert!((20..1000).contains(&taken), "{taken}");
    assert_eq!(writer.session().triplet(tag(&store, 0), NOW), Triplet::Pending { first: NOW });
    let later = NOW.plus(2 * TERMS.delay);
    store.upkeep(later, true);
    assert_eq!(pend(&store, &mut writer, 0..1, later), Ok(()), "room again");
}

#[test]
fn segments_are_sealed_by_age_and_dropped_a_life_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    let old = Arc::clone(store.pending.load().active().unwrap());
    store.upkeep(NOW.plus(TERMS.retry_window / 4 - 1), true);
    assert_eq!(store.pending.load().active().unwrap().sequence(), old.sequence());
    let quarter = NOW.plus(TERMS.retry_window / 4);
    store.upkeep(quarter, true);
    assert_ne!(store.pending.load().active().unwrap().sequence(), old.sequence());
    store.upkeep(quarter, true);
    assert_eq!(old.memory().sealed_at(), Some(quarter));
    let path = old.memory().path().to_owned();
    drop(old);
    store.upkeep(quarter.plus(TERMS.retry_window), true);
    assert!(path.exists());
    store.upkeep(quarter.plus(TERMS.retry_window + 1), false);
    assert!(path.exists(), "the clock is not believed yet");
    store.upkeep(quarter.plus(TERMS.retry_window + 1), true);
    store.upkeep(quarter.plus(TERMS.retry_window + 1), true);
    assert!(!path.exists());
}

#[test]
fn a_segment_that_is_being_read_keeps_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut writer, mut reader) = (store.writer(), store.writer());
    pend(&store, &mut writer, 0..10, NOW).unwrap();
    let session = reader.session();
    store.upkeep(NOW.plus(TERMS.retry_window), true);
    let path = store.pending.load().older[0].memory().path().to_owned();
    store.upkeep(NOW.plus(3 * TERMS.retry_window), true);
    assert!(store.pending.load().older.is_empty() && path.exists());
    assert_eq!(session.triplet(tag(&store, 0), NOW), Triplet::Pending { first: NOW });
    drop(session);
    store.upkeep(NOW.plus(3 * TERMS.retry_window), true);
    assert!(!path.exists());
}

#[test]
fn a_full_segment_takes_at_most_24_and_a_half_bytes_a_triplet() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let segment = Arc::clone(store.pending.load().active().unwrap());
    pend(&store, &mut store.writer(), 0..u64::from(segment.capacity()), NOW).unwrap();
    assert_eq!(segment.filled(), segment.capacity());
    assert!(segment.capacity() > CHUNK);
    let bytes = fs::metadata(segment.memory().path()).unwrap().len();
    assert!(bytes * 2 <= u64::from(segment.filled()) * 49, "{bytes}");
}

#[test]
fn a_worker_in_a_turn_does_not_cost_more_than_the_room_that_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut writer, mut reader) = (store.writer(), store.writer());
    let mut now = NOW;
    let mut session = None;
    for number in 0..100 {
        let first = number * 10_000;
        // While the reader's turn lasts no file can go, so there may be no room for another.
        let _ = pend(&store, &mut writer, first..first + 10_000, now);
        now = now.plus(100);
        store.upkeep(now, true);
        if session.is_none() && store.counters()[1].get(Counter::SegmentsDroppedEarly) > 0 {
            session = Some(reader.session());
        }
    }
    assert!(session.is_some(), "the flood has filled the share");
    let dropped = store.counters()[1].get(Counter::SegmentsDroppedEarly);
    assert!(dropped <= 3, "{dropped} dropped while none could be removed");
    assert!(store.pending.load().segments().count() > 2);
}

#[test]
fn a_lower_bound_is_kept_to_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 512 << 20, &TERMS);
    let (mut now, mut writer) = (NOW, store.writer());
    writer.session().append(tag(&store, u64::MAX), Change::Passed(NOW), NOW).unwrap();
    store.upkeep(now, true);
    flood(&store, 0..400, &mut now).unwrap();
    assert!(state_bytes(dir.path()) > 64 << 20);
    drop((writer, store));
    let store = open_with(dir.path(), 40 << 20, &TERMS);
    now = now.plus(2 * TERMS.delay);
    (0..10).for_each(|_| store.upkeep(now, true));
    now = now.plus(2 * TERMS.delay);
    (0..10).for_each(|_| store.upkeep(now, true));
    assert!(state_bytes(dir.path()) <= 40 << 20, "{}", state_bytes(dir.path()));
    assert_eq!(flood(&store, 1000..1100, &mut now), Ok(()));
    assert_eq!(store.writer().session().triplet(tag(&store, u64::MAX), now), Triplet::Passed { last: NOW });
}

#[test]
fn a_first_attempt_does_not_count_again_once_its_pass_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 64 << 20, &Terms { max_age: DAY, retry_window: 2 * DAY, ..TERMS });
    let mut writer = store.writer();
    let (mut session, tag) = (writer.session(), tag(&store, 1));
    session.append(tag, Change::Pending(NOW), NOW).unwrap();
    session.append(tag, Change::Passed(NOW), NOW).unwrap();
    let forgotten = NOW.plus(DAY / 8 * 9 + 1);
    assert_eq!(session.triplet(tag, UnixSecs(forgotten.0 - 1)), Triplet::Passed { last: NOW });
    assert_eq!(session.triplet(tag, forgotten), Triplet::Unknown);
}

#[test]
fn a_segment_whose_first_record_is_damaged_ages_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    let active = Arc::clone(store.pending.load().active().unwrap());
    active.memory().records()[1].store(0, crate::atomics::Ordering::Relaxed);
    store.upkeep(NOW.plus(TERMS.retry_window / 4), true);
    assert_ne!(store.pending.load().active().unwrap().sequence(), active.sequence());
}

#[test]
fn a_smaller_spare_is_not_worth_a_segment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 80 << 20, &TERMS);
    let mut now = NOW;
    keep(&store, now);
    let next = fill_established(&store, &mut now);
    pass(&store, next..next + 1000, now).unwrap();
    let oldest = Arc::clone(store.established.load().older.last().unwrap());
    let (sequence, tag) = (oldest.sequence(), oldest.record(0).unwrap().tag);
    drop(oldest);
    now = now.plus(10 * DAY);
    keep(&store, now);
    assert_eq!(store.established.load().older.last().unwrap().sequence(), sequence);
    assert!(matches!(store.writer().session().triplet(tag, now), Triplet::Passed { .. }));
}

#[test]
fn what_was_dropped_goes_though_a_start_has_not_got_to_it_yet() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 200 << 20, &TERMS);
    let mut now = NOW;
    store.upkeep(now, true);
    flood(&store, 0..400, &mut now).unwrap();
    drop(store);
    let store = open_with(dir.path(), 200 << 20, &TERMS);
    now = now.plus(2 * TERMS.delay);
    let mut writer = store.writer();
    for number in 400..420 {
        store.upkeep(now, true);
        assert_eq!(pend(&store, &mut writer, number * 100_000..(number + 1) * 100_000, now), Ok(()), "{number}");
        now = now.plus(2 * TERMS.delay);
    }
}
