//! Waking for the next due request: a poll alone counts whole milliseconds, which is too coarse for thousands of requests a
//! second.
//!
//! What is due very soon is not slept for: waking takes as long, and its jitter would be taken for the server's latency.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use anyhow::Result;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// What the poll reports when the time has come.
pub(super) const TIMER: Token = Token(usize::MAX);

/// Below this the poll is asked without waiting.
const TOO_SHORT: Duration = Duration::from_micros(50);

/// An alarm that ends the waiting of a poll.
#[derive(Debug)]
pub(super) struct Timer {
    alarm: TimerFd,
    /// For which due time it has been set.
    set_for: Option<u64>,
}

impl Timer {
    pub(super) fn new(registry: &Registry) -> Result<Self> {
        let alarm = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        registry.register(&mut SourceFd(&alarm.as_fd().as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self { alarm, set_for: None })
    }

    /// How long a poll may wait, at most `limit`, so that it returns at `due`. Times are in nanoseconds.
    pub(super) fn set(&mut self, now: u64, due: u64, limit: Duration) -> Result<Duration> {
        let left = Duration::from_nanos(due.saturating_sub(now));
        if left < TOO_SHORT {
            return Ok(Duration::ZERO);
        }
        if left < limit && self.set_for != Some(due) {
            // Setting it anew also takes back an earlier alarm, so nothing needs to be read.
            self.alarm.set(Expiration::OneShot(TimeSpec::from_duration(left)), TimerSetTimeFlags::empty())?;
            self.set_for = Some(due);
        }
        Ok(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Instant;

    #[test]
    fn a_poll_wakes_when_the_request_is_due() {
        let mut poll = Poll::new().unwrap();
        let mut timer = Timer::new(poll.registry()).unwrap();
        let mut events = Events::with_capacity(4);
        for (due, limit) in [(3_300_000, 60_000), (5_000_000, 60_000), (90_000_000, 20)] {
            let started = Instant::now();
            let wait = timer.set(0, due, Duration::from_millis(limit)).unwrap();
            poll.poll(&mut events, Some(wait)).unwrap();
            let expected = Duration::from_nanos(due).min(wait);
            assert!(started.elapsed() >= expected && started.elapsed() < expected + Duration::from_secs(10));
            assert_eq!(events.is_empty(), wait < Duration::from_nanos(due));
        }
        assert_eq!(timer.set(0, 49_000, Duration::from_secs(1)).unwrap(), Duration::ZERO);
    }
}
