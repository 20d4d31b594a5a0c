//! The clocks: [`UnixSecs`] is what is stored and what decisions are made on, `std::time::Instant` is for timing only.
//!
//! Nothing in `grey`, `table` or `policy` reads a clock; the callers pass `now` down.

use std::time::{SystemTime, UNIX_EPOCH};

/// Wall-clock time in whole seconds since 1970-01-01 UTC, as it is stored: 32 bits, good until 2106-02-07.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSecs(pub u32);

impl UnixSecs {
    /// The wall clock, pinned to the range that can be stored.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Self(u32::try_from(since_epoch).unwrap_or(u32::MAX))
    }

    /// Seconds from `earlier` to `self`; 0 when `earlier` lies in the future.
    pub fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time and `seconds` more, at most the last second that can be stored.
    #[must_use]
    pub fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}
