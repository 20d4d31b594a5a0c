//! [`StateDir`]: a state directory of one case, and what the store is opened with.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use irongrey::clock::UnixSecs;
use irongrey::config::{StateSettings, SyncMode};
use irongrey::grey::Terms;
use irongrey::store::{OpenError, Store};
use irongrey::table::{Secret, Tag};
use tempfile::TempDir;

/// When each case begins.
pub(crate) const NOW: UnixSecs = UnixSecs(1_795_000_000);
pub(crate) const DAY: u32 = 86_400;
pub(crate) const TERMS: Terms = Terms { max_age: 32 * DAY, ..Terms::DEFAULT };
/// Seconds that a passed triplet or a client counts.
pub(crate) const ESTABLISHED_LIFE: u32 = 36 * DAY;
const SECRET: Secret = Secret([7; 16]);

/// How the last process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, arbitrary::Arbitrary)]
pub(crate) enum Run {
    Clean,
    SameBoot,
    OtherBoot,
}

/// A state directory in memory, where there is such a file system; gone with its owner.
#[derive(Debug)]
pub(crate) struct StateDir(TempDir);

impl StateDir {
    /// A directory that holds the key and nothing else.
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.expect("a temporary directory can be made");
        let key = format!("{:032x}", u128::from_be_bytes(SECRET.0));
        fs::write(dir.path().join("key"), key).expect("the key can be written");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn secret() -> &'static Secret {
        &SECRET
    }

    /// The tag that a number stands for.
    pub(crate) fn tag(number: u8) -> Tag {
        SECRET.tag(&[number])
    }

    /// Opens it as a daemon with two workers does.
    pub(crate) fn open(&self, now: UnixSecs) -> Result<Arc<Store>, OpenError> {
        let settings = StateSettings { dir: self.path().to_owned(), max_size: 256 << 20, sync: SyncMode::Os };
        Store::open(&settings, &TERMS, 2, now)
    }

    /// Writes down that the last process ended so.
    pub(crate) fn note_run(&self, run: Run) {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let text = match run {
            Run::Clean => format!("clean {} {:08x}\n", boot.trim(), self.segments_check()),
            Run::SameBoot => format!("running {} 2 {}\n", boot.trim(), self.place()),
            Run::OtherBoot => "running another-boot 2 0:0\n".to_owned(),
        };
        fs::write(self.path().join("run"), text).expect("the directory can be written to");
    }

    /// Device and inode of the lock.
    fn place(&self) -> String {
        let path = self.path().join("lock");
        let lock = fs::OpenOptions::new().append(true).create(true).open(path).and_then(|lock| lock.metadata());
        let lock = lock.expect("a lock can be made");
        format!("{}:{}", lock.dev(), lock.ino())
    }

    /// CRC-32 over inodes and change times, as FORMAT.md says.
    fn segments_check(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for path in self.segments().into_keys().filter(|path| path.extension().is_some_and(|end| end == "seg")) {
            let file = fs::symlink_metadata(path).expect("it was there");
            hasher.update(&file.ino().to_le_bytes());
            hasher.update(&file.ctime().to_le_bytes());
            hasher.update(&file.ctime_nsec().to_le_bytes());
        }
        hasher.finalize()
    }

    /// The segment files and those that were set aside, with their bytes.
    pub(crate) fn segments(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.path()).expect("the directory can be read");
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let segments = paths.filter(|path| path.extension().is_some_and(|end| end == "seg" || end == "bad"));
        segments.map(|path| (path.clone(), fs::read(&path).expect("a file can be read"))).collect()
    }
}
