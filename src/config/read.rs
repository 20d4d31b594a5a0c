//! Reads one file that an administrator writes: a whitelist, the configuration. What is no text file, or has no end, is refused
//! before it can hold the daemon up.

use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use thiserror::Error;

/// Bytes of one file at most: some three million names.
const LARGEST: u64 = 64 << 20;

/// Why a file cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refuses it.
    #[error("{}: {error}: make it readable for the daemon's user, or do not name it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The daemon's user may read the file, but the daemon has given that up.
    #[error(
        "{}: a daemon at work reads files only in the directories in which they were at its start: restart it to read one in \
         another", path.display()
    )]
    OutOfReach {
        /// The file.
        path: PathBuf,
    },
    /// What was named is a directory, a pipe or a socket.
    #[error("{}: not a file: name a text file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// A file is larger than any list.
    #[error("{}: more than {LARGEST} bytes: name a text file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

impl ReadError {
    fn unreadable(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        // access(2) tells what the user may do, whatever the process has given up.
        if error.kind() == io::ErrorKind::PermissionDenied && access(&path, AccessFlags::R_OK).is_ok() {
            return Self::OutOfReach { path };
        }
        Self::Unreadable { path, error }
    }

    /// Whether there is no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound)
    }
}

/// The bytes of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let unreadable = |error| ReadError::unreadable(path, error);
    // Asked before opening, which would wait for a pipe's other end.
    if !is_readable(path.metadata().map_err(unreadable)?.file_type()) {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ReadError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Whether a file that was read could be read again now, by another user, say.
pub fn check_readable(path: &Path) -> Result<(), ReadError> {
    File::open(path).map(drop).map_err(|error| ReadError::unreadable(path, error))
}

/// A device may well be named: /dev/null is the empty list.
fn is_readable(file_type: FileType) -> bool {
    file_type.is_file() || file_type.is_char_device()
}
