//! The store on real files: what its tests share.

mod check;
mod clock;
mod damage;
mod failing;
mod flips;
mod full;
mod golden;
mod latency;
mod lost_disk;
mod model;
mod power;
mod rebuild;
mod rings;
mod start;
mod start_time;
mod stress;

use std::fs;
use std::path::Path;

use super::*;
use crate::config::SyncMode;
use crate::grey::{Change, Client, Full, State, Triplet};
use crate::table::Tag;

const NOW: UnixSecs = UnixSecs(1_795_000_000);
const DAY: u32 = 86_400;
const TERMS: Terms = Terms::DEFAULT;

/// Numbers that a seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

fn settings(dir: &Path, max_size: u64) -> StateSettings {
    StateSettings { dir: dir.join("state"), max_size, sync: SyncMode::Os }
}

fn open_at(dir: &Path, now: UnixSecs) -> Result<Arc<Store>, OpenError> {
    Store::open(&settings(dir, 64 << 20), &TERMS, 2, now)
}

fn open_with(dir: &Path, max_size: u64, terms: &Terms) -> Arc<Store> {
    Store::open(&settings(dir, max_size), terms, 2, NOW).unwrap()
}

/// Rounds of upkeep at one time, as many as it takes until nothing is left to do.
fn keep(store: &Store, now: UnixSecs) {
    (0..12).for_each(|_| store.upkeep(now, true));
}

fn pass(store: &Arc<Store>, numbers: std::ops::Range<u64>, now: UnixSecs) -> Result<(), Full> {
    let mut writer = store.writer();
    let mut session = writer.session();
    numbers.into_iter().try_for_each(|number| session.append(tag(store, number), Change::Passed(now), now))
}

/// Passes new triplets until the established ring has dropped something for want of room; the next number.
fn fill_established(store: &Arc<Store>, now: &mut UnixSecs) -> u64 {
    for number in 0.. {
        if store.counters()[1].get(Counter::SegmentsDroppedEarly) > 0 {
            return number * 10_000;
        }
        pass(store, number * 10_000..(number + 1) * 10_000, *now).unwrap();
        *now = now.plus(1);
        keep(store, *now);
    }
    unreachable!("the numbers do not end")
}

/// Floods the pending ring from `now` on, 10,000 new triplets and 100 s a round.
fn flood(store: &Arc<Store>, rounds: std::ops::Range<u64>, now: &mut UnixSecs) -> Result<(), Full> {
    let mut writer = store.writer();
    for number in rounds {
        pend(store, &mut writer, number * 10_000..(number + 1) * 10_000, *now)?;
        *now = now.plus(100);
        store.upkeep(*now, true);
    }
    Ok(())
}

fn state_bytes(dir: &Path) -> u64 {
    fs::read_dir(dir.join("state")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn open(dir: &Path) -> Arc<Store> {
    open_at(dir, NOW).unwrap()
}

fn tag(store: &Store, number: u64) -> Tag {
    store.secret().tag(&number.to_le_bytes())
}

fn pend(store: &Arc<Store>, writer: &mut Writer, numbers: std::ops::Range<u64>, now: UnixSecs) -> Result<(), Full> {
    let mut session = writer.session();
    numbers.into_iter().try_for_each(|number| session.append(tag(store, number), Change::Pending(now), now))
}

/// How many of these triplets are not known.
fn unknown(store: &Arc<Store>, numbers: std::ops::Range<u64>, now: UnixSecs) -> usize {
    let is_known = |number: u64| store.writer().session().triplet(tag(store, number), now) != Triplet::Unknown;
    numbers.filter(|&number| !is_known(number)).count()
}

fn segment_files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir.join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.contains("ing-") || name.contains("ed-"));
    names.sort();
    names
}

/// What a boot does that loses no page: the process is gone and the boot has another name.
fn pretend_other_boot(dir: &Path) {
    fs::write(dir.join("state/run"), "running another-boot 2 0:0\n").unwrap();
}

/// What a kill in this boot leaves.
fn pretend_kill(dir: &Path) {
    fs::write(dir.join("state/run"), last_run::running(&dir.join("state"), 2).unwrap()).unwrap();
}

/// What a clean end leaves, whatever was done to the files since.
fn pretend_clean_end(dir: &Path) {
    fs::write(dir.join("state/run"), last_run::clean(&dir.join("state")).unwrap()).unwrap();
}
