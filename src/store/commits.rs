//! [`Commits`]: how replies wait until what they rest on is durable (`--sync always`). Group commit: one round of syncing
//! serves all that wait.
//!
//! ```text
//! worker   append or look up; ticket = rounds begun + 1 ----------> rounds completed >= ticket: the replies leave
//! syncer        begin a round; msync what was filled; complete it; wake the workers
//! ```
//!
//! A round that begins after a ticket was taken covers all that the ticket's owner had seen or appended by then, whoever
//! wrote it. A round completes whether its syncs succeeded or not: what could not be made durable is said and counted, and
//! the replies leave as decided.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::sync::{Parker, Unparker};
use crossbeam::utils::CachePadded;

use crate::atomics::{AtomicU64, Ordering};

/// Wakes one who may wait for a round.
type Wake = Box<dyn Fn() + Send + Sync>;

/// The rounds of syncing that replies wait for.
pub struct Commits {
    begun: CachePadded<AtomicU64>,
    completed: CachePadded<AtomicU64>,
    /// The highest ticket that was asked for.
    wanted: CachePadded<AtomicU64>,
    syncer: Unparker,
    parker: Mutex<Parker>,
    wakes: Mutex<Vec<Wake>>,
}

impl Default for Commits {
    fn default() -> Self {
        let parker = Parker::new();
        Self {
            begun: CachePadded::default(),
            completed: CachePadded::default(),
            wanted: CachePadded::default(),
            syncer: parker.unparker().clone(),
            parker: Mutex::new(parker),
            wakes: Mutex::default(),
        }
    }
}

impl Commits {
    /// Asks for a round that covers everything which the caller has seen or appended. Never waits.
    pub fn request(&self) -> u64 {
        // A read-modify-write, so that it comes before or after the beginning of each round: the Release is the partner of
        // the Acquire with which a later round begins, which thus sees what the caller saw.
        let ticket = if cfg!(weak_ticket) {
            self.begun.load(Ordering::Acquire) + 1
        } else {
            self.begun.fetch_add(0, Ordering::AcqRel) + 1
        };
        self.wanted.fetch_max(ticket, Ordering::Relaxed);
        self.syncer.unpark();
        ticket
    }

    /// The last round that has completed: tickets up to it are served.
    pub fn completed(&self) -> u64 {
        // Acquire: pairs with the Release in `commit`, so what the round did has been done.
        self.completed.load(Ordering::Acquire)
    }

    /// Has `wake` called after each round.
    pub fn on_completed(&self, wake: impl Fn() + Send + Sync + 'static) {
        lock(&self.wakes).push(Box::new(wake));
    }

    /// A round with `sync` if one is asked for; otherwise waits for that, `patience` at most. One thread calls it.
    pub(super) fn commit(&self, patience: Duration, sync: impl FnOnce()) {
        if self.wanted.load(Ordering::Relaxed) <= self.completed.load(Ordering::Relaxed) {
            return lock(&self.parker).park_timeout(patience);
        }
        // Acquire: pairs with the Release in `request`. One thread begins rounds, so this one's number is the next.
        let round = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        sync();
        self.completed.store(round, Ordering::Release);
        lock(&self.wakes).iter().for_each(|wake| wake());
    }
}

/// The lock, whatever became of its last holder. No worker takes one, no code that can panic runs under one, and what they
/// guard is right after each statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Commits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut shown = f.debug_struct("Commits");
        shown.field("begun", &count(&self.begun)).field("completed", &count(&self.completed)).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn a_ticket_is_served_by_a_round_that_begins_after_it() {
        let commits = Commits::default();
        let first = commits.request();
        assert_eq!((first, commits.completed()), (1, 0));
        let mut during = 0;
        commits.commit(Duration::ZERO, || during = commits.request());
        assert_eq!((commits.completed(), during), (1, 2), "what comes during a round waits for the next");
        commits.commit(Duration::ZERO, || {});
        assert_eq!(commits.completed(), 2);
        commits.commit(Duration::ZERO, || panic!("nobody waits"));
    }

    #[test]
    fn whoever_may_wait_is_woken_after_the_round() {
        let commits = Arc::new(Commits::default());
        let woken = Arc::new(AtomicUsize::new(0));
        let (counted, seen) = (Arc::clone(&woken), Arc::clone(&commits));
        commits.on_completed(move || {
            counted.fetch_add(usize::try_from(seen.completed()).unwrap(), Ordering::Relaxed);
        });
        commits.request();
        commits.commit(Duration::ZERO, || assert_eq!(woken.load(Ordering::Relaxed), 0));
        assert_eq!(woken.load(Ordering::Relaxed), 1);
    }
}
