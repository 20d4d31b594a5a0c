//! The threads that work on the state's files: one syncs, the other makes spares and drops what has expired. Both block on
//! the disk, so neither is control's own thread nor a worker's.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, RecvTimeoutError, Sender};

use crate::clock::UnixSecs;
use crate::config::{StateSettings, SyncMode};
use crate::store::{DISK_FAILED, Store};
use crate::worker::Shared;

/// Between two rounds of upkeep.
const TICK: Duration = Duration::from_millis(50);
/// Between two looks at whether the files of the state are where they were.
const LOOK: Duration = Duration::from_secs(1);
/// How far the wall clock may run from the steady one between two ticks before it has been set.
const STEP: u64 = 5;
/// After a step nothing is dropped for so long: an administrator may be about to set the clock right again.
const SETTLE: Duration = Duration::from_secs(600);

/// One round of the thread that syncs.
type SyncRound = fn(&Store);

/// The running threads; dropping `stop` ends them.
#[derive(Debug)]
pub struct Upkeep {
    stop: Sender<Infallible>,
    threads: Vec<JoinHandle<()>>,
}

impl Upkeep {
    /// Starts upkeep, and syncing if the settings ask for it.
    pub fn start(store: &Arc<Store>, settings: &StateSettings, shared: &Arc<Shared>) -> io::Result<Self> {
        let (stop, stopped) = channel::bounded(0);
        let mut threads = Vec::with_capacity(2);
        let sync: Option<(Duration, SyncRound)> = match settings.sync {
            SyncMode::Every(interval) => Some((interval, Store::sync)),
            SyncMode::Always => Some((Duration::ZERO, |store| store.commit(TICK))),
            SyncMode::Os => None,
        };
        if let Some((interval, sync)) = sync {
            let (store, stopped) = (Arc::clone(store), stopped.clone());
            threads.push(Builder::new().name("sync".to_owned()).spawn(move || {
                let mut wait = interval;
                while ticks(&stopped, wait) {
                    let begun = Instant::now();
                    sync(&store);
                    wait = until_next(interval, begun.elapsed());
                }
            })?);
        }
        let (store, shared) = (Arc::clone(store), Arc::clone(shared));
        threads.push(Builder::new().name("upkeep".to_owned()).spawn(move || {
            keep(&store, &shared, &stopped);
        })?);
        Ok(Self { stop, threads })
    }

    /// Ends the threads after what they are doing, and waits for that.
    pub fn stop(self) {
        drop(self.stop);
        for thread in self.threads {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

fn keep(store: &Store, shared: &Shared, stopped: &Receiver<Infallible>) {
    let mut steadiness = Steadiness::new(UnixSecs::now(), Instant::now());
    // At once for the first time: there may be no spare yet.
    let mut wait = Duration::ZERO;
    let mut looked = Instant::now();
    while ticks(stopped, wait) {
        wait = TICK;
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            end_if_lost(store);
        }
        let settled = steadiness.settled(UnixSecs::now(), Instant::now());
        // A test plays months in seconds; its steps are meant.
        match shared.latest_test_time.load(Ordering::Relaxed) {
            0 => store.upkeep(UnixSecs::now(), settled && !shared.test_clock),
            latest => store.upkeep(UnixSecs(latest), true),
        }
    }
}

/// Ends the process if what is acknowledged from now on would be in a file that the next start does not find, with the code of a
/// disk that fails.
fn end_if_lost(store: &Store) {
    if let Some(path) = store.lost_file() {
        log::error!(
            "{}: removed, replaced or cut off under the daemon, which ends; the next start serves the rest",
            path.display()
        );
        // The log's own thread writes that meanwhile.
        std::thread::sleep(Duration::from_millis(200));
        std::process::exit(DISK_FAILED);
    }
}

/// How long after a round the next one begins: so early that it is over an interval after that round began, and with it all
/// that came since is durable. It may last a tenth of the interval longer than that one.
fn until_next(interval: Duration, lasted: Duration) -> Duration {
    (interval * 9 / 10).saturating_sub(lasted * 2)
}

/// Waits one interval; false at once when the threads are to end.
fn ticks(stopped: &Receiver<Infallible>, interval: Duration) -> bool {
    stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout)
}

/// Watches the wall clock for steps. It counts as just stepped at the start: nothing is known of it before.
#[derive(Debug)]
struct Steadiness {
    wall: UnixSecs,
    steady: Instant,
    stepped: Instant,
}

impl Steadiness {
    fn new(wall: UnixSecs, steady: Instant) -> Self {
        Self { wall, steady, stepped: steady }
    }

    /// Whether the wall clock has made no step for a while, at these times of both clocks.
    fn settled(&mut self, wall: UnixSecs, steady: Instant) -> bool {
        let expected = u64::from(self.wall.0) + steady.duration_since(self.steady).as_secs();
        if expected.abs_diff(u64::from(wall.0)) >= STEP {
            self.stepped = steady;
        }
        if expected.abs_diff(u64::from(wall.0)) > 1 || steady.duration_since(self.steady) > SETTLE {
            (self.wall, self.steady) = (wall, steady);
        }
        steady.duration_since(self.stepped) >= SETTLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_counts_as_settled_ten_minutes_after_its_last_step() {
        let (wall, steady) = (UnixSecs(1_000_000), Instant::now());
        let mut clocks = Steadiness::new(wall, steady);
        let mut at = |seconds: u64, wall: u32| clocks.settled(UnixSecs(wall), steady + Duration::from_secs(seconds));
        assert!(!at(599, 1_000_599));
        assert!(at(600, 1_000_600));
        assert!(at(660, 1_000_661));
        assert!(!at(661, 1_004_261), "an hour forward");
        assert!(!at(1_260, 1_004_860));
        assert!(at(1_261, 1_004_861));
        assert!(!at(1_262, 1_000_000), "back");
        assert!(at(1_862, 1_000_600));
    }

    #[test]
    fn a_round_is_over_within_the_interval_since_the_one_before_it_began() {
        let [second, tenth] = [1000, 100].map(Duration::from_millis);
        for lasted in [0, 1, 50, 400].map(Duration::from_millis) {
            assert_eq!(lasted + until_next(second, lasted) + lasted + tenth, second);
        }
        assert_eq!(until_next(second, second), Duration::ZERO, "a disk that is too slow for that is not left alone");
        assert_eq!(until_next(Duration::ZERO, tenth), Duration::ZERO, "while replies wait the store says when");
    }

    #[test]
    fn many_ticks_without_a_step_settle() {
        let steady = Instant::now();
        let mut clocks = Steadiness::new(UnixSecs(50), steady);
        let settled = (0..40_000_u32).map(|tick| {
            let since = TICK * tick;
            clocks.settled(UnixSecs(50 + u32::try_from(since.as_secs()).unwrap()), steady + since)
        });
        assert_eq!(settled.filter(|settled| *settled).count(), 40_000 - 12_000);
    }
}
