//! The state directory: segment files, memory-mapped, and the only owner of files and of unsafe code.
//!
//! | file | what |
//! |---|---|
//! | `format.rs` | the segment file, byte by byte |
//! | `map.rs` | a file as slices of atomics; UNSAFE |
//! | `disk.rs` | every change of the directory, and what makes it durable |
//! | `file.rs` | birth, opening and seal of a segment file |
//! | `directory.rs`, `listing.rs` | lock, key, the names of the files |
//! | `last_run.rs` | how the last run ended, and so what can be believed |
//! | `open.rs`, `repair.rs` | start, also after an unclean end |
//! | `look.rs` | a segment file that is only read, also beside the daemon |
//! | `check` | what a directory holds and what is damaged, without a change |
//! | `records.rs` | every record of a directory, without a change |
//! | `bulk.rs` | many records at once: the key before the start, and room for all of them before the first |
//! | `session.rs` | one worker's way into the state |
//! | `sync.rs`, `commits.rs` | appended records made durable, and replies that wait for that |
//! | `upkeep.rs`, `upkeep/room.rs`, `sizing.rs` | spares, roll-over by age, seal, drop |

mod bulk;
mod check;
mod commits;
mod directory;
mod disk;
mod error;
mod file;
mod format;
mod last_run;
mod lifetimes;
mod listing;
mod look;
mod map;
mod open;
#[cfg(test)]
pub mod recorder;
mod records;
mod releases;
mod repair;
mod session;
mod sizes;
mod sizing;
mod sync;
#[cfg(test)]
mod tests;
mod upkeep;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use bulk::{existing_key, put_key};
pub use check::Report;
pub use commits::Commits;
pub use directory::{make_directory, new_secret};
pub use error::{OpenError, ReserveError};
pub use lifetimes::lifetimes;
pub use map::{DISK_FAILED, exit_on_bus_error};
pub use records::Records;
pub use session::{Session, Writer};
pub use sizes::RingSize;

use crate::clock::UnixSecs;
use crate::config::{StateSettings, SyncMode};
use crate::grey::Terms;
use crate::metrics::{Counter, Counters};
use crate::table::{Ring, Secret, Segment};
use commits::lock;
use directory::Directory;
use file::SegmentFile;
use format::RingKind;
use lifetimes::{SharedLifetimes, protected};
use open::Contents;
use repair::{ReadIn, Repair};
use sizing::Bounds;
use upkeep::{Tools, Upkeep};

/// An open state directory, shared by all threads. Workers use [`Store::writer`]; the rest is control's.
#[derive(Debug)]
pub struct Store {
    directory: Directory,
    secret: Secret,
    lifetimes: SharedLifetimes,
    /// Bytes of the whole state at most.
    max_size: u64,
    pending: Ring<SegmentFile>,
    established: Ring<SegmentFile>,
    /// Rounds of syncing are one after the other.
    syncing: Mutex<()>,
    /// What replies wait for, if they do.
    commits: Option<Commits>,
    chores: Mutex<Chores>,
    /// Of the thread that syncs, and of the one that does the upkeep.
    counters: [Arc<Counters>; 2],
}

/// What the thread that does the upkeep has to do.
#[derive(Debug)]
struct Chores {
    pending: Upkeep,
    established: Upkeep,
    repair: Repair,
    read_in: ReadIn,
}

impl Store {
    /// Opens or makes the state directory. What a killed process had appended is durable when this returns.
    pub fn open(
        settings: &StateSettings,
        terms: &Terms,
        workers: usize,
        now: UnixSecs,
    ) -> Result<Arc<Self>, OpenError> {
        let directory = Directory::open(&settings.dir)?;
        let needed = sizing::min_state(workers);
        if settings.max_size < needed {
            return Err(OpenError::TooSmall { given: settings.max_size, needed, workers });
        }
        let mut contents = Contents::read(&directory)?;
        let pending_bounds = bounds(&directory, RingKind::Pending, settings.max_size, workers)?;
        let established_bounds = bounds(&directory, RingKind::Established, settings.max_size, workers)?;
        // Control writes as well, what an administrator asks for.
        let writers = workers + 1;
        contents.restore(&directory, writers)?;
        let in_use = "write down that the state is in use";
        directory.mark_running(contents.writers(writers)).map_err(OpenError::io(directory.path(), in_use))?;
        let needs_repair = contents.needs_repair();
        let pending = contents.ring(RingKind::Pending, &directory, &pending_bounds, now)?;
        let established = contents.ring(RingKind::Established, &directory, &established_bounds, now)?;
        let lifetimes = lifetimes(terms);
        let unsealed = unsealed(&pending, &established);
        let chores = Chores {
            pending: Upkeep::new(RingKind::Pending, &pending, pending_bounds, lifetimes.pending, protected(terms)),
            established: Upkeep::new(RingKind::Established, &established, established_bounds, lifetimes.established, 0),
            repair: if needs_repair { Repair::of(&unsealed) } else { Repair::default() },
            read_in: ReadIn::of(&[oldest_first(&pending), oldest_first(&established)].concat()),
        };
        let store = Self {
            directory,
            secret: contents.secret,
            lifetimes: SharedLifetimes::new(lifetimes),
            max_size: settings.max_size,
            pending,
            established,
            syncing: Mutex::default(),
            commits: (settings.sync == SyncMode::Always).then(Commits::default),
            chores: Mutex::new(chores),
            counters: <[Arc<Counters>; 2]>::default(),
        };
        store.sync();
        Ok(Arc::new(store))
    }

    /// The key under which tags are made.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// From now on what is known counts as long as these terms have it. Nothing that is dropped already comes back.
    pub fn set_terms(&self, terms: &Terms) {
        let lives = lifetimes(terms);
        let Chores { pending, established, .. } = &mut *lock(&self.chores);
        pending.set_times(lives.pending, protected(terms));
        established.set_times(lives.established, 0);
        self.lifetimes.set(lives);
    }

    /// The writing end of one worker, or of control.
    pub fn writer(self: &Arc<Self>) -> Writer {
        Writer::new(Arc::clone(self))
    }

    /// The counters of the threads that sync and do the upkeep.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Makes durable all that was appended before the call. Blocks on the disk.
    pub fn sync(&self) {
        let _one_at_a_time = lock(&self.syncing);
        sync::round(&unsealed(&self.pending, &self.established), |segment, error| {
            self.note_failed(segment.memory(), &error);
            // Without a spare it stays the active one until upkeep has made one.
            let _ = self.ring(segment.memory().ring()).roll_over(Some(segment.sequence()));
        });
    }

    /// The rounds that replies wait for; `None` unless they do (`--sync always`).
    pub fn commits(&self) -> Option<&Commits> {
        self.commits.as_ref()
    }

    /// Makes durable what replies wait for, or waits until one does, `patience` at most. Blocks on the disk.
    pub fn commit(&self, patience: Duration) {
        if let Some(commits) = &self.commits {
            commits.commit(patience, || self.sync());
        }
    }

    /// Does what is due: spares, roll-over by age, seals and drops, then a part of what the start has left to do.
    ///
    /// `settled`: the clock has made no step for a while, so expired segments may go. Blocks on the disk.
    pub fn upkeep(&self, now: UnixSecs, settled: bool) {
        let Chores { pending, established, repair, read_in } = &mut *lock(&self.chores);
        for (upkeep, ring) in [(pending, &self.pending), (established, &self.established)] {
            upkeep.round(&self.tools(ring, now, settled, repair.is_done()));
        }
        // A repair goes all over the index, so that is read in before, in order.
        if !read_in.is_done() {
            read_in.step();
        } else if !repair.is_done() {
            repair.step();
            if repair.is_done() {
                let path = self.directory.path().display();
                log::info!("{path}: the records of the process that died are all in the index");
            }
        }
    }

    /// A file of the state that somebody has removed, replaced or cut off under the daemon. One thread calls this and `upkeep`.
    pub fn lost_file(&self) -> Option<PathBuf> {
        if !self.directory.is_in_place() {
            return Some(self.directory.path().join("lock"));
        }
        let rings = [self.pending.load(), self.established.load()];
        let segments =
            rings.iter().flat_map(|view| view.segments().chain(view.spare.iter().map(|spare| &spare.segment)));
        segments.map(|segment| segment.memory()).find(|file| !file.is_in_place()).map(|file| file.path().to_owned())
    }

    /// The clean end: everything is made durable and marked so. The workers have ended before.
    ///
    /// If slots are still missing since the start before, the next start looks for them again. It also does if a sync has
    /// failed: that is not tried again, so index, fill marks and the failure word itself may be old after a power loss.
    pub fn close(&self) {
        let open = unsealed(&self.pending, &self.established);
        for segment in open.iter().filter(|segment| !segment.memory().has_failed()) {
            if let Err(error) = segment.memory().sync_all() {
                self.note_failed(segment.memory(), &error);
            }
        }
        let is_whole = open.iter().all(|segment| !segment.memory().has_failed()) && lock(&self.chores).repair.is_done();
        let path = self.directory.path().display();
        if !is_whole {
            log::warn!("{path}: not closed cleanly; the next start checks it");
        } else if let Err(error) = self.directory.mark_clean() {
            log::error!("{path}: not closed cleanly: {error}; the next start checks it");
        }
    }

    fn tools<'s>(&'s self, ring: &'s Ring<SegmentFile>, now: UnixSecs, settled: bool, may_seal: bool) -> Tools<'s> {
        let (directory, secret, counters) = (&self.directory, &self.secret, &*self.counters[1]);
        Tools { ring, directory, secret, counters, syncing: &self.syncing, now, settled, may_seal }
    }

    fn note_failed(&self, file: &SegmentFile, error: &io::Error) {
        file.note_failed();
        self.counters[0].add(Counter::SyncFailures, 1);
        let path = file.path().display();
        log::error!("{path}: sync failed: {error}; it is not appended to any more, but still read");
    }

    fn ring(&self, kind: RingKind) -> &Ring<SegmentFile> {
        match kind {
            RingKind::Pending => &self.pending,
            RingKind::Established => &self.established,
        }
    }
}

/// The bounds of a ring beside its damaged files, of which the oldest go if there is no room for both.
fn bounds(directory: &Directory, ring: RingKind, max_size: u64, workers: usize) -> Result<Bounds, OpenError> {
    let beside = |damaged| sizing::bounds(ring, max_size, damaged, workers);
    let trimmed = directory.trim_bad(ring, |damaged| beside(damaged).is_some());
    let damaged = trimmed.map_err(OpenError::io(directory.path(), "make room among the damaged files"))?;
    let needed = sizing::min_state(workers);
    beside(damaged).ok_or(OpenError::TooSmall { given: max_size, needed, workers })
}

/// The segments of a ring that hold records.
fn oldest_first(ring: &Ring<SegmentFile>) -> Vec<Arc<Segment<SegmentFile>>> {
    let mut segments: Vec<_> = ring.load().segments().cloned().collect();
    segments.reverse();
    segments
}

fn unsealed(pending: &Ring<SegmentFile>, established: &Ring<SegmentFile>) -> Vec<Arc<Segment<SegmentFile>>> {
    let segments = [pending, established].into_iter().flat_map(oldest_first);
    segments.filter(|segment| segment.memory().sealed_at().is_none()).collect()
}
