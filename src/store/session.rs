//! [`Writer`] and [`Session`]: one worker's way into the state.

use std::cell::Cell;
use std::sync::Arc;

use super::Store;
use super::file::SegmentFile;
use crate::clock::UnixSecs;
use crate::grey::{Change, Client, Full, State, Triplet};
use crate::table::{Cursor, Entry, Kind, Lifetimes, Loaded, Record, Ring, Tag, View};

/// Half the slots that one tag has in the index of a segment.
const CROWDED: usize = 64;

/// One worker's way into the state: it owns the chunks that it appends to.
#[derive(Debug)]
pub struct Writer {
    store: Arc<Store>,
    pending: Cursor,
    established: Cursor,
}

/// The state during one turn of an event loop: the segments that it began with stay until it is dropped.
#[derive(Debug)]
pub struct Session<'w> {
    lifetimes: Lifetimes,
    /// Whether replies wait for what they rest on to be durable.
    may_wait: bool,
    /// Something was seen or appended since [`Session::take_unsettled`] that may not be durable.
    unsettled: Cell<bool>,
    pending: Appender<'w>,
    established: Appender<'w>,
}

/// One ring as a session sees it.
#[derive(Debug)]
struct Appender<'w> {
    ring: &'w Ring<SegmentFile>,
    view: Loaded<SegmentFile>,
    cursor: &'w mut Cursor,
}

impl Writer {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, pending: Cursor::default(), established: Cursor::default() }
    }

    /// The state that it writes to.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The state as it is seen during one turn of an event loop. Not to be held while waiting.
    pub fn session(&mut self) -> Session<'_> {
        let Store { pending, established, lifetimes, commits, .. } = &*self.store;
        Session {
            lifetimes: lifetimes.get(),
            may_wait: commits.is_some(),
            unsettled: Cell::new(false),
            pending: Appender { ring: pending, view: pending.load(), cursor: &mut self.pending },
            established: Appender { ring: established, view: established.load(), cursor: &mut self.established },
        }
    }
}

impl Session<'_> {
    /// Whether a reply has to wait for what was looked up and appended since the last call to be durable.
    pub fn take_unsettled(&self) -> bool {
        self.unsettled.take()
    }

    /// Forgets all that is known of a tag up to and including `now`, for an administrator. What is appended in the same second is
    /// forgotten with it.
    pub fn forget(&mut self, tag: Tag, now: UnixSecs) -> Result<(), Full> {
        self.established.append(&Record { tag, kind: Kind::Void, time: now, count: 0, origin: 0 })
    }

    /// Whether what was known of a tag at some time has been forgotten since.
    pub fn is_forgotten(&self, tag: Tag, time: UnixSecs, now: UnixSecs) -> bool {
        self.entry(&self.established.view, tag, now, None).void >= Some(time)
    }

    /// Whether so many records of a tag have been appended lately that an administrator's should be no more: an index has few slots
    /// for one tag, and a segment that has none left is followed by the next, so that in the end the oldest one goes.
    pub fn is_crowded(&self, tag: Tag) -> bool {
        self.established.view.active().is_some_and(|active| active.find(tag).count() >= CROWDED)
    }

    fn entry(&self, view: &View<SegmentFile>, tag: Tag, now: UnixSecs, void: Option<UnixSecs>) -> Entry {
        if self.may_wait && !view.is_durable(tag) {
            self.unsettled.set(true);
        }
        Entry::fold(view.find(tag), now, self.lifetimes, void)
    }
}

impl State for Session<'_> {
    fn prefetch(&self, client: Tag, triplet: Tag) {
        self.established.view.prefetch(client);
        self.established.view.prefetch(triplet);
        self.pending.view.prefetch(triplet);
    }

    fn triplet(&self, tag: Tag, now: UnixSecs) -> Triplet {
        let established = self.entry(&self.established.view, tag, now, None);
        if let Some(last) = established.passed {
            return Triplet::Passed { last };
        }
        let pending = self.entry(&self.pending.view, tag, now, established.void).pending;
        pending.map_or(Triplet::Unknown, |first| Triplet::Pending { first })
    }

    fn client(&self, tag: Tag, now: UnixSecs) -> Option<Client> {
        self.entry(&self.established.view, tag, now, None).client.map(|(count, last)| Client { count, last })
    }

    fn append(&mut self, tag: Tag, change: Change, _now: UnixSecs) -> Result<(), Full> {
        let (kind, time, count) = match change {
            Change::Pending(time) => (Kind::Pending, time, 0),
            Change::Passed(time) => (Kind::Passed, time, 0),
            Change::Client(client) => (Kind::Client, client.last, client.count),
        };
        let record = Record { tag, kind, time, count, origin: 0 };
        self.unsettled.set(self.may_wait);
        match change {
            Change::Pending(_) => self.pending.append(&record),
            Change::Passed(_) | Change::Client(_) => self.established.append(&record),
        }
    }
}

impl Appender<'_> {
    fn append(&mut self, record: &Record) -> Result<(), Full> {
        loop {
            let active = self.view.active();
            // What has failed to be synced takes nothing more.
            if let Some(active) = active.filter(|active| !active.memory().has_failed())
                && active.append(self.cursor, record) == Ok(())
            {
                return Ok(());
            }
            self.ring.roll_over(active.map(|active| active.sequence())).map_err(|_| Full)?;
            self.view = self.ring.load();
        }
    }
}
