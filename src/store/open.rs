//! Start: from the files of a directory to two rings that can be served.
//!
//! First everything is looked at and nothing is touched: another key, a missing key or another format version ends the
//! start here. Then damaged files are set aside, indexes that cannot be believed are rebuilt, and each ring is put
//! together: sealed segments, the newest one that is not sealed and holds anything as the active one, an empty one as
//! the spare.

use std::path::Path;
use std::sync::Arc;

use super::directory::{Directory, set_aside};
use super::disk;
use super::error::OpenError;
use super::file::{BadFile, SegmentFile};
use super::format::{BadHeader, Header, RingKind, key_check};
use super::last_run::LastRun;
use super::listing::Listing;
use super::repair::{raise_marks, rebuild};
use super::sizing::Bounds;
use crate::atomics::Ordering;
use crate::clock::UnixSecs;
use crate::table::{CHUNK, Lease, Memory, Ring, Secret, Segment, View, Watch, Writable};

/// What a directory holds.
pub(super) struct Contents {
    pub(super) secret: Secret,
    files: Vec<SegmentFile>,
    last_run: LastRun,
    /// Nothing has ever been appended, as far as the files tell.
    is_new: bool,
}

impl Contents {
    /// Looks through the directory; damaged files are set aside once nothing forbids the start.
    pub(super) fn read(directory: &Directory) -> Result<Self, OpenError> {
        let io = |what| OpenError::io(directory.path(), what);
        let Listing { segments: paths, set_aside: aside, .. } =
            Listing::read(directory.path()).map_err(io("list the directory"))?;
        let secret = directory.secret(!paths.is_empty())?;
        // Before a file is opened, as one that is given room is not the same any more.
        let last_run = LastRun::read(directory.path());
        let (mut files, mut damaged) = (Vec::new(), Vec::new());
        for path in paths {
            let opened = SegmentFile::open(&path);
            match judge(opened, SegmentFile::header, &path, &directory.key_path(), Some(&secret))? {
                Ok(file) => files.push(file),
                Err(reason) => damaged.push((path, reason)),
            }
        }
        let is_new = aside.is_empty() && damaged.is_empty();
        directory.remove_unfinished().map_err(io("list the directory"))?;
        for (path, reason) in damaged {
            let aside = set_aside(&path).map_err(OpenError::io(&path, "set the damaged file aside"))?;
            log::error!("{}: {reason}; set aside as {}, the rest is used", path.display(), aside.display());
        }
        directory.review_bad().map_err(io("list the directory"))?;
        files.sort_by_key(|file| file.header().sequence);
        Ok(Self { secret, files, last_run, is_new })
    }

    /// Makes fill marks and indexes believable as far as that has to be before they are served.
    pub(super) fn restore(&mut self, directory: &Directory, threads: usize) -> Result<(), OpenError> {
        let files = &self.files;
        let open = || files.iter().filter(|file| file.sealed_at().is_none());
        if let LastRun::SameBoot { workers } = self.last_run
            && !open().all(|file| raise_marks(file, workers))
        {
            let path = directory.path();
            log::warn!(
                "{}: more is missing than a process that dies leaves; the indexes are made anew",
                path.display()
            );
            self.last_run = LastRun::OtherBoot;
        }
        if self.last_run == LastRun::OtherBoot {
            // Should this process die over it, or the power go, nothing that was said before may make what it leaves count as whole.
            directory.forget_run().map_err(OpenError::io(directory.path(), "take back what the last run said"))?;
            open().for_each(|file| rebuild(file, threads));
        }
        self.is_new &= files.iter().all(|file| file.outline().is_unused);
        Ok(())
    }

    /// How many workers may have left something unfinished when this process and those before it in this boot die.
    pub(super) fn writers(&self, workers: usize) -> usize {
        if let LastRun::SameBoot { workers: before } = self.last_run { workers.max(before) } else { workers }
    }

    /// Whether slots may be missing, to be added behind the workers.
    pub(super) fn needs_repair(&self) -> bool {
        matches!(self.last_run, LastRun::SameBoot { .. })
    }

    /// Takes the files of one ring and puts the ring together. A file that is neither needed nor holds anything is
    /// removed.
    pub(super) fn ring(
        &mut self,
        kind: RingKind,
        directory: &Directory,
        bounds: &Bounds,
        now: UnixSecs,
    ) -> Result<Ring<SegmentFile>, OpenError> {
        let Parts { older, active, spare, needless, next_sequence } =
            Parts::of(kind, &mut self.files, SegmentFile::outline);
        let active = match active {
            Some(active) => Some(active),
            None => self.create_active(kind, next_sequence, bounds, directory, now)?,
        };
        for file in needless {
            let path = file.path();
            if file.is_blank() {
                disk::remove(path).map_err(OpenError::io(path, "remove the unused file"))?;
            } else {
                let aside = set_aside(path).map_err(OpenError::io(path, "set the file aside"))?;
                log::error!("{}: records without a mark; set aside as {}", path.display(), aside.display());
            }
        }
        // In the same boot the memory is as the last process left it, so its chunks can be gone on with.
        let resume = self.last_run != LastRun::OtherBoot;
        Ok(Ring::new(View {
            active: active.map(|file| writable(file, resume)),
            older: older.into_iter().rev().map(|file| Arc::new(reader(file))).collect(),
            spare: spare.map(|file| writable(file, resume)),
        }))
    }

    /// Makes a segment to be appended to. If a full disk has no room for it, what is known is served all the same.
    fn create_active(
        &self,
        kind: RingKind,
        sequence: u64,
        bounds: &Bounds,
        directory: &Directory,
        now: UnixSecs,
    ) -> Result<Option<SegmentFile>, OpenError> {
        match create(kind, sequence, bounds.min_capacity, &self.secret, directory, now) {
            Ok(file) => Ok(Some(file)),
            Err(error) if !self.is_new && disk::is_full(&error) => {
                log::error!(
                    "{}: no {} segment could be made: {error}; known senders pass, unknown ones get the on-full answer \
                     until there is room",
                    directory.path().display(),
                    kind.name(),
                );
                Ok(None)
            }
            Err(error) => Err(OpenError::io(directory.path(), "make a segment file")(error)),
        }
    }
}

/// What tells the part of a segment file in its ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub(super) ring: RingKind,
    pub(super) sequence: u64,
    pub(super) is_sealed: bool,
    /// A sync of it has failed.
    pub(super) has_failed: bool,
    /// Nothing has ever been appended to it.
    pub(super) is_unused: bool,
}

/// What the files of a ring are to a start.
pub(super) struct Parts<F> {
    /// Only read, the oldest first.
    pub(super) older: Vec<F>,
    /// Appended to.
    pub(super) active: Option<F>,
    pub(super) spare: Option<F>,
    /// Neither needed nor holding anything.
    pub(super) needless: Vec<F>,
    /// A number that no file has.
    pub(super) next_sequence: u64,
}

impl<F> Parts<F> {
    /// Takes the files of this ring, whose fill marks are right. They are in the order of their numbers.
    pub(super) fn of(kind: RingKind, files: &mut Vec<F>, outline: impl Fn(&F) -> Outline) -> Self {
        let mine = files.extract_if(.., |file| outline(file).ring == kind);
        let (empty, mut used): (Vec<_>, Vec<_>) = mine.partition(|file| outline(file).is_unused);
        let number = |file: Option<&F>| file.map_or(0, |file| outline(file).sequence);
        let next_sequence = number(used.last()).max(number(empty.last())) + 1;
        let newest_used = number(used.last());
        let (newer, mut needless): (Vec<_>, Vec<_>) =
            empty.into_iter().partition(|file| outline(file).sequence > newest_used);
        let mut newer = newer.into_iter();
        // Only the newest is gone on with: what lies before it was closed, whether it was sealed or not.
        let may_go_on = |file: &mut F| !outline(file).is_sealed && !outline(file).has_failed;
        let active = used.pop_if(may_go_on).or_else(|| newer.next());
        let spare = newer.next();
        needless.extend(newer);
        Self { older: used, active, spare, needless, next_sequence }
    }
}

/// What a segment file that was `opened` is to a start: a usable one, or damaged. What forbids a start is the error; the key is
/// compared if there is one.
pub(super) fn judge<F>(
    opened: Result<F, BadFile>,
    header: impl Fn(&F) -> &Header,
    path: &Path,
    key_path: &Path,
    secret: Option<&Secret>,
) -> Result<Result<F, BadFile>, OpenError> {
    match opened {
        Ok(file) if secret.is_some_and(|secret| header(&file).key_check != key_check(secret)) => {
            Err(OpenError::OtherKey { path: path.to_owned(), key: key_path.to_owned() })
        }
        Err(BadFile::Header(BadHeader::Version(version))) => {
            Err(OpenError::OtherVersion { path: path.to_owned(), version })
        }
        Err(BadFile::Io(error)) => Err(OpenError::io(path, "open the segment")(error)),
        other => Ok(other),
    }
}

/// Makes a new, empty segment file.
pub(super) fn create(
    ring: RingKind,
    sequence: u64,
    capacity: u32,
    secret: &Secret,
    directory: &Directory,
    now: UnixSecs,
) -> std::io::Result<SegmentFile> {
    let header = Header { ring, sequence, capacity, created: now, key_check: key_check(secret) };
    SegmentFile::create(directory, header)
}

/// A segment that records can be appended to. With `resume` the chunks that are not full are continued.
pub(super) fn writable(file: SegmentFile, resume: bool) -> Writable<SegmentFile> {
    let lease = Lease::new();
    let used = file.chunks_used();
    let is_unfinished = |&chunk: &u32| file.fills()[chunk as usize].load(Ordering::Relaxed) < CHUNK;
    let unfinished = (0..used).filter(|chunk| resume && is_unfinished(chunk)).collect();
    let sequence = file.header().sequence;
    let segment = Segment::new(file, sequence, used, unfinished, lease.watch());
    Writable { segment: Arc::new(segment), lease }
}

/// A segment that is only read.
pub(super) fn reader(file: SegmentFile) -> Segment<SegmentFile> {
    let (sequence, used, is_sealed) = (file.header().sequence, file.chunks_used(), file.sealed_at().is_some());
    let segment = Segment::new(file, sequence, used, Vec::new(), Watch::default());
    if is_sealed {
        segment.note_durable();
    }
    segment
}
