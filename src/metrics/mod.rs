//! Counters: one cache-padded set for each thread that counts, summed when they are read.
//!
//! A set has one writer, so that counting is a load and a store without a locked instruction; the exception are rare
//! events that any thread may count ([`Counters::add_shared`]). Readers see each counter at some recent moment, not all
//! of them at the same one. Nothing here logs or serves what was counted.

mod histogram;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam::utils::CachePadded;

pub use histogram::{Histogram, Values, quantile};

use crate::grey::{Decision, Reason};
use crate::policy::Verdict;

macro_rules! counters {
    ($($variant:ident $name:literal $meaning:literal)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $(#[doc = $meaning] $variant,)* }

        impl Counter {
            /// Every counter, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in logs.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence that says what is counted.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

counters! {
    Requests "requests" "Requests answered."
    Greylisted "greylisted" "Requests answered with the deferring action, for any reason."
    Passed "passed" "Requests that passed because their triplet was found."
    ClientWhitelist "client_whitelist" "Requests that passed by the client whitelist."
    RecipientWhitelist "recipient_whitelist" "Requests that passed by the recipient whitelist."
    Released "released" "Requests that passed because an administrator released their sender or recipient."
    RulePassed "rule_passed" "Requests that passed by a rule that does not greylist."
    Observed "observed" "Requests that would have been deferred, but passed by a rule that only observes."
    ClientAwl "client_awl" "Requests that passed by the client auto-whitelist."
    New "new" "Requests of a triplet not known before."
    EarlyRetry "early_retry" "Requests of a triplet whose delay is not over."
    Headers "headers" "Answers that added the header."
    NotGreylisted "not_greylisted" "Requests that are not ones for greylisting, or lack an attribute."
    StateFull "state_full" "Requests of an unknown triplet that could not be recorded."
    Accepted "connections_accepted" "Connections accepted."
    Closed "connections_closed" "Connections closed, by either side."
    Evicted "connections_evicted" "Idle connections closed to make room for new ones."
    LimitRequest "limit_request" "Connections closed for a request that was too long."
    LimitLine "limit_line" "Connections closed for a line that was too long."
    LimitAttributes "limit_attributes" "Connections closed for too many attributes."
    PartialTimeouts "partial_timeouts" "Connections closed because a request was not completed in time."
    SlowReaders "slow_readers" "Connections closed because their peer did not read its replies."
    IgnoredLines "ignored_lines" "Lines without `=` that were ignored."
    UnknownRequests "unknown_requests" "Requests of another or no type."
    UnparsableAddresses "unparsable_addresses" "Requests whose client address is no address."
    AcceptPauses "accept_pauses" "Pauses in accepting for want of file descriptors."
    LogLinesDropped "log_lines_dropped" "Log lines dropped because the log could not keep up."
    SegmentsRolledOver "segments_rolled_over" "Segments sealed and followed by the next one."
    SegmentsDroppedEarly "segments_dropped_early" "Segments dropped before their entries expired, for want of room."
    SegmentsExpired "segments_expired" "Segments dropped after all their entries expired."
    SpareFailures "spare_failures" "Attempts to make a spare segment that failed."
    SyncFailures "sync_failures" "Syncs that failed."
    UnrecordedPasses "unrecorded_passes" "Passes that could not be recorded."
}

const COUNTERS: usize = Counter::ALL.len();

/// The counters of one thread: only that thread writes them, anyone may read.
#[derive(Debug)]
pub struct Counters {
    values: CachePadded<[AtomicU64; COUNTERS]>,
    /// Microseconds of a worker's turns.
    pub turns: Histogram,
    /// Seconds that a message was delayed.
    pub delays: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            values: CachePadded::new(std::array::from_fn(|_| AtomicU64::new(0))),
            turns: Histogram::default(),
            delays: Histogram::default(),
        }
    }
}

impl Counters {
    /// Adds `amount`. Only the owning thread may call this.
    pub fn add(&self, counter: Counter, amount: u64) {
        let value = &self.values[counter as usize];
        value.store(value.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
    }

    /// Adds `amount` in a set that several threads write. Not to be mixed with [`Counters::add`] in one set.
    pub fn add_shared(&self, counter: Counter, amount: u64) {
        self.values[counter as usize].fetch_add(amount, Ordering::Relaxed);
    }

    /// Counts one answered request by what was decided and why. Only the owning thread may call this.
    pub fn add_decision(&self, decision: &Decision) {
        self.add(Counter::Requests, 1);
        self.add(of_reason(decision.reason), 1);
        if decision.observed {
            self.add(Counter::Observed, 1);
        }
        match decision.verdict {
            Verdict::Dunno => {}
            Verdict::Defer { .. } => self.add(Counter::Greylisted, 1),
            Verdict::Prepend { delayed } => {
                self.add(Counter::Headers, 1);
                self.delays.add(u64::from(delayed));
            }
        }
    }

    /// The current value.
    pub fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize].load(Ordering::Relaxed)
    }
}

fn of_reason(reason: Reason) -> Counter {
    match reason {
        Reason::ClientWhitelist => Counter::ClientWhitelist,
        Reason::RecipientWhitelist => Counter::RecipientWhitelist,
        Reason::Released => Counter::Released,
        Reason::Rule => Counter::RulePassed,
        Reason::ClientAwl => Counter::ClientAwl,
        Reason::New => Counter::New,
        Reason::EarlyRetry { .. } => Counter::EarlyRetry,
        Reason::TripletFound => Counter::Passed,
        Reason::NotGreylisted => Counter::NotGreylisted,
        Reason::UnparsableAddress => Counter::UnparsableAddresses,
        Reason::StateFull => Counter::StateFull,
    }
}

/// All sets of counters of the process. A set stays after its thread has ended, so totals never go back.
#[derive(Debug, Default)]
pub struct Registry(Mutex<Vec<Arc<Counters>>>);

impl Registry {
    /// A new set for one thread.
    pub fn counters(&self) -> Arc<Counters> {
        let set = Arc::new(Counters::default());
        self.include(Arc::clone(&set));
        set
    }

    /// Includes a set that was made elsewhere.
    pub fn include(&self, set: Arc<Counters>) {
        self.sets().push(set);
    }

    /// The sums over all sets.
    pub fn totals(&self) -> Totals {
        let sets = self.sets();
        let sum = |counter: &Counter| sets.iter().map(|set| set.get(*counter)).sum();
        let mut totals = [0; COUNTERS];
        totals.iter_mut().zip(Counter::ALL).for_each(|(total, counter)| *total = sum(counter));
        Totals(totals)
    }

    /// How long workers' turns were, in microseconds, and how long messages were delayed, in seconds.
    pub fn spreads(&self) -> [Values; 2] {
        let [mut turns, mut delays] = <[Values; 2]>::default();
        for set in self.sets().iter() {
            turns.include(&set.turns);
            delays.include(&set.delays);
        }
        [turns, delays]
    }

    fn sets(&self) -> MutexGuard<'_, Vec<Arc<Counters>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counters of all threads at one time; shown as `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals([u64; COUNTERS]);

impl Totals {
    /// The sum of one counter over all threads.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for counter in Counter::ALL {
            write!(f, "{separator}{}={}", counter.name(), self.get(*counter))?;
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn names_are_unique_and_in_the_order_of_the_variants() {
        let names: HashSet<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
        assert_eq!(names.len(), COUNTERS);
        for (index, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, index, "{}", counter.name());
        }
    }

    #[test]
    fn totals_sum_the_sets_of_all_threads_and_outlive_them() {
        let registry = Registry::default();
        let outside = Arc::new(Counters::default());
        registry.include(Arc::clone(&outside));
        thread::scope(|scope| {
            for _ in 0..4 {
                let set = registry.counters();
                scope.spawn(move || (0..1000).for_each(|_| set.add(Counter::Requests, 1)));
                scope.spawn(|| (0..1000).for_each(|_| outside.add_shared(Counter::LogLinesDropped, 2)));
            }
        });
        let totals = registry.totals();
        assert_eq!(totals.get(Counter::Requests), 4000);
        assert_eq!(totals.get(Counter::LogLinesDropped), 8000);
    }

    #[test]
    fn every_counter_is_shown() {
        let registry = Registry::default();
        registry.counters().add(Counter::SyncFailures, 7);
        let shown = registry.totals().to_string();
        for counter in Counter::ALL {
            let value = if *counter == Counter::SyncFailures { 7 } else { 0 };
            let expected = format!("{}={value}", counter.name());
            assert!(shown.split(' ').any(|word| word == expected), "{expected} is not in {shown}");
        }
    }

    #[test]
    fn a_decision_counts_its_reason_and_its_answer() {
        let registry = Registry::default();
        let set = registry.counters();
        set.add_decision(&Decision { observed: true, ..Decision::new(Verdict::Dunno, Reason::New) });
        for (verdict, reason) in [
            (Verdict::Defer { seconds_left: 300 }, Reason::New),
            (Verdict::Defer { seconds_left: 20 }, Reason::EarlyRetry { missing: 20 }),
            (Verdict::Prepend { delayed: 300 }, Reason::TripletFound),
            (Verdict::Dunno, Reason::TripletFound),
            (Verdict::Dunno, Reason::StateFull),
            (Verdict::Dunno, Reason::Rule),
        ] {
            set.add_decision(&Decision::new(verdict, reason));
        }
        let totals = registry.totals();
        let counted = Counter::ALL.iter().filter(|counter| totals.get(**counter) != 0);
        let counted: Vec<_> = counted.map(|counter| (counter.name(), totals.get(*counter))).collect();
        let expected = [
            ("requests", 7),
            ("greylisted", 2),
            ("passed", 2),
            ("rule_passed", 1),
            ("observed", 1),
            ("new", 2),
            ("early_retry", 1),
            ("headers", 1),
            ("state_full", 1),
        ];
        assert_eq!(counted, expected);
    }
}
