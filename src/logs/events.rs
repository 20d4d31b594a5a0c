//! The daemon's own messages: the `log` crate's macros, into the same sink as the decisions.
//!
//! Any thread may log an event, workers too, so none ever waits: a message that finds the channel full is dropped and
//! counted. A message allocates; events are rare, or limited in rate by whoever logs them.

use std::sync::Arc;

use crossbeam::channel::{self, Receiver, Sender};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::line::write_event;
use super::sink::{Severity, Sink};
use super::waker::Waker;
use crate::metrics::{Counter, Counters};

/// Events that wait at most.
const CAPACITY: usize = 1024;

/// One message on its way to the log thread.
#[derive(Debug)]
pub(super) struct Event {
    level: Level,
    text: String,
}

impl Event {
    /// Writes the message as a line; a warning and an error say so.
    pub(super) fn write(&self, sink: &mut Sink) {
        let (severity, prefix) = match self.level {
            Level::Error => (Severity::Error, "error: "),
            Level::Warn => (Severity::Warning, "warning: "),
            Level::Info => (Severity::Info, ""),
            Level::Debug | Level::Trace => (Severity::Debug, ""),
        };
        sink.line(severity, |out| {
            out.extend_from_slice(prefix.as_bytes());
            write_event(out, &self.text);
        });
    }
}

/// The end that messages go into.
#[derive(Debug)]
pub(super) struct Events {
    sender: Sender<Event>,
    waker: Arc<Waker>,
    counters: Arc<Counters>,
}

impl Events {
    /// A channel to the log thread.
    pub(super) fn channel(waker: &Arc<Waker>, counters: &Arc<Counters>) -> (Self, Receiver<Event>) {
        let (sender, receiver) = channel::bounded(CAPACITY);
        (Self { sender, waker: Arc::clone(waker), counters: Arc::clone(counters) }, receiver)
    }

    /// Makes this the process's logger.
    pub(super) fn install(self, level: LevelFilter) -> Result<(), log::SetLoggerError> {
        log::set_boxed_logger(Box::new(self))?;
        log::set_max_level(level);
        Ok(())
    }
}

impl Log for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Of what the libraries say only trouble concerns an administrator.
        metadata.level() <= Level::Warn || metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let event = Event { level: record.level(), text: record.args().to_string() };
        match self.sender.try_send(event) {
            Ok(()) => self.waker.wake(),
            Err(_) => self.counters.add_shared(Counter::LogLinesDropped, 1),
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(events: &Events, level: Level, target: &str) {
        events.log(&Record::builder().level(level).target(target).args(format_args!("text")).build());
    }

    #[test]
    fn a_full_channel_drops_and_counts() {
        let counters = Arc::default();
        let (events, receiver) = Events::channel(&Arc::default(), &counters);
        (0..CAPACITY + 5).for_each(|_| send(&events, Level::Info, "irongrey::store"));
        assert_eq!(counters.get(Counter::LogLinesDropped), 5);
        assert_eq!(receiver.len(), CAPACITY);
    }

    #[test]
    fn libraries_are_heard_only_when_they_warn() {
        let (events, receiver) = Events::channel(&Arc::default(), &Arc::default());
        for (level, target) in [(Level::Info, "mio::poll"), (Level::Warn, "mio::poll"), (Level::Debug, "irongrey")] {
            send(&events, level, target);
        }
        let levels: Vec<_> = receiver.try_iter().map(|event| event.level).collect();
        assert_eq!(levels, [Level::Warn, Level::Debug]);
    }
}
