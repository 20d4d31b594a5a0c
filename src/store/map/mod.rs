//! [`Mapping`]: a segment file as slices of atomics. This folder has the only unsafe code.
//!
//! A mapping is shared with the file: what is stored survives the process at once, and a power loss after
//! [`Mapping::flush`]. If the disk cannot give a page, or somebody truncates the file under the daemon, the kernel sends
//! SIGBUS: see [`exit_on_bus_error`].
#![allow(unsafe_code)]

mod bus_error;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

pub use bus_error::{DISK_FAILED, exit_on_bus_error};
use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::atomics::{AtomicU32, AtomicU64};
use crate::store::format::{FAILED_AT, FILLS_AT, Layout, SEAL_AT};
use bus_error::Watch;

/// One mapped segment file.
#[derive(Debug)]
pub(super) struct Mapping {
    /// Dropped before the mapping is.
    #[cfg(test)]
    recorded: crate::store::recorder::Mapped,
    /// Dropped before the mapping is; `None` if the file is only looked at.
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
            recorded: crate::store::recorder::mapped(file, map.as_ptr().addr(), map.len()),
            _watch: Watch::new(map.as_ptr().addr()..map.as_ptr().addr() + map.len(), file, path),
            map,
            layout,
        })
    }

    /// The same, but what is stored stays in this process.
    pub(super) fn private(file: &File, layout: Layout) -> io::Result<Self> {
        // SAFETY: memmap2 asks that nobody changes the file under the slices that it hands out. None is taken: the mapping is
        // reached as atomics only, like a shared one.
        let map = unsafe { MmapOptions::new().len(layout.file_len()).map_copy(file) }?;
        Ok(Self {
            #[cfg(test)]
            recorded: crate::store::recorder::Mapped::default(),
            _watch: None,
            map: map.into(),
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
