//! [`Ring`]: the segments of one kind, newest first, behind one pointer.
//!
//! A [`View`] never changes. Roll-over, a new spare and a drop each put a new view in the old one's place with a single
//! compare-and-swap; a reader keeps the view that it loaded for as long as it needs it.
//!
//! ```text
//! view ->  spare?   active   older   older   older        a roll-over makes the spare the active one
//!          lease    lease                                 whoever may append holds the lease of its view
//! ```
//!
//! A segment that has lost its lease can be sealed: every view in which it was active, or spare, is gone.

use super::{Lease, Memory, Record, Segment, Tag};
use crate::atomics::{Arc, ArcSwap, Guard};

/// A segment with the lease that keeps it writable.
#[derive(Debug)]
pub struct Writable<M> {
    /// The segment.
    pub segment: Arc<Segment<M>>,
    /// The segment watches it.
    pub lease: Lease,
}

/// The segments of a ring at one moment.
#[derive(Debug)]
pub struct View<M> {
    /// The one that records are appended to; `None` while there is room for none.
    pub active: Option<Writable<M>>,
    /// All earlier ones, newest first.
    pub older: Vec<Arc<Segment<M>>>,
    /// The one that takes over when the active one is full.
    pub spare: Option<Writable<M>>,
}

/// One ring of segments.
#[derive(Debug)]
pub struct Ring<M> {
    view: ArcSwap<View<M>>,
}

/// A loaded view.
pub type Loaded<M> = Guard<Arc<View<M>>>;

/// There is no spare to roll over to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSpare;

impl<M> Clone for Writable<M> {
    fn clone(&self) -> Self {
        Self { segment: Arc::clone(&self.segment), lease: self.lease.clone() }
    }
}

/// Whether nobody but the caller holds a segment that has left its ring: it can be unmapped.
pub fn is_unread<M>(segment: &Arc<Segment<M>>) -> bool {
    cfg!(weak_drop) || Arc::strong_count(segment) == 1
}

impl<M: Memory> View<M> {
    /// The active segment.
    pub fn active(&self) -> Option<&Arc<Segment<M>>> {
        self.active.as_ref().map(|active| &active.segment)
    }

    /// All segments that may hold records, newest first.
    pub fn segments(&self) -> impl Iterator<Item = &Arc<Segment<M>>> + Clone {
        self.active().into_iter().chain(&self.older)
    }

    /// The valid records of `tag`, in the order in which they were appended.
    pub fn find(&self, tag: Tag) -> impl Iterator<Item = Record> + Clone + '_ {
        self.older.iter().rev().chain(self.active()).flat_map(move |segment| segment.find(tag))
    }

    /// Whether every record of `tag` is durable.
    pub fn is_durable(&self, tag: Tag) -> bool {
        self.segments().all(|segment| segment.is_durable(tag))
    }

    /// A hint that `tag` will be looked up.
    pub fn prefetch(&self, tag: Tag) {
        self.segments().for_each(|segment| segment.prefetch(tag));
    }
}

impl<M: Memory> Ring<M> {
    /// A ring that begins with this view.
    pub fn new(view: View<M>) -> Self {
        Self { view: ArcSwap::from_pointee(view) }
    }

    /// The current view. Cheap; not to be held while waiting for anything.
    pub fn load(&self) -> Loaded<M> {
        self.view.load()
    }

    /// Makes the spare the active segment, unless `full` is not the active one any more (`None`: there is one by now).
    pub fn roll_over(&self, full: Option<u64>) -> Result<(), NoSpare> {
        loop {
            let current = self.view.load();
            if current.active().map(|active| active.sequence()) != full {
                return Ok(());
            }
            let spare = current.spare.as_ref().ok_or(NoSpare)?;
            let older = current.segments().cloned().collect();
            if self.replace(&current, View { active: Some(spare.clone()), older, spare: None }) {
                return Ok(());
            }
        }
    }

    /// Puts `spare` in the place of the present spare, if any.
    pub fn set_spare(&self, spare: Option<&Writable<M>>) {
        self.update(|current| View {
            active: current.active.clone(),
            older: current.older.clone(),
            spare: spare.cloned(),
        });
    }

    /// Takes the segment with this number, which is not the active one, out of the ring.
    pub fn remove(&self, sequence: u64) {
        self.update(|current| View {
            active: current.active.clone(),
            older: current.older.iter().filter(|segment| segment.sequence() != sequence).cloned().collect(),
            spare: current.spare.clone(),
        });
    }

    fn update(&self, change: impl Fn(&View<M>) -> View<M>) {
        loop {
            let current = self.view.load();
            if self.replace(&current, change(&current)) {
                return;
            }
        }
    }

    fn replace(&self, current: &Loaded<M>, next: View<M>) -> bool {
        let previous = self.view.compare_and_swap(current, Arc::new(next));
        Arc::ptr_eq(&previous, current)
    }
}
