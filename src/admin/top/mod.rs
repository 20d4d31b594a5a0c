//! `irongrey top`: the daemon's figures again and again, on a terminal or as lines of JSON.
//!
//! | file | what |
//! |---|---|
//! | `watch.rs` | looks at the daemon, and what happened between two of them |
//! | `screen.rs` | a screen of it |
//! | `terminal.rs` | the terminal: drawing, keys, signals, and leaving it as it was |
//!
//! A daemon that goes away is told of and asked again.

mod screen;
mod terminal;
mod watch;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::run::{ToolError, print, show_stats};
use watch::{Interval, Watch, look_each};

/// Watches until it is ended; without a terminal and without JSON it shows the figures once.
pub(super) fn run(path: PathBuf, interval: u32, as_json: bool) -> Result<(), ToolError> {
    let interval = Duration::from_secs(interval.into());
    match (as_json, io::stdout().is_terminal()) {
        (true, _) => write_lines(path, interval),
        (false, true) => terminal::run(path, interval).map_err(ToolError::Terminal),
        (false, false) => show_stats(&path),
    }
}

/// A line for each interval.
fn write_lines(path: PathBuf, interval: Duration) -> Result<(), ToolError> {
    let mut watch = Watch::default();
    for look in look_each(path, interval) {
        watch.take(look);
        if let Some(trouble) = watch.trouble() {
            // In one write. Whoever reads the lines may have closed this; the lines go on.
            let _ = io::stderr().write_all(format!("irongrey: {trouble}\n").as_bytes());
        } else if let Some((interval, stats)) = watch.interval().zip(watch.stats()) {
            let line = serde_json::to_string(&Interval { stats: Some(stats), ..interval.clone() });
            print(&(line.map_err(io::Error::from)? + "\n"))?;
        }
    }
    Ok(())
}
