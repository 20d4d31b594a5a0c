//! [`Warnings`]: what goes wrong with peers is said in the log, but not as often as they like.
//!
//! Each kind has one line every ten seconds for the whole process; the line says how many were kept back since the last.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(10);

/// What is warned of, each at its own pace.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Warning {
    Limit,
    PartialTimeout,
    SlowReader,
    IgnoredLines,
    UnknownRequest,
    ConnectionLimit,
    Accept,
    Poll,
}

const KINDS: usize = Warning::Poll as usize + 1;

/// The paces of all kinds.
#[derive(Debug)]
pub(crate) struct Warnings {
    started: Instant,
    paces: [Pace; KINDS],
}

/// `silent_until` is in milliseconds since the start.
#[derive(Debug, Default)]
struct Pace {
    silent_until: AtomicU64,
    suppressed: AtomicU64,
}

impl Warnings {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), paces: Default::default() }
    }

    /// Logs `what` unless this kind was logged less than ten seconds before `now`.
    pub(crate) fn warn(&self, kind: Warning, now: Instant, what: fmt::Arguments<'_>) {
        match self.allow(kind, now) {
            Some(0) => log::warn!("{what}"),
            Some(suppressed) => log::warn!("{what} (and {suppressed} more like this since the last such line)"),
            None => {}
        }
    }

    /// How many were kept back since the last line if another may be written now.
    fn allow(&self, kind: Warning, now: Instant) -> Option<u64> {
        let pace = &self.paces[kind as usize];
        let millis = u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX);
        let until = pace.silent_until.load(Ordering::Relaxed);
        let next = millis.saturating_add(INTERVAL.as_secs() * 1_000);
        let claimed = millis >= until
            && pace.silent_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if claimed {
            return Some(pace.suppressed.swap(0, Ordering::Relaxed));
        }
        pace.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_allowed_once_in_ten_seconds_and_says_what_it_kept_back() {
        let warnings = Warnings::new();
        let start = warnings.started;
        let allow = |kind, seconds| warnings.allow(kind, start + Duration::from_secs(seconds));
        assert_eq!(allow(Warning::Limit, 0), Some(0));
        assert_eq!(allow(Warning::Limit, 9), None);
        assert_eq!(allow(Warning::Limit, 9), None);
        assert_eq!(allow(Warning::Poll, 9), Some(0), "kinds do not share their pace");
        assert_eq!(allow(Warning::Limit, 10), Some(2));
        assert_eq!(allow(Warning::Limit, 20), Some(0));
    }
}
