//! The segment file as this version writes it, byte by byte, beside one that was written when the format was made.

use std::fmt::Write;

use super::*;
use crate::atomics::Ordering;
use crate::store::directory::Directory;
use crate::store::open::{create, writable};
use crate::table::{CHUNK, Cursor, Kind, Memory, Record, Segment};

const SECRET: Secret = Secret(*b"0123456789abcdef");
/// `docs/FORMAT.md` in bytes: the length, then each 16 bytes that are not all zeros.
const VERSION_1: &str = include_str!("../../../tests/data/segment-version-1.txt");
/// The same before it was sealed, as a killed process leaves it: its last record has neither a fill mark nor a slot.
const VERSION_1_OPEN: &str = include_str!("../../../tests/data/segment-version-1-open.txt");

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

/// A segment with the records in it, and its path.
fn written(dir: &Path, sequence: u64) -> (Arc<Segment<SegmentFile>>, PathBuf) {
    let directory = Directory::open(dir).unwrap();
    let file = create(RingKind::Established, sequence, CHUNK * 2, &SECRET, &directory, NOW).unwrap();
    let path = file.path().to_owned();
    let segment = writable(file, false).segment;
    let mut cursor = Cursor::default();
    for record in records() {
        segment.append(&mut cursor, &record).unwrap();
    }
    (segment, path)
}

#[test]
fn a_segment_is_written_as_it_was_when_the_format_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let (segment, path) = written(dir.path(), 3);
    segment.memory().seal(NOW.plus(600)).unwrap();
    let sealed = text(&fs::read(path).unwrap());
    assert!(sealed == VERSION_1, "another format needs another version, and reads this one:\n{sealed}");
    let (segment, path) = written(dir.path(), 4);
    // The sixth record, as far as an append had come.
    let last = Record { tag: SECRET.tag(b"4"), kind: Kind::Passed, time: NOW.plus(502), count: 0, origin: 0 };
    segment.memory().records()[11].store(last.word(), Ordering::Relaxed);
    segment.memory().records()[10].store(last.tag.bits(), Ordering::Relaxed);
    let open = text(&fs::read(path).unwrap());
    assert!(open == VERSION_1_OPEN, "another format needs another version, and reads this one:\n{open}");
}

/// A state of one file, which is served.
fn served(dir: &Path, name: &str, content: &str, run: impl Fn(&Path)) -> Arc<Store> {
    let state = dir.join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("lock"), "").unwrap();
    fs::write(state.join("key"), SECRET.0.map(|byte| format!("{byte:02x}")).concat()).unwrap();
    fs::write(state.join(name), bytes(content)).unwrap();
    run(dir);
    let store = open_at(dir, NOW.plus(700)).unwrap();
    assert_eq!(segment_files(dir).iter().filter(|name| name.contains("bad")).count(), 0);
    store
}

fn holds_the_records(store: &Arc<Store>) {
    let mut writer = store.writer();
    let session = writer.session();
    let triplet = |number| session.triplet(tag(store, number), NOW.plus(700));
    assert_eq!(triplet(1), Triplet::Passed { last: NOW.plus(400) });
    assert_eq!(triplet(3), Triplet::Unknown, "forgotten");
    let client = session.client(tag(store, 2), NOW.plus(700)).unwrap();
    assert_eq!((client.count, client.last), (5, NOW.plus(301)));
}

#[test]
fn a_segment_of_version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    holds_the_records(&served(dir.path(), "established-00000003.seg", VERSION_1, |_| {}));
}

/// It is gone on with, and what stands in it stays.
#[test]
fn an_open_segment_of_version_1_is_read_after_any_end() {
    for (end, run) in [pretend_kill, pretend_other_boot, pretend_clean_end].into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let store = served(dir.path(), "established-00000004.seg", VERSION_1_OPEN, run);
        holds_the_records(&store);
        let active = Arc::clone(store.established.load().active().unwrap());
        assert_eq!((active.sequence(), active.memory().sealed_at()), (4, None));
        pass(&store, 9..10, NOW.plus(700)).unwrap();
        keep(&store, NOW.plus(700));
        let last = store.writer().session().triplet(SECRET.tag(b"4"), NOW.plus(700));
        // A clean end leaves none such: there is no looking for it.
        assert_eq!(last, if end == 2 { Triplet::Unknown } else { Triplet::Passed { last: NOW.plus(502) } });
        holds_the_records(&store);
        assert_eq!(
            store.writer().session().triplet(tag(&store, 9), NOW.plus(700)),
            Triplet::Passed { last: NOW.plus(700) }
        );
    }
}
