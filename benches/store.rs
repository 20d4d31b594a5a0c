//! What the state costs beside look-ups and appends: a roll-over on a worker's time, and a start. Both in time on the wall.
//!
//! * roll-over: the one append in a segment's life that finds it full and goes on in the spare that upkeep has made ready. The
//!   append before it had no spare and was refused, so it can be no other.
//! * open: a state of 1 GiB, 24 bytes a triplet, as it is found after a clean end, after `kill -9` and after the machine went
//!   down. Each start must know a triplet. The rings are as appending makes them: sealed segments, and the newest, which
//!   holds some third of all and is what has to be looked through again.

use std::cell::{Cell, LazyCell};
use std::fs;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use irongrey::grey::{Change, State, Triplet};

#[path = "support/state.rs"]
mod state;
use state::{LEAST, NOW, PENDING_EVERY, StateDir, append, change, tag};

/// Triplets whose records and index take 1 GiB.
const RECORDS: u64 = (1 << 30) / 24;
/// Room for them, and for segments that grow as large as those of such a state may.
const MAX_SIZE: u64 = 8 << 30;
/// Seconds from one roll-over to the next: the oldest segment may be dropped for the next spare.
const STEP: u32 = 3600;

fn roll_over(criterion: &mut Criterion) {
    let dir = StateDir::new();
    // Segments stay small, and are soon full.
    let store = dir.open(LEAST);
    let mut writer = store.writer();
    let (mut number, mut now) = (0, NOW);
    let mut group = criterion.benchmark_group("store");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.bench_function("append with a roll-over", |bencher| {
        bencher.iter_custom(|count| {
            let mut taken = Duration::ZERO;
            for _ in 0..count {
                let mut session = writer.session();
                while session.append(tag(number), Change::Pending(now), now).is_ok() {
                    number += 1;
                }
                drop(session);
                now = now.plus(STEP);
                store.upkeep(now, true);
                let mut session = writer.session();
                let began = Instant::now();
                let appended = session.append(tag(number), Change::Pending(now), now);
                taken += began.elapsed();
                assert_eq!(appended, Ok(()));
                assert_eq!(session.triplet(tag(number), now), Triplet::Pending { first: now });
                number += 1;
            }
            taken
        });
    });
    group.finish();
}

/// How a run ended: its name, whether the state is closed, and what is done to the directory of the dead.
type End<'a> = (&'static str, bool, &'a dyn Fn(&StateDir));

/// A state that holds [`RECORDS`] triplets and was closed cleanly.
fn filled() -> StateDir {
    let dir = StateDir::new();
    let store = dir.open(MAX_SIZE);
    append(&mut store.writer(), 0..RECORDS);
    (0..4).for_each(|_| store.upkeep(NOW, false));
    store.close();
    dir
}

/// Opens it and says how long that took.
fn open(dir: &StateDir, is_clean: bool, number: u64) -> Duration {
    let began = Instant::now();
    let store = dir.open(MAX_SIZE);
    let taken = began.elapsed();
    let Change::Passed(last) = change(number) else { panic!("a number of one that has passed") };
    assert_eq!(store.writer().session().triplet(tag(number), NOW), Triplet::Passed { last });
    if is_clean {
        store.close();
    }
    taken
}

fn opens(criterion: &mut Criterion) {
    let dir = LazyCell::new(filled);
    let number = Cell::new(1);
    let mut group = criterion.benchmark_group("open of 1 GiB");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    let as_it_is = |_: &StateDir| {};
    let other_boot = |dir: &StateDir| {
        fs::write(dir.path().join("run"), "running another-boot 2 0:0\n").expect("the directory can be written to");
    };
    // What is not closed is found as `kill -9` leaves it, from the second time on: the first is part of the warming up.
    let ends: [End<'_>; 3] =
        [("clean", true, &as_it_is), ("same boot", false, &as_it_is), ("other boot", false, &other_boot)];
    for (name, is_clean, pretend) in ends {
        group.bench_function(name, |bencher| {
            let dir = &*dir;
            bencher.iter_custom(|count| {
                let open_again = |_| {
                    number.set((number.get() + 7_919 * PENDING_EVERY) % (RECORDS / PENDING_EVERY * PENDING_EVERY));
                    pretend(dir);
                    open(dir, is_clean, number.get())
                };
                (0..count).map(open_again).sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, roll_over, opens);
criterion_main!(benches);
