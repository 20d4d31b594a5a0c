//! Indexes that are made anew from the records.

use super::*;
use crate::atomics::Ordering;
use crate::table::{Geometry, Memory};

/// The later one stands at the lower position.
#[test]
fn of_two_workers_attempts_the_later_one_counts_after_another_boot_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut one, mut other, anew) = (store.writer(), store.writer(), NOW.plus(RULES.retry_window + 1));
    pend(&store, &mut one, 0..1, NOW).unwrap();
    pend(&store, &mut other, 1..100, NOW).unwrap();
    pend(&store, &mut one, 1..100, anew).unwrap();
    drop((store, one, other));
    for other_boot in [false, true] {
        if other_boot {
            pretend_other_boot(dir.path());
        }
        let store = open(dir.path());
        let seen = |now| (1..100).map(move |number| (number, now));
        for (number, now) in seen(anew).chain(seen(UnixSecs(anew.0 - 1))) {
            let expected = if now == anew { Triplet::Pending { first: anew } } else { Triplet::Unknown };
            let found = store.writer().session().triplet(tag(&store, number), now);
            assert_eq!(found, expected, "{number} at {now:?}, {other_boot}");
        }
    }
}

/// Marks and index are read by the copier before records are appended, the records and `run` after that.
#[test]
fn a_copy_that_was_made_while_somebody_wrote_is_served_whole() {
    for is_closed in [true, false] {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (from_state, to_state) = (from.path().join("state"), to.path().join("state"));
        let store = open(from.path());
        let segment = store.pending.load().active().unwrap().memory().path().to_owned();
        let (records_at, index_at) = {
            let layout = store.pending.load().active().unwrap().memory().layout();
            (layout.records_at(), layout.index_at())
        };
        let mut copied = fs::read(&segment).unwrap();
        pend(&store, &mut store.writer(), 0..20_000, NOW).unwrap();
        if is_closed {
            store.close();
        }
        copied[records_at..index_at].copy_from_slice(&fs::read(&segment).unwrap()[records_at..index_at]);
        fs::create_dir(&to_state).unwrap();
        fs::write(to_state.join(segment.file_name().unwrap()), copied).unwrap();
        for name in ["key", "run", "lock"] {
            fs::copy(from_state.join(name), to_state.join(name)).unwrap();
        }
        let store = open(to.path());
        let is_known = |number| store.writer().session().triplet(tag(&store, number), NOW) != Triplet::Unknown;
        assert_eq!((0..20_000).filter(|&number| !is_known(number)).count(), 0, "closed: {is_closed}");
    }
}

/// A client that is counted more often than a probe has slots, and a triplet of the same home that came early, at a later position.
#[test]
fn a_client_that_is_counted_without_end_takes_no_slot_of_another_after_another_boot() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    keep(&store, NOW);
    let geometry = Geometry::new(store.established.load().active().unwrap().capacity());
    let client = tag(&store, 0);
    let triplet = (1..1 << 20)
        .map(|number| tag(&store, number))
        .find(|&tag| geometry.home(tag) == geometry.home(client))
        .unwrap();
    let (mut one, mut other) = (store.writer(), store.writer());
    let probe = u32::try_from(geometry.probe(client).count()).unwrap();
    let time = |hour| NOW.plus(hour * 3600);
    let count = |hour| u16::try_from(hour + 1).unwrap();
    for hour in 0..probe {
        let counted = Change::Client(Client { count: count(hour), last: time(hour) });
        // The last one finds no slot and goes to the next segment.
        one.session().append(client, counted, time(hour)).unwrap();
        if hour == 0 {
            other.session().append(triplet, Change::Passed(NOW), NOW).unwrap();
        }
    }
    drop((store, one, other));
    for end in [pretend_kill, pretend_other_boot] {
        end(dir.path());
        let store = open(dir.path());
        let now = time(probe);
        assert_eq!(store.writer().session().triplet(triplet, now), Triplet::Passed { last: NOW });
        let last = probe - 1;
        let counted = Client { count: count(last), last: time(last) };
        assert_eq!(store.writer().session().client(client, now), Some(counted));
    }
}

/// The marks are not synced, the records are: the file system was lost and mounted again in the same boot.
#[test]
fn records_whose_marks_were_lost_in_the_same_boot_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..20_000, NOW).unwrap();
    let active = Arc::clone(store.pending.load().active().unwrap());
    active.memory().fills().iter().for_each(|fill| fill.store(0, Ordering::Relaxed));
    active.memory().slots().iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
    drop((store, active));
    let store = open(dir.path());
    let is_known = |number| store.writer().session().triplet(tag(&store, number), NOW) != Triplet::Unknown;
    assert_eq!((0..20_000).filter(|&number| !is_known(number)).count(), 0);
}
