//! Requests made from their number, for whichever connection is free: the fast path, in which nothing is allocated or copied.
//!
//! One buffer in the form of the template serves all connections of the thread. Requests that are due and find no free
//! connection wait as a number: the next one. The connection that has been free for longest is used first, so that all are
//! used.

use std::collections::VecDeque;

use super::feed::Free;
use super::pace::Schedule;
use crate::workload::{Template, Workload};

/// The share of one thread: every `step`-th request.
pub(super) struct Numbers {
    template: Template,
    workload: Workload,
    /// Number in the workload of the run's first request.
    first: u64,
    /// Index in the run, as is `end`.
    next: u64,
    step: u64,
    end: u64,
    schedule: Option<Schedule>,
    /// When `next` is due; 0 without a schedule.
    due: u64,
    buffer: Vec<u8>,
    idle: VecDeque<Free>,
}

/// Which of a run's requests a thread sends, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) thread: u64,
    pub(super) threads: u64,
    /// Of the whole run; the maximum if their number is not its end.
    pub(super) requests: u64,
    /// Of an open loop at a rate.
    pub(super) schedule: Option<Schedule>,
    /// How fast the times of planned requests pass, of an open loop at those.
    pub(super) speed: Option<f64>,
}

impl Numbers {
    pub(super) fn new(workload: Workload, first: u64, batch: usize, share: Share) -> Self {
        let Share { thread: next, threads: step, requests: end, schedule, .. } = share;
        let due = schedule.map_or(0, |schedule| schedule.due(next));
        let (template, buffer) = (Template::new(), Template::buffer(batch));
        Self { template, workload, first, next, step, end, schedule, due, buffer, idle: VecDeque::new() }
    }

    pub(super) fn wake(&mut self, now: u64) -> Option<Free> {
        if self.next < self.end && self.due <= now { self.idle.pop_front() } else { None }
    }

    pub(super) fn portion(&mut self, now: u64, since: &mut Vec<u64>) -> &[u8] {
        let mut length = 0;
        for request in self.buffer.chunks_exact_mut(Template::LENGTH) {
            if self.next >= self.end || self.due > now {
                break;
            }
            self.template.write(&self.workload, self.first + self.next, request);
            since.push(if self.schedule.is_some() { self.due } else { now });
            length += Template::LENGTH;
            self.next += self.step;
            self.due = self.schedule.map_or(0, |schedule| schedule.due(self.next));
        }
        &self.buffer[..length]
    }

    pub(super) fn park(&mut self, conn: usize, now: u64) {
        self.idle.push_back((conn, now));
    }

    pub(super) fn forget(&mut self, conn: usize) {
        self.idle.retain(|&(idle, _)| idle != conn);
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        (self.schedule.is_some() && self.next < self.end).then_some(self.due)
    }

    pub(super) fn is_over(&self) -> bool {
        self.next >= self.end
    }

    pub(super) fn dismiss(&mut self) -> Option<usize> {
        if self.is_over() { self.idle.pop_front().map(|(conn, _)| conn) } else { None }
    }

    pub(super) fn close(&mut self, now: u64) -> u64 {
        let due = self.schedule.map_or(0, |schedule| schedule.due_by(now)).min(self.end);
        self.end = self.next;
        due.saturating_sub(self.next).div_ceil(self.step)
    }

    pub(super) fn rest(&self) -> u64 {
        if self.end == u64::MAX { 0 } else { self.end.saturating_sub(self.next).div_ceil(self.step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(threads: u64, thread: u64, rate: Option<&str>) -> Numbers {
        let schedule = rate.map(|rate| Schedule::new(rate.parse().unwrap(), None, None).unwrap());
        Numbers::new(Workload::flood(1), 100, 2, Share { thread, threads, requests: 10, schedule, speed: None })
    }

    /// Takes one portion; its times, and its requests compared with those of the workload.
    fn take(numbers: &mut Numbers, now: u64, expected: &[u64]) -> Vec<u64> {
        let mut since = Vec::new();
        let portion = numbers.portion(now, &mut since).to_vec();
        let mut requests = Template::buffer(expected.len());
        for (number, request) in expected.iter().zip(requests.chunks_exact_mut(Template::LENGTH)) {
            Template::new().write(&Workload::flood(1), *number, request);
        }
        assert!(portion == requests, "not the requests {expected:?}");
        since
    }

    #[test]
    fn threads_share_the_requests() {
        let mut seen = Vec::new();
        for thread in 0..3 {
            let mut numbers = numbers(3, thread, None);
            while numbers.rest() > 0 {
                let mut since = Vec::new();
                seen.push(numbers.next);
                numbers.buffer.truncate(Template::LENGTH);
                assert_eq!(numbers.portion(7, &mut since).len(), Template::LENGTH);
                assert_eq!(since, [7]);
            }
            assert!(numbers.is_over());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn only_what_is_due_is_sent_and_it_waits_from_then_on() {
        let mut numbers = numbers(2, 1, Some("1000"));
        numbers.park(5, 0);
        assert_eq!((numbers.next_due(), numbers.wake(999_999)), (Some(1_000_000), None));
        assert_eq!(numbers.wake(1_000_000), Some((5, 0)));
        assert_eq!(take(&mut numbers, 2_000_000, &[101]), [1_000_000]);
        assert_eq!(take(&mut numbers, 2_999_999, &[]), [0; 0]);
        assert_eq!(take(&mut numbers, 9_000_000, &[103, 105]), [3_000_000, 5_000_000]);
        assert_eq!(numbers.next_due(), Some(7_000_000));
        // Those of the indices 7 and 9.
        assert_eq!([numbers.close(10_500_000), numbers.close(10_500_000)], [2, 0]);
    }

    #[test]
    fn the_longest_free_is_used_first_and_all_are_dismissed_at_the_end() {
        let mut numbers = numbers(1, 0, None);
        for conn in 0..4 {
            numbers.park(conn, 0);
        }
        numbers.forget(1);
        assert_eq!(numbers.wake(0), Some((0, 0)));
        assert_eq!(numbers.dismiss(), None);
        assert_eq!(numbers.close(u64::MAX), 0);
        assert_eq!((numbers.rest(), numbers.wake(0)), (0, None));
        assert_eq!([numbers.dismiss(), numbers.dismiss(), numbers.dismiss()], [Some(2), Some(3), None]);
    }
}
