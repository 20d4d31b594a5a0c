//! [`SegmentFile`]: one segment file, mapped: birth, opening, seal.
//!
//! Birth is in an order that a crash cannot spoil: the whole file is allocated and made under a name that counts for
//! nothing, synced, renamed, and the directory synced; only then does a ring point at it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::directory::Directory;
use super::disk::{self, identity, options};
use super::format::{BadHeader, FILLS_AT, HEADER_LEN, Header, Layout, RingKind};
use super::map::Mapping;
use super::open::Outline;
use crate::atomics::{AtomicU32, AtomicU64, Ordering};
use crate::clock::UnixSecs;
use crate::table::Memory;

/// One segment file and what is known of it beyond its contents.
#[derive(Debug)]
pub(super) struct SegmentFile {
    map: Mapping,
    header: Header,
    path: PathBuf,
    /// Device and inode; `None` if it was gone at once.
    identity: Option<(u64, u64)>,
    /// When it stopped being the active one, as far as noticed; 0 until then.
    closed_at: AtomicU32,
    /// The same in seconds since `opened`, for a wall clock that was ahead then.
    closed_after: AtomicU32,
    /// When this process made or opened it.
    opened: Instant,
}

/// Why a file is not used as a segment.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadFile {
    #[error(transparent)]
    Header(#[from] BadHeader),
    #[error("it is no regular file")]
    NotAFile,
    #[error("it has {found} bytes instead of {expected}")]
    Length { found: u64, expected: u64 },
    #[error("its header is that of {0}")]
    OtherName(String),
    #[error("the disk fails: {0}")]
    Disk(io::Error),
    /// Says nothing about the file: too few descriptors or too little memory, no permission.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for BadFile {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error() == Some(nix::libc::EIO) { Self::Disk(error) } else { Self::Io(error) }
    }
}

impl SegmentFile {
    /// Makes a new, empty segment file.
    pub(super) fn create(directory: &Directory, header: Header) -> io::Result<Self> {
        let path = directory.path().join(header.file_name());
        let new = path.with_extension("new");
        let made = Self::make(&path, &new, header).and_then(|map| {
            disk::rename(&new, &path)?;
            directory.sync()?;
            Ok(map)
        });
        match made {
            Ok(map) => Ok(Self::known(map, header, path)),
            Err(error) => {
                let _ = disk::remove(&new);
                Err(error)
            }
        }
    }

    fn make(path: &Path, new: &Path, header: Header) -> io::Result<Mapping> {
        let _ = disk::remove(new);
        let file = disk::create(new, 0o600)?;
        let layout = Layout::new(header.capacity);
        disk::allocate(&file, layout.file_len())?;
        disk::write(&file, &header.to_bytes())?;
        let map = Mapping::new(&file, layout, path)?;
        map.populate();
        disk::sync(&file)?;
        Ok(map)
    }

    /// Opens an existing file.
    pub(super) fn open(path: &Path) -> Result<Self, BadFile> {
        let (file, header) = open(path, true)?;
        let layout = Layout::new(header.capacity);
        // A copy may have holes, for which a full disk has no room when somebody comes to write there.
        if room_needed(&file.metadata()?) > 0 {
            disk::allocate(&file, layout.file_len())?;
        }
        Ok(Self::known(Mapping::new(&file, layout, path)?, header, path.to_owned()))
    }

    fn known(map: Mapping, header: Header, path: PathBuf) -> Self {
        let (closed_at, closed_after) = (AtomicU32::new(0), AtomicU32::new(0));
        let identity = fs::symlink_metadata(&path).ok().map(|metadata| identity(&metadata));
        let file = Self { map, header, path, identity, closed_at, closed_after, opened: Instant::now() };
        if let Some(time) = file.sealed_at() {
            file.closed_at.store(time.0, Ordering::Relaxed);
        }
        file
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its name still leads to it, and it is as long as it was.
    pub(super) fn is_in_place(&self) -> bool {
        let is_it = |found: Metadata| Some(identity(&found)) == self.identity && found.len() == self.len();
        fs::symlink_metadata(&self.path).is_ok_and(is_it)
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn ring(&self) -> RingKind {
        self.header.ring
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.header.capacity)
    }

    /// Bytes on disk.
    pub(super) fn len(&self) -> u64 {
        self.layout().file_len() as u64
    }

    /// When it was sealed, if it was.
    pub(super) fn sealed_at(&self) -> Option<UnixSecs> {
        self.header.sealed_at(self.map.seal().load(Ordering::Relaxed))
    }

    /// When nothing was appended any more, as far as noticed.
    pub(super) fn closed_at(&self) -> Option<UnixSecs> {
        Some(self.closed_at.load(Ordering::Relaxed)).filter(|&time| time != 0).map(UnixSecs)
    }

    /// Notes that it was found not to be the active one at `now`.
    pub(super) fn note_closed(&self, now: UnixSecs) {
        if self.closed_at().is_none() {
            self.closed_after.store(self.open_for(), Ordering::Relaxed);
            self.closed_at.store(now.0.max(1), Ordering::Relaxed);
        }
    }

    /// Seconds since it was closed; `None` if it was not. By the wall clock, unless that was ahead when it was closed.
    pub(super) fn closed_for(&self, now: UnixSecs) -> Option<u32> {
        let closed_at = self.closed_at()?;
        let steady = self.open_for().saturating_sub(self.closed_after.load(Ordering::Relaxed));
        Some(if closed_at <= now { now.since(closed_at) } else { steady })
    }

    /// Seconds since this process made or opened it, whatever the wall clock did.
    pub(super) fn open_for(&self) -> u32 {
        u32::try_from(self.opened.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Whether a sync of it has failed, in this process or one before it.
    pub(super) fn has_failed(&self) -> bool {
        self.map.failure().load(Ordering::Relaxed) != 0
    }

    /// Notes that a sync of it has failed: what was not durable then never will be believed to be.
    pub(super) fn note_failed(&self) {
        self.map.failure().store(1, Ordering::Relaxed);
    }

    /// Makes these records durable.
    #[track_caller]
    pub(super) fn sync_records(&self, records: std::ops::Range<u32>) -> io::Result<()> {
        let at = |record: u32| self.layout().records_at() + record as usize * 16;
        self.map.flush(at(records.start)..at(records.end))
    }

    /// Makes everything durable, index and fill marks included.
    #[track_caller]
    pub(super) fn sync_all(&self) -> io::Result<()> {
        self.map.flush(0..self.layout().file_len())
    }

    /// Writes the word that says that the segment is sealed. Nobody appends to it any more, and its contents are durable.
    pub(super) fn seal(&self, now: UnixSecs) -> io::Result<()> {
        self.map.seal().store(self.header.seal(now), Ordering::Relaxed);
        self.map.flush(0..FILLS_AT)
    }

    /// Reads these bytes of the index into memory; false if there are none behind them.
    pub(super) fn read_index_in(&self, bytes: std::ops::Range<usize>) -> bool {
        let (start, len) = (self.layout().index_at(), self.layout().file_len());
        self.map.read_in((start + bytes.start).min(len)..(start + bytes.end).min(len));
        start + bytes.end < len
    }

    /// Reads the whole file into memory.
    pub(super) fn read_in(&self) {
        self.map.read_in(0..self.layout().file_len());
    }

    /// What tells its part in its ring.
    pub(super) fn outline(&self) -> Outline {
        let is_sealed = self.sealed_at().is_some();
        Outline {
            ring: self.ring(),
            sequence: self.header.sequence,
            is_sealed,
            has_failed: self.has_failed(),
            is_unused: !is_sealed && self.chunks_used() == 0,
        }
    }

    /// Whether no record stands in it, marked or not. Reads all of it.
    pub(super) fn is_blank(&self) -> bool {
        self.records().iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }

    /// The chunks that hold anything: one more than the last that does. The fill marks have to be right.
    pub(super) fn chunks_used(&self) -> u32 {
        let last = self.fills().iter().rposition(|fill| fill.load(Ordering::Relaxed) != 0);
        last.map_or(0, |last| u32::try_from(last + 1).unwrap_or(u32::MAX))
    }
}

/// Opens a segment file whose header, length and name are right.
pub(super) fn open(path: &Path, write: bool) -> Result<(File, Header), BadFile> {
    let file = match options(write).open(path) {
        Ok(file) => file,
        Err(_) if !fs::symlink_metadata(path)?.is_file() => return Err(BadFile::NotAFile),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(BadFile::NotAFile);
    }
    let mut bytes = [0; HEADER_LEN];
    let header = match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(BadHeader::Damaged.into()),
        result => result.map(|()| Header::read(&bytes))??,
    };
    let (found, expected) = (metadata.len(), Layout::new(header.capacity).file_len() as u64);
    if found != expected {
        return Err(BadFile::Length { found, expected });
    }
    if path.file_name().is_none_or(|name| *name != *header.file_name()) {
        return Err(BadFile::OtherName(header.file_name()));
    }
    Ok((file, header))
}

/// Bytes that the disk has to give before every page of a file can be written to.
pub(super) fn room_needed(metadata: &Metadata) -> u64 {
    metadata.len().saturating_sub(metadata.blocks() * 512)
}

impl Memory for SegmentFile {
    fn records(&self) -> &[AtomicU64] {
        self.map.records()
    }

    fn slots(&self) -> &[AtomicU32] {
        self.map.slots()
    }

    fn fills(&self) -> &[AtomicU32] {
        self.map.fills()
    }

    fn prefetch(&self, slot: usize) {
        self.map.prefetch(slot);
    }
}
