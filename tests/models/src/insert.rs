//! Appends beside each other and beside look-ups.

use crate::atomics::Arc;

use loom::thread;

use super::memory::{Vectors, geometry, record, writable};
use crate::table::{Cursor, Memory, Segment};

/// Runs one thread for each of these records, which appends it.
fn append_each(segment: &Arc<Segment<Vectors>>, numbers: [u64; 2]) {
    let threads = numbers.map(|number| {
        let segment = Arc::clone(segment);
        thread::spawn(move || segment.append(&mut Cursor::default(), &record(number)).unwrap())
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Two workers record the same triplet at the same moment: it is found once. Depends on `weak_lookup`.
#[test]
fn same() {
    loom::model(|| {
        let segment = writable(1).segment;
        append_each(&segment, [1, 1]);
        assert_eq!(segment.find(record(1).tag).count(), 1);
    });
}

/// Two workers record triplets that want the same slot: both are found. Depends on `weak_insert`.
#[test]
fn beside() {
    loom::model(|| {
        let segment = writable(1).segment;
        append_each(&segment, [1, 2]);
        for number in [1, 2] {
            assert_eq!(segment.find(record(number).tag).collect::<Vec<_>>(), [record(number)]);
        }
    });
}

/// A look-up that sees a slot sees the whole record behind it. Depends on `weak_lookup`.
#[test]
fn lookup() {
    loom::model(|| {
        let segment = writable(1).segment;
        let (writers, readers) = (Arc::clone(&segment), segment);
        let writer = thread::spawn(move || writers.append(&mut Cursor::default(), &record(1)).unwrap());
        let reader = thread::spawn(move || {
            for position in geometry().find(readers.memory().slots(), record(1).tag) {
                assert_eq!(readers.record(position), Some(record(1)));
            }
        });
        writer.join().unwrap();
        reader.join().unwrap();
    });
}
