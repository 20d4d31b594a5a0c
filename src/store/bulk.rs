//! What an import needs of the state beyond what a daemon does: the key before the start, so that tags can be made while nothing
//! has been changed yet, and room for all records before the first is appended.
//!
//! No segment is dropped for an import: what does not fit beside what is there is refused.

use std::path::Path;

use super::commits::lock;
use super::directory::Directory;
use super::error::{OpenError, ReserveError};
use super::format::RingKind;
use super::listing::{self, Listing, holder};
use super::{Chores, Store};
use crate::clock::UnixSecs;
use crate::table::Secret;

/// The key of a state directory that nobody has in use; `None` if there is neither a key nor anything that was made with one,
/// nor perhaps the directory. Changes nothing.
pub fn existing_key(directory: &Path) -> Result<Option<Secret>, OpenError> {
    if let Some(pid) = holder(directory)? {
        return Err(OpenError::InUse { path: directory.to_owned(), pid });
    }
    let path = directory.join("key");
    if let Some(secret) = listing::key(&path)? {
        return Ok(Some(secret));
    }
    match Listing::read(directory) {
        Ok(listing) if !listing.segments.is_empty() => Err(OpenError::KeyMissing { path }),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(OpenError::io(directory, "list the directory")(error))
        }
        _ => Ok(None),
    }
}

/// Gives a directory that has no key this one, and returns the one that it has then: another process may have been faster.
pub fn put_key(directory: &Path, secret: &Secret) -> Result<Secret, OpenError> {
    let directory = Directory::open(directory)?;
    let path = directory.key_path();
    match listing::key(&path)? {
        Some(secret) => Ok(secret),
        None => directory.write_key(&path, secret).map(|()| *secret),
    }
}

impl Store {
    /// The state directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Makes room for so many records of each ring, on the disk and within `--max-state`, without dropping anything.
    pub fn reserve(&self, pending: u64, established: u64, now: UnixSecs) -> Result<(), ReserveError> {
        let Chores { pending: pending_upkeep, established: established_upkeep, .. } = &mut *lock(&self.chores);
        let rings =
            [(RingKind::Pending, pending_upkeep, pending), (RingKind::Established, established_upkeep, established)];
        for (kind, upkeep, records) in rings {
            let reserved = upkeep.reserve(records, &self.tools(self.ring(kind), now, false, false));
            let path = self.directory.path();
            reserved.map_err(|error| match error {
                Some(error) => OpenError::io(path, "make a segment file")(error).into(),
                None => {
                    ReserveError::NoRoom { path: path.to_owned(), records, ring: kind.name(), max_size: self.max_size }
                }
            })?;
        }
        Ok(())
    }

    /// Finishes what the start after a kill has left for later: every record has its slot then.
    pub fn finish_repair(&self) {
        let Chores { repair, .. } = &mut *lock(&self.chores);
        while !repair.is_done() {
            repair.step();
        }
    }
}
