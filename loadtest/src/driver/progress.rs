//! A view of a run while it goes on, for another thread to show.
//!
//! Each thread of the driver stores its counts in a cache line of its own, so that being watched costs it nothing, and hands
//! in its latencies once a second. One value serves one run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Result;

use super::Load;
use super::clock::Clock;
use super::seconds::Seconds;
use super::tally::Second;
use crate::reply::Answers;

/// What the threads of one run publish.
#[derive(Debug)]
pub(crate) struct Progress {
    shares: Vec<Share>,
    seconds: Mutex<Seconds>,
    clock: OnceLock<Clock>,
    requests: Option<u64>,
    duration: Option<Duration>,
}

/// The counts of one thread so far.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Share {
    deferred: AtomicU64,
    dunno: AtomicU64,
    prepend: AtomicU64,
    other: AtomicU64,
    errors: AtomicU64,
}

/// A run as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// Since the start.
    pub(crate) answers: Answers,
    /// Since the start; see `Second::errors`.
    pub(crate) errors: u64,
    /// The last whole second.
    pub(crate) second: Second,
    /// Requests that were answered or lost.
    pub(crate) done: u64,
    /// Requests of the whole run, if their number is its end.
    pub(crate) total: Option<u64>,
    /// Zero until all connections are made.
    pub(crate) elapsed: Duration,
    /// The time after which the run ends, if it has one.
    pub(crate) duration: Option<Duration>,
}

impl Progress {
    /// For one run of `load`.
    pub(crate) fn new(load: &Load) -> Result<Self> {
        let shares: Vec<Share> = (0..load.threads).map(|_| Share::default()).collect();
        let seconds = Mutex::new(Seconds::new(shares.len())?);
        Ok(Self { shares, seconds, clock: OnceLock::new(), requests: load.requests, duration: load.duration })
    }

    /// How far the run is.
    pub(crate) fn now(&self) -> Snapshot {
        // Before the counts: see `Record::tick`.
        let second = self.seconds().closed.last().copied().unwrap_or_default();
        let (mut answers, mut errors) = (Answers::default(), 0);
        for share in &self.shares {
            let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            answers += Answers {
                deferred: load(&share.deferred),
                dunno: load(&share.dunno),
                prepend: load(&share.prepend),
                other: load(&share.other),
            };
            errors += load(&share.errors);
        }
        Snapshot {
            answers,
            errors,
            second,
            done: answers.total() + errors,
            total: self.requests,
            elapsed: self.clock.get().map_or(Duration::ZERO, |clock| Duration::from_nanos(clock.now())),
            duration: self.duration,
        }
    }

    /// The run begins now.
    pub(super) fn start(&self) -> Clock {
        *self.clock.get_or_init(Clock::start)
    }

    pub(super) fn threads(&self) -> u32 {
        u32::try_from(self.shares.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn seconds(&self) -> MutexGuard<'_, Seconds> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the counts of one thread.
    pub(super) fn publish(&self, thread: usize, answers: Answers, errors: u64) {
        let share = &self.shares[thread];
        share.deferred.store(answers.deferred, Ordering::Relaxed);
        share.dunno.store(answers.dunno, Ordering::Relaxed);
        share.prepend.store(answers.prepend, Ordering::Relaxed);
        share.other.store(answers.other, Ordering::Relaxed);
        share.errors.store(errors, Ordering::Relaxed);
    }
}
