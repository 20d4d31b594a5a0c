//! Every bit of a segment, flipped one at a time: no panic, and nobody passes who did not.

use std::os::unix::fs::FileExt;

use super::*;
use crate::atomics::Ordering;
use crate::store::open::{create, reader};
use crate::table::{CHUNK, Cursor, Kind, Memory, Record, Segment};

const RECORDS: u64 = 300;

/// A segment of 200 KiB with some records in it, beside those that an open directory has.
fn small(dir: &Path) -> (Secret, PathBuf) {
    let store = open(dir);
    let (secret, directory) = (*store.secret(), &store.directory);
    let file = create(RingKind::Established, 7, CHUNK * 2, &secret, directory, NOW).unwrap();
    let path = file.path().to_owned();
    let segment = open::writable(file, false).segment;
    let mut cursor = Cursor::default();
    for number in 0..RECORDS {
        segment.append(&mut cursor, &record(&secret, number)).unwrap();
    }
    segment.memory().sync_all().unwrap();
    (secret, path)
}

fn record(secret: &Secret, number: u64) -> Record {
    let kind = [Kind::Passed, Kind::Client, Kind::Pending][usize::try_from(number % 3).unwrap()];
    let count = if kind == Kind::Client { 3 } else { 0 };
    Record { tag: secret.tag(&number.to_le_bytes()), kind, time: NOW, count, origin: 0 }
}

/// What stands there is found as it was, or not at all.
fn is_harmless(segment: &Segment<SegmentFile>, secret: &Secret, numbers: impl Iterator<Item = u64>) -> bool {
    numbers.into_iter().all(|number| {
        let expected = record(secret, number);
        segment.find(expected.tag).all(|found| number < RECORDS && found == expected)
    })
}

#[test]
fn no_flipped_bit_of_a_mapped_segment_grants_a_pass() {
    let dir = tempfile::tempdir().unwrap();
    let (secret, path) = small(dir.path());
    let segment = reader(SegmentFile::open(&path).unwrap());
    let (memory, mut flips) = (segment.memory(), 0_u64);
    let mut check = |number: u64, what: String| {
        // Those that it may concern: its own, and others, known and unknown.
        let numbers =
            [number].into_iter().chain((0..).map(|step| number + 7 * step).take(60)).chain(RECORDS..RECORDS + 20);
        flips += 1;
        assert!(is_harmless(&segment, &secret, numbers), "{what}");
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

/// Header, seal, marks: each flip through a start, after each kind of end.
#[test]
fn no_flipped_bit_of_what_describes_a_segment_does_harm_at_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let (secret, path) = small(dir.path());
    let bytes = fs::read(&path).unwrap();
    let described = (0..528).chain(4096..4096 + 8);
    // A step that is no multiple of 8 comes to each bit of a byte in turn.
    for (index, bit) in described.flat_map(|byte| (0..8).map(move |bit| byte * 8 + bit)).step_by(7).enumerate() {
        let byte = bytes[bit / 8] ^ 1 << (bit % 8);
        let _ = fs::remove_file(path.with_extension("bad"));
        fs::write(&path, &bytes).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&[byte], bit as u64 / 8).unwrap();
        match index % 3 {
            0 => {}
            1 => pretend_other_boot(dir.path()),
            _ => pretend_clean_end(dir.path()),
        }
        let store = open(dir.path());
        let view = store.established.load();
        assert!(view.segments().all(|segment| is_harmless(segment, &secret, 0..RECORDS + 50)), "bit {bit}");
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
