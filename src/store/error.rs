//! [`OpenError`]: why a state directory is not served. Each says what, where, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a state directory could not be opened. Nothing has been renamed or changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system said no.
    #[error("{}: cannot {what}: {source}{}", path.display(), remedy(source))]
    Io {
        /// Of what.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "{}: in use by process {pid}; stop that one first, or give this one another directory with --state \
         (--dbdir)", path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The holder, as it wrote it itself.
        pid: String,
    },
    /// Segments without the key that they were made with.
    #[error(
        "{}: the key is missing, but there are segments made with one; put the key file back from a backup, or move \
         the *.seg files away to begin anew", path.display()
    )]
    KeyMissing {
        /// Where the key should be.
        path: PathBuf,
    },
    /// A key file that holds no key.
    #[error("{}: this is no key (32 hexadecimal digits); put it back from a backup", path.display())]
    BadKey {
        /// The key file.
        path: PathBuf,
    },
    /// A segment that was made with another key.
    #[error(
        "{}: made with another key than {}; put the right key file back, or move the *.seg files away to begin anew",
        path.display(), key.display()
    )]
    OtherKey {
        /// The segment.
        path: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// A segment of a format that this version does not know.
    #[error(
        "{}: its format is version {version}, this irongrey knows up to {}; start the version that wrote it, or move \
         the *.seg files away to begin anew", path.display(), super::format::VERSION
    )]
    OtherVersion {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// `--max-state` does not hold the smallest segments.
    #[error(
        "--max-state is {given} bytes, but {workers} workers need at least {needed} bytes; raise it or use fewer --workers"
    )]
    TooSmall {
        /// What was given, in bytes.
        given: u64,
        /// What is needed, in bytes.
        needed: u64,
        /// For how many workers.
        workers: usize,
    },
}

/// Why a state does not take many records at once. Nothing has been appended.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// They do not fit beside what is there.
    #[error(
        "{}: {records} more records do not fit the {ring} part of --max-state={max_size} beside what is there; give the \
         daemon's own --max-state, or raise it for both", path.display()
    )]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// How many more.
        records: u64,
        /// What kind of them.
        ring: &'static str,
        /// The bound of the whole state in bytes.
        max_size: u64,
    },
    /// The disk has no room for them, or fails.
    #[error(transparent)]
    Io(#[from] OpenError),
}

impl OpenError {
    /// The exit code: 75 in use, 2 for what the administrator has to put right, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InUse { .. } => 75,
            Self::Io { .. } => 1,
            _ => 2,
        }
    }

    /// Makes an error of the operating system one about `path`.
    pub(super) fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), what, source }
    }
}

/// What the administrator can do about it.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give the state directory and its files to the user that the daemon runs as (chown -R), or name their owner with --user"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount the file system for writing, or name another directory with --state (--dbdir)"
        }
        _ => "",
    }
}
