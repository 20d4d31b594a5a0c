//! The tables that are compared: irongrey's state, and two concurrent maps that hold the same triplets.
//!
//! The maps go from the tag to a word of 64 bits, which holds what a record says, and hash the tag with ahash. They keep
//! nothing over the end of the process. What a turn of the event loop takes once (a session, a pin) is taken once for each
//! call here. Every answer is compared with the one known from the number.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};

use dashmap::DashMap;
use irongrey::grey::{Change, State, Triplet};
use irongrey::store::Writer;
use papaya::HashMap;

use crate::state::{self, LEAST, NOW, StateDir, change, tag};

/// Operations of one call, for which a session or a pin is taken.
const CALL: usize = 100;

/// A table of triplets.
pub(crate) trait Table {
    const NAME: &'static str;
    /// A table in which there is none of the triplets of the numbers below `records` yet.
    fn new(records: u64) -> Self;
    /// Appends the triplets of these numbers; none of them is there.
    fn append(&mut self, numbers: Range<u64>);
    /// Looks these numbers up; each is known, with its state, or none is.
    fn find(&mut self, numbers: impl Iterator<Item = u64>, known: bool);
    /// Bytes for each of `records` triplets, when the process has so much more memory of its own than before them.
    fn bytes_each(&self, records: u64, own: u64) -> String {
        format!("{:.1} bytes each", ratio(own, records))
    }
}

/// The numbers in portions of one call.
pub(crate) fn calls(numbers: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = numbers.end;
    numbers.step_by(CALL).map(move |first| first..end.min(first + CALL as u64))
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn ratio(bytes: u64, records: u64) -> f64 {
    bytes as f64 / records as f64
}

/// A state at its limit of size, as a daemon's is after some time: the small segments of its youth have been dropped; each
/// ring has four full ones, the one that is appended to, and a spare.
pub(crate) struct Irongrey {
    writer: Writer,
    dir: StateDir,
}

/// Numbers from here on are of triplets that were appended before all others.
const EARLIER: u64 = 1 << 59;

impl Table for Irongrey {
    const NAME: &'static str = "irongrey";

    fn new(records: u64) -> Self {
        let dir = StateDir::new();
        // Six segments of 24 bytes a triplet are a ring's share; four of them hold what is looked up. The last thirtieth is
        // for the sizes being round.
        let store = dir.open((records * 24 * 6 / 4 * 31 / 30).max(LEAST));
        let mut writer = store.writer();
        state::append(&mut writer, EARLIER..EARLIER + records / 2);
        Self { writer, dir }
    }

    fn append(&mut self, numbers: Range<u64>) {
        state::append(&mut self.writer, numbers);
    }

    fn find(&mut self, numbers: impl Iterator<Item = u64>, known: bool) {
        let session = self.writer.session();
        for number in numbers {
            let tag = tag(number);
            session.prefetch(tag, tag);
            let found = match session.triplet(tag, NOW) {
                Triplet::Unknown => None,
                Triplet::Pending { first } => Some(Change::Pending(first)),
                Triplet::Passed { last } => Some(Change::Passed(last)),
            };
            assert_eq!(found, known.then(|| change(number)));
        }
    }

    /// Those of its files, by the offsets in FORMAT.md: in full segments alone, and in all.
    fn bytes_each(&self, records: u64, _: u64) -> String {
        // What is full is sealed.
        (0..4).for_each(|_| self.writer.store().upkeep(NOW, false));
        let (mut all, mut full, mut full_records) = (0, 0, 0);
        for entry in fs::read_dir(self.dir.path()).expect("the directory can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.extension().is_none_or(|end| end != "seg") {
                continue;
            }
            let file = File::open(path).expect("it is there");
            let bytes = file.metadata().expect("it is there").blocks() * 512;
            all += bytes;
            if u32_at(&file, SEAL_AT) != 0 {
                full += bytes;
                let marks = (0..u64::from(u32_at(&file, CAPACITY_AT) / CHUNK)).map(|chunk| FILLS_AT + 4 * chunk);
                full_records += marks.map(|at| u64::from(u32_at(&file, at))).sum::<u64>();
            }
        }
        let (full, all) = (ratio(full, full_records), ratio(all, records));
        format!("{full:.2} bytes each in full segments, {all:.1} with what is older and what is for later ones")
    }
}

const CAPACITY_AT: u64 = 32;
const SEAL_AT: u64 = 512;
const FILLS_AT: u64 = 4096;
/// Records of one fill mark.
const CHUNK: u32 = 4096;

fn u32_at(file: &File, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, offset).expect("a segment is long enough");
    u32::from_le_bytes(bytes)
}

/// A triplet's state as the maps hold it.
fn word(number: u64) -> u64 {
    match change(number) {
        Change::Pending(time) => u64::from(time.0),
        Change::Passed(time) => 1 << 32 | u64::from(time.0),
        Change::Client(_) => unreachable!("it is a triplet"),
    }
}

pub(crate) struct Dashmap(DashMap<u64, u64, ahash::RandomState>);

impl Table for Dashmap {
    const NAME: &'static str = "dashmap";

    fn new(_: u64) -> Self {
        Self(DashMap::default())
    }

    fn append(&mut self, numbers: Range<u64>) {
        for number in numbers {
            assert_eq!(self.0.insert(tag(number).bits(), word(number)), None);
        }
    }

    fn find(&mut self, numbers: impl Iterator<Item = u64>, known: bool) {
        for number in numbers {
            let found = self.0.get(&tag(number).bits()).map(|found| *found);
            assert_eq!(found, known.then(|| word(number)));
        }
    }
}

pub(crate) struct Papaya(HashMap<u64, u64, ahash::RandomState>);

impl Table for Papaya {
    const NAME: &'static str = "papaya";

    fn new(_: u64) -> Self {
        Self(HashMap::default())
    }

    fn append(&mut self, numbers: Range<u64>) {
        let map = self.0.pin();
        for number in numbers {
            assert_eq!(map.insert(tag(number).bits(), word(number)), None);
        }
    }

    fn find(&mut self, numbers: impl Iterator<Item = u64>, known: bool) {
        let map = self.0.pin();
        for number in numbers {
            assert_eq!(map.get(&tag(number).bits()).copied(), known.then(|| word(number)));
        }
    }
}
