//! Requests of a source, whose order holds within each network: a network belongs to one connection, which has a short queue.
//!
//! The source is read only as far as the next request that is not due or whose queue is full, so memory is bounded however
//! far the source is ahead; what waits in the source goes on waiting by its due time. A connection that fails takes its
//! networks with it: their requests are lost and counted, for sent elsewhere they would overtake others.

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

    pub(super) fn close(&mut self) {
        self.ended = true;
        self.next = None;
        for queue in &mut self.lines {
            queue.bytes.clear();
            queue.marks.clear();
        }
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
            let own = own.context("a request has no time of its own to be sent at; give --rate in place of --speed")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTIONS: usize = 4;

    /// Requests `NETWORK.RUNNING-NUMBER;` of ten networks in turn.
    fn queues(requests: u64, batch: usize, millis: Option<u64>) -> Queues {
        let source = Source::given((0..requests).map(move |number| {
            let due = millis.map(|millis| Duration::from_millis(millis * number));
            (Planned { due, network: number % 10 }, format!("{}.{number};", number % 10).into_bytes())
        }));
        let share = Share { thread: 0, threads: 1, requests: u64::MAX, schedule: None, speed: millis.map(|_| 1.0) };
        Queues::new(source, batch, CONNECTIONS, share)
    }

    fn take(queues: &mut Queues, conn: usize, now: u64) -> (String, Vec<u64>) {
        let mut since = Vec::new();
        let portion = queues.portion(conn, now, &mut since).unwrap();
        (String::from_utf8(portion.to_vec()).unwrap(), since)
    }

    #[test]
    fn a_network_keeps_its_order_and_its_connection() {
        let mut queues = queues(1000, 3, None);
        let (mut sent, mut homes) = (vec![Vec::new(); 10], vec![None; 10]);
        let mut turn = 0;
        while (0..CONNECTIONS).any(|conn| !queues.is_over(conn)) {
            // Connections of unequal speed.
            for conn in (0..CONNECTIONS).filter(|conn| turn % (conn + 1) == 0) {
                for request in take(&mut queues, conn, 0).0.split_terminator(';') {
                    let (network, number) = request.split_once('.').unwrap();
                    let network: usize = network.parse().unwrap();
                    sent[network].push(number.parse::<usize>().unwrap());
                    assert_eq!(*homes[network].get_or_insert(conn), conn);
                }
            }
            turn += 1;
        }
        for (network, numbers) in sent.iter().enumerate() {
            assert_eq!(*numbers, (0..100).map(|round| round * 10 + network).collect::<Vec<_>>());
        }
        homes.sort_unstable();
        homes.dedup();
        assert!(homes.len() > 1, "all networks on one connection");
    }

    #[test]
    fn a_full_queue_stops_the_source() {
        let mut queues = queues(u64::MAX, 1, None);
        queues.pump(0).unwrap();
        assert!(queues.lines.iter().all(|queue| queue.marks.len() <= DEPTH));
        assert_eq!(queues.lines.iter().map(|queue| queue.marks.len()).max(), Some(DEPTH));
    }

    #[test]
    fn a_parked_connection_is_woken_when_its_request_is_due() {
        let mut queues = queues(20, 1, Some(1));
        (0..CONNECTIONS).for_each(|conn| queues.park(conn, 5));
        let home = |number| place(number, CONNECTIONS);
        assert_eq!(queues.wake(0).unwrap(), Some((home(0), 5)));
        assert_eq!(take(&mut queues, home(0), 0), ("0.0;".to_owned(), vec![0]));
        assert_eq!((queues.wake(0).unwrap(), queues.next_due()), (None, Some(1_000_000)));
        queues.park(home(0), 6);
        let mut seen = Vec::new();
        while let Some((conn, _)) = queues.wake(3_500_000).unwrap() {
            seen.extend(take(&mut queues, conn, 3_500_000).1);
            queues.park(conn, 7);
        }
        let left = (0..CONNECTIONS).flat_map(|conn| take(&mut queues, conn, 3_500_000).1);
        seen.extend(left);
        seen.sort_unstable();
        assert_eq!(seen, [1_000_000, 2_000_000, 3_000_000]);
    }

    #[test]
    fn what_belonged_to_a_lost_connection_is_lost() {
        let mut queues = queues(100, 1, None);
        let lost = place(3, CONNECTIONS);
        queues.forget(lost);
        let mut sent = 0;
        while (0..CONNECTIONS).any(|conn| !queues.is_over(conn)) {
            sent += (0..CONNECTIONS).map(|conn| take(&mut queues, conn, 0).1.len() as u64).sum::<u64>();
        }
        let meant = (0..100).filter(|number| place(number % 10, CONNECTIONS) == lost).count() as u64;
        assert_eq!((queues.rest(), sent), (meant, 100 - meant));
    }
}
