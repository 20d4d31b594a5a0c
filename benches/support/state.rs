//! What the benches of the state share: a state directory in memory, and what stands in it.
//!
//! Triplets are numbers. A number's tag is spread over 64 bits, so neighbours are far apart in every table, and its state
//! can be made again from it: every fourth is pending, as a quarter of the state is for those, the others have passed. The
//! directory lies in `/dev/shm` where there is one: what is measured is the processor and the memory, never a disk.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use irongrey::clock::UnixSecs;
use irongrey::config::{StateSettings, SyncMode};
use irongrey::grey::{Change, State, Terms};
use irongrey::store::{Store, Writer};
use irongrey::table::Tag;
use tempfile::TempDir;

pub(crate) const NOW: UnixSecs = UnixSecs(1_795_514_400);
/// Of so many numbers the first, a multiple of this, is that of a pending triplet.
pub(crate) const PENDING_EVERY: u64 = 4;
/// Little more than the least that a state of two workers may be given.
pub(crate) const LEAST: u64 = 40 << 20;
/// Without a delay no segment is too young to be dropped for want of room.
const TERMS: Terms = Terms { delay: 0, ..Terms::DEFAULT };

/// Spreads a number over 64 bits: no two are the same, and they seem to be in no order.
pub(crate) fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// The tag that a number stands for.
pub(crate) fn tag(number: u64) -> Tag {
    Tag::from_bits(mixed(number)).expect("none of the numbers is mixed to 0")
}

/// The state of a number's triplet.
pub(crate) fn change(number: u64) -> Change {
    let seconds_ago = u32::try_from(number % 256).expect("it is small");
    let time = UnixSecs(NOW.0 - seconds_ago);
    if number.is_multiple_of(PENDING_EVERY) { Change::Pending(time) } else { Change::Passed(time) }
}

/// A state directory; gone with its owner.
pub(crate) struct StateDir(TempDir);

impl StateDir {
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self(dir.expect("a temporary directory can be made"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Opens it as a daemon with two workers does.
    pub(crate) fn open(&self, max_size: u64) -> Arc<Store> {
        let settings = StateSettings { dir: self.path().to_owned(), max_size, sync: SyncMode::Os };
        Store::open(&settings, &TERMS, 2, NOW).expect("the state can be opened")
    }
}

/// Appends the triplets of these numbers, and makes room for them as the daemon's upkeep does.
pub(crate) fn append(writer: &mut Writer, numbers: Range<u64>) {
    let store = Arc::clone(writer.store());
    let mut session = writer.session();
    for number in numbers {
        let (tag, change) = (tag(number), change(number));
        if session.append(tag, change, NOW).is_err() {
            drop(session);
            store.upkeep(NOW, false);
            session = writer.session();
            session.append(tag, change, NOW).expect("upkeep has made a spare");
        }
    }
}
