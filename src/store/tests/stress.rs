//! All cores at once on real mappings: writers, readers, syncs, roll-overs, seals. `STRESS_SECONDS=60` makes it longer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

fn duration() -> Duration {
    Duration::from_secs(std::env::var("STRESS_SECONDS").map_or(3, |seconds| seconds.parse().unwrap()))
}

/// Each writer knows at once whatever any of them has appended, and what a commit has covered is durable, while segments come
/// and go under them.
#[test]
fn writers_on_all_cores_lose_nothing_while_segments_are_rolled_over_and_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let settings = StateSettings { sync: SyncMode::Always, ..settings(dir.path(), 8 << 30) };
    let writers = thread::available_parallelism().map_or(2, usize::from).max(2);
    let store = Store::open(&settings, &TERMS, writers, NOW).unwrap();
    keep(&store, NOW);
    let (stop, appended) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (stop, appended, store) = (&stop, &appended, &store);
        for writer in 0..writers as u64 {
            scope.spawn(move || write(store, writer, stop, appended));
        }
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                store.commit(Duration::from_millis(1));
            }
        });
        let began = Instant::now();
        while began.elapsed() < duration() {
            // A quarter of the pending ring's life passes four times: with those that fill up there are not too many segments.
            let passed = began.elapsed().as_millis() * u128::from(TERMS.retry_window) / duration().as_millis();
            store.upkeep(NOW.plus(u32::try_from(passed).unwrap()), false);
            thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let appended = appended.load(Ordering::Relaxed);
    let view = store.pending.load();
    println!("{appended} triplets by {writers} writers, {} segments", view.segments().count());
    assert!(view.segments().count() > 2, "it has been rolled over");
    let mut writer = store.writer();
    let session = writer.session();
    for number in (0..writers as u64).flat_map(|writer| numbers(writer, appended / 20)) {
        let tag = tag(&store, number);
        let found = view.find(tag).filter(|record| record.tag == tag).count();
        assert!(found == 1 || found > 1 && is_shared(number), "{number} was recorded {found} times");
    }
    drop(session);
    store.close();
}

/// The numbers that a writer appends: its own, and every eighth one that all append.
fn numbers(writer: u64, count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |index| if is_shared(index) { index } else { (writer + 1) << 40 | index })
}

fn is_shared(number: u64) -> bool {
    number < 1 << 40 && number.is_multiple_of(8)
}

fn write(store: &Arc<Store>, writer: u64, stop: &AtomicBool, appended: &AtomicU64) {
    let commits = store.commits().unwrap();
    let mut end = store.writer();
    let mut waiting = Vec::new();
    for (index, number) in (0..).zip(numbers(writer, u64::MAX)) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let mut session = end.session();
        let tag = tag(store, number);
        if session.triplet(tag, NOW) == Triplet::Unknown {
            // Without a spare there is no room for a moment.
            while session.append(tag, Change::Pending(NOW), NOW).is_err() {
                drop(session);
                thread::yield_now();
                session = end.session();
            }
        }
        assert_eq!(session.triplet(tag, NOW), Triplet::Pending { first: NOW }, "{number} is unknown to its writer");
        waiting.push((tag, session.take_unsettled().then(|| commits.request())));
        if index % 512 == 511 {
            // What a round has covered is durable for whoever looks, whoever has written it.
            let last = waiting.iter().filter_map(|(_, ticket)| *ticket).max().unwrap_or(0);
            drop(session);
            while commits.completed() < last && !stop.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let session = end.session();
            for (tag, _) in waiting.drain(..).filter(|_| commits.completed() >= last) {
                assert_eq!(session.triplet(tag, NOW), Triplet::Pending { first: NOW });
                assert!(!session.take_unsettled(), "a round has completed, but {tag:?} is not durable");
            }
            appended.fetch_add(512, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_reply_waits_for_whatever_it_rests_on_and_only_until_that_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let settings = StateSettings { sync: SyncMode::Always, ..settings(dir.path(), 64 << 20) };
    let store = Store::open(&settings, &TERMS, 2, NOW).unwrap();
    let (mut writer, mut other) = (store.writer(), store.writer());
    let (mut session, reader) = (writer.session(), other.session());
    let client = Client { count: 1, last: NOW };
    for (number, change) in (0..).zip([Change::Pending(NOW), Change::Passed(NOW), Change::Client(client)]) {
        let tag = tag(&store, number);
        session.append(tag, change, NOW).unwrap();
        assert!(session.take_unsettled(), "{change:?} appended");
        let look = || match change {
            Change::Client(_) => assert_eq!(reader.client(tag, NOW), Some(client)),
            _ => assert_ne!(reader.triplet(tag, NOW), Triplet::Unknown),
        };
        look();
        assert!(reader.take_unsettled(), "{change:?} seen, which another worker has appended");
        assert!(!reader.take_unsettled(), "said once");
        store.commits().unwrap().request();
        store.commit(Duration::ZERO);
        look();
        assert!(!reader.take_unsettled(), "{change:?} is durable");
    }
}
