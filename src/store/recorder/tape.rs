//! [`Tape`]: all that has happened to one directory, in order.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::libc;

use super::TAPES;

/// The line of code that asks for a sync.
pub(crate) type Point = &'static Location<'static>;

/// One change of a directory. Files are known by number, as a name may be given to another.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    MadeDirectory,
    /// A new file with this number under this name.
    Created(usize, String),
    /// A file has this many bytes now; the new ones are zeros.
    Allocated(usize, usize),
    /// These bytes stand there now.
    Written(usize, usize, Vec<u8>),
    Renamed(String, String),
    Removed(String),
    /// All of a file is durable.
    Synced(usize, Point),
    /// The pages that hold these bytes of a file are.
    Flushed(usize, Range<usize>, Point),
    /// The names of the directory are.
    DirectorySynced(Point),
    /// The directory's own name is.
    ParentSynced(Point),
}

impl Event {
    /// The line of code, if it is a sync.
    pub(crate) fn point(&self) -> Option<Point> {
        match *self {
            Self::Synced(_, point)
            | Self::Flushed(_, _, point)
            | Self::DirectorySynced(point)
            | Self::ParentSynced(point) => Some(point),
            _ => None,
        }
    }
}

/// What has happened to a directory since recording began.
#[derive(Debug)]
pub(crate) struct Tape {
    directory: PathBuf,
    log: Mutex<Log>,
    fails_to_flush: AtomicBool,
    fails_to_sync_names: AtomicBool,
    leaves_flushes_out: AtomicBool,
    is_full: AtomicBool,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Event>,
    /// The files by their present names.
    names: BTreeMap<String, usize>,
    files: usize,
}

/// A tape that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Recording(Arc<Tape>);

impl std::ops::Deref for Recording {
    type Target = Tape;

    fn deref(&self) -> &Tape {
        &self.0
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        TAPES.write().unwrap_or_else(PoisonError::into_inner).retain(|tape| !Arc::ptr_eq(tape, &self.0));
    }
}

impl Tape {
    /// Records what happens to `directory`, which need not exist; its parent does. What is in it is durable.
    pub(crate) fn start(directory: &Path) -> Recording {
        let tape = Self::with(directory, Log::default());
        if tape.directory.exists() {
            tape.take_as_it_is();
        }
        Self::run(tape)
    }

    /// Goes on recording after `events`, which have made `directory` what it is.
    pub(crate) fn go_on(directory: &Path, events: &[Event]) -> Recording {
        let mut log = Log::default();
        for event in events {
            log.push(event.clone());
        }
        Self::run(Self::with(directory, log))
    }

    fn run(tape: Self) -> Recording {
        let tape = Arc::new(tape);
        TAPES.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tape));
        Recording(tape)
    }

    fn with(directory: &Path, log: Log) -> Self {
        let parent = directory.parent().unwrap().canonicalize().unwrap();
        Self {
            directory: parent.join(directory.file_name().unwrap()),
            log: Mutex::new(log),
            fails_to_flush: AtomicBool::new(false),
            fails_to_sync_names: AtomicBool::new(false),
            leaves_flushes_out: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
        }
    }

    fn take_as_it_is(&self) {
        let point = Location::caller();
        self.push(Event::MadeDirectory);
        self.push(Event::ParentSynced(point));
        for entry in fs::read_dir(&self.directory).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            self.push_created(&super::name_of(&path));
            let file = self.log().files - 1;
            self.push(Event::Allocated(file, bytes.len()));
            self.push(Event::Written(file, 0, bytes));
            self.push(Event::Synced(file, point));
        }
        self.push(Event::DirectorySynced(point));
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// How many changes there have been.
    pub(crate) fn len(&self) -> usize {
        self.log().events.len()
    }

    /// All changes so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.log().events.clone()
    }

    /// From now on msync fails, or no longer.
    pub(crate) fn let_flushing_fail(&self, fails: bool) {
        self.fails_to_flush.store(fails, Ordering::Relaxed);
    }

    /// From now on the next sync of the directory fails, or no longer.
    pub(crate) fn let_next_sync_of_names_fail(&self, fails: bool) {
        self.fails_to_sync_names.store(fails, Ordering::Relaxed);
    }

    /// From now on msync makes nothing durable, or does again.
    pub(crate) fn leave_flushes_out(&self, are_left_out: bool) {
        self.leaves_flushes_out.store(are_left_out, Ordering::Relaxed);
    }

    /// From now on the disk has no room for new files, or has again.
    pub(crate) fn let_disk_be_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    pub(super) fn refuse_flushing(&self) -> io::Result<()> {
        let fails = self.fails_to_flush.load(Ordering::Relaxed);
        if fails { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }

    pub(super) fn refuse_syncing_names(&self) -> io::Result<()> {
        let fails = self.fails_to_sync_names.swap(false, Ordering::Relaxed);
        if fails { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(super) fn file(&self, name: &str) -> Option<usize> {
        self.log().names.get(name).copied()
    }

    pub(super) fn push(&self, event: Event) {
        if matches!(event, Event::Flushed(..)) && self.leaves_flushes_out.load(Ordering::Relaxed) {
            return;
        }
        self.log().push(event);
    }

    pub(super) fn push_created(&self, name: &str) {
        let mut log = self.log();
        let event = Event::Created(log.files, name.to_owned());
        log.push(event);
    }

    pub(super) fn push_renamed(&self, from: &str, to: &str) {
        let mut log = self.log();
        if log.names.contains_key(from) {
            log.push(Event::Renamed(from.to_owned(), to.to_owned()));
        }
    }

    pub(super) fn push_removed(&self, name: &str) {
        let mut log = self.log();
        if log.names.contains_key(name) {
            log.push(Event::Removed(name.to_owned()));
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn push(&mut self, event: Event) {
        match &event {
            Event::Created(file, name) => {
                self.files += 1;
                self.names.insert(name.clone(), *file);
            }
            Event::Renamed(from, to) => {
                let file = self.names.remove(from);
                self.names.extend(file.map(|file| (to.clone(), file)));
            }
            Event::Removed(name) => {
                self.names.remove(name);
            }
            _ => {}
        }
        self.events.push(event);
    }
}
