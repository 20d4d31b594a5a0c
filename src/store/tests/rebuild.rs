//! Indexes that are made anew from the records.

use super::*;
use crate::store::recorder::{Event, Tape};
use crate::table::{Cursor, Geometry, Kind, Record, Segment};

/// The later one stands at the lower position.
#[test]
fn of_two_workers_attempts_the_later_one_counts_after_another_boot_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut one, mut other, anew) = (store.writer(), store.writer(), NOW.plus(TERMS.retry_window + 1));
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
        assert_eq!(unknown(&store, 0..20_000, NOW), 0, "closed: {is_closed}");
    }
}

/// Else the power may go in the middle and leave a clean end that was taken back, beside half an index.
#[test]
fn what_the_last_run_said_is_taken_back_durably_before_an_index_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    drop(store);
    pretend_other_boot(dir.path());
    let tape = Tape::start(&dir.path().join("state"));
    let before = tape.len();
    open(dir.path());
    let events = tape.events().split_off(before);
    let first = |is_it: fn(&Event) -> bool| events.iter().position(is_it).unwrap();
    let taken_back = first(|event| matches!(event, Event::Removed(name) if name == "run"));
    let synced = first(|event| matches!(event, Event::DirectorySynced(_)));
    let anew = first(|event| matches!(event, Event::Written(_, offset, _) if *offset >= format::FILLS_AT));
    assert!(taken_back < synced && synced < anew, "{taken_back}, {synced}, {anew}");
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

fn put(segment: &Segment<SegmentFile>, cursor: &mut Cursor, tag: Tag, kind: Kind, time: UnixSecs, count: u16) {
    segment.append(cursor, &Record { tag, kind, time, count, origin: 0 }).unwrap();
}

/// The clock was ahead by a year for a moment, after the void that counts or before it.
#[test]
fn a_void_from_the_future_hides_no_other() {
    for voids in [[10, 365 * DAY], [365 * DAY, 10]] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let active = Arc::clone(store.established.load().active().unwrap());
        let (tag, mut cursor) = (tag(&store, 1), Cursor::default());
        put(&active, &mut cursor, tag, Kind::Passed, NOW, 0);
        for after in voids {
            put(&active, &mut cursor, tag, Kind::Void, NOW.plus(after), 0);
        }
        assert_eq!(store.writer().session().triplet(tag, NOW.plus(20)), Triplet::Unknown, "{voids:?}");
        drop((store, active));
        for end in [pretend_kill, pretend_other_boot] {
            end(dir.path());
            let store = open(dir.path());
            assert_eq!(store.writer().session().triplet(tag, NOW.plus(20)), Triplet::Unknown, "{voids:?}");
        }
    }
}

fn ahead(look: u32) -> [Triplet; 2] {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writer = store.writer();
    pend(&store, &mut writer, 1..2, NOW.plus(3 * DAY)).unwrap();
    pend(&store, &mut writer, 1..2, NOW).unwrap();
    drop((store, writer));
    [pretend_kill, pretend_other_boot].map(|end| {
        end(dir.path());
        let store = open(dir.path());
        store.writer().session().triplet(tag(&store, 1), NOW.plus(look))
    })
}

#[test]
fn an_attempt_is_not_lost_behind_one_from_the_future() {
    let [live, rebuilt] = ahead(300);
    assert_eq!(live, rebuilt);
}

#[test]
fn an_attempt_that_was_given_up_stays_so() {
    let [live, rebuilt] = ahead(3 * DAY + 300);
    assert_eq!(live, rebuilt);
}

#[test]
fn an_index_that_is_made_anew_answers_as_the_old_one_for_what_is_established() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let active = Arc::clone(store.established.load().active().unwrap());
        let mut cursors = [Cursor::default(), Cursor::default(), Cursor::default()];
        for _ in 0..900 {
            let number = random.below(40);
            let kind = [Kind::Passed, Kind::Client, Kind::Void, Kind::Client][random.index(4)];
            let time = NOW.plus(u32::try_from(random.below(40 * u64::from(DAY))).unwrap());
            let count = if kind == Kind::Client { u16::try_from(random.below(50)).unwrap() } else { 0 };
            put(&active, &mut cursors[random.index(3)], tag(&store, number), kind, time, count);
        }
        drop((store, active));
        let mut seen = [Vec::new(), Vec::new()];
        for (end, seen) in [pretend_kill, pretend_other_boot].into_iter().zip(&mut seen) {
            end(dir.path());
            let store = open(dir.path());
            for number in 0..40 {
                for day in [41, 50, 60, 75] {
                    let (now, tag) = (NOW.plus(day * DAY), tag(&store, number));
                    let mut writer = store.writer();
                    let session = writer.session();
                    seen.push((session.triplet(tag, now), session.client(tag, now)));
                }
            }
        }
        assert!(seen[0] == seen[1], "{seed}");
    }
}

#[test]
fn and_for_what_is_pending() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let mut writers: Vec<_> = (0..3).map(|_| store.writer()).collect();
        let mut time = NOW;
        for _ in 0..3000 {
            time = time.plus(u32::try_from(random.below(400)).unwrap());
            let number = random.below(60);
            let is_unknown = store.writer().session().triplet(tag(&store, number), time) == Triplet::Unknown;
            if is_unknown {
                for _ in 0..=random.below(2) {
                    let at = time.plus(u32::try_from(random.below(2)).unwrap());
                    pend(&store, &mut writers[random.index(3)], number..number + 1, at).unwrap();
                }
            }
        }
        drop((store, writers));
        let mut seen = [Vec::new(), Vec::new()];
        for (end, seen) in [pretend_kill, pretend_other_boot].into_iter().zip(&mut seen) {
            end(dir.path());
            let store = open(dir.path());
            for number in 0..60 {
                for day in 0..12 {
                    let now = NOW.plus(day * DAY);
                    seen.push(store.writer().session().triplet(tag(&store, number), now));
                }
            }
        }
        let differ = seen[0].iter().zip(&seen[1]).filter(|(live, rebuilt)| live != rebuilt).count();
        assert_eq!(differ, 0, "{seed}");
    }
}
