//! Roll-over, seal and drop beside workers that hold a view.

use crate::atomics::Arc;

use loom::thread;

use super::memory::{record, writable};
use crate::table::{Cursor, Ring, View, is_unread};

/// A worker appends while upkeep rolls over; what is sealed gets no more, and holds all that was acknowledged in it.
/// Depends on `weak_seal`.
#[test]
fn seal() {
    loom::model(|| {
        let (active, spare) = (writable(1), writable(2));
        let ring = Arc::new(Ring::new(View { active: Some(active), older: Vec::new(), spare: Some(spare) }));
        let (workers, upkeeps) = (Arc::clone(&ring), Arc::clone(&ring));
        let worker = thread::spawn(move || {
            let view = workers.load();
            view.active().unwrap().append(&mut Cursor::default(), &record(1)).unwrap();
            view.active().unwrap().sequence()
        });
        let upkeep = thread::spawn(move || {
            upkeeps.roll_over(Some(1)).unwrap();
            let closed = Arc::clone(&upkeeps.load().older[0]);
            closed.is_quiet().then(|| closed.filled())
        });
        let (appended_to, sealed_with) = (worker.join().unwrap(), upkeep.join().unwrap());
        if let Some(filled) = sealed_with {
            assert_eq!(filled, u32::from(appended_to == 1), "sealed with all that it will ever hold");
        }
        assert_eq!(ring.load().find(record(1).tag).count(), 1, "acknowledged, so found");
    });
}

/// A look-up reads a segment that upkeep drops. Depends on `weak_drop`.
#[test]
fn unmap() {
    loom::model(|| {
        let (old, active) = (writable(1), writable(2));
        old.segment.append(&mut Cursor::default(), &record(1)).unwrap();
        let ring = Arc::new(Ring::new(View { active: Some(active), older: vec![old.segment], spare: None }));
        let (workers, upkeeps) = (Arc::clone(&ring), Arc::clone(&ring));
        let worker = thread::spawn(move || {
            let view = workers.load();
            assert_eq!(view.find(record(1).tag).count(), view.older.len());
            view.older.iter().for_each(|segment| segment.memory().assert_mapped());
        });
        let upkeep = thread::spawn(move || {
            let dropped = Arc::clone(&upkeeps.load().older[0]);
            upkeeps.remove(1);
            if is_unread(&dropped) {
                dropped.memory().unmap();
            }
        });
        worker.join().unwrap();
        upkeep.join().unwrap();
        assert_eq!(ring.load().find(record(1).tag).count(), 0);
    });
}
