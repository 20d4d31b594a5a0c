//! The segment files of irongrey's state directory, read from outside: how many records each holds in how many bytes of disk.
//!
//! The offsets are those of docs/FORMAT.md, written down here anew so that the measurement does not rest on the code that
//! it measures.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};

const MAGIC: &[u8] = b"irongrey";
const CAPACITY_AT: u64 = 32;
const SEAL_AT: u64 = 512;
const FILLS_AT: u64 = 4096;
/// Records of one fill mark.
const CHUNK: u32 = 4096;

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) name: String,
    /// Bytes that the file system has allocated for it.
    pub(crate) allocated: u64,
    pub(crate) capacity: u32,
    /// Records that stand in it.
    pub(crate) records: u64,
    /// Whether it takes no more.
    pub(crate) sealed: bool,
}

impl Segment {
    /// Sealed because it was full, not for its age: an insert may end it a little before its last record.
    pub(crate) fn is_full(&self) -> bool {
        self.sealed && self.records * 100 >= u64::from(self.capacity) * 99
    }
}

/// All segment files in `directory`, by name.
pub(crate) fn segments(directory: &Path) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            segments.push(read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    segments.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(segments)
}

/// Makes a state that a killed process has left look as if it had been left by one of another boot.
pub(crate) fn forget_boot(directory: &Path) -> Result<()> {
    let path = directory.join("run");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut words: Vec<&str> = text.split_whitespace().collect();
    ensure!(
        words.first() == Some(&"running") && words.len() > 1,
        "{} tells of no killed process: {text}",
        path.display()
    );
    words[1] = "another-boot";
    fs::write(&path, words.join(" ")).with_context(|| format!("cannot write {}", path.display()))
}

fn read(path: &Path) -> Result<Segment> {
    let file = File::open(path)?;
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0)?;
    ensure!(magic == MAGIC, "it is no segment file");
    let word = |at| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at).map(|()| u32::from_le_bytes(bytes))
    };
    let capacity = word(CAPACITY_AT)?;
    let mut records = 0;
    for chunk in 0..capacity / CHUNK {
        records += u64::from(word(FILLS_AT + u64::from(chunk) * 4)?.min(CHUNK));
    }
    Ok(Segment {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        allocated: file.metadata()?.blocks() * 512,
        capacity,
        records,
        sealed: word(SEAL_AT)? != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_seal_and_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; 16_384];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[32..36].copy_from_slice(&(2 * CHUNK).to_le_bytes());
        bytes[512] = 1;
        bytes[4096..4100].copy_from_slice(&CHUNK.to_le_bytes());
        bytes[4100..4104].copy_from_slice(&7_u32.to_le_bytes());
        fs::write(directory.path().join("pending-00000001.seg"), &bytes).unwrap();
        fs::write(directory.path().join("key"), "no segment").unwrap();
        let found = segments(directory.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].records, found[0].capacity, found[0].sealed), (4103, 8192, true));
        assert!(!found[0].is_full());
    }

    #[test]
    fn only_a_killed_process_leaves_a_boot_to_forget() {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("run");
        fs::write(&run, "running 0123 2\n").unwrap();
        forget_boot(directory.path()).unwrap();
        assert_eq!(fs::read_to_string(&run).unwrap(), "running another-boot 2");
        fs::write(&run, "clean 0123\n").unwrap();
        assert!(forget_boot(directory.path()).is_err());
    }
}
