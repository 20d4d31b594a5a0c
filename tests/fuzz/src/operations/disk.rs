//! [`Disk`]: what of the segment files is durable, and what a power loss makes of the rest.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use fastrand::Rng;

use crate::state::StateDir;

/// What a disk writes as a whole, in bytes.
const SECTOR: usize = 512;

/// The segment files as they were when everything had been synced.
#[derive(Debug, Default)]
pub(super) struct Disk(BTreeMap<PathBuf, Vec<u8>>);

impl Disk {
    /// What the files hold now is durable.
    pub(super) fn of(dir: &StateDir) -> Self {
        Self(dir.segments())
    }

    /// The power has failed: each sector that has changed is the new one or the old one, as chance has it.
    pub(super) fn fail(&self, dir: &StateDir, seed: u64) {
        let mut random = Rng::with_seed(seed);
        for (path, new) in dir.segments().iter().filter(|(_, new)| !is_sealed(new)) {
            let file = OpenOptions::new().write(true).open(path).expect("a segment can be opened");
            for (number, sector) in new.chunks(SECTOR).enumerate() {
                let at = number * SECTOR;
                let old = match self.0.get(path) {
                    Some(old) => &old[at..at + SECTOR],
                    // Of a file that was made since, the header is durable, and that it was empty.
                    None if at == 0 => sector,
                    None => &[0; SECTOR],
                };
                if sector != old && random.bool() {
                    file.write_all_at(old, at as u64).expect("a segment can be written to");
                }
            }
        }
    }
}

/// What is sealed was synced as a whole before.
fn is_sealed(file: &[u8]) -> bool {
    file[SECTOR..SECTOR + 8] != [0; 8]
}
