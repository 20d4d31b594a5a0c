//! In unit tests: what happens to a state directory, change by change, so that the disk can be put together as a power loss at
//! any moment may have left it. The code that is recorded is the daemon's own, with [`atomics`] for `std`'s.
//!
//! ```text
//! store, compare_exchange in a mapping  --\
//! create, write, rename, remove (disk.rs)  >--> Tape --replayed up to a moment--> World --some of what was not synced--> Image
//! msync (map.rs), fsync (disk.rs)       --/
//! ```

#[allow(missing_docs, reason = "as those of std")]
mod atomics;
mod image;
mod tape;
mod world;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nix::libc;

pub use atomics::{AtomicU32, AtomicU64};
pub(crate) use image::{Image, Loss};
pub(crate) use tape::{Event, Point, Recording, Tape};
pub(crate) use world::World;

/// How many mappings are recorded: with none, a store costs one look at this.
static MAPPINGS: AtomicUsize = AtomicUsize::new(0);
/// The recorded mappings by their first address.
static MAPPED: RwLock<BTreeMap<usize, Place>> = RwLock::new(BTreeMap::new());
static TAPES: RwLock<Vec<Arc<Tape>>> = RwLock::new(Vec::new());

/// What a mapping shows.
#[derive(Clone, Debug)]
struct Place {
    length: usize,
    file: usize,
    tape: Arc<Tape>,
}

/// The recording of one mapping; nothing for one that is not recorded.
#[derive(Debug, Default)]
pub(crate) struct Mapped(Option<(usize, Place)>);

impl Mapped {
    /// Fails if the tape wants msync to.
    pub(crate) fn refuse_flushing(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |(_, place)| place.tape.refuse_flushing())
    }

    #[track_caller]
    pub(crate) fn flushed(&self, bytes: Range<usize>) {
        if let Some((_, place)) = &self.0 {
            place.tape.push(Event::Flushed(place.file, bytes, Location::caller()));
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if let Some((base, _)) = self.0 {
            MAPPED.write().unwrap_or_else(PoisonError::into_inner).remove(&base);
            MAPPINGS.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// From now on the stores into this mapping are recorded, if its file's directory is.
pub(crate) fn mapped(file: &File, base: usize, length: usize) -> Mapped {
    let found = tape_of(&path_of(file)).and_then(|(tape, name)| Some((tape.file(&name)?, tape)));
    Mapped(found.map(|(file, tape)| {
        let place = Place { length, file, tape };
        MAPPED.write().unwrap_or_else(PoisonError::into_inner).insert(base, place.clone());
        MAPPINGS.fetch_add(1, Ordering::Relaxed);
        (base, place)
    }))
}

/// Records that the bytes at `address` have become these, if that lies in a recorded mapping.
fn stored(address: usize, bytes: &[u8]) {
    if MAPPINGS.load(Ordering::Relaxed) == 0 {
        return;
    }
    let mapped = MAPPED.read().unwrap_or_else(PoisonError::into_inner);
    if let Some((base, place)) = mapped.range(..=address).next_back()
        && address < base + place.length
    {
        place.tape.push(Event::Written(place.file, address - base, bytes.to_vec()));
    }
}

pub(crate) fn made_directory(path: &Path) {
    with_tape(|tape| tape.directory() == path, |tape| tape.push(Event::MadeDirectory));
}

pub(crate) fn created(path: &Path) {
    named(path, Tape::push_created);
}

pub(crate) fn allocated(file: &File, bytes: usize) {
    opened(file, |tape, file| tape.push(Event::Allocated(file, bytes)));
}

pub(crate) fn written(file: &File, bytes: &[u8]) {
    opened(file, |tape, file| tape.push(Event::Written(file, 0, bytes.to_vec())));
}

/// Fails if the tape wants the disk to be full.
pub(crate) fn refuse_writing(file: &File) -> io::Result<()> {
    match tape_of(&path_of(file)) {
        Some((tape, _)) if tape.is_full() => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        _ => Ok(()),
    }
}

#[track_caller]
pub(crate) fn synced(file: &File) {
    let point = Location::caller();
    opened(file, |tape, file| tape.push(Event::Synced(file, point)));
}

/// Fails if the tape wants the sync of the directory to.
pub(crate) fn refuse_syncing_names(path: &Path) -> io::Result<()> {
    let mut result = Ok(());
    with_tape(|tape| tape.directory() == path, |tape| result = tape.refuse_syncing_names());
    result
}

#[track_caller]
pub(crate) fn directory_synced(path: &Path) {
    let point = Location::caller();
    with_tape(|tape| tape.directory() == path, |tape| tape.push(Event::DirectorySynced(point)));
    with_tape(|tape| tape.directory().parent() == Some(path), |tape| tape.push(Event::ParentSynced(point)));
}

pub(crate) fn renamed(from: &Path, to: &Path) {
    named(from, |tape, from| tape.push_renamed(from, &name_of(to)));
}

pub(crate) fn removed(path: &Path) {
    named(path, Tape::push_removed);
}

fn named(path: &Path, push: impl FnOnce(&Tape, &str)) {
    if let Some((tape, name)) = tape_of(path) {
        push(&tape, &name);
    }
}

fn opened(file: &File, push: impl FnOnce(&Tape, usize)) {
    if let Some((tape, name)) = tape_of(&path_of(file))
        && let Some(file) = tape.file(&name)
    {
        push(&tape, file);
    }
}

fn tape_of(path: &Path) -> Option<(Arc<Tape>, String)> {
    let tapes = TAPES.read().unwrap_or_else(PoisonError::into_inner);
    let tape = tapes.iter().find(|tape| path.parent() == Some(tape.directory()))?;
    Some((Arc::clone(tape), name_of(path)))
}

fn with_tape(is_wanted: impl Fn(&Tape) -> bool, push: impl FnOnce(&Tape)) {
    let tapes = TAPES.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(tape) = tapes.iter().find(|tape| is_wanted(tape)) {
        push(tape);
    }
}

/// The name under which an open file is to be found now.
fn path_of(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
