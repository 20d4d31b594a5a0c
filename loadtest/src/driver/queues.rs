//! Requests of a source, whose order holds within each network: a network belongs to one connection, which has a short queue.
//!
//! The source is read only as far as the next request that is not due or whose queue is full, so memory is bounded however
//! far the source is ahead; what waits in the source goes on waiting by its due time. A connection that fails takes its
//! networks with it: their requests are lost and counted, for sent elsewhere they would overtake others.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result};

use super::feed::Free;
use super::numbers::Share;
use crate::workload::{Planned, Source};

/// Requests that wait for one connection.
const DEPTH: usize = 16;

/// The requests of one thread and the queues of its connections.
pub(super) struct Queues {
    source: Source,
    share: Share,
    /// Index in the run of the next request of the source.
    index: u64,
    /// The next request, with its bytes in `bytes`.
    next: Option<Next>,
    bytes: Vec<u8>,
    ended: bool,
    /// One a connection.
    lines: Vec<Queue>,
    /// Parked connections whose queue has something.
    ready: VecDeque<usize>,
    /// What is being sent.
    out: Vec<u8>,
    batch: usize,
    lost: u64,
}

#[derive(Clone, Copy)]
struct Next {
    due: Option<u64>,
    conn: usize,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Due time and length of each request in `bytes`.
    marks: VecDeque<(Option<u64>, usize)>,
    /// Since when the connection is parked.
    free_since: Option<u64>,
    is_gone: bool,
}

impl Queues {
    pub(super) fn new(source: Source, batch: usize, connections: usize, share: Share) -> Self {
        let lines = (0..connections).map(|_| Queue::default()).collect();
        let (next, bytes, ready, out) = (None, Vec::new(), VecDeque::new(), Vec::new());
        Self { source, share, index: share.thread, next, bytes, ended: false, lines, ready, out, batch, lost: 0 }
    }

    pub(super) fn wake(&mut self, now: u64) -> Result<Option<Free>> {
        self.pump(now)?;
        while let Some(conn) = self.ready.pop_front() {
            if let Some(since) = self.lines[conn].free_since.take() {
                return Ok(Some((conn, since)));
            }
        }
        Ok(None)
    }

    pub(super) fn portion(&mut self, conn: usize, now: u64, since: &mut Vec<u64>) -> Result<&[u8]> {
        self.pump(now)?;
        let queue = &mut self.lines[conn];
        let taken = queue.marks.len().min(self.batch);
        let mut length = 0;
        for (due, bytes) in queue.marks.drain(..taken) {
            since.push(due.unwrap_or(now));
            length += bytes;
        }
        self.out.clear();
        self.out.extend(queue.bytes.drain(..length));
        Ok(&self.out)
    }

    pub(super) fn park(&mut self, conn: usize, now: u64) {
        self.lines[conn].free_since = Some(now);
    }

    pub(super) fn forget(&mut self, conn: usize) {
        self.lost += self.lines[conn].marks.len() as u64;
        self.lines[conn] = Queue { is_gone: true, ..Queue::default() };
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.next.and_then(|next| next.due)
    }

    pub(super) fn is_over(&self, conn: usize) -> bool {
        self.ended && self.next.is_none() && self.lines[conn].marks.is_empty()
    }

    pub(super) fn dismiss(&mut self) -> Option<usize> {
        if !self.ended || self.next.is_some() {
            return None;
        }
        let is_done = |queue: &Queue| queue.free_since.is_some() && queue.marks.is_empty();
        let conn = self.lines.iter().position(is_done)?;
        self.lines[conn].free_since = None;
        Some(conn)
    }

    pub(super) fn close(&mut self, now: u64) -> Result<u64> {
        let unsent = self.unsent(now)?;
        self.ended = true;
        self.next = None;
        for queue in &mut self.lines {
            queue.bytes.clear();
            queue.marks.clear();
        }
        Ok(unsent)
    }

    /// Requests that are due by `now`: those in queues, and those of the source, which may have to be read to be counted.
    fn unsent(&mut self, now: u64) -> Result<u64> {
        let Share { threads, requests, schedule, speed, .. } = self.share;
        if schedule.is_none() && speed.is_none() {
            return Ok(0);
        }
        let mut unsent = self.lines.iter().map(|queue| queue.marks.len() as u64).sum();
        while self.peek()?.is_some_and(|next| next.due.is_some_and(|due| due <= now)) {
            self.next = None;
            unsent += 1;
            if let Some(schedule) = schedule.filter(|_| self.source.is_endless()) {
                let due = schedule.due_by(now).min(requests);
                return Ok(unsent + due.saturating_sub(self.index).div_ceil(threads));
            }
        }
        Ok(unsent)
    }

    pub(super) fn rest(&self) -> u64 {
        let waiting: usize = self.lines.iter().map(|queue| queue.marks.len()).sum();
        self.lost + waiting as u64 + u64::from(self.next.is_some())
    }

    /// Fills the queues with what is due.
    fn pump(&mut self, now: u64) -> Result<()> {
        while let Some(next) = self.peek()? {
            let queue = &mut self.lines[next.conn];
            if next.due.is_some_and(|due| due > now) || queue.marks.len() >= DEPTH {
                break;
            }
            if queue.is_gone {
                self.lost += 1;
            } else {
                queue.bytes.extend_from_slice(&self.bytes);
                queue.marks.push_back((next.due, self.bytes.len()));
                if queue.free_since.is_some() && queue.marks.len() == 1 {
                    self.ready.push_back(next.conn);
                }
            }
            self.next = None;
        }
        Ok(())
    }

    /// The next request of the source, which is read if need be.
    fn peek(&mut self) -> Result<Option<Next>> {
        if self.next.is_none() && !self.ended {
            self.bytes.clear();
            let planned = if self.index < self.share.requests { self.source.next(&mut self.bytes)? } else { None };
            self.next = match planned {
                Some(Planned { due, network }) => {
                    Some(Next { due: self.due(due)?, conn: place(network, self.lines.len()) })
                }
                None => None,
            };
            self.index = self.index.saturating_add(self.share.threads);
            self.ended = self.next.is_none();
        }
        Ok(self.next)
    }

    /// When the next request is due whose own time is `own`; `None`: as soon as it can be sent.
    fn due(&self, own: Option<Duration>) -> Result<Option<u64>> {
        if let Some(speed) = self.share.speed {
            let own = own.context(
                "a request has no time of its own; give --rate, not --speed, or record times (requests --test-clock)",
            )?;
            return Ok(Some(at_speed(own, speed)));
        }
        Ok(self.share.schedule.map(|schedule| schedule.due(self.index)))
    }
}

/// A time of the workload as one of the run.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of a run, never negative")]
fn at_speed(time: Duration, speed: f64) -> u64 {
    (time.as_secs_f64() / speed * 1e9) as u64
}

/// The one connection of a network. Networks are scattered, for those of one thread may have a common divisor.
fn place(network: u64, connections: usize) -> usize {
    let scattered = network.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from(scattered).unwrap_or(0) % connections
}
