//! What is sent next, when, and on which connection of a thread.
//!
//! Requests come in one of two ways. Numbered ones are made in place and belong to no connection in particular: whichever is
//! free takes the next (numbers.rs). Planned ones come from a source in an order that has to hold within each network, so
//! each network belongs to one connection, which has a queue (queues.rs).
//!
//! A connection is free or busy. A free one is parked here until there is something for it; a busy one asks for its next
//! portion as soon as all of the last is answered.

use anyhow::Result;

use super::numbers::Numbers;
use super::queues::Queues;

/// The requests of one thread.
pub(super) enum Feed {
    Numbers(Numbers),
    Queues(Queues),
}

/// A parked connection, and since when it has been free.
pub(super) type Free = (usize, u64);

impl Feed {
    /// A parked connection that has something to send now.
    pub(super) fn wake(&mut self, now: u64) -> Result<Option<Free>> {
        match self {
            Self::Numbers(numbers) => Ok(numbers.wake(now)),
            Self::Queues(queues) => queues.wake(now),
        }
    }

    /// What `conn` is to send now, empty if there is nothing; for each request `since` gets the time from which it waits.
    pub(super) fn portion(&mut self, conn: usize, now: u64, since: &mut Vec<u64>) -> Result<&[u8]> {
        match self {
            Self::Numbers(numbers) => Ok(numbers.portion(now, since)),
            Self::Queues(queues) => queues.portion(conn, now, since),
        }
    }

    /// `conn` has nothing to do from `now` on.
    pub(super) fn park(&mut self, conn: usize, now: u64) {
        match self {
            Self::Numbers(numbers) => numbers.park(conn, now),
            Self::Queues(queues) => queues.park(conn, now),
        }
    }

    /// `conn` is lost, with what was meant for it and no other.
    pub(super) fn forget(&mut self, conn: usize) {
        match self {
            Self::Numbers(numbers) => numbers.forget(conn),
            Self::Queues(queues) => queues.forget(conn),
        }
    }

    /// When the next request is due, if it has a time: in the past if it waits for a connection.
    pub(super) fn next_due(&self) -> Option<u64> {
        match self {
            Self::Numbers(numbers) => numbers.next_due(),
            Self::Queues(queues) => queues.next_due(),
        }
    }

    /// Whether there is nothing more for `conn`, now or later.
    pub(super) fn is_over(&self, conn: usize) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.is_over(),
            Self::Queues(queues) => queues.is_over(conn),
        }
    }

    /// A parked connection for which there is nothing more.
    pub(super) fn dismiss(&mut self) -> Option<usize> {
        match self {
            Self::Numbers(numbers) => numbers.dismiss(),
            Self::Queues(queues) => queues.dismiss(),
        }
    }

    /// Nothing more is to be sent. In an open loop, how many requests were due by `now` and had not been.
    pub(super) fn close(&mut self, now: u64) -> Result<u64> {
        match self {
            Self::Numbers(numbers) => Ok(numbers.close(now)),
            Self::Queues(queues) => queues.close(now),
        }
    }

    /// Requests that no connection is left to send, as far as their number is known.
    pub(super) fn rest(&self) -> u64 {
        match self {
            Self::Numbers(numbers) => numbers.rest(),
            Self::Queues(queues) => queues.rest(),
        }
    }
}
