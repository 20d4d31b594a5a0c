//! [`Seats`]: the limit on connections. When all seats are taken the connection that has been idle longest gives its own up,
//! as in the daemon; while none is idle, new connections wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How often a connection that waits for a seat looks for an idle one.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// All seats.
#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

/// Who is idle, by when that began.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    since: BTreeMap<u64, Arc<Notify>>,
}

/// One connection's seat.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    leave: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Seats {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))), idle: Mutex::default() }
    }

    /// A seat, once there is one; whether somebody had to leave for it.
    pub(super) async fn take(self: &Arc<Self>) -> (Seat, bool) {
        let mut evicted = false;
        loop {
            if self.free.available_permits() == 0 {
                evicted |= self.evict();
            }
            // The semaphore is never closed: an error cannot come.
            if let Ok(Ok(permit)) = timeout(LOOK_EVERY, Arc::clone(&self.free).acquire_owned()).await {
                let seat = Seat { seats: Arc::clone(self), leave: Arc::default(), _permit: permit };
                return (seat, evicted);
            }
        }
    }

    fn evict(&self) -> bool {
        self.idle().since.pop_first().map(|(_, leave)| leave.notify_one()).is_some()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Is idle from now on; ends when the seat is to be given up. Dropping it ends the idleness.
    pub(super) async fn idle(&self) {
        let idle = IdleSeat::new(self);
        self.leave.notified().await;
        drop(idle);
    }
}

struct IdleSeat<'s> {
    seats: &'s Seats,
    since: u64,
}

impl<'s> IdleSeat<'s> {
    fn new(seat: &'s Seat) -> Self {
        let mut idle = seat.seats.idle();
        let since = idle.next;
        idle.next += 1;
        idle.since.insert(since, Arc::clone(&seat.leave));
        Self { seats: &seat.seats, since }
    }
}

impl Drop for IdleSeat<'_> {
    fn drop(&mut self) {
        self.seats.idle().since.remove(&self.since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_idle_one_leaves() {
        let seats = Arc::new(Seats::new(3));
        let (busy, _) = seats.take().await;
        let mut idle = Vec::new();
        for _ in 0..2 {
            let (seat, evicted) = seats.take().await;
            assert!(!evicted);
            idle.push(tokio::spawn(async move { seat.idle().await }));
            tokio::task::yield_now().await;
        }
        let (_third, evicted) = seats.take().await;
        assert!(evicted);
        idle.remove(0).await.unwrap();
        assert!(!idle[0].is_finished(), "the other one stays");
        drop(busy);
        let (_fourth, evicted) = seats.take().await;
        assert!(!evicted, "there was a free one");
    }
}
