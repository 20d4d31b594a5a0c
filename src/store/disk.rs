//! Every change of the state directory but the stores into mappings: the seam at which the unit tests record what has reached
//! the disk and what has not, and let it fail (`recorder`).
//!
//! What is durable after a call: the content of a file after [`sync`] of it, its name after [`sync_directory`].

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FallocateFlags, OFlag, fallocate};

#[cfg(test)]
use super::recorder;

/// How every file of the state is opened: no link is followed, nothing waits, nobody else may read.
pub(super) fn options(write: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    options.read(true).write(write).mode(0o600).custom_flags(flags.bits());
    options
}

/// Device and inode: what is the same file under any name.
pub(super) fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether the disk has no room for what was to be written.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes a directory.
pub(super) fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)?;
    #[cfg(test)]
    recorder::made_directory(path);
    Ok(())
}

/// Makes a new file for reading and writing.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    let file = options(true).create_new(true).mode(mode).open(path)?;
    #[cfg(test)]
    recorder::created(path);
    Ok(file)
}

/// Takes room on the disk for so many bytes, zeros until they are written.
pub(super) fn allocate(file: &File, bytes: usize) -> io::Result<()> {
    #[cfg(test)]
    recorder::refuse_writing(file)?;
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    fallocate(file, FallocateFlags::empty(), 0, length)?;
    #[cfg(test)]
    recorder::allocated(file, bytes);
    Ok(())
}

/// Writes bytes at the front of a file.
pub(super) fn write(file: &File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    recorder::refuse_writing(file)?;
    file.write_all_at(bytes, 0)?;
    #[cfg(test)]
    recorder::written(file, bytes);
    Ok(())
}

/// Makes the content of a file durable.
#[track_caller]
pub(super) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()?;
    #[cfg(test)]
    recorder::synced(file);
    Ok(())
}

/// Makes creations, renames and removals in a directory durable.
#[track_caller]
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    recorder::refuse_syncing_names(path)?;
    File::open(path)?.sync_all()?;
    #[cfg(test)]
    recorder::directory_synced(path);
    Ok(())
}

/// Gives a file another name in its directory.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    #[cfg(test)]
    recorder::renamed(from, to);
    Ok(())
}

/// Removes a file.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    #[cfg(test)]
    recorder::removed(path);
    Ok(())
}
