//! Group commit: what a round releases is durable.

use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use loom::thread;

use super::memory::{Vectors, record, writable};
use crate::atomics::Arc;
use crate::commits::Commits;
use crate::table::{Cursor, Record, Segment};

/// What is on the disk. loom sees nothing of it, as no thread but the one that syncs learns from it.
type Disk = Mutex<Vec<Option<Record>>>;

/// A round: what lies in the range that is synced is then on the disk as the syncing thread sees it.
fn sync(segment: &Segment<Vectors>, disk: &Disk) {
    let synced = segment.commit(|range| {
        disk.lock().unwrap().extend(range.map(|position| segment.record(position)));
        Ok::<(), Infallible>(())
    });
    synced.unwrap_or_else(|never| match never {});
}

/// A range that is synced holds whole records. Depends on `weak_commit`.
#[test]
fn whole() {
    loom::model(|| {
        let segment = writable(1).segment;
        let (writers, syncers) = (Arc::clone(&segment), segment);
        let writer = thread::spawn(move || writers.append(&mut Cursor::default(), &record(1)).unwrap());
        let syncer = thread::spawn(move || {
            let disk = Disk::default();
            sync(&syncers, &disk);
            assert!(disk.lock().unwrap().iter().all(|on_disk| *on_disk == Some(record(1))));
        });
        writer.join().unwrap();
        syncer.join().unwrap();
    });
}

/// A reply whose ticket is served rests on a record that is on the disk. Depends on `weak_ticket`.
#[test]
fn ticket() {
    loom::model(|| {
        let segment = writable(1).segment;
        let (commits, disk) = (Arc::new(Commits::default()), Arc::new(Disk::default()));
        // Somebody else waits already.
        commits.request();
        let (others, rounds, platter) = (Arc::clone(&segment), Arc::clone(&commits), Arc::clone(&disk));
        let syncer = thread::spawn(move || {
            for _ in 0..2 {
                rounds.commit(Duration::ZERO, || sync(&others, &platter));
            }
        });
        let worker = thread::spawn(move || {
            segment.append(&mut Cursor::default(), &record(1)).unwrap();
            let ticket = commits.request();
            if commits.completed() >= ticket {
                assert_eq!(*disk.lock().unwrap(), [Some(record(1))]);
                assert!(segment.is_durable(record(1).tag));
            }
        });
        syncer.join().unwrap();
        worker.join().unwrap();
    });
}
