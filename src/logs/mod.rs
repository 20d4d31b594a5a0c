//! Logs: decisions in postgrey's line form and the daemon's own messages, written by one thread of their own.
//!
//! ```text
//! worker 1 -- Producer (ring of raw fields) --+
//! worker 2 -- Producer (ring of raw fields) --+--> log thread: formats, batches --> stderr or syslog
//! any thread -- log::warn!.. (channel) -------+
//! ```
//!
//! Nobody waits for the log: what finds its ring or channel full, or its sink gone, is dropped and counted. Lines of one
//! worker keep their order; those of several do not. A line is written about 10 ms after its decision at the latest
//! while the sink takes lines; while nothing is logged nothing wakes up.

mod events;
mod line;
mod ring;
mod sink;
mod syslog;
mod waker;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use self::events::Events;
pub(crate) use self::line::{BeyondAscii, Fields, escape, write_fields, write_queue_id, write_reason};
pub use self::ring::Producer;
use self::sink::{Sink, Stream};
use self::syslog::{DEV_LOG, Syslog};
use self::waker::Waker;
pub use self::writer::Handle;
use crate::config::{LogSettings, LogTarget};
use crate::metrics::Counters;

/// Why nothing can be logged.
#[derive(Debug, Error)]
pub enum LogError {
    /// Standard error cannot be written to.
    #[error("standard error cannot be used for the log: {0}; redirect it, or log to syslog")]
    Stderr(#[source] io::Error),
    /// No thread to write the log.
    #[error("the log thread cannot be started: {0}; raise the limit of threads (ulimit -u, TasksMax=)")]
    Thread(#[source] io::Error),
    /// Logs were started twice in one process.
    #[error("this process has a logger already: {0}")]
    Installed(#[from] log::SetLoggerError),
}

/// Starts the log thread and makes it the target of the `log` crate's macros; gives one producer a worker. To be called once
/// in a process, after it has gone to the background (threads do not survive a fork).
pub fn start(
    settings: &LogSettings,
    program: &'static str,
    workers: usize,
) -> Result<(Vec<Producer>, Handle), LogError> {
    let counters = Arc::new(Counters::default());
    let sink = open(&settings.target, program, &counters)?;
    let (producers, events, handle) = start_on(sink, workers, counters)?;
    events.install(settings.level())?;
    Ok((producers, handle))
}

/// The part of [`start`] that is not the process's own.
fn start_on(sink: Sink, workers: usize, counters: Arc<Counters>) -> Result<(Vec<Producer>, Events, Handle), LogError> {
    let waker = Arc::new(Waker::default());
    let (events, receiver) = Events::channel(&waker, &counters);
    let (producers, consumers) = (0..workers).map(|_| ring::ring(&waker, &counters)).unzip();
    let handle = writer::spawn(sink, consumers, receiver, waker, counters).map_err(LogError::Thread)?;
    Ok((producers, events, handle))
}

fn open(target: &LogTarget, program: &str, counters: &Arc<Counters>) -> Result<Sink, LogError> {
    let counters = Arc::clone(counters);
    Ok(match target {
        // A descriptor of its own: behind the standard library's lock on standard error a panic would wait for a stalled
        // pipe.
        LogTarget::Stderr => {
            let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(LogError::Stderr)?;
            Sink::Stream(Stream::new(File::from(stderr), counters))
        }
        LogTarget::Syslog(facility) => Sink::Syslog(Syslog::new(Path::new(DEV_LOG), *facility, program, counters)),
    })
}
