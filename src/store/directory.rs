//! [`Directory`]: the state directory and its small files: the lock, the key, and how the last run ended.
//!
//! | file | mode | what |
//! |---|---|---|
//! | `lock` | 0600 | locked for the life of the process, holds its id |
//! | `key` | 0400 | the secret key of the tags, 32 hexadecimal digits |
//! | `run` | 0600 | `clean` or `running`, and the boot it was written in |
//! | `releases.toml` | 0600 | who an administrator has released for a time; holds addresses |
//! | `*.seg` | 0600 | segments |
//! | `*.new` | 0600 | files that were not finished; removed at start |
//! | `*.bad` | 0600 | damaged segments, set aside; the newest four are kept |

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::disk::{self, identity, options};
use super::error::OpenError;
use super::format::RingKind;
use super::last_run;
use super::listing::{self, Listing, written_by};
use crate::table::Secret;

/// How many damaged files are kept.
const BAD_KEPT: usize = 4;

/// A locked state directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: Flock<File>,
}

/// Makes the state directory, for its owner only, if it does not exist, and those above it. Their names are durable then.
pub fn make_directory(path: &Path) -> io::Result<()> {
    // With --seccomp none can be made any more, not even one that is there.
    if !path.is_dir() {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match disk::make_directory(path, 0o700) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    // The key is made after this.
    if path.join("key").exists() { Ok(()) } else { sync_above(path) }
}

/// Makes the names down to this directory durable, those that were there as well, if they can be: who made them may have died
/// before that. What is above a mount point was there before.
fn sync_above(path: &Path) -> io::Result<()> {
    let device = fs::metadata(path)?.dev();
    for parent in path.ancestors().skip(1) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if fs::metadata(parent)?.dev() != device {
            break;
        }
        match disk::sync_directory(parent) {
            Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

impl Directory {
    /// Makes the directory if it does not exist, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        make_directory(path).map_err(OpenError::io(path, "make the directory"))?;
        let lock_path = path.join("lock");
        let file = options(true).create(true).open(&lock_path).map_err(OpenError::io(&lock_path, "open the lock"))?;
        let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(mut file, errno)| match errno {
            Errno::EWOULDBLOCK => OpenError::InUse { path: path.to_owned(), pid: written_by(&mut file) },
            _ => OpenError::io(&lock_path, "lock")(errno.into()),
        })?;
        // Over the old one, so that a full disk has room for it; without a number the second process is told less.
        let pid = format!("{}\n", std::process::id());
        if let Err(error) = lock.write_all(pid.as_bytes()).and_then(|()| lock.set_len(pid.len() as u64)) {
            log::warn!("{}: the process id cannot be written there: {error}", lock_path.display());
        }
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Whether the lock is still where a second process would look for it.
    pub(super) fn is_in_place(&self) -> bool {
        let found = fs::symlink_metadata(self.path.join("lock"));
        let both = self.lock.metadata().and_then(|held| Ok((held, found?)));
        both.is_ok_and(|(held, found)| identity(&held) == identity(&found))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn key_path(&self) -> PathBuf {
        self.path.join("key")
    }

    /// The key; a new one is made if there is none and there are no segments either.
    pub(super) fn secret(&self, has_segments: bool) -> Result<Secret, OpenError> {
        let path = self.key_path();
        match listing::key(&path)? {
            Some(secret) => Ok(secret),
            None if has_segments => Err(OpenError::KeyMissing { path }),
            None => self.make_key(&path),
        }
    }

    fn make_key(&self, path: &Path) -> Result<Secret, OpenError> {
        let secret = new_secret().map_err(OpenError::io(path, "make a key"))?;
        self.write_key(path, &secret).map(|()| secret)
    }

    pub(super) fn write_key(&self, path: &Path, secret: &Secret) -> Result<(), OpenError> {
        let text = format!("{:032x}\n", u128::from_be_bytes(secret.0));
        self.write_whole("key", 0o400, text.as_bytes()).map_err(OpenError::io(path, "write the key"))
    }

    /// Writes down that the state is at rest. If that is lost the next start only believes less.
    pub(super) fn mark_clean(&self) -> io::Result<()> {
        self.write_whole("run", 0o600, last_run::clean(&self.path)?.as_bytes())
    }

    /// Writes down, durably, that the state is in use by so many workers. A full disk has no room for that, but for taking
    /// back what was said before, unless it was the same: without it the next start believes as little as on another boot.
    pub(super) fn mark_running(&self, workers: usize) -> io::Result<()> {
        let (path, text) = (self.path.join("run"), last_run::running(&self.path, workers)?);
        match self.write_new("run", 0o600, text.as_bytes()) {
            Ok(new) => disk::rename(&new, &path)?,
            Err(error) if disk::is_full(&error) && listing::read(&path).is_ok_and(|said| said == text) => {}
            Err(error) => self.remove_run().map_err(|_| error)?,
        }
        self.sync_run()
    }

    /// Takes back, durably, what was said of the last run.
    pub(super) fn forget_run(&self) -> io::Result<()> {
        self.remove_run()?;
        self.sync_run()
    }

    fn remove_run(&self) -> io::Result<()> {
        match disk::remove(&self.path.join("run")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes durable what `run` says, or that it says nothing. One line for both, so that the test that leaves out each line that syncs
    /// sees them as the one promise that they are.
    fn sync_run(&self) -> io::Result<()> {
        self.sync()
    }

    /// Removes what was not finished.
    pub(super) fn remove_unfinished(&self) -> io::Result<()> {
        for path in Listing::read(&self.path)?.unfinished {
            if let Err(error) = disk::remove(&path) {
                log::warn!("{}: an unfinished file that cannot be removed: {error}", path.display());
            }
        }
        Ok(())
    }

    /// Names the damaged files and removes the oldest of them. A process that ended in the middle of things may have set one
    /// aside without a log that said so.
    pub(super) fn review_bad(&self) -> io::Result<()> {
        for (index, (path, _)) in self.bad_files()?.iter().enumerate() {
            if index < BAD_KEPT {
                log::warn!("{}: damaged, and was set aside; remove it when nobody wants to look at it", path.display());
            } else if let Err(error) = disk::remove(path) {
                log::warn!("{}: damaged, and cannot be removed: {error}", path.display());
            }
        }
        Ok(())
    }

    /// Removes the oldest damaged files of a ring until `fits` says yes to the bytes of those that are left.
    pub(super) fn trim_bad(&self, ring: RingKind, fits: impl Fn(u64) -> bool) -> io::Result<u64> {
        let of_ring = |path: &Path| path.file_name().is_some_and(|name| ring.owns(name.as_encoded_bytes()));
        let mut files = self.bad_files()?;
        files.retain(|(path, metadata)| of_ring(path) && metadata.is_file());
        loop {
            let bytes = files.iter().map(|(_, metadata)| metadata.len()).sum();
            if fits(bytes) {
                return Ok(bytes);
            }
            let Some((path, _)) = files.pop() else { return Ok(0) };
            log::warn!("{}: removed, as damaged files count towards --max-state", path.display());
            disk::remove(&path)?;
        }
    }

    /// Makes creations, renames and removals in the directory durable.
    #[track_caller]
    pub(super) fn sync(&self) -> io::Result<()> {
        disk::sync_directory(&self.path)
    }

    /// The damaged files that are kept, the newest first.
    fn bad_files(&self) -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
        let mut files = Vec::new();
        for path in Listing::read(&self.path)?.set_aside {
            let metadata = fs::symlink_metadata(&path)?;
            files.push((path, metadata));
        }
        files.sort_by_key(|(_, metadata)| std::cmp::Reverse(metadata.modified().ok()));
        Ok(files)
    }

    /// Puts a whole file in the place of an old one, durably.
    pub(super) fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.write_whole(name, 0o600, content)?;
        self.sync()
    }

    /// Puts a whole file in the place of an old one, so that a crash leaves one or the other. The name is durable with the next
    /// sync of the directory, which every start makes before it appends.
    fn write_whole(&self, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let new = self.write_new(name, mode, content)?;
        disk::rename(&new, &self.path.join(name))
    }

    fn write_new(&self, name: &str, mode: u32, content: &[u8]) -> io::Result<PathBuf> {
        let new = self.path.join(format!("{name}.new"));
        let _ = disk::remove(&new);
        let file = disk::create(&new, mode)?;
        disk::write(&file, content)?;
        disk::sync(&file)?;
        Ok(new)
    }
}

/// A key that nobody has.
pub fn new_secret() -> io::Result<Secret> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Secret(key))
}

/// Renames a damaged file.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut aside = path.with_extension("bad");
    for number in 2.. {
        if !aside.exists() {
            break;
        }
        aside = path.with_extension(format!("{number}.bad"));
    }
    disk::rename(path, &aside)?;
    Ok(aside)
}
