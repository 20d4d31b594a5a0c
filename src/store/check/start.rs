//! [`Start`]: what a start would do in the directory, and what stands in the way of that. Nothing is tried: what only the
//! attempt shows, as a quota does, is not known.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statvfs::{Statvfs, statvfs};
use nix::unistd::AccessFlags;

use super::user::Starter;
use crate::store::error::OpenError;
use crate::store::sizing::min_segment_len;

/// What a start would do beside opening the files.
#[derive(Debug)]
pub(super) struct Start<'r> {
    pub(super) directory: &'r Path,
    pub(super) starter: &'r Starter,
    pub(super) workers: usize,
    /// Nothing has ever been appended: it serves nothing before it has made its segments.
    pub(super) is_new: bool,
    /// There is no key either.
    pub(super) makes_key: bool,
    /// A damaged file that it sets aside.
    pub(super) sets_aside: Option<&'r Path>,
    /// A file that it does not need.
    pub(super) removes: Option<&'r Path>,
    /// Segments that it makes, under the names that they have until they are finished.
    pub(super) makes: &'r [PathBuf],
    /// Bytes that it allocates in the segments that are there.
    pub(super) holes: u64,
    /// It removes them, as far as they can be, when nothing forbids it.
    pub(super) unfinished: &'r [PathBuf],
}

impl Start<'_> {
    /// Why it would be refused.
    pub(super) fn obstacles(&self) -> Vec<OpenError> {
        let in_the_way = self.in_the_way().into_iter().map(Err);
        let checks = [self.lock(), self.changes(), self.room()];
        in_the_way.chain(checks).filter_map(Result::err).collect()
    }

    /// Directories where it would write files.
    fn in_the_way(&self) -> Vec<OpenError> {
        let key = self.makes_key.then(|| (self.directory.join("key.new"), WRITE_KEY));
        let segments = self.makes.iter().map(|path| (path.clone(), MAKE_SEGMENT));
        let files = segments.chain(key).chain([(self.directory.join("run"), IN_USE)]);
        let directories = files.filter(|(path, _)| is_directory(path));
        directories.map(|(path, what)| OpenError::io(&path, what)(Errno::EISDIR.into())).collect()
    }

    fn lock(&self) -> Result<(), OpenError> {
        let path = self.directory.join("lock");
        let permitted = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Err(Errno::EISDIR.into()),
            Ok(_) => self.starter.may(&path, AccessFlags::R_OK | AccessFlags::W_OK),
            // It is made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        permitted.map_err(OpenError::io(&path, "open the lock"))
    }

    /// The first change of the directory, if there is any and it is not permitted.
    fn changes(&self) -> Result<(), OpenError> {
        let [lock, key, run] = ["lock", "key", "run"].map(|name| self.directory.join(name));
        let is_missing = |path: &Path| !path.is_symlink() && !path.exists();
        let changes = [
            (is_missing(&lock).then_some(&*lock), "open the lock"),
            (self.makes_key.then_some(&*key), WRITE_KEY),
            (self.sets_aside, "set the damaged file aside"),
            // Else nothing has to be taken back where nothing can be written.
            ((!is_missing(&run)).then_some(&*run), IN_USE),
            (self.makes.first().map(|_| self.directory), MAKE_SEGMENT),
            (self.removes, "remove the unused file"),
        ];
        let Some((path, what)) = changes.into_iter().find_map(|(path, what)| Some((path?, what))) else {
            return Ok(());
        };
        self.starter.may(self.directory, CHANGE).map_err(OpenError::io(path, what))
    }

    /// Whether the disk has room for what has to be written before anything is served.
    fn room(&self) -> Result<(), OpenError> {
        let segments = || if self.is_new { self.room_for_segments() } else { Ok(()) };
        let shortage = self.room_for(self.holes, 0).and_then(|()| segments());
        shortage
            .map_err(|why| OpenError::io(self.directory, "make room")(io::Error::new(io::ErrorKind::StorageFull, why)))
    }

    /// Whether the disk has room for the segments that it makes; without, it serves those that are there.
    pub(super) fn room_for_segments(&self) -> Result<(), String> {
        let segments = self.makes.len() as u64;
        self.room_for(self.holes + segments * min_segment_len(self.workers), segments)
    }

    /// Why there is no room for so many bytes, some of them in new files.
    fn room_for(&self, bytes: u64, files: u64) -> Result<(), String> {
        // Some file systems do not tell.
        let Some(disk) = statvfs(self.directory).ok().filter(|disk| bytes > 0 && disk.blocks() > 0) else {
            return Ok(());
        };
        // What was not finished is removed before a file is made.
        let free = free_bytes(&disk, self.starter) + if files > 0 { self.unfinished_bytes() } else { 0 };
        if free < bytes {
            return Err(format!("no space: {bytes} bytes of segments are to be allocated, and {free} are free"));
        }
        if files > 0 && disk.files() > 0 && disk.files_available() == 0 {
            return Err("no space: the file system takes no more files".to_owned());
        }
        Ok(())
    }

    fn unfinished_bytes(&self) -> u64 {
        let files = self.unfinished.iter().filter_map(|path| fs::symlink_metadata(path).ok());
        files.filter(|file| file.nlink() == 1).map(|file| file.blocks() * 512).sum()
    }
}

#[expect(clippy::useless_conversion, reason = "the fields are narrower on some targets")]
fn free_bytes(disk: &Statvfs, starter: &Starter) -> u64 {
    let blocks = if starter.is_root() { disk.blocks_free() } else { disk.blocks_available() };
    u64::from(blocks) * u64::from(disk.fragment_size())
}

/// What a name in the directory is made, changed or removed with.
pub(super) const CHANGE: AccessFlags = AccessFlags::W_OK.union(AccessFlags::X_OK);
const WRITE_KEY: &str = "write the key";
const MAKE_SEGMENT: &str = "make a segment file";
const IN_USE: &str = "write down that the state is in use";

/// Whether it can neither be removed nor written over.
pub(super) fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}
