//! The wish to end a run early: a flag that Ctrl-C sets and every thread of the driver looks at.
//!
//! The first signal ends the run with a report of what was done; a second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// How often a sleep looks at the flag.
const LOOK: Duration = Duration::from_millis(50);

/// Shared by whoever asks for the end and whoever has to come to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that SIGINT and SIGTERM set.
    pub(crate) fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset and only sets it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.0))
                .and_then(|_| flag::register(signal, Arc::clone(&stop.0)))
                .context("cannot watch for Ctrl-C")?;
        }
        Ok(stop)
    }

    /// Asks for the end.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps, though not beyond the wish to end.
    pub(crate) fn sleep(&self, duration: Duration) {
        let started = Instant::now();
        while !self.is_asked()
            && let Some(left) = duration.checked_sub(started.elapsed())
            && !left.is_zero()
        {
            std::thread::sleep(left.min(LOOK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_lasts_unless_the_end_is_asked_for() {
        let (stop, started) = (Stop::default(), Instant::now());
        stop.sleep(Duration::from_millis(120));
        assert!(started.elapsed() >= Duration::from_millis(120));
        stop.clone().ask();
        stop.sleep(Duration::from_secs(60));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
