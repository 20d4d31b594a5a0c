//! How long a check takes while 100,000 new triplets a second are appended and synced. `LATENCY_SECONDS=60` makes it longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const RATE: u32 = 100_000;
/// Checks of one turn of an event loop.
const TURN: u32 = 32;

#[test]
fn a_check_takes_less_than_a_millisecond_beside_100_000_new_triplets_a_second() {
    let seconds: u32 = std::env::var("LATENCY_SECONDS").map_or(4, |seconds| seconds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 8 << 30, &TERMS);
    keep(&store, NOW);
    let stop = AtomicBool::new(false);
    let mut taken = thread::scope(|scope| {
        let (stop, store) = (&stop, &store);
        // Also when a check fails, or the others would be waited for without end.
        let _stop = Stop(stop);
        let every = |interval: Duration, work: fn(&Store)| {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    work(store);
                    thread::sleep(interval);
                }
            })
        };
        every(Duration::from_secs(1), Store::sync);
        every(Duration::from_millis(50), |store| store.upkeep(NOW, true));
        check_at_rate(store, seconds)
    });
    taken.sort_unstable();
    let at = |of_thousand: usize| Duration::from_nanos(taken[taken.len() * of_thousand / 1000]);
    let (p99, p999, longest) = (at(990), at(999), Duration::from_nanos(taken[taken.len() - 1]));
    println!("{} checks in {seconds} s: p99 {p99:?}, p99.9 {p999:?}, longest {longest:?}", taken.len());
    assert!(p99 < Duration::from_millis(1), "p99 {p99:?}");
    assert!(seconds < 60 || p999 < Duration::from_millis(5), "p99.9 {p999:?}");
}

/// Ends the threads when it is dropped.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Nanoseconds of each check of a new triplet: look-up and append.
fn check_at_rate(store: &Arc<Store>, seconds: u32) -> Vec<u64> {
    let mut writer = store.writer();
    let mut taken = Vec::with_capacity((RATE * seconds) as usize);
    let (began, mut full) = (Instant::now(), 0);
    for turn in 0..RATE * seconds / TURN {
        let due = began + Duration::from_secs(1) * (turn * TURN) / RATE;
        while Instant::now() < due {
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let mut session = writer.session();
        for number in turn * TURN..(turn + 1) * TURN {
            let start = Instant::now();
            let tag = tag(store, u64::from(number));
            assert_eq!(session.triplet(tag, NOW), Triplet::Unknown);
            // On a slow disk the next spare may be late; then nobody waits for it.
            full += u32::from(session.append(tag, Change::Pending(NOW), NOW).is_err());
            taken.push(u64::try_from(start.elapsed().as_nanos()).unwrap());
        }
    }
    assert!(full < RATE * seconds / 2, "{full} could not be recorded");
    let rate = f64::from(RATE * seconds) / began.elapsed().as_secs_f64();
    assert!(rate > f64::from(RATE) * 0.5, "only {rate:.0} a second");
    taken
}
