//! Every bit of a segment, flipped one at a time: no panic, and nobody passes who did not.

use super::*;
use crate::atomics::Ordering;
use crate::store::open::{create, reader};
use crate::table::{CHUNK, Cursor, Kind, Memory, Record, Segment};

const RECORDS: u64 = 300;

/// A segment of 200 KiB with some records in it, beside those that an open directory has.
fn small(dir: &Path) -> (Secret, PathBuf) {
    let store = open(dir);
    let secret = *store.secret();
    let segment = filled(&store, 7);
    (secret, segment.memory().path().to_owned())
}

fn filled(store: &Store, sequence: u64) -> Arc<Segment<SegmentFile>> {
    let file = create(RingKind::Established, sequence, CHUNK * 2, store.secret(), &store.directory, NOW).unwrap();
    let segment = open::writable(file, false).segment;
    let mut cursor = Cursor::default();
    for number in 0..RECORDS {
        segment.append(&mut cursor, &record(store.secret(), number)).unwrap();
    }
    segment.memory().sync_all().unwrap();
    segment
}

fn record(secret: &Secret, number: u64) -> Record {
    let kind = [Kind::Passed, Kind::Client, Kind::Pending][usize::try_from(number % 3).unwrap()];
    let count = if kind == Kind::Client { 3 } else { 0 };
    Record { tag: secret.tag(&number.to_le_bytes()), kind, time: NOW, count, origin: 0 }
}

/// How many of these records are not found; `None` if one is found that never stood there.
fn missing(segment: &Segment<SegmentFile>, secret: &Secret, numbers: impl Iterator<Item = u64>) -> Option<u64> {
    let mut missing = 0;
    for number in numbers {
        let expected = record(secret, number);
        let mut found = segment.find(expected.tag).peekable();
        missing += u64::from(number < RECORDS && found.peek().is_none());
        if !found.all(|found| number < RECORDS && found == expected) {
            return None;
        }
    }
    Some(missing)
}

#[test]
fn no_flipped_bit_of_a_mapped_segment_grants_a_pass() {
    let dir = tempfile::tempdir().unwrap();
    let (secret, path) = small(dir.path());
    let segment = reader(SegmentFile::open(&path).unwrap());
    let (memory, mut flips) = (segment.memory(), 0_u64);
    let mut check = |number: u64, what: String| {
        // Those that it may concern: its own, and others, known and unknown.
        let numbers = (0..60).map(|step| number + 7 * step).chain(RECORDS..RECORDS + 20);
        flips += 1;
        assert!(missing(&segment, &secret, numbers).is_some_and(|missing| missing <= 1), "{what}");
    };
    for (at, word) in memory.records().iter().enumerate().take(usize::try_from(RECORDS).unwrap() * 2 + 64) {
        let before = word.load(Ordering::Relaxed);
        for bit in 0..64 {
            word.store(before ^ 1 << bit, Ordering::Relaxed);
            check(at as u64 / 2, format!("bit {bit} of word {at}"));
        }
        word.store(before, Ordering::Relaxed);
    }
    for (at, slot) in memory.slots().iter().enumerate() {
        let before = slot.load(Ordering::Relaxed);
        for bit in 0..32 {
            slot.store(before ^ 1 << bit, Ordering::Relaxed);
            check(at as u64 % RECORDS, format!("bit {bit} of slot {at}"));
        }
        slot.store(before, Ordering::Relaxed);
    }
    println!("{flips} flips");
}

/// What a flipped bit may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// The file is set aside.
    File,
    Nothing,
    /// One record is not found, if the index is believed in the case of a slot.
    Record,
    Slot,
}

/// Header, seal, failure word and marks, some records and some slots: each bit goes through a start, and all but the header's,
/// which is read alike after any end, after each kind of end.
#[test]
fn no_flipped_bit_does_more_harm_at_a_start_than_it_has_to() {
    // Syncing is not what this is about.
    let dir =
        if Path::new("/dev/shm").is_dir() { tempfile::tempdir_in("/dev/shm") } else { tempfile::tempdir() }.unwrap();
    let state = Flipped::new(dir.path());
    let bits = |bytes: std::ops::Range<usize>| bytes.start * 8..bytes.end * 8;
    let header = bits(0..512).map(|bit| (bit, Cost::File, bit % 3));
    let after_each_end =
        |bits: std::ops::Range<usize>, cost| bits.flat_map(move |bit| (0..3).map(move |end| (bit, cost, end)));
    let marks = [512..528, 4096..4104].into_iter().flat_map(|bytes| after_each_end(bits(bytes), Cost::Nothing));
    let records =
        [0, 1, 2, 299].into_iter().flat_map(|at| after_each_end(bits(8192 + at * 16..8208 + at * 16), Cost::Record));
    let behind_them = after_each_end(bits(8192 + 300 * 16..8192 + 301 * 16), Cost::Nothing);
    let is_used = |at: &usize| state.files[0].1[*at..at + 4] != [0; 4];
    let used = (8192 + 8192 * 16..204_800).step_by(4).filter(is_used).take(8);
    let slots = used.flat_map(|at| after_each_end(bits(at..at + 4), Cost::Slot));
    let mut ends: [Vec<_>; 3] = <[Vec<_>; 3]>::default();
    for (bit, cost, end) in header.chain(marks).chain(records).chain(behind_them).chain(slots) {
        ends[end].push((bit, cost));
    }
    for (end, flips) in ends.iter().enumerate() {
        flips.chunks(state.files.len()).for_each(|flips| state.start_with(flips, end));
    }
}

/// Segments that hold the same, in each of which another bit is flipped: every other one is sealed.
struct Flipped<'d> {
    dir: &'d Path,
    secret: Secret,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl<'d> Flipped<'d> {
    fn new(dir: &'d Path) -> Self {
        let store = open(dir);
        let secret = *store.secret();
        let segments = (7..23).map(|sequence| {
            let segment = filled(&store, sequence);
            if sequence % 2 == 0 {
                segment.memory().seal(NOW).unwrap();
            }
            let path = segment.memory().path().to_owned();
            (path.clone(), fs::read(path).unwrap())
        });
        Self { dir, secret, files: segments.collect() }
    }

    /// A start after this end, with one of these bits flipped in each file.
    fn start_with(&self, flips: &[(usize, Cost)], end: usize) {
        for ((path, bytes), (bit, _)) in self.files.iter().zip(flips) {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(path, bytes).unwrap();
        }
        [pretend_kill, pretend_other_boot, pretend_clean_end][end](self.dir);
        let store = open(self.dir);
        let view = store.established.load();
        for ((sequence, (path, _)), (bit, cost)) in (7..).zip(&self.files).zip(flips) {
            let segment = view.segments().find(|segment| segment.sequence() == sequence);
            assert!(
                segment.is_none_or(|segment| segment.memory().sealed_at().is_none_or(|time| time == NOW)),
                "bit {bit}"
            );
            let missing = segment.map(|segment| missing(segment, &self.secret, 0..RECORDS + 50));
            let most = u64::from(matches!(cost, Cost::Record | Cost::Slot));
            let least = u64::from(*cost == Cost::Record);
            let is_as_bad = match (cost, missing) {
                (Cost::File, None) => true,
                (Cost::File, Some(_)) | (_, None | Some(None)) => false,
                (_, Some(Some(missing))) => (least..=most).contains(&missing),
            };
            assert!(is_as_bad, "bit {bit} of {}, {cost:?}, {missing:?} missing", path.display());
            let _ = fs::remove_file(path.with_extension("bad"));
        }
    }
}

#[test]
fn a_file_of_any_other_length_is_set_aside_and_one_that_is_none_too() {
    let dir = tempfile::tempdir().unwrap();
    let (_, path) = small(dir.path());
    let bytes = fs::read(&path).unwrap();
    let state = dir.path().join("state");
    let foreign = fs::read("/bin/ls").unwrap();
    let lengths = (0..bytes.len()).step_by(4096).map(|length| bytes[..length].to_vec());
    let longer = [&bytes[..], &[0]].concat();
    let zeros = vec![0; bytes.len()];
    for content in lengths.chain([longer, zeros, foreign]) {
        fs::write(&path, &content).unwrap();
        let store = open(dir.path());
        assert_eq!(store.established.load().segments().filter(|segment| segment.sequence() == 7).count(), 0);
        let aside = fs::read(path.with_extension("bad")).unwrap();
        assert!(aside == content, "what is set aside is not written over");
        fs::remove_file(path.with_extension("bad")).unwrap();
    }
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    drop(open(dir.path()));
    assert!(path.with_extension("bad").exists() && !path.exists(), "nor is a FIFO waited for");
    assert_eq!(state.read_dir().unwrap().filter(|entry| entry.as_ref().unwrap().path() == path).count(), 0);
}
