//! Counters: one cache-padded set for each thread that counts, summed when they are read.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

/// What is counted. The name in logs is the variant's in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Requests answered.
    Requests,
    /// Segments that were closed.
    SegmentsRolledOver,
    /// Segments that were dropped because all in them had expired.
    SegmentsExpired,
    /// Segments that were dropped before their time for want of room.
    SegmentsDroppedEarly,
    /// Spare segments that could not be made.
    SpareFailures,
    /// Syncs that failed.
    SyncFailures,
}

const COUNTERS: usize = 6;

/// The counters of one thread: only that thread writes them, anyone may read.
#[derive(Debug, Default)]
pub struct Counters(CachePadded<[AtomicU64; COUNTERS]>);

impl Counters {
    /// Adds `amount`. Only the owning thread may call this.
    pub fn add(&self, counter: Counter, amount: u64) {
        let value = &self.0[counter as usize];
        value.store(value.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
    }

    /// The current value.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}
