//! [`Mapping`]: a segment file as slices of atomics. The only file with unsafe code.
//!
//! A mapping is shared with the file: what is stored survives the process at once, and a power loss after
//! [`Mapping::flush`]. If the disk cannot give a page, or somebody truncates the file under the daemon, the kernel sends
//! SIGBUS, on the thread that has touched the page: there is no answer that rests on it. The file is set aside, or the next
//! process would end in the same way, and this one ends. What was acknowledged is in the files, and a new process serves in
//! milliseconds.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
use std::time::UNIX_EPOCH;

use memmap2::{Advice, MmapOptions, MmapRaw};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::commits::lock;
use super::disk::identity;
use super::format::{FAILED_AT, FILLS_AT, Layout, SEAL_AT};
#[cfg(test)]
use super::recorder;
use crate::atomics::{AtomicU32, AtomicU64, Ordering};

/// One mapped segment file.
#[derive(Debug)]
pub(super) struct Mapping {
    /// Dropped before the mapping is.
    #[cfg(test)]
    recorded: recorder::Mapped,
    /// Dropped before the mapping is; `None` if there are too many.
    _watch: Option<Watch>,
    /// INVARIANT: exactly `layout.file_len()` bytes long, and page-aligned, as the kernel maps whole pages.
    map: MmapRaw,
    layout: Layout,
}

impl Mapping {
    /// Maps `file`, whose length the caller has compared with the layout's. If a page of it cannot be had one day, `path` is
    /// set aside.
    pub(super) fn new(file: &File, layout: Layout, path: &Path) -> io::Result<Self> {
        let map = MmapOptions::new().len(layout.file_len()).map_raw(file)?;
        map.advise(Advice::Random)?;
        Ok(Self {
            #[cfg(test)]
            recorded: recorder::mapped(file, map.as_ptr().addr(), map.len()),
            _watch: Watch::new(map.as_ptr().addr()..map.as_ptr().addr() + map.len(), file, path),
            map,
            layout,
        })
    }

    /// The seal word.
    pub(super) fn seal(&self) -> &AtomicU64 {
        &self.words(SEAL_AT, 1)[0]
    }

    /// The failure word.
    pub(super) fn failure(&self) -> &AtomicU64 {
        &self.words(FAILED_AT, 1)[0]
    }

    /// One fill mark a chunk.
    pub(super) fn fills(&self) -> &[AtomicU32] {
        self.halves(FILLS_AT, self.layout.chunks())
    }

    /// Two words a record.
    pub(super) fn records(&self) -> &[AtomicU64] {
        self.words(self.layout.records_at(), self.layout.capacity() * 2)
    }

    /// The slots of the index.
    pub(super) fn slots(&self) -> &[AtomicU32] {
        self.halves(self.layout.index_at(), self.layout.slots())
    }

    /// Reads a slot's cache line ahead.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, clippy::unused_self))]
    pub(super) fn prefetch(&self, slot: usize) {
        #[cfg(target_arch = "x86_64")]
        if let Some(slot) = self.slots().get(slot) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch of any address is allowed, and this one is that of a slot inside the mapping.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(slot).cast()) };
        }
    }

    /// Makes the bytes of this range durable, whole pages at a time.
    #[track_caller]
    pub(super) fn flush(&self, bytes: Range<usize>) -> io::Result<()> {
        #[cfg(test)]
        self.recorded.refuse_flushing()?;
        self.map.flush_range(bytes.start, bytes.len())?;
        #[cfg(test)]
        self.recorded.flushed(bytes);
        Ok(())
    }

    /// Touches every page for writing, so that no append waits for a page fault. Kernels before 5.14 cannot: then appends
    /// fault their pages in.
    pub(super) fn populate(&self) {
        let _ = self.map.advise_range(Advice::PopulateWrite, 0, self.layout.file_len());
    }

    /// Reads these bytes into memory, as far as the kernel can. Else each page is read from the disk by itself.
    pub(super) fn read_in(&self, bytes: Range<usize>) {
        for advice in [Advice::Sequential, Advice::PopulateRead, Advice::Random] {
            let _ = self.map.advise_range(advice, bytes.start, bytes.len());
        }
    }

    fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
        assert!(offset.is_multiple_of(8) && offset + count * 8 <= self.map.len());
        // SAFETY: the range lies inside the mapping and is aligned (both just asserted; the mapping is page-aligned by its
        // INVARIANT), lives as long as `self`, and every byte pattern is an AtomicU64. The process reaches these bytes
        // through atomics only; other processes are kept out by the directory's lock.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(offset).cast(), count) }
    }

    fn halves(&self, offset: usize, count: usize) -> &[AtomicU32] {
        assert!(offset.is_multiple_of(4) && offset + count * 4 <= self.map.len());
        // SAFETY: as in `words`; no range that is read as halves overlaps one that is read as words.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(offset).cast(), count) }
    }
}

/// What the process exits with when a mapping fails, as `EX_OSERR` of sysexits.h.
pub const DISK_FAILED: i32 = 71;
const TEXT: &[u8] =
    b"irongrey: a page can be neither read nor written: the disk has failed, or the file was truncated: ";
const ASIDE: &[u8] = b", set aside as ";
const END: &[u8] = b"; the next start serves the rest\n";

/// The mappings that are watched: two rings of a dozen segments and a spare each, and what leaves them, which is a few: upkeep
/// drops them one by one, and who still reads one lets it go within a turn.
static WATCHED: [Watched; 64] = [const { Watched::new() }; 64];
/// Held while a place is taken or left; never by the signal handler.
static TAKING: Mutex<()> = Mutex::new(());
/// Whether a thread is in the signal handler.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

struct Watched {
    /// INVARIANT: 0, or `end` and `names` are those of the mapping that begins here.
    start: AtomicUsize,
    end: AtomicUsize,
    names: AtomicPtr<Names>,
}

struct Names {
    segment: CString,
    aside: CString,
    /// Device and inode: another file may have come to the name.
    identity: (u64, u64),
}

/// From now on the process ends, with code 71 and a line on standard error, when a page of a mapping cannot be had: at once,
/// or after a second if the line or the disk makes it wait.
pub fn exit_on_bus_error() -> io::Result<()> {
    let failed = SigAction::new(SigHandler::SigAction(on_bus_error), SaFlags::SA_SIGINFO, SigSet::empty());
    let late = SigAction::new(SigHandler::Handler(on_alarm), SaFlags::empty(), SigSet::empty());
    // SAFETY: neither handler returns. The first reads atomics, and both call nothing but alarm(2), pause(2), lstat(2),
    // rename(2), writev(2) and _exit(2), which are async-signal-safe.
    unsafe { sigaction(Signal::SIGBUS, &failed).and(sigaction(Signal::SIGALRM, &late)) }?;
    // Whoever started the process may have blocked it.
    Ok(SigSet::from(Signal::SIGALRM).thread_unblock()?)
}

/// Until this is dropped, the file is set aside if a page of these addresses cannot be had.
#[derive(Debug)]
struct Watch(usize);

impl Watch {
    /// `None` if there are too many: then the process only ends.
    fn new(map: Range<usize>, file: &File, segment: &Path) -> Option<Self> {
        let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
        let identity = identity(&file.metadata().ok()?);
        let names = Box::new(Names { segment: name(segment)?, aside: name(&aside(segment))?, identity });
        let _one_at_a_time = lock(&TAKING);
        let place = WATCHED.iter().position(|place| place.start.load(Ordering::Relaxed) == 0)?;
        WATCHED[place].take(map, Box::into_raw(names));
        Some(Self(place))
    }
}

/// A name that no file has: a process id comes again, in a container with each start, but not in the same nanosecond.
fn aside(segment: &Path) -> PathBuf {
    let now = UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    segment.with_extension(format!("{}-{now}.bad", std::process::id()))
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _one_at_a_time = lock(&TAKING);
        // SAFETY: the pointer came from `Box::into_raw` in `new`, and only the owner of the place drops it. A handler reads it
        // only while a thread touches the mapping, whose owner has this watch dropped after all who could.
        drop(unsafe { Box::from_raw(WATCHED[self.0].leave()) });
    }
}

impl Watched {
    const fn new() -> Self {
        Self { start: AtomicUsize::new(0), end: AtomicUsize::new(0), names: AtomicPtr::new(null_mut()) }
    }

    fn take(&self, map: Range<usize>, names: *mut Names) {
        self.names.store(names, Ordering::Relaxed);
        // Release: pairs with the Acquire in `range_from`, so who sees this end sees that the mapping before has left.
        self.end.store(map.end, Ordering::Release);
        // Release: pairs with the Acquire of `start` in `names_at`, so a mapping that is seen has its end and its names.
        self.start.store(map.start, Ordering::Release);
    }

    fn leave(&self) -> *mut Names {
        self.start.store(0, Ordering::Relaxed);
        self.names.swap(null_mut(), Ordering::Relaxed)
    }

    /// The names of the mapping that holds this address, if it is here. That one stays, but others come and go meanwhile.
    fn names_at(&self, address: usize) -> Option<*const Names> {
        // Acquire: pairs with the Release of `start` in `take`.
        let range = self.range_from(self.start.load(Ordering::Acquire))?;
        range.contains(&address).then(|| self.names.load(Ordering::Relaxed).cast_const())
    }

    /// The range of the mapping that was seen to begin at `start`, unless it has left.
    fn range_from(&self, start: usize) -> Option<Range<usize>> {
        // Acquire: pairs with the Release of `end` in `take`. If this is the end of a later mapping, its start or the 0 before
        // it is read below. Should that one begin at the same address, neither end reaches into a third, which lives beside both.
        let end = self.end.load(Ordering::Acquire);
        (start != 0 && self.start.load(Ordering::Relaxed) == start).then_some(start..end)
    }
}

extern "C" fn on_alarm(_signal: libc::c_int) {
    // SAFETY: ends the process without touching its memory.
    unsafe { libc::_exit(DISK_FAILED) };
}

extern "C" fn on_bus_error(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // Another thread may touch the same file: it waits for the end, which it must not bring about before all is said and done.
    while IS_ENDING.swap(true, Ordering::Relaxed) {
        // SAFETY: waits for a signal, of which there is none that returns.
        unsafe { libc::pause() };
    }
    // Standard error may be a pipe that nobody reads, and a disk that fails may take its time to rename.
    // SAFETY: has SIGALRM sent in a second, to any thread.
    unsafe { libc::alarm(1) };
    // SAFETY: the kernel passes a valid `siginfo_t` to a handler with SA_SIGINFO. What is no address, as a process has sent
    // the signal, is not used.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    let mut said = [TEXT, b"", b"", b"", END];
    if let Some(names) = WATCHED.iter().filter(|_| code > 0).find_map(|place| place.names_at(address)) {
        // SAFETY: this thread has touched the mapping, so its owner and the names are alive (see `Watch::drop`).
        let Names { segment, aside, identity } = unsafe { &*names };
        said[1] = segment.as_bytes();
        let mut found = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the string has a zero at its end, and the buffer is a `stat`, of which all zeros are a value.
        let is_there = unsafe { libc::lstat(segment.as_ptr(), found.as_mut_ptr()) } == 0;
        // SAFETY: as above.
        let found = unsafe { found.assume_init() };
        let is_same = is_there && (found.st_dev, found.st_ino) == *identity;
        // SAFETY: both are strings with a zero at their end.
        if is_same && unsafe { libc::rename(segment.as_ptr(), aside.as_ptr()) } == 0 {
            said[2..4].copy_from_slice(&[ASIDE, aside.as_bytes()]);
        }
    }
    // In one call, so that no line of the log comes in between.
    let pieces = said.map(|text| libc::iovec { iov_base: text.as_ptr().cast_mut().cast(), iov_len: text.len() });
    // SAFETY: the pieces are those of slices that are alive; they are only read.
    unsafe { libc::writev(libc::STDERR_FILENO, pieces.as_ptr(), 5) };
    // SAFETY: ends the process without touching its memory.
    unsafe { libc::_exit(DISK_FAILED) };
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
