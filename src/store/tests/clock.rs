//! Clocks that jump: nothing passes early, nothing is kept for ever, nothing is dropped before its time.

use super::*;

/// What happens when a segment is closed while the clock is ten years ahead.
fn close_ahead(store: &Store, now: UnixSecs) {
    let active = store.pending.load().active().unwrap().sequence();
    store.pending.roll_over(Some(active)).unwrap();
    store.upkeep(now.plus(3650 * DAY), false);
    store.upkeep(now, false);
}

#[test]
fn a_segment_closed_with_the_clock_ahead_makes_room_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 64 << 20, &Terms { delay: 0, ..TERMS });
    let mut now = NOW;
    store.upkeep(now, true);
    flood(&store, 0..5, &mut now).unwrap();
    close_ahead(&store, now);
    assert_eq!(flood(&store, 5..200, &mut now), Ok(()));
}

#[test]
fn a_segment_closed_with_the_clock_ahead_is_as_young_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut now = NOW;
    store.upkeep(now, true);
    flood(&store, 0..5, &mut now).unwrap();
    close_ahead(&store, now);
    assert_eq!(flood(&store, 5..200, &mut now), Err(Full), "its records are younger than twice the delay");
    assert_eq!(store.counters()[1].get(Counter::SegmentsDroppedEarly), 0);
}

#[test]
fn a_segment_closed_with_the_clock_ahead_does_not_keep_those_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.upkeep(NOW, true);
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    close_ahead(&store, NOW);
    for day in 0..20 {
        let now = NOW.plus(day * DAY);
        pend(&store, &mut store.writer(), 0..10, now).unwrap();
        keep(&store, now);
    }
    assert!(store.pending.load().segments().count() <= 8, "{}", store.pending.load().segments().count());
    assert_eq!(store.counters()[1].get(Counter::SegmentsDroppedEarly), 0);
}

#[test]
fn a_segment_made_with_the_clock_ahead_ages_by_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.upkeep(NOW.plus(365 * DAY), false);
    let active = store.pending.load().active().unwrap().sequence();
    store.pending.roll_over(Some(active)).unwrap();
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    store.upkeep(NOW.plus(TERMS.retry_window / 4), true);
    assert_ne!(store.pending.load().active().unwrap().sequence(), active + 1);
}

#[test]
fn a_clock_that_goes_back_and_forth_uses_up_no_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut writer, ahead) = (store.writer(), NOW.plus(5 * DAY));
    for number in 0..50 {
        pend(&store, &mut writer, number..number + 1, NOW).unwrap();
        store.upkeep(ahead, true);
    }
    assert!(store.pending.load().segments().count() <= 3);
}

#[test]
fn a_segment_closed_with_the_clock_behind_keeps_its_entries_for_their_life() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    let active = store.pending.load().active().unwrap().sequence();
    store.upkeep(NOW, true);
    store.pending.roll_over(Some(active)).unwrap();
    store.upkeep(UnixSecs(NOW.0 - 365 * DAY), true);
    let end = NOW.plus(TERMS.retry_window);
    (0..3).for_each(|_| store.upkeep(end, true));
    assert_eq!(store.writer().session().triplet(tag(&store, 3), end), Triplet::Pending { first: NOW });
}

#[test]
fn an_attempt_that_was_given_up_is_not_taken_up_again_from_an_older_segment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer = store.writer();
    store.upkeep(NOW, true);
    pend(&store, &mut writer, 0..1, NOW).unwrap();
    let active = store.pending.load().active().unwrap().sequence();
    store.pending.roll_over(Some(active)).unwrap();
    let anew = NOW.plus(TERMS.retry_window + 1);
    assert_eq!(writer.session().triplet(tag(&store, 0), anew), Triplet::Unknown);
    pend(&store, &mut writer, 0..1, anew).unwrap();
    assert_eq!(writer.session().triplet(tag(&store, 0), UnixSecs(anew.0 - 1)), Triplet::Unknown, "a second back");
    assert_eq!(writer.session().triplet(tag(&store, 0), anew), Triplet::Pending { first: anew });
}

#[test]
fn the_ends_of_time_and_steps_of_years_lose_nothing() {
    const YEAR: u32 = 365 * DAY;
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    pass(&store, 0..10, NOW).unwrap();
    let ends = [0, 1, i32::MAX.unsigned_abs(), i32::MAX.unsigned_abs() + 1, u32::MAX - 1, u32::MAX];
    let steps = [NOW.0 - 10 * YEAR, NOW.0 + 10 * YEAR, NOW.0 - 3600, NOW.0 + 3600, NOW.0];
    for (round, time) in (1..).zip([ends.as_slice(), &steps].concat()) {
        let now = UnixSecs(time);
        let numbers = round * 100..round * 100 + 10;
        pend(&store, &mut store.writer(), numbers.clone(), now).unwrap();
        // Twice, as some of it is done a round later.
        (0..2).for_each(|_| store.upkeep(now, false));
        assert_eq!(store.writer().session().triplet(tag(&store, numbers.start), now), Triplet::Pending { first: now });
        pass(&store, numbers, now).unwrap();
        drop(store);
        store = open_at(dir.path(), now).unwrap();
    }
    keep(&store, NOW);
    for number in 0..10 {
        assert_eq!(store.writer().session().triplet(tag(&store, number), NOW), Triplet::Passed { last: NOW });
    }
    assert_eq!(store.counters()[1].get(Counter::SegmentsDroppedEarly), 0);
}
