//! What a state directory holds, looked at without a change: the names of its files, its key, who has it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::disk::options;
use super::error::OpenError;
use crate::table::Secret;

/// The files of a state directory by what they are, each kind in the order of the names.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) segments: Vec<PathBuf>,
    /// Made, but not to the end.
    pub(super) unfinished: Vec<PathBuf>,
    /// Damaged, and set aside.
    pub(super) set_aside: Vec<PathBuf>,
}

impl Listing {
    pub(super) fn read(directory: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("seg") => listing.segments.push(path),
                Some("new") => listing.unfinished.push(path),
                Some("bad") => listing.set_aside.push(path),
                _ => {}
            }
        }
        for kind in [&mut listing.segments, &mut listing.unfinished, &mut listing.set_aside] {
            kind.sort();
        }
        Ok(listing)
    }
}

/// A small file of the state, which is no link.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    options(false).open(path)?.take(4096).read_to_string(&mut text)?;
    Ok(text)
}

/// The key; `None` if there is none.
pub(super) fn key(path: &Path) -> Result<Option<Secret>, OpenError> {
    let not_one = || OpenError::BadKey { path: path.to_owned() };
    match read(path) {
        Ok(text) => parse_key(text.trim()).ok_or_else(not_one).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(not_one()),
        Err(error) => Err(OpenError::io(path, "read the key")(error)),
    }
}

fn parse_key(text: &str) -> Option<Secret> {
    let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_key.then(|| u128::from_str_radix(text, 16).ok())?.map(|key| Secret(key.to_be_bytes()))
}

/// The process that has the directory, as it wrote its id there itself; `None` if nobody has it.
///
/// The lock is asked for and given back at once: a daemon that starts in that very moment is refused.
pub(super) fn holder(directory: &Path) -> Result<Option<String>, OpenError> {
    let path = directory.join("lock");
    let file = match options(false).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io(&path, "open the lock")(error)),
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(None),
        Err((mut file, Errno::EWOULDBLOCK)) => Ok(Some(written_by(&mut file))),
        Err((_, errno)) => Err(OpenError::io(&path, "lock")(errno.into())),
    }
}

/// What the holder of a lock has written into it.
pub(super) fn written_by(lock: &mut fs::File) -> String {
    let mut pid = String::new();
    let _ = lock.read_to_string(&mut pid);
    pid.trim().to_owned()
}
