//! The state directory: segment files, memory-mapped, and the only owner of files and of unsafe code.
//!
//! | file | what |
//! |---|---|
//! | `format.rs` | the segment file, byte by byte |
//! | `map.rs` | a file as slices of atomics; UNSAFE |
//! | `file.rs` | birth, opening and seal of a segment file |
//! | `directory.rs` | lock, key, how the last run ended |
//! | `open.rs`, `repair.rs` | start, also after an unclean end |
//! | `session.rs` | one worker's way into the state |
//! | `sync.rs` | appended records made durable |
//! | `upkeep.rs`, `sizing.rs` | spares, roll-over by age, seal, drop |

mod directory;
mod error;
mod file;
mod format;
mod map;
mod open;
mod repair;
mod session;
mod sizing;
mod sync;
#[cfg(test)]
mod tests;
mod upkeep;

use std::sync::{Arc, Mutex, PoisonError};

pub use error::OpenError;
pub use session::{Session, Writer};

use crate::clock::UnixSecs;
use crate::config::StateSettings;
use crate::grey::Rules;
use crate::metrics::{Counter, Counters};
use crate::table::{Lifetimes, Ring, Secret, Segment};
use directory::Directory;
use file::SegmentFile;
use format::RingKind;
use open::{Contents, ToRepair};
use sync::Syncer;
use upkeep::{Tools, Upkeep};

/// An open state directory, shared by all threads. Workers use [`Store::writer`]; the rest is control's.
#[derive(Debug)]
pub struct Store {
    directory: Directory,
    secret: Secret,
    lifetimes: Lifetimes,
    pending: Ring<SegmentFile>,
    established: Ring<SegmentFile>,
    syncer: Mutex<Syncer>,
    upkeep: Mutex<(Upkeep, Upkeep, Vec<ToRepair>)>,
    /// Of the thread that syncs, and of the one that does the upkeep.
    counters: [Arc<Counters>; 2],
}

impl Store {
    /// Opens or makes the state directory. What a killed process had appended is durable when this returns.
    pub fn open(
        settings: &StateSettings,
        rules: &Rules,
        workers: usize,
        now: UnixSecs,
    ) -> Result<Arc<Self>, OpenError> {
        let directory = Directory::open(&settings.dir)?;
        let room = settings.max_size.saturating_sub(directory.bad_bytes());
        let bounds = RingKind::BOTH.map(|ring| sizing::bounds(ring, room, workers));
        let [Some(pending_bounds), Some(established_bounds)] = bounds else {
            let needed = sizing::min_state(workers);
            return Err(OpenError::TooSmall { given: room, needed, workers });
        };
        let mut contents = Contents::read(&directory)?;
        let io = |what| OpenError::io(directory.path(), what);
        contents.restore(workers);
        directory.mark(false).map_err(io("write down that the state is in use"))?;
        let needs_repair = contents.needs_repair();
        let pending = contents.ring(RingKind::Pending, &directory, &pending_bounds, now)?;
        let established = contents.ring(RingKind::Established, &directory, &established_bounds, now)?;
        let lifetimes =
            Lifetimes { pending: rules.retry_window, established: rules.max_age.saturating_add(rules.max_age / 8) };
        let upkeep = (
            Upkeep::new(&pending, pending_bounds, lifetimes.pending, rules.delay.saturating_mul(2)),
            Upkeep::new(&established, established_bounds, lifetimes.established, 0),
            Vec::new(),
        );
        let store = Self {
            directory,
            secret: contents.secret,
            lifetimes,
            pending,
            established,
            syncer: Mutex::default(),
            upkeep: Mutex::new(upkeep),
            counters: <[Arc<Counters>; 2]>::default(),
        };
        if needs_repair {
            let unsealed = store.unsealed().into_iter().map(|segment| (Arc::clone(&segment), segment.chunks_claimed()));
            lock(&store.upkeep).2.extend(unsealed);
        }
        store.sync();
        store.keep_rings_with(now, false, !needs_repair);
        Ok(Arc::new(store))
    }

    /// The key under which tags are made.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The writing end of one worker.
    pub fn writer(self: &Arc<Self>) -> Writer {
        Writer::new(Arc::clone(self))
    }

    /// The counters of the threads that sync and do the upkeep.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Makes durable all that was appended before the call. Blocks on the disk.
    pub fn sync(&self) {
        lock(&self.syncer).round(&self.unsealed(), |segment, error| {
            let file = segment.memory();
            file.note_failed();
            self.counters[0].add(Counter::SyncFailures, 1);
            log::error!(
                "{}: sync failed: {error}; it is not appended to any more, but still read",
                file.path().display()
            );
            // Without a spare it stays the active one until upkeep has made one.
            let _ = self.ring(file.ring()).roll_over(segment.sequence());
        });
    }

    /// Does what is due: after an unclean end what was left to do, then spares, roll-over by age, seals and drops.
    ///
    /// `settled`: the clock has made no step for a while, so expired segments may go. Blocks on the disk.
    pub fn upkeep(&self, now: UnixSecs, settled: bool) {
        let left_to_do = std::mem::take(&mut lock(&self.upkeep).2);
        if !left_to_do.is_empty() {
            for (segment, chunks) in left_to_do {
                repair::add_missing_slots(&segment, chunks);
            }
            log::info!(
                "{}: the records of the process that died are all in the index",
                self.directory.path().display()
            );
        }
        self.keep_rings(now, settled);
    }

    /// Reads the indexes into memory, newest first.
    pub fn read_indexes_in(&self) {
        for ring in [&self.pending, &self.established] {
            let segments: Vec<_> = ring.load().segments().cloned().collect();
            for segment in segments {
                segment.memory().read_index_in();
            }
        }
    }

    /// The clean end: everything is made durable and marked so. The workers have ended before.
    pub fn close(&self) {
        for (segment, chunks) in std::mem::take(&mut lock(&self.upkeep).2) {
            repair::add_missing_slots(&segment, chunks);
        }
        let unsealed = self.unsealed();
        let synced = unsealed.iter().try_for_each(|segment| segment.memory().sync_all());
        let any_failed = unsealed.iter().any(|segment| segment.memory().has_failed());
        if let Err(error) = synced.and_then(|()| if any_failed { Ok(()) } else { self.directory.mark(true) }) {
            log::error!("{}: not closed cleanly: {error}; the next start checks it", self.directory.path().display());
        }
    }

    fn keep_rings(&self, now: UnixSecs, settled: bool) {
        self.keep_rings_with(now, settled, true);
    }

    fn keep_rings_with(&self, now: UnixSecs, settled: bool, may_seal: bool) {
        let (pending, established, _) = &mut *lock(&self.upkeep);
        for (upkeep, ring) in [(pending, &self.pending), (established, &self.established)] {
            let (directory, secret, counters) = (&self.directory, &self.secret, &*self.counters[1]);
            upkeep.round(&Tools { ring, directory, secret, counters, now, settled, may_seal });
        }
    }

    fn ring(&self, kind: RingKind) -> &Ring<SegmentFile> {
        match kind {
            RingKind::Pending => &self.pending,
            RingKind::Established => &self.established,
        }
    }

    fn unsealed(&self) -> Vec<Arc<Segment<SegmentFile>>> {
        let views = [self.pending.load(), self.established.load()];
        let segments = views.iter().flat_map(|view| view.segments());
        segments.filter(|segment| segment.memory().sealed_at().is_none()).cloned().collect()
    }
}

/// No code that can panic runs under these locks, and what they guard is right after each statement.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
