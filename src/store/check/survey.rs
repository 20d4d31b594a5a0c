//! [`Survey`]: one segment, record by record.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::Role;
use crate::clock::UnixSecs;
use crate::store::file::SegmentFile;
use crate::store::open::reader;
use crate::table::{CHUNK, Kind, Memory, Record, Segment};

/// The kinds of records with their names, in the order in which they are counted.
pub(super) const KINDS: [(Kind, &str); 4] =
    [(Kind::Pending, "pending"), (Kind::Passed, "passed"), (Kind::Client, "client"), (Kind::Void, "void")];

/// What stands in one segment.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) path: PathBuf,
    pub(super) role: Role,
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
    /// Slots that point at no record.
    pub(super) dangling: u64,
    pub(super) has_damaged_seal: bool,
    /// A sync of it has failed.
    pub(super) has_failed: bool,
}

impl Survey {
    pub(super) fn records(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether something is wrong with it that no kill and no power loss explains. Where nothing is `at_rest`, marks and slots
    /// may be on their way.
    pub(super) fn is_damaged(&self, at_rest: bool) -> bool {
        let is_complete = at_rest || self.role == Role::Sealed;
        self.damaged > 0
            || self.has_damaged_seal
            || self.has_failed
            || is_complete && (self.unindexed > 0 || self.unmarked > 0 || self.dangling > 0)
    }
}

/// Goes over all that stands in a segment.
pub(super) fn survey(role: Role, file: SegmentFile) -> Survey {
    let segment = reader(file);
    let file = segment.memory();
    let mut survey = Survey {
        path: file.path().to_owned(),
        role,
        capacity: file.header().capacity,
        counts: [0; 4],
        times: None,
        damaged: 0,
        lost: 0,
        unmarked: 0,
        unindexed: 0,
        dangling: segment.dangling_slots(),
        has_damaged_seal: file.has_damaged_seal(),
        has_failed: file.has_failed(),
    };
    for (chunk, fill) in (0..).zip(file.fills()) {
        // Acquire: pairs with the Release in `Segment::append`, so what lies before the mark is whole.
        let mark = fill.load(Ordering::Acquire);
        for index in 0..CHUNK {
            survey.count(&segment, chunk * CHUNK + index, index < mark);
        }
    }
    survey
}

impl Survey {
    fn count(&mut self, segment: &Segment<SegmentFile>, position: u32, is_marked: bool) {
        let at = position as usize * 2;
        let words = &segment.memory().records()[at..at + 2];
        // Once, as it may be written meanwhile. Acquire: pairs with the Release in `Segment::append`.
        let tag = words[0].load(Ordering::Acquire);
        let word = words[1].load(Ordering::Relaxed);
        let Some(record) = Record::unpack(tag, word) else {
            match (tag, word) {
                (0, 0) => self.lost += u64::from(is_marked),
                // The word stands before its tag: what was written there was not finished.
                (0, _) => {}
                _ => self.damaged += 1,
            }
            return;
        };
        self.unmarked += u64::from(!is_marked);
        self.count_kind(&record);
        let found = segment.find(record.tag).any(|found| found.covers(&record));
        self.unindexed += u64::from(!found);
    }

    fn count_kind(&mut self, record: &Record) {
        for (count, (kind, _)) in self.counts.iter_mut().zip(KINDS) {
            *count += u64::from(kind == record.kind);
        }
        let (first, last) = self.times.unwrap_or((record.time, record.time));
        self.times = Some((first.min(record.time), last.max(record.time)));
    }
}
