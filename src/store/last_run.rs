//! [`LastRun`]: how the last run ended, as the file `run` says, and so what of the files can be believed.
//!
//! ```text
//! running BOOT WORKERS PLACE      PLACE: device and inode of the file `lock`
//! clean BOOT FILES                FILES: CRC-32 over the segments' inodes and change times
//! ```
//!
//! PLACE and FILES are those of the directory itself and never of a copy, which may have been made while somebody wrote. A copy
//! whose bytes are put over those of the files in place has the same PLACE: what that can have undone is looked for after every
//! kill (`repair.rs`).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::disk::identity;
use super::listing::{self, Listing};
use crate::config::MAX_WORKERS;

/// Workers at most, and control.
const MOST: usize = MAX_WORKERS + 1;

/// How the last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastRun {
    /// Everything was synced and the files closed.
    Clean,
    /// The process died, the kernel lives: the page cache has all that it wrote.
    SameBoot {
        /// How many wrote.
        workers: usize,
    },
    /// The machine went down, or the files come from elsewhere: any page may be old.
    OtherBoot,
}

impl LastRun {
    /// As the file says. One that cannot be read counts as another boot: that only costs time.
    pub(super) fn read(directory: &Path) -> Self {
        let text = listing::read(&directory.join("run")).unwrap_or_default();
        match text.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["clean", _, files] if files_of(directory).is_ok_and(|found| found == files) => Self::Clean,
            ["running", boot, workers, place]
                if boot == boot_id() && place_of(directory).is_ok_and(|found| found == place) =>
            {
                Self::SameBoot { workers: workers.parse().unwrap_or(MOST).min(MOST) }
            }
            _ => Self::OtherBoot,
        }
    }
}

/// What the file says from now on: the state is in use by so many workers.
pub(super) fn running(directory: &Path, workers: usize) -> io::Result<String> {
    Ok(format!("running {} {workers} {}\n", boot_id(), place_of(directory)?))
}

/// The same: the state is at rest.
pub(super) fn clean(directory: &Path) -> io::Result<String> {
    Ok(format!("clean {} {}\n", boot_id(), files_of(directory)?))
}

fn place_of(directory: &Path) -> io::Result<String> {
    let (device, inode) = identity(&fs::symlink_metadata(directory.join("lock"))?);
    Ok(format!("{device}:{inode}"))
}

fn files_of(directory: &Path) -> io::Result<String> {
    let mut parts = Vec::new();
    for path in Listing::read(directory)?.segments {
        let file = fs::symlink_metadata(path)?;
        parts.extend([file.ino().to_le_bytes(), file.ctime().to_le_bytes(), file.ctime_nsec().to_le_bytes()]);
    }
    Ok(format!("{:08x}", crc32fast::hash(parts.as_flattened())))
}

/// The kernel's name for this boot; where there is none every start counts as another boot.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
