//! The segment file as this version writes it, byte by byte, beside one that was written when the format was made.

use std::fmt::Write;

use super::*;
use crate::store::directory::Directory;
use crate::store::open::{create, writable};
use crate::table::{CHUNK, Cursor, Kind, Record};

const SECRET: Secret = Secret(*b"0123456789abcdef");
/// `docs/FORMAT.md` in bytes: the length, then each 16 bytes that are not all zeros.
const VERSION_1: &str = include_str!("../../../tests/data/segment-version-1.txt");

fn records() -> [Record; 5] {
    let record = |number: u64, kind, seconds, count| {
        let tag = SECRET.tag(&number.to_le_bytes());
        Record { tag, kind, time: NOW.plus(seconds), count, origin: 0 }
    };
    [
        record(1, Kind::Passed, 300, 0),
        record(2, Kind::Client, 301, 5),
        record(1, Kind::Passed, 400, 0),
        record(3, Kind::Passed, 500, 0),
        record(3, Kind::Void, 501, 0),
    ]
}

fn text(bytes: &[u8]) -> String {
    let mut text = format!("{} bytes\n", bytes.len());
    for (number, line) in bytes.chunks(16).enumerate().filter(|(_, line)| line.iter().any(|&byte| byte != 0)) {
        let _ = write!(text, "{:06x} ", number * 16);
        for byte in line {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn bytes(text: &str) -> Vec<u8> {
    let mut lines = text.lines();
    let length = lines.next().unwrap().strip_suffix(" bytes").unwrap().parse().unwrap();
    let mut bytes = vec![0; length];
    for line in lines {
        let mut words = line.split_whitespace().map(|word| usize::from_str_radix(word, 16).unwrap());
        let at = words.next().unwrap();
        bytes[at..at + 16].iter_mut().zip(words).for_each(|(byte, word)| *byte = u8::try_from(word).unwrap());
    }
    bytes
}

#[test]
fn a_segment_is_written_as_it_was_when_the_format_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::open(dir.path()).unwrap();
    let file = create(RingKind::Established, 3, CHUNK * 2, &SECRET, &directory, NOW).unwrap();
    let path = file.path().to_owned();
    let segment = writable(file, false).segment;
    let mut cursor = Cursor::default();
    for record in records() {
        segment.append(&mut cursor, &record).unwrap();
    }
    segment.memory().seal(NOW.plus(600)).unwrap();
    let written = text(&fs::read(path).unwrap());
    assert!(written == VERSION_1, "another format needs another version, and reads this one:\n{written}");
}

#[test]
fn a_segment_of_version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("key"), SECRET.0.map(|byte| format!("{byte:02x}")).concat()).unwrap();
    fs::write(state.join("established-00000003.seg"), bytes(VERSION_1)).unwrap();
    let store = open_at(dir.path(), NOW.plus(700)).unwrap();
    let mut writer = store.writer();
    let session = writer.session();
    let triplet = |number| session.triplet(tag(&store, number), NOW.plus(700));
    assert_eq!(triplet(1), Triplet::Passed { last: NOW.plus(400) });
    assert_eq!(triplet(3), Triplet::Unknown, "forgotten");
    let client = session.client(tag(&store, 2), NOW.plus(700)).unwrap();
    assert_eq!((client.count, client.last), (5, NOW.plus(301)));
    assert_eq!(segment_files(dir.path()).iter().filter(|name| name.contains("bad")).count(), 0);
}
