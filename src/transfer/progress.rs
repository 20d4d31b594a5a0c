//! [`Progress`]: a bar on the terminal, and nothing where standard error is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Steps that are shown together.
const STEPS: u64 = 1 << 12;

/// How far something has come. Gone from the terminal when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    steps: u64,
}

impl Progress {
    /// Of something whose end is not known.
    pub(super) fn unbounded(what: &'static str) -> Self {
        Self::new(None, what, "{spinner} {msg}: {human_pos}, {elapsed}")
    }

    /// Of something that ends after so many steps.
    pub(super) fn bounded(what: &'static str, steps: u64) -> Self {
        Self::new(Some(steps), what, "{msg}: {wide_bar} {human_pos}/{human_len}, {eta}")
    }

    fn new(length: Option<u64>, what: &'static str, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr()).with_message(what);
        let bar =
            bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        // A bar that stands still while the source is waited for is alive.
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, steps: 0 }
    }

    pub(super) fn step(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS) {
            self.bar.set_position(self.steps);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
