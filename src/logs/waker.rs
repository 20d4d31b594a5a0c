//! How the log thread rests and how it is woken: asleep while nothing happens, napping while lines come in.
//!
//! A worker pays one fence and one load a turn in which it logged. Only the first line after a quiet time costs an
//! unpark; those that follow within [`NAP`] are collected by the thread itself.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::{self, Thread};
use std::time::Duration;

/// How long lines are collected before they are written: the delay of a line under load.
pub(super) const NAP: Duration = Duration::from_millis(10);

/// Shared by the log thread and all who give it work.
#[derive(Debug, Default)]
pub(super) struct Waker {
    /// The log thread, once it runs.
    thread: OnceLock<Thread>,
    asleep: AtomicBool,
}

impl Waker {
    /// Names the calling thread as the one to wake.
    pub(super) fn attach(&self) {
        // A second attachment would be of the same thread.
        let _ = self.thread.set(thread::current());
    }

    /// Wakes the log thread if it sleeps; to be called after the work was made visible.
    pub(super) fn wake(&self) {
        // Partner of the fence in `sleep_unless`. Without the two, this thread could read `asleep` as false before its work
        // is visible while the log thread finds no work before its `asleep` is visible: it would sleep beside its work.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.hurry();
        }
    }

    /// Ends the log thread's rest at once, also a nap.
    pub(super) fn hurry(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Collects for a while; only [`Waker::hurry`] ends it early. For the log thread only.
    pub(super) fn nap() {
        thread::park_timeout(NAP);
    }

    /// Sleeps until woken, unless `work` finds something to do. For the log thread only.
    pub(super) fn sleep_unless(&self, work: impl Fn() -> bool) {
        self.asleep.store(true, Ordering::Relaxed);
        // Partner of the fence in `wake`, which shows the interleaving that both prevent.
        fence(Ordering::SeqCst);
        while self.asleep.load(Ordering::Relaxed) && !work() {
            thread::park();
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// Long enough to see a thread that polls.
    const WATCH: Duration = Duration::from_millis(200);

    #[test]
    fn a_sleeper_looks_for_work_once_until_it_is_woken() {
        let waker = Arc::new(Waker::default());
        let looks = Arc::new(AtomicU32::new(0));
        let sleeper = {
            let (waker, looks) = (Arc::clone(&waker), Arc::clone(&looks));
            thread::spawn(move || {
                waker.attach();
                waker.sleep_unless(|| {
                    looks.fetch_add(1, Ordering::Relaxed);
                    false
                });
            })
        };
        while looks.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        thread::sleep(WATCH);
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        assert!(!sleeper.is_finished());
        waker.wake();
        sleeper.join().unwrap();
    }

    #[test]
    fn a_sleeper_that_finds_work_does_not_sleep() {
        let waker = Waker::default();
        waker.attach();
        waker.sleep_unless(|| true);
        assert!(!waker.asleep.load(Ordering::Relaxed));
    }

    #[test]
    fn only_the_first_wake_after_falling_asleep_costs_an_unpark() {
        let waker = Waker::default();
        waker.attach();
        waker.asleep.store(true, Ordering::Relaxed);
        waker.wake();
        assert!(!waker.asleep.load(Ordering::Relaxed));
        // Takes the unpark that the first wake left; a second one would end this nap at once.
        thread::park();
        waker.wake();
        let started = std::time::Instant::now();
        Waker::nap();
        assert!(started.elapsed() >= NAP);
    }
}
