//! The state directory is made here, while the process may still be root, and given to the daemon's user.
//!
//! A directory that already holds something is left as it is: handing over what an administrator or another user has put
//! there is not the daemon's to do. What is in the directory is the store's business.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use thiserror::Error;

use super::privileges::Identity;
use crate::store;

/// The state directory cannot be made.
#[derive(Debug, Error)]
#[error("{}: the state directory cannot be made: {source}; name another with --state (--dbdir)", path.display())]
pub struct StateDirError {
    path: PathBuf,
    source: io::Error,
}

/// Makes `path` with mode 0700 if it does not exist, and gives it to `identity` if it is new, or empty and root's.
pub(super) fn prepare(path: &Path, identity: Option<&Identity>) -> Result<(), StateDirError> {
    make(path, identity).map_err(|source| StateDirError { path: path.to_owned(), source })
}

fn make(path: &Path, identity: Option<&Identity>) -> io::Result<()> {
    store::make_directory(path)?;
    let Some(identity) = identity else { return Ok(()) };
    // Neither a symbolic link nor what replaces the directory meanwhile may be handed over.
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits();
    let Ok(directory) = OpenOptions::new().read(true).custom_flags(flags).open(path) else { return Ok(()) };
    if directory.metadata()?.uid() == 0 && fs::read_dir(path)?.next().is_none() {
        identity.own(directory.as_fd())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_for_its_owner_only() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/b");
        prepare(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        prepare(&path, None).unwrap();
    }

    #[test]
    fn the_error_names_the_directory() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        let error = prepare(&base.path().join("file/state"), None).unwrap_err().to_string();
        assert!(error.contains("file/state: ") && error.contains("--state"), "{error}");
    }
}
