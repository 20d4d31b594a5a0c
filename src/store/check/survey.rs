//! [`Survey`]: one segment, record by record and slot by slot.
//!
//! The index is read some shards at a time, and for each piece of it all records are gone over that belong there.

use std::ops::Range;
use std::path::PathBuf;

use super::piece::{Piece, is_in_order};
use crate::clock::UnixSecs;
use crate::store::file::BadFile;
use crate::store::format::RingKind;
use crate::store::last_run::LastRun;
use crate::store::look::{Look, Words};
use crate::store::open::Outline;
use crate::table::{CHUNK, Kind, Record};

/// The kinds of records with their names, in the order in which they are counted.
pub(super) const KINDS: [(Kind, &str); 4] =
    [(Kind::Pending, "pending"), (Kind::Passed, "passed"), (Kind::Client, "client"), (Kind::Void, "void")];

/// What stands in the seal word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    Missing,
    Whole,
    /// It counts as missing.
    Damaged,
}

/// What stands in one segment.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) path: PathBuf,
    pub(super) ring: RingKind,
    pub(super) sequence: u64,
    pub(super) capacity: u32,
    /// Valid records of each of the [`KINDS`].
    pub(super) counts: [u64; 4],
    /// The earliest and the latest time in it.
    pub(super) times: Option<(UnixSecs, UnixSecs)>,
    /// Neither zeros nor a record.
    pub(super) damaged: u64,
    /// Zeros below a fill mark: a power loss took what stood there.
    pub(super) lost: u64,
    /// Above the fill marks.
    pub(super) unmarked: u64,
    /// Valid, but not to be found through the index.
    pub(super) unindexed: u64,
    /// Slots that no record would be looked for in.
    pub(super) dangling: u64,
    pub(super) seal: Seal,
    /// A sync of it has failed.
    pub(super) has_failed: bool,
    /// What cannot be read: the numbers are of what stands before that.
    pub(super) unread: Option<BadFile>,
    /// There is a fill mark.
    has_marks: bool,
    /// There is something that is not zeros where records stand.
    has_words: bool,
}

impl Survey {
    /// Goes over all that stands in a segment.
    pub(super) fn of(look: &Look) -> Self {
        let header = look.header();
        let mut survey = Self {
            path: look.path().to_owned(),
            ring: header.ring,
            sequence: header.sequence,
            capacity: header.capacity,
            counts: [0; 4],
            times: None,
            damaged: 0,
            lost: 0,
            unmarked: 0,
            unindexed: 0,
            dangling: 0,
            seal: Seal::Missing,
            has_failed: false,
            unread: None,
            has_marks: false,
            has_words: false,
        };
        survey.unread = survey.read(look).err();
        survey
    }

    pub(super) fn records(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.seal == Seal::Whole
    }

    /// Whether something is wrong with it that no kill and no power loss explains. Where nothing is `at_rest`, marks and slots
    /// may be on their way.
    pub(super) fn is_damaged(&self, at_rest: bool) -> bool {
        let is_complete = at_rest || self.is_sealed();
        self.damaged > 0
            || self.seal == Seal::Damaged
            || self.has_failed
            || self.unread.is_some()
            || is_complete && (self.unindexed > 0 || self.unmarked > 0 || self.dangling > 0)
    }

    /// What tells a start its part, once that has set the fill marks right.
    pub(super) fn outline(&self, last_run: LastRun) -> Outline {
        let is_used = match last_run {
            LastRun::Clean => self.has_marks,
            LastRun::SameBoot { .. } => self.has_marks || self.has_words,
            LastRun::OtherBoot => self.has_words,
        };
        Outline {
            ring: self.ring,
            sequence: self.sequence,
            is_sealed: self.is_sealed(),
            has_failed: self.has_failed,
            is_unused: !self.is_sealed() && !is_used,
        }
    }

    fn read(&mut self, look: &Look) -> Result<(), BadFile> {
        let seal = look.seal()?;
        self.seal = match look.header().sealed_at(seal) {
            Some(_) => Seal::Whole,
            None if seal == 0 => Seal::Missing,
            None => Seal::Damaged,
        };
        self.has_failed = look.has_failed()?;
        let mut shards = Piece::shards(look);
        self.read_shards(look, shards.next().unwrap_or_default(), true)?;
        shards.try_for_each(|shards| self.read_shards(look, shards, false))
    }

    /// Looks for the records of these shards in the index, and counts all that there are if this `is_first`.
    fn read_shards(&mut self, look: &Look, shards: Range<u32>, is_first: bool) -> Result<(), BadFile> {
        // Before the records, so that what its slots point at can be seen there.
        let mut piece = Piece::read(look, shards)?;
        let mut records = vec![Words::default(); CHUNK as usize];
        for chunk in 0..look.chunks() {
            // Before the records: what it counts is whole.
            let mark = look.mark(chunk)?;
            look.read_chunk(chunk, &mut records)?;
            for (index, &words) in (0..).zip(&records) {
                let position = chunk * CHUNK + index;
                if is_first {
                    self.count(look, position, words, index < mark)?;
                }
                if piece.owns(words)
                    && let Some(record) = Record::unpack(words[0], words[1])
                {
                    self.unindexed += u64::from(!piece.claim(&record, position) && !is_in_order(look, &record)?);
                }
            }
            self.has_marks |= mark > 0;
        }
        self.dangling += piece.unclaimed();
        Ok(())
    }

    fn count(&mut self, look: &Look, position: u32, mut words: Words, is_marked: bool) -> Result<(), BadFile> {
        let is_damaged = |[tag, word]: Words| tag != 0 && Record::unpack(tag, word).is_none();
        if is_damaged(words) {
            // It may have been written while the piece was read, and not be whole there.
            words = look.record(position)?;
        }
        self.has_words |= words != [0, 0];
        match Record::unpack(words[0], words[1]) {
            Some(record) => {
                self.unmarked += u64::from(!is_marked);
                self.count_kind(&record);
            }
            None if words == [0, 0] => self.lost += u64::from(is_marked),
            // Else the word stands before its tag: what was written there was not finished.
            None => self.damaged += u64::from(is_damaged(words)),
        }
        Ok(())
    }

    fn count_kind(&mut self, record: &Record) {
        for (count, (kind, _)) in self.counts.iter_mut().zip(KINDS) {
            *count += u64::from(kind == record.kind);
        }
        let (first, last) = self.times.unwrap_or((record.time, record.time));
        self.times = Some((first.min(record.time), last.max(record.time)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::directory::Directory;
    use crate::store::open::create;
    use crate::table::Secret;

    #[test]
    fn a_file_that_is_cut_off_meanwhile_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(dir.path()).unwrap();
        let file = create(RingKind::Pending, 1, CHUNK * 2, &Secret([7; 16]), &directory, UnixSecs(1)).unwrap();
        let look = Look::open(file.path()).unwrap();
        assert!(Survey::of(&look).unread.is_none());
        for length in [160_000, 10_000, 4096, 512, 0] {
            std::fs::File::options().write(true).open(file.path()).unwrap().set_len(length).unwrap();
            let survey = Survey::of(&look);
            assert!(matches!(survey.unread, Some(BadFile::Length { found, .. }) if found == length), "{survey:?}");
            assert!(survey.is_damaged(false));
        }
    }
}
