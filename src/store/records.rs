//! [`Records`]: every record of a state directory, without a change, so that it may be read beside the daemon.
//!
//! The newest come first, as far as segments and chunks tell: whoever takes them over in this order finds the older records of
//! a tag unnecessary. What is appended meanwhile may be missing. What an administrator has made forgotten is left out, and so
//! are the voids that say so.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::file::BadFile;
use super::format::RingKind;
use super::listing::{Listing, key};
use super::look::{Look, Words};
use super::open::judge;
use crate::clock::UnixSecs;
use crate::table::{CHUNK, Kind, Record, Secret, Tag};

/// The segments of a state directory, opened for reading.
#[derive(Debug)]
pub struct Records {
    secret: Secret,
    /// First those that were established, of each ring the newest first.
    segments: Vec<Look>,
    damaged: Vec<String>,
    voids: HashMap<Tag, UnixSecs, ahash::RandomState>,
}

impl Records {
    /// Opens the segments of `directory`. A damaged one is left out, as a start leaves it out.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let listing = Listing::read(directory).map_err(OpenError::io(directory, "list the directory"))?;
        let key_path = directory.join("key");
        let secret = match key(&key_path)? {
            Some(secret) => secret,
            None if listing.segments.is_empty() => {
                let reason = io::Error::new(io::ErrorKind::NotFound, "it holds neither a key nor segments");
                return Err(OpenError::io(directory, "find a state there")(reason));
            }
            None => return Err(OpenError::KeyMissing { path: key_path }),
        };
        let voids = HashMap::default();
        let mut records = Self { secret, segments: Vec::new(), damaged: Vec::new(), voids };
        for path in listing.segments {
            match judge(Look::open(&path), Look::header, &path, &key_path, Some(&secret)) {
                Ok(Ok(look)) => records.segments.push(look),
                Ok(Err(reason)) => records.damaged.push(format!("{}: damaged: {reason}; left out", path.display())),
                // Dropped since its name was read.
                Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        records.segments.sort_by_key(|look| std::cmp::Reverse((is_established(look), look.header().sequence)));
        let mut voids = HashMap::default();
        for look in records.segments.iter().filter(|look| is_established(look)) {
            each_of(look, |record| {
                if record.kind == Kind::Void {
                    let until: &mut UnixSecs = voids.entry(record.tag).or_default();
                    *until = record.time.max(*until);
                }
                Ok::<(), OpenError>(())
            })?;
        }
        records.voids = voids;
        Ok(records)
    }

    /// The key of the tags.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// What could not be opened, and why.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// How many records there may be at most.
    pub fn capacity(&self) -> u64 {
        self.segments.iter().map(|look| u64::from(look.header().capacity)).sum()
    }

    /// Hands over each record that counts at some time.
    pub fn each<E: From<OpenError>>(&self, mut take: impl FnMut(&Record) -> Result<(), E>) -> Result<(), E> {
        for look in &self.segments {
            each_of(look, |record| {
                let is_forgotten = self.voids.get(&record.tag).is_some_and(|until| record.time <= *until);
                if record.kind == Kind::Void || is_forgotten { Ok(()) } else { take(record) }
            })?;
        }
        Ok(())
    }
}

fn is_established(look: &Look) -> bool {
    look.header().ring == RingKind::Established
}

fn each_of<E: From<OpenError>>(look: &Look, mut take: impl FnMut(&Record) -> Result<(), E>) -> Result<(), E> {
    let mut chunk = vec![Words::default(); CHUNK as usize];
    for number in (0..look.chunks()).rev() {
        look.read_chunk(number, &mut chunk).map_err(|reason| unread(look.path(), reason))?;
        for &[tag, word] in chunk.iter().rev() {
            if let Some(record) = Record::unpack(tag, word) {
                take(&record)?;
            }
        }
    }
    Ok(())
}

fn unread(path: &Path, reason: BadFile) -> OpenError {
    let error = match reason {
        BadFile::Io(error) | BadFile::Disk(error) => error,
        reason => io::Error::new(io::ErrorKind::InvalidData, reason.to_string()),
    };
    OpenError::Io { path: PathBuf::from(path), what: "read the segment", source: error }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{StateSettings, SyncMode};
    use crate::grey::Terms;
    use crate::store::Store;
    use crate::table::Cursor;

    #[test]
    fn the_newest_come_first_and_what_is_forgotten_does_not_come() {
        let dir = tempfile::tempdir().unwrap();
        let settings = StateSettings { dir: dir.path().to_owned(), max_size: 1 << 30, sync: SyncMode::Os };
        let store = Store::open(&settings, &Terms::DEFAULT, 1, UnixSecs(1000)).unwrap();
        let record = |tag, kind, time| {
            let (tag, time) = (Tag::from_bits(tag).unwrap(), UnixSecs(time));
            Record { tag, kind, time, count: 0, origin: 0 }
        };
        let mut cursors = <[Cursor; 2]>::default();
        let mut append = |ring: usize, record: Record| {
            let view = [&store.pending, &store.established][ring].load();
            view.active().unwrap().append(&mut cursors[ring], &record).unwrap();
        };
        let (forgotten, kept) = (record(1, Kind::Passed, 10), record(2, Kind::Passed, 20));
        let again = record(1, Kind::Pending, 31);
        for record in [forgotten, kept, record(1, Kind::Void, 30), record(1, Kind::Client, 40)] {
            append(1, record);
        }
        for record in [record(1, Kind::Pending, 29), again] {
            append(0, record);
        }
        // Read beside the one who writes.
        let read = || {
            let (records, mut found) = (Records::open(dir.path()).unwrap(), Vec::new());
            let each = records.each(|record| {
                found.push(*record);
                Ok::<(), OpenError>(())
            });
            each.map(|()| (found, records.damaged().to_vec())).unwrap()
        };
        assert_eq!(read(), (vec![record(1, Kind::Client, 40), kept, again], Vec::new()));
        store.close();
        drop(store);
        let pending = dir.path().join("pending-00000001.seg");
        fs::File::options().write(true).open(&pending).unwrap().set_len(5000).unwrap();
        let (found, damaged) = read();
        assert_eq!(found, [record(1, Kind::Client, 40), kept]);
        assert!(damaged[0].starts_with(pending.to_str().unwrap()), "{damaged:?}");
    }

    #[test]
    fn where_there_is_no_state_that_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let error = |path: &Path| Records::open(path).unwrap_err().to_string();
        assert!(error(dir.path()).contains("neither a key nor segments"));
        assert!(error(&dir.path().join("nowhere")).contains("nowhere: cannot list the directory"));
        fs::write(dir.path().join("pending-00000001.seg"), "").unwrap();
        assert!(error(dir.path()).contains("key: the key is missing"));
    }
}
