//! The machine's clock in seconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// The present second. Tests that restart a daemon are played near it: a daemon that starts goes by the real clock until it
/// has seen a request, and would find segments of another year ripe for sealing.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
