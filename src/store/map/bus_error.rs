//! What happens when a page of a mapping cannot be had: the file is set aside and the process ends. UNSAFE.
//!
//! The kernel says so with SIGBUS, on the thread that has touched the page: there is no answer that rests on it. What was
//! acknowledged is in the files, and a new process serves in milliseconds; without that file, or it would end in the same way.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::store::commits::lock;

/// What the process exits with when a mapping fails, as `EX_OSERR` of sysexits.h.
pub const DISK_FAILED: i32 = 71;
const TEXT: &[u8] =
    b"irongrey: a page can be neither read nor written: the disk has failed, or the file was truncated: ";
const ASIDE: &[u8] = b", set aside as ";
const END: &[u8] = b"; the next start serves the rest\n";

/// The mappings that are watched: two rings of a dozen segments, what leaves them, and spares.
static WATCHED: [Watched; 64] = [const { Watched::new() }; 64];
/// Held while a place is taken; never by the signal handler.
static TAKING: Mutex<()> = Mutex::new(());

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

/// From now on the process ends at once, with code 71 and a line on standard error, when a page of a mapping cannot be had.
pub fn exit_on_bus_error() -> io::Result<()> {
    let action = SigAction::new(SigHandler::SigAction(on_bus_error), SaFlags::SA_SIGINFO, SigSet::empty());
    // SAFETY: the handler reads atomics and calls nothing but lstat(2), rename(2), write(2) and _exit(2), which are async-signal-safe, and
    // does not return.
    unsafe { sigaction(Signal::SIGBUS, &action) }?;
    Ok(())
}

/// Until this is dropped, the file is set aside if a page of these addresses cannot be had.
#[derive(Debug)]
pub(in crate::store) struct Watch(usize);

impl Watch {
    /// `None` if there are too many: then the process only ends.
    pub(in crate::store) fn new(map: Range<usize>, file: &File, segment: &Path) -> Option<Self> {
        let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
        // A process ends once: no file has this name already.
        let aside = segment.with_extension(format!("{}.bad", std::process::id()));
        let metadata = file.metadata().ok()?;
        let identity = (metadata.dev(), metadata.ino());
        let names = Box::new(Names { segment: name(segment)?, aside: name(&aside)?, identity });
        let _one_at_a_time = lock(&TAKING);
        let place = WATCHED.iter().position(|place| place.start.load(Ordering::Relaxed) == 0)?;
        let Watched { start: first, end, names: pointer } = &WATCHED[place];
        pointer.store(Box::into_raw(names), Ordering::Relaxed);
        end.store(map.end, Ordering::Relaxed);
        // Release: pairs with the Acquire of the handler, so a mapping that is seen has its end and its names.
        first.store(map.start, Ordering::Release);
        Some(Self(place))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _one_at_a_time = lock(&TAKING);
        let place = &WATCHED[self.0];
        place.start.store(0, Ordering::Relaxed);
        // SAFETY: the pointer came from `Box::into_raw` in `new`, and only the owner of the place drops it. A handler reads it
        // only while a thread touches the mapping, whose owner has this watch dropped after all who could.
        drop(unsafe { Box::from_raw(place.names.swap(null_mut(), Ordering::Relaxed)) });
    }
}

impl Watched {
    const fn new() -> Self {
        Self { start: AtomicUsize::new(0), end: AtomicUsize::new(0), names: AtomicPtr::new(null_mut()) }
    }

    fn names_at(&self, address: usize) -> Option<*const Names> {
        // Acquire: pairs with the Release in `Watch::new`.
        let start = self.start.load(Ordering::Acquire);
        let is_inside = start != 0 && (start..self.end.load(Ordering::Relaxed)).contains(&address);
        is_inside.then(|| self.names.load(Ordering::Relaxed).cast_const())
    }
}

extern "C" fn on_bus_error(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let say = |text: &[u8]| {
        // SAFETY: the pointer and the length are those of a slice.
        unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    };
    // SAFETY: the kernel passes a valid `siginfo_t` to a handler with SA_SIGINFO, and SIGBUS fills its address.
    let address = unsafe { (*info).si_addr() }.addr();
    say(TEXT);
    if let Some(names) = WATCHED.iter().find_map(|place| place.names_at(address)) {
        // SAFETY: this thread has touched the mapping, so its owner and the names are alive (see `Watch::drop`).
        let Names { segment, aside, identity } = unsafe { &*names };
        say(segment.as_bytes());
        let mut found = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the string has a zero at its end, and the buffer is a `stat`, of which all zeros are a value.
        let is_there = unsafe { libc::lstat(segment.as_ptr(), found.as_mut_ptr()) } == 0;
        // SAFETY: as above.
        let found = unsafe { found.assume_init() };
        let is_same = is_there && (found.st_dev, found.st_ino) == *identity;
        // SAFETY: both are strings with a zero at their end.
        if is_same && unsafe { libc::rename(segment.as_ptr(), aside.as_ptr()) } == 0 {
            say(ASIDE);
            say(aside.as_bytes());
        }
    }
    say(END);
    // SAFETY: ends the process without touching its memory.
    unsafe { libc::_exit(DISK_FAILED) };
}
