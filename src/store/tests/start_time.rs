//! How long a start takes with many records in a segment that is not sealed. `RECORDS=64000000` sets how many; with
//! `cargo test --release` the times are those of the daemon.

use std::time::{Duration, Instant};

use super::*;
use crate::store::open::{create, writable};
use crate::table::{CHUNK, Cursor, Kind, Record};

fn timed(dir: &Path, pretend: fn(&Path)) -> Duration {
    pretend(dir);
    let began = Instant::now();
    let store = open_with(dir, 16 << 30, &TERMS);
    let taken = began.elapsed();
    assert!(!matches!(store.writer().session().triplet(tag(&store, 1), NOW), Triplet::Unknown));
    taken
}

#[test]
fn a_start_with_unsealed_records_takes_its_time_only_after_another_boot() {
    let records: u32 = std::env::var("RECORDS").map_or(1_000_000, |records| records.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 16 << 30, &TERMS);
    let capacity = records.next_multiple_of(64 * CHUNK).next_power_of_two().min(format::MAX_CAPACITY);
    let file = create(RingKind::Established, 7, capacity, store.secret(), &store.directory, NOW).unwrap();
    let segment = writable(file, false).segment;
    let mut cursor = Cursor::default();
    for number in 0..records {
        let tag = tag(&store, u64::from(number));
        segment.append(&mut cursor, &Record { tag, kind: Kind::Passed, time: NOW, count: 0, origin: 0 }).unwrap();
    }
    // And a spare of the same size, in which no mark may be missing.
    drop(create(RingKind::Pending, 7, capacity, store.secret(), &store.directory, NOW).unwrap());
    store.close();
    drop((segment, store));
    let clean = timed(dir.path(), pretend_clean_end);
    // The best of three, as the machine may be busy with something else.
    let killed = (0..3).map(|_| timed(dir.path(), pretend_kill)).min().unwrap();
    let other = timed(dir.path(), pretend_other_boot);
    println!("{records} records not sealed: clean {clean:?}, same boot {killed:?}, other boot {other:?}");
    // The first of them also syncs all that was written here.
    assert!(killed < Duration::from_millis(500) && killed * 4 < other, "{killed:?}, {other:?}");
    assert!(clean.max(other) < Duration::from_secs(5) || records > 1_000_000, "{clean:?}, {other:?}");
}
