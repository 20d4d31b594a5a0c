//! [`TransferError`]: why nothing was taken over or written down, with the code that the program exits with.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::{PortableError, SourceError};
use crate::logs::LogError;
use crate::process::{PrivilegeError, RunError};
use crate::store::{OpenError, ReserveError};

/// Why an import or an export failed. Unless it says so itself, the state is as it was.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the variants without a comment are named by the error that they hold")]
pub enum TransferError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Portable(#[from] PortableError),
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    #[error(transparent)]
    Process(#[from] RunError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Reserve(#[from] ReserveError),
    #[error(transparent)]
    Logs(#[from] LogError),
    /// Without the key, what was exported says nothing.
    #[error(
        "{}: there is no key, and {} can be used with the key only that it was made with: put that one there first, owned by the \
         daemon's user, mode 0400", key.display(), file.display()
    )]
    NoKey {
        /// Where the key should be.
        key: PathBuf,
        /// The export.
        file: PathBuf,
    },
    /// Somebody has made another key while the source was read.
    #[error("{}: another process has made a key meanwhile; nothing was taken over, start the import again", .0.display())]
    KeyAppeared(PathBuf),
    /// The last resort: room was made for all of them.
    #[error(
        "{}: only {taken} of {of} records could be taken: no segment takes more; they count, and the import may be repeated for \
         the rest", path.display()
    )]
    Unfinished {
        /// The state directory.
        path: PathBuf,
        /// What was appended.
        taken: u64,
        /// What should have been.
        of: u64,
    },
    /// The disk fails.
    #[error(
        "{}: what was taken over could not be made durable: the disk fails; repeat the import when it does not", .0.display()
    )]
    NotDurable(PathBuf),
    /// The export cannot be written.
    #[error("{}: cannot be written: {source}; name another file with --output", path.display())]
    Output {
        /// The file, or what stands for standard output.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl TransferError {
    /// The exit code: 2 for what the administrator has to put right, 75 for a state in use, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Source(error) => error.exit_code(),
            Self::Portable(error) => error.exit_code(),
            Self::Privileges(error) => error.exit_code(),
            Self::Process(error) => error.exit_code(),
            Self::Store(error) | Self::Reserve(ReserveError::Io(error)) => error.exit_code(),
            Self::Reserve(ReserveError::NoRoom { .. }) | Self::NoKey { .. } => 2,
            Self::Logs(_)
            | Self::KeyAppeared(_)
            | Self::Unfinished { .. }
            | Self::NotDurable(_)
            | Self::Output { .. } => 1,
        }
    }
}
