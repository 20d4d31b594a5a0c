//! The store on real files: what its tests share.

mod damage;
mod model;
mod rings;
mod start;

use std::fs;
use std::path::Path;

use super::*;
use crate::config::SyncMode;
use crate::grey::{Change, Full, Networks, OnFull, State, Triplet};
use crate::table::Tag;

const NOW: UnixSecs = UnixSecs(1_795_000_000);
const DAY: u32 = 86_400;
const RULES: Rules = Rules {
    delay: 300,
    retry_window: 2 * DAY,
    max_age: 35 * DAY,
    auto_whitelist_clients: 5,
    networks: Networks { ipv4_prefix: 24, ipv6_prefix: 64 },
    on_full: OnFull::Dunno,
};

fn settings(dir: &Path, max_size: u64) -> StateSettings {
    StateSettings { dir: dir.join("state"), max_size, sync: SyncMode::Os }
}

fn open_at(dir: &Path, now: UnixSecs) -> Result<Arc<Store>, OpenError> {
    Store::open(&settings(dir, 64 << 20), &RULES, 2, now)
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
    fs::write(dir.join("state/run"), "running another-boot\n").unwrap();
}
