//! [`Ledger`]: what has been appended and what of it is durable, and what a state may say after a crash.

use std::collections::BTreeMap;

use super::super::*;
use crate::grey::Client;

/// One appended state of a triplet, or of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) change: Change,
    /// Changes on the tape before it was appended.
    begun: usize,
    /// And after; `None` if that came to no end.
    done: Option<usize>,
    /// A sync that should have covered it has failed: no later one does.
    is_given_up: bool,
    /// Changes on the tape when it was durable, as far as promised.
    durable: Option<usize>,
}

/// All that has been appended, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
    /// Changes on the tape from which on these segments are sealed.
    sealed: Vec<(usize, (RingKind, u64))>,
    /// Changes on the tape from which on it is this late.
    clock: Vec<(usize, UnixSecs)>,
}

/// A crash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crash {
    /// Changes on the tape before it.
    pub(super) at: usize,
    /// Only the process died.
    pub(super) is_kill: bool,
}

impl Ledger {
    pub(super) fn append(&mut self, number: u64, change: Change, begun: usize, done: Option<usize>) {
        self.entries.push(Entry { number, change, begun, done, is_given_up: false, durable: None });
    }

    /// A number that no triplet has; at least `first`.
    pub(super) fn next(&self, first: u64) -> u64 {
        self.entries.iter().map(|entry| (entry.number | 7) + 1).fold(first, u64::max)
    }

    /// All that has been appended is durable now.
    pub(super) fn note_synced(&mut self, at: usize) {
        self.note_durable(at, |_| true);
    }

    /// So are the states of this triplet or client.
    pub(super) fn note_settled(&mut self, number: u64, at: usize) {
        self.note_durable(at, |entry| entry.number == number);
    }

    fn note_durable(&mut self, at: usize, is_meant: impl Fn(&Entry) -> bool) {
        let is_meant = |entry: &&mut Entry| entry.done.is_some() && !entry.is_given_up && is_meant(entry);
        self.entries.iter_mut().filter(is_meant).for_each(|entry| {
            entry.durable.get_or_insert(at);
        });
    }

    /// A sync has failed: what was not durable need never be.
    pub(super) fn note_failed(&mut self) {
        self.entries.iter_mut().filter(|entry| entry.durable.is_none()).for_each(|entry| entry.is_given_up = true);
    }

    pub(super) fn note_sealed(&mut self, segment: (RingKind, u64), at: usize) {
        if self.sealed.iter().all(|(_, known)| *known != segment) {
            self.sealed.push((at, segment));
        }
    }

    pub(super) fn note_time(&mut self, now: UnixSecs, at: usize) {
        self.clock.push((at, now));
    }

    pub(super) fn time(&self, at: usize) -> UnixSecs {
        self.clock.iter().rev().find(|(since, _)| *since <= at).map_or(NOW, |(_, now)| *now)
    }

    /// What another life begins with that goes on after this crash, on the same tape if only the process died.
    pub(super) fn after(&self, crash: Crash) -> Self {
        let known = self.entries.iter().filter(|entry| entry.begun < crash.at);
        let goes_on = |entry: &Entry| Entry {
            done: entry.done.filter(|&done| done <= crash.at),
            durable: entry.durable.filter(|&since| since <= crash.at),
            ..*entry
        };
        let begins = |entry: &Entry| {
            let durable = crash.must_have(entry).then_some(0);
            Entry { begun: 0, done: None, durable, ..*entry }
        };
        let sealed = self.sealed.iter().filter(|(since, _)| *since <= crash.at);
        Self {
            entries: known.map(|entry| if crash.is_kill { goes_on(entry) } else { begins(entry) }).collect(),
            sealed: sealed.map(|&(since, segment)| (if crash.is_kill { since } else { 0 }, segment)).collect(),
            clock: vec![(0, self.time(crash.at))],
        }
    }

    /// Compares what the state says after a crash with what it may say.
    pub(super) fn compare(&self, store: &Arc<Store>, crash: Crash, now: UnixSecs) -> Result<(), String> {
        let mut known: BTreeMap<u64, Vec<&Entry>> = (u64::MAX - 100..u64::MAX).map(|number| (number, vec![])).collect();
        for entry in self.entries.iter().filter(|entry| entry.begun < crash.at) {
            known.entry(entry.number).or_default().push(entry);
        }
        let mut writer = store.writer();
        let session = writer.session();
        for (number, entries) in known {
            let seen = Seen { now, crash, entries };
            let (triplet, client) = (session.triplet(tag(store, number), now), session.client(tag(store, number), now));
            seen.allows_triplet(triplet)
                .and_then(|()| seen.allows_client(client))
                .map_err(|reason| format!("{number}: {triplet:?}, {client:?}: {reason}; {:?}", seen.entries))?;
        }
        for (since, (kind, sequence)) in &self.sealed {
            let view = store.ring(*kind).load();
            let mut open = view.segments().filter(|segment| segment.memory().sealed_at().is_none());
            if *since <= crash.at && open.any(|segment| segment.sequence() == *sequence) {
                return Err(format!("the seal of {kind:?} {sequence} is gone"));
            }
        }
        Ok(())
    }
}

impl Crash {
    fn must_have(self, entry: &Entry) -> bool {
        let kept_since = if self.is_kill { entry.done.or(entry.durable) } else { entry.durable };
        kept_since.is_some_and(|since| since <= self.at)
    }
}

/// What may have been seen of one triplet.
struct Seen<'l> {
    now: UnixSecs,
    crash: Crash,
    entries: Vec<&'l Entry>,
}

impl Seen<'_> {
    fn of<T: Ord>(&self, part: impl Fn(Change) -> Option<T>) -> (Vec<T>, Option<T>) {
        let all = self.entries.iter().filter_map(|entry| part(entry.change)).collect();
        let must = self.entries.iter().filter(|entry| self.crash.must_have(entry));
        (all, must.filter_map(|entry| part(entry.change)).max())
    }

    fn allows_triplet(&self, found: Triplet) -> Result<(), &'static str> {
        let life = super::TERMS.max_age / 8 * 9;
        let (pending, must_pending) =
            self.of(|change| if let Change::Pending(time) = change { Some(time) } else { None });
        let (passed, must_passed) = self.of(|change| if let Change::Passed(time) = change { Some(time) } else { None });
        let must_passed = must_passed.filter(|&time| self.now.since(time) < life);
        let must_pending = must_pending.filter(|&time| self.now.since(time) < super::TERMS.retry_window);
        match found {
            Triplet::Passed { last } if !passed.contains(&last) => Err("passed, but never at that time"),
            Triplet::Passed { last } if must_passed > Some(last) => Err("a later pass is lost"),
            Triplet::Pending { first } if !pending.contains(&first) => Err("pending, but not since then"),
            Triplet::Pending { .. } | Triplet::Unknown if must_passed.is_some() => Err("a pass is lost"),
            Triplet::Unknown if must_pending.is_some() => Err("a first attempt is lost"),
            _ => Ok(()),
        }
    }

    /// Of several states of a client the highest count and the latest time stand, each by itself.
    fn allows_client(&self, found: Option<Client>) -> Result<(), &'static str> {
        let is_young = |time| self.now.since(time) < super::TERMS.max_age / 8 * 9;
        let client = |change| if let Change::Client(client) = change { Some(client) } else { None };
        let (times, last) = self.of(|change| client(change).map(|client| client.last));
        let (counts, _) = self.of(|change| client(change).map(|client| client.count));
        let (_, count) =
            self.of(|change| client(change).filter(|client| is_young(client.last)).map(|client| client.count));
        let last = last.filter(|&last| is_young(last));
        match found {
            Some(Client { count, last }) if !counts.contains(&count) || !times.contains(&last) => {
                Err("never was that client")
            }
            found if last > found.map(|client| client.last) => Err("the time of a count is lost"),
            found if count > found.map(|client| client.count) => Err("a count is lost"),
            _ => Ok(()),
        }
    }
}
