//! [`Summary`]: what an import has found and taken, and what it has left out and why. Its text is what the administrator reads.

use std::fmt;
use std::path::PathBuf;

use crate::table::{Kind, Record};

/// Why an entry is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    Expired,
    Hashed,
    Cut,
    Unclear,
    Key,
    Value,
}

impl Skip {
    /// Those that are told of if there are any, with words for them.
    const REASONS: [(Self, &'static str); 5] = [
        (Self::Hashed, "stored under --privacy: hashes, of which nobody can tell the addresses"),
        (Self::Cut, "cut off by postgrey at 512 bytes: no request has such an address"),
        (Self::Unclear, "with so many slashes that sender and recipient cannot be told apart"),
        (Self::Key, "keys that are not ones of postgrey"),
        (Self::Value, "values that are not ones of postgrey"),
    ];
}

/// What has been found in one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    current: u64,
    skipped: [u64; 6],
    /// The first key that could not be read.
    example: Option<String>,
}

impl Found {
    pub(super) fn count(&mut self, entry: Result<(), Skip>, key: &[u8]) {
        match entry {
            Ok(()) => self.current += 1,
            Err(skip) => {
                self.skipped[skip as usize] += 1;
                if matches!(skip, Skip::Unclear | Skip::Key | Skip::Value) && self.example.is_none() {
                    self.example = Some(key[..key.len().min(100)].escape_ascii().to_string());
                }
            }
        }
    }

    pub(super) fn count_current(&mut self, is_current: bool) {
        self.count(if is_current { Ok(()) } else { Err(Skip::Expired) }, b"");
    }

    pub(super) fn entries(&self) -> u64 {
        self.current + self.skipped.iter().sum::<u64>()
    }

    pub(super) fn current(&self) -> u64 {
        self.current
    }

    pub(super) fn skipped(&self, skip: Skip) -> u64 {
        self.skipped[skip as usize]
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, current, expired) = (self.entries(), self.current(), self.skipped(Skip::Expired));
        let skipped = entries - current - expired;
        writeln!(f, "{entries} entries: {current} current, {expired} expired, {skipped} skipped")?;
        for (skip, reason) in Skip::REASONS {
            let count = self.skipped(skip);
            if count > 0 {
                writeln!(f, "  skipped {count} {reason}")?;
            }
        }
        self.example.iter().try_for_each(|key| writeln!(f, "  the first that could not be read: {key}"))
    }
}

/// What the state has been given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) passed: u64,
    pub(super) pending: u64,
    pub(super) clients: u64,
    pub(super) known: u64,
}

impl Taken {
    pub(super) fn count(&mut self, record: &Record) {
        match record.kind {
            Kind::Passed => self.passed += 1,
            Kind::Pending => self.pending += 1,
            Kind::Client => self.clients += 1,
            Kind::Void => {}
        }
    }

    pub(super) fn all(&self) -> u64 {
        self.passed + self.pending + self.clients
    }
}

/// What an import has done.
#[derive(Clone, Debug)]
pub struct Summary {
    pub(super) sources: Vec<(PathBuf, Found)>,
    pub(super) state: PathBuf,
    pub(super) taken: Taken,
    /// What may not be as it was meant.
    pub(super) odd: Vec<String>,
}

impl Summary {
    /// What may not be as it was meant.
    pub fn warnings(&self) -> &[String] {
        &self.odd
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, found) in &self.sources {
            write!(f, "{}: {found}", path.display())?;
        }
        let Taken { passed, pending, clients, known } = self.taken;
        writeln!(
            f,
            "{}: {} taken: {passed} passed triplets, {pending} waiting ones, {clients} clients; {known} known before",
            self.state.display(),
            self.taken.all()
        )
    }
}
