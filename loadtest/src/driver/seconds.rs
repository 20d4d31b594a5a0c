//! The seconds of a run, put together from what each thread hands in.
//!
//! A second is closed when every thread that still runs has handed it in: only then are its quantiles those of all
//! requests. Threads run at most a little apart, so few seconds are open at once, whatever the length of the run.

use std::collections::VecDeque;

use anyhow::Result;
use hdrhistogram::Histogram;

use super::tally::Second;
use crate::reply::Answers;

/// The longest latency that is told from longer ones: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// An empty histogram of latencies in nanoseconds, three digits exact.
pub(crate) fn latencies() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LONGEST, 3)?)
}

/// All seconds so far, and the latencies of the whole run.
#[derive(Debug)]
pub(crate) struct Seconds {
    pub(crate) closed: Vec<Second>,
    /// Those after `closed`.
    open: VecDeque<Open>,
    /// How many seconds each thread has handed in; the maximum once it has ended.
    reached: Vec<usize>,
    /// Latencies of the closed seconds.
    pub(crate) latency: Histogram<u64>,
    /// A histogram to be used again.
    spare: Option<Histogram<u64>>,
}

#[derive(Debug)]
struct Open {
    answers: Answers,
    errors: u64,
    latency: Histogram<u64>,
}

impl Seconds {
    pub(crate) fn new(threads: usize) -> Result<Self> {
        let (closed, open, reached) = (Vec::new(), VecDeque::new(), vec![0; threads]);
        Ok(Self { closed, open, reached, latency: latencies()?, spare: None })
    }

    /// Takes the next second of one thread.
    pub(crate) fn hand_in(
        &mut self,
        thread: usize,
        answers: Answers,
        errors: u64,
        latency: &Histogram<u64>,
    ) -> Result<()> {
        let index = self.reached[thread] - self.closed.len();
        self.reached[thread] += 1;
        if index == self.open.len() {
            let empty = self.spare.take().map_or_else(latencies, Ok)?;
            self.open.push_back(Open { answers: Answers::default(), errors: 0, latency: empty });
        }
        let open = &mut self.open[index];
        open.answers += answers;
        open.errors += errors;
        open.latency.add(latency)?;
        self.close()
    }

    /// A thread has handed in its last second.
    pub(crate) fn leave(&mut self, thread: usize) -> Result<()> {
        self.reached[thread] = usize::MAX;
        self.close()
    }

    fn close(&mut self) -> Result<()> {
        let reached = self.reached.iter().copied().min().unwrap_or(0);
        while self.closed.len() < reached
            && let Some(mut open) = self.open.pop_front()
        {
            let [p50, p99] = [0.5, 0.99].map(|quantile| open.latency.value_at_quantile(quantile));
            self.closed.push(Second { answers: open.answers, errors: open.errors, p50, p99 });
            self.latency.add(&open.latency)?;
            open.latency.reset();
            self.spare = Some(open.latency);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand_in(seconds: &mut Seconds, thread: usize, latency: u64, count: u64) {
        let mut histogram = latencies().unwrap();
        histogram.record_n(latency, count).unwrap();
        seconds.hand_in(thread, Answers { dunno: count, ..Answers::default() }, 1, &histogram).unwrap();
    }

    #[test]
    fn a_second_is_that_of_all_threads() {
        let mut seconds = Seconds::new(2).unwrap();
        hand_in(&mut seconds, 0, 1000, 90);
        hand_in(&mut seconds, 0, 1000, 5);
        assert!(seconds.closed.is_empty());
        hand_in(&mut seconds, 1, 2000, 10);
        let [first] = seconds.closed[..] else { panic!("{seconds:?}") };
        assert_eq!((first.answers.dunno, first.errors, first.p50 / 10, first.p99 / 10), (100, 2, 100, 200));
        assert_eq!(seconds.latency.len(), 100);
    }

    #[test]
    fn a_thread_that_has_ended_is_not_waited_for() {
        let mut seconds = Seconds::new(2).unwrap();
        hand_in(&mut seconds, 0, 1000, 1);
        seconds.leave(0).unwrap();
        assert!(seconds.closed.is_empty());
        for round in 1..=3 {
            hand_in(&mut seconds, 1, 1000, 1);
            assert_eq!(seconds.closed.len(), round);
        }
        assert_eq!(seconds.closed.iter().map(|second| second.answers.dunno).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(seconds.latency.len(), 4);
    }
}
