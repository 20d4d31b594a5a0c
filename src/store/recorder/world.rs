//! [`World`]: what the disk holds for sure at one moment, and what it may hold beside that.

use std::collections::BTreeMap;

use super::{Event, Point};

/// What a disk writes as a whole.
pub(super) const SECTOR: usize = 512;
/// What msync writes at least.
const PAGE: usize = 4096;

pub(super) type Sector = [u8; SECTOR];

/// The directory at one moment of a tape.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(super) files: Vec<Contents>,
    /// The names that are durable.
    pub(super) names: BTreeMap<String, usize>,
    /// What has been done to the names since.
    pub(super) changes: Vec<Change>,
    /// Whether the directory exists, for sure and now.
    pub(super) exists: (bool, bool),
}

/// One file: of its length and of each sector the durable version first, then all later ones. A sector that is not there
/// is zeros.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) lengths: Vec<usize>,
    pub(super) sectors: BTreeMap<usize, Vec<Sector>>,
}

/// A change of names.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl World {
    /// Goes on by one change; a sync at the point `without` does nothing.
    pub(crate) fn apply(&mut self, event: &Event, without: Option<Point>) {
        if without.is_some() && event.point() == without {
            return;
        }
        match event {
            Event::MadeDirectory => self.exists.1 = true,
            Event::ParentSynced(_) => self.exists.0 = self.exists.1,
            Event::Created(file, name) => {
                debug_assert_eq!(*file, self.files.len());
                self.files.push(Contents { lengths: vec![0], sectors: BTreeMap::new() });
                self.changes.push(Change::Create(name.clone(), *file));
            }
            Event::Allocated(file, bytes) => self.files[*file].lengths.push(*bytes),
            Event::Written(file, offset, bytes) => self.files[*file].write(*offset, bytes),
            Event::Renamed(from, to) => self.changes.push(Change::Rename(from.clone(), to.clone())),
            Event::Removed(name) => self.changes.push(Change::Remove(name.clone())),
            Event::Synced(file, _) => {
                let contents = &mut self.files[*file];
                contents.settle(0..usize::MAX);
                contents.lengths.drain(..contents.lengths.len() - 1);
            }
            Event::Flushed(file, bytes, _) => {
                let pages = bytes.start / PAGE * PAGE..bytes.end.next_multiple_of(PAGE);
                self.files[*file].settle(pages.start / SECTOR..pages.end / SECTOR);
            }
            Event::DirectorySynced(_) => {
                for change in std::mem::take(&mut self.changes) {
                    change.apply(&mut self.names);
                }
            }
        }
    }
}

impl Contents {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let length = self.lengths[self.lengths.len() - 1];
        if offset + bytes.len() > length {
            self.lengths.push(offset + bytes.len());
        }
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let (sector, start) = (at / SECTOR, at % SECTOR);
            let (now, later) = rest.split_at(rest.len().min(SECTOR - start));
            let versions = self.sectors.entry(sector).or_insert_with(|| vec![[0; SECTOR]]);
            let mut next = versions[versions.len() - 1];
            next[start..start + now.len()].copy_from_slice(now);
            versions.push(next);
            (at, rest) = (at + now.len(), later);
        }
    }

    fn settle(&mut self, sectors: std::ops::Range<usize>) {
        for (_, versions) in self.sectors.range_mut(sectors) {
            versions.drain(..versions.len() - 1);
        }
    }
}

impl Change {
    /// Makes the change if what it is about is there: another one before it may not have reached the disk.
    pub(super) fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}
