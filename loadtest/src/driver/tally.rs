//! What came of a run: the sum over all threads, and the few judgements that follow from it.

use std::time::Duration;

use anyhow::{Result, bail};
use hdrhistogram::Histogram;

use super::progress::Progress;
use crate::reply::Answers;

/// A server that is behind the schedule by this part of the run when it ends does not keep up with the rate.
const SATURATED: u32 = 100;
/// Less than this is a hiccup in however short a run.
const HICCUP: Duration = Duration::from_millis(50);

/// So that a run which never began has a rate of 0.
const SHORTEST: Duration = Duration::from_nanos(1);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) answers: Answers,
    pub(crate) elapsed: Duration,
    /// Nanoseconds from request (open loop: from when it was due) to reply.
    pub(crate) latency: Histogram<u64>,
    /// Requests without an answer. Those that a run ended before it sent them are not among them.
    pub(crate) lost: u64,
    /// Open loop: requests that were due when the run was ended, and had not been sent.
    pub(crate) unsent: u64,
    pub(crate) first_failure: Option<String>,
    /// The generator's own processor time.
    pub(crate) own_time: Duration,
    /// What of that was spent in asking for events when there were none.
    pub(crate) spun: Duration,
    /// What was done in each second of the run; the last is the part of a second that was left.
    pub(crate) seconds: Vec<Second>,
    /// Open loop: requests sent late by the generator's own fault; 0 in a closed loop.
    pub(crate) late: u64,
    /// Open loop: by how much the last request was late for whatever reason, or the next one when the run was ended.
    pub(crate) behind: Duration,
    /// Threads of the generator.
    pub(crate) threads: u32,
    /// Ended by Ctrl-C.
    pub(crate) interrupted: bool,
}

/// One second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    pub(crate) answers: Answers,
    /// Requests lost, and connections that failed with no request outstanding.
    pub(crate) errors: u64,
    /// Nanoseconds.
    pub(crate) p50: u64,
    /// Nanoseconds.
    pub(crate) p99: u64,
}

/// What came of one thread.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) answers: Answers,
    pub(super) lost: u64,
    pub(super) unsent: u64,
    /// At which time of the run, and what.
    pub(super) first_failure: Option<(u64, String)>,
    pub(super) own_time: Duration,
    pub(super) spun: Duration,
    pub(super) late: u64,
    /// Nanoseconds.
    pub(super) behind: u64,
    pub(super) interrupted: bool,
}

impl Tally {
    /// What came of all threads of a run.
    pub(super) fn sum(outcomes: Vec<Outcome>, progress: &Progress, elapsed: Duration) -> Self {
        let seconds = progress.seconds();
        let mut tally = Self {
            answers: Answers::default(),
            elapsed,
            latency: seconds.latency.clone(),
            lost: 0,
            unsent: 0,
            first_failure: None,
            own_time: Duration::ZERO,
            spun: Duration::ZERO,
            seconds: seconds.closed.clone(),
            late: 0,
            behind: Duration::ZERO,
            threads: progress.threads(),
            interrupted: false,
        };
        let mut failures = Vec::new();
        for outcome in outcomes {
            tally.answers += outcome.answers;
            tally.lost += outcome.lost;
            tally.unsent += outcome.unsent;
            failures.extend(outcome.first_failure);
            tally.own_time += outcome.own_time;
            tally.spun += outcome.spun;
            tally.late += outcome.late;
            tally.behind = tally.behind.max(Duration::from_nanos(outcome.behind));
            tally.interrupted |= outcome.interrupted;
        }
        tally.first_failure = failures.into_iter().min_by_key(|(when, _)| *when).map(|(_, why)| why);
        tally
    }

    /// Whether every request that was sent was answered, and nothing else came.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0 && self.first_failure.is_none()
    }

    /// An error if anything was lost.
    pub(crate) fn check(self, what: &str) -> Result<Self> {
        if let Some(failure) = &self.first_failure {
            bail!("{what}: {} requests lost; first failure: {failure}", self.lost);
        }
        Ok(self)
    }

    /// Answers a second.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    pub(crate) fn rate(&self) -> f64 {
        self.answers.total() as f64 / self.elapsed.max(SHORTEST).as_secs_f64()
    }

    /// Share of its cores, one a thread, that the generator needed. Near 1 it may be what limits the rate.
    pub(crate) fn own_share(&self) -> f64 {
        let available = self.elapsed.max(SHORTEST).as_secs_f64() * f64::from(self.threads);
        self.own_time.saturating_sub(self.spun).as_secs_f64() / available
    }

    /// Open loop: whether requests came due faster than connections became free, so that ever more of them waited.
    pub(crate) fn is_saturated(&self) -> bool {
        self.behind > HICCUP.max(self.elapsed / SATURATED)
    }
}
