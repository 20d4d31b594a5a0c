//! What one thread counts: answers, failures and latencies of the second that runs, handed in when it is over.
//!
//! Latencies are recorded once, here; the run's are the sum of its seconds.

use anyhow::Result;
use hdrhistogram::Histogram;

use super::progress::Progress;
use super::seconds::latencies;
use crate::reply::Answers;

/// A second, in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// The counts of one thread.
#[derive(Debug)]
pub(super) struct Record<'p> {
    progress: &'p Progress,
    thread: usize,
    /// Of the second that runs, as are the next two.
    pub(super) answers: Answers,
    errors: u64,
    /// Nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// Of the seconds before.
    earlier: (Answers, u64),
    second_ends: u64,
}

impl<'p> Record<'p> {
    pub(super) fn new(progress: &'p Progress, thread: usize) -> Result<Self> {
        let (answers, earlier) = (Answers::default(), Default::default());
        Ok(Self { progress, thread, answers, errors: 0, latency: latencies()?, earlier, second_ends: SECOND })
    }

    /// A connection has failed with so many requests outstanding.
    pub(super) fn failed(&mut self, unanswered: u64) {
        self.errors += unanswered.max(1);
    }

    /// Shows the counts, and hands in every second that is over at `now`.
    pub(super) fn tick(&mut self, now: u64) -> Result<()> {
        // Shown first, so that a view never has more in its last second than in all.
        self.publish();
        while now >= self.second_ends {
            self.hand_in()?;
            self.second_ends += SECOND;
        }
        Ok(())
    }

    /// Hands in what is left; the answers of all seconds.
    pub(super) fn finish(mut self) -> Result<Answers> {
        self.publish();
        self.hand_in()?;
        self.progress.seconds().leave(self.thread)?;
        Ok(self.earlier.0)
    }

    fn hand_in(&mut self) -> Result<()> {
        self.progress.seconds().hand_in(self.thread, self.answers, self.errors, &self.latency)?;
        self.earlier.0 += std::mem::take(&mut self.answers);
        self.earlier.1 += std::mem::take(&mut self.errors);
        self.latency.reset();
        Ok(())
    }

    fn publish(&self) {
        let mut answers = self.earlier.0;
        answers += self.answers;
        self.progress.publish(self.thread, answers, self.earlier.1 + self.errors);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Load;
    use crate::endpoint::Endpoint;
    use crate::workload::Workload;

    #[test]
    fn a_view_has_all_counts_and_the_last_whole_second() {
        let load = Load::closed(&Endpoint::free_port().unwrap(), 1, Workload::flood(1), 0, 10);
        let progress = Progress::new(&load).unwrap();
        let mut record = Record::new(&progress, 0).unwrap();
        record.answers.dunno = 3;
        record.latency.record_n(5000, 3).unwrap();
        record.tick(SECOND - 1).unwrap();
        let view = progress.now();
        assert_eq!((view.answers.dunno, view.second.answers.dunno, view.total), (3, 0, Some(10)));
        record.tick(SECOND).unwrap();
        record.answers.dunno += 1;
        record.failed(2);
        record.tick(SECOND).unwrap();
        let view = progress.now();
        assert_eq!((view.answers.dunno, view.errors, view.done), (4, 2, 6));
        assert_eq!((view.second.answers.dunno, view.second.errors, view.second.p99 / 10), (3, 0, 500));
        assert_eq!(record.finish().unwrap().dunno, 4);
        assert_eq!(progress.seconds().closed.len(), 2);
    }
}
