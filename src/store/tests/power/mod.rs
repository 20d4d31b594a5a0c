//! Power losses: recorded lives of a state, and the disk as each change may leave it.
//!
//! Each image is opened by the daemon's own code and compared: nothing is known that was not appended, nothing is lost that
//! was durable. `IMAGES=100000` sets how many; a failure prints its life and its moment.

mod ledger;
mod life;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::store::recorder::{Event, Image, Loss, Point, World};
use ledger::{Crash, Ledger};
use life::{Life, Lived};

/// Short lives, so that segments are rolled over, sealed and dropped within a few hundred steps.
const TERMS: Terms = Terms { max_age: 4 * DAY, ..super::TERMS };
/// Room enough that nothing is dropped before its time.
const MAX_STATE: u64 = 1 << 30;
const IMAGES_PER_LIFE: usize = 100;

/// A place for images: in memory where there is one.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Seeds that follow each other give numbers that have nothing to do with each other.
fn random(seed: u64) -> Random {
    Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}

fn live(seed: u64, syncs_at_start: bool) -> Lived {
    let dir = place();
    let mut life = Life::begin(&dir.path().join("state"), Ledger::default(), &[], seed, syncs_at_start);
    life.go_on(200);
    life.end()
}

/// Makes `count` images of a recorded life and gives each to `check`, with the moment and what was lost.
fn crash(
    Lived { events, before, ledger }: &Lived,
    without: Option<Point>,
    count: usize,
    random: &mut Random,
    mut check: impl FnMut(&Path, &Ledger, Crash, Loss) -> Result<(), String>,
) -> Result<(), String> {
    let (mut world, mut applied) = (World::default(), 0);
    for at in moments(&events[*before..], count, random).into_iter().map(|at| before + at) {
        events[applied..at].iter().for_each(|event| world.apply(event, without));
        applied = at;
        let loss = Loss::EACH[usize::try_from(random.below(Loss::EACH.len() as u64)).unwrap()];
        let dir = place();
        Image::of(&world, loss, |bound| random.below(bound)).write(&dir.path().join("state")).unwrap();
        let crash = Crash { at, is_kill: loss == Loss::Killed };
        check(dir.path(), ledger, crash, loss).map_err(|reason| format!("after change {at}, {loss:?}: {reason}"))?;
    }
    Ok(())
}

/// Anywhere, or as often just after one of the changes that are rare, or at the end, when all is closed.
fn moments(events: &[Event], count: usize, random: &mut Random) -> Vec<usize> {
    let is_rare = |event: &Event| !matches!(event, Event::Written(..) | Event::Flushed(..));
    let rare: Vec<usize> = (1..).zip(events).filter(|(_, event)| is_rare(event)).map(|(after, _)| after).collect();
    let mut any = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
    let moment = |_| match any(20) {
        0 => events.len(),
        1..10 => any(events.len()),
        _ if rare.is_empty() => events.len(),
        _ => rare[any(rare.len())],
    };
    let mut moments: Vec<usize> = (0..count).map(moment).collect();
    moments.sort_unstable();
    moments
}

/// Opens an image, compares it, and goes on with it for a while.
fn check(dir: &Path, ledger: &Ledger, crash: Crash) -> Result<(), String> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let now = ledger.time(crash.at);
        let open =
            || Store::open(&settings(dir, MAX_STATE), &TERMS, 2, now).map_err(|error| format!("no start: {error}"));
        let store = open()?;
        ledger.compare(&store, crash, now)?;
        (0..4).for_each(|_| store.upkeep(now, true));
        ledger.compare(&store, crash, now).map_err(|reason| format!("after upkeep: {reason}"))?;
        pend(&store, &mut store.writer(), 1 << 60..(1 << 60) + 20, now).map_err(|_| "no room")?;
        store.close();
        drop(store);
        let store = open()?;
        let is_known = |number| store.writer().session().triplet(tag(&store, number), now) != Triplet::Unknown;
        if !(1 << 60..(1 << 60) + 20).all(is_known) {
            return Err("what came after the crash is lost".to_owned());
        }
        ledger.compare(&store, crash, now).map_err(|reason| format!("after another start: {reason}"))?;
        let is_good = |name: &String| !name.contains(".bad");
        segment_files(dir).iter().all(is_good).then_some(()).ok_or_else(|| "a file was set aside".to_owned())
    }));
    result.unwrap_or_else(|panic| Err(format!("panic: {:?}", panic.downcast_ref::<String>())))
}

/// The same for a crash within the life that begins in an image.
fn check_second_life(dir: &Path, lived: &Lived, first: Crash, seed: u64, count: usize) -> Result<(), String> {
    // What a killed process has not synced is still there and not durable.
    let before = if first.is_kill { &lived.events[..first.at] } else { &[] };
    let mut life = Life::begin(&dir.join("state"), lived.ledger.after(first), before, seed, true);
    life.go_on(12);
    let second = life.end();
    crash(&second, None, count, &mut random(seed), |dir, ledger, crash, _| check(dir, ledger, crash))
        .map_err(|reason| format!("in a second life: {reason}"))
}

#[test]
fn nothing_durable_is_lost_and_nothing_is_known_that_was_not_appended() {
    let images: usize = std::env::var("IMAGES").map_or(2000, |images| images.parse().unwrap());
    let lives = images.div_ceil(IMAGES_PER_LIFE);
    let counts = std::thread::scope(|scope| {
        let threads = [0, 1].map(|thread| {
            scope.spawn(move || {
                let mut losses = BTreeMap::new();
                for seed in (1..=lives as u64).filter(|seed| seed % 2 == thread) {
                    let mut random = random(seed);
                    let life = live(seed, true);
                    let result = crash(&life, None, IMAGES_PER_LIFE / 2, &mut random, |dir, ledger, crash, loss| {
                        *losses.entry(format!("{loss:?}")).or_insert(0) += 1;
                        check(dir, ledger, crash)
                    })
                    .and_then(|()| {
                        crash(&life, None, 5, &mut random, |dir, _, crash, _| {
                            let lives = if crash.is_kill { "a second life after a kill" } else { "a second life" };
                            *losses.entry(lives.to_owned()).or_insert(0) += 10;
                            check_second_life(dir, &life, crash, seed, 10)
                        })
                    });
                    assert!(result.is_ok(), "life {seed}: {}", result.unwrap_err());
                }
                losses
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    println!("{} images: {counts:?}", counts.iter().flat_map(BTreeMap::values).sum::<i32>());
}

/// Each line of code that asks for a sync is needed: with that one left out, an image shows a loss.
#[test]
fn without_any_one_sync_something_is_lost() {
    let lives: Vec<_> = (101..=106).map(|seed| live(seed, true)).collect();
    assert_eq!(first_loss(&lives, None), None, "with all of them");
    let mut points: BTreeMap<String, Point> = BTreeMap::new();
    for event in lives.iter().flat_map(|life| &life.events) {
        points.extend(event.point().map(|point| (point.to_string(), point)));
    }
    let mut needless = Vec::new();
    for (name, point) in points {
        match first_loss(&lives, Some(point)) {
            Some(reason) => println!("without {name}: {}", &reason[..reason.len().min(160)]),
            None => needless.push(name),
        }
    }
    // The last one in `Store::open` is made in the same line as all others of records.
    let lives: Vec<_> = (101..=106).map(|seed| live(seed, false)).collect();
    match first_loss(&lives, None) {
        Some(reason) => println!("without the one of records at a start: {}", &reason[..reason.len().min(160)]),
        None => needless.push("the one of records at a start".to_owned()),
    }
    assert!(needless.is_empty(), "nothing is lost without {needless:?}");
}

fn first_loss(lives: &[Lived], without: Option<Point>) -> Option<String> {
    (0..30).find_map(|round| {
        let mut random = random(round as u64);
        let life = &lives[round % lives.len()];
        crash(life, without, 40, &mut random, |dir, ledger, crash, _| check(dir, ledger, crash)).err()
    })
}
