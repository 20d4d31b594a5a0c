//! The log thread: takes lines out of the rings and events out of the channel, and gives them to the sink.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{self, Receiver, RecvTimeoutError};

use super::events::Event;
use super::line::write_decision;
use super::ring::Consumer;
use super::sink::{Severity, Sink};
use super::waker::Waker;
use crate::metrics::Counters;

/// How long a stop waits for a sink that takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// The running log thread. Without [`Handle::stop`] what waits at the end of the process is lost.
#[derive(Debug)]
pub struct Handle {
    thread: JoinHandle<()>,
    /// Disconnected when the thread has ended.
    ended: Receiver<Infallible>,
    stopping: Arc<AtomicBool>,
    waker: Arc<Waker>,
    counters: Arc<Counters>,
}

impl Handle {
    /// The counters of the log itself, to be included in the process's totals.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Writes what waits and ends the thread; to be called when the producers have ended. A sink that takes nothing is
    /// given up after 2 s.
    pub fn stop(self) {
        self.stop_within(PATIENCE);
    }

    /// Whether the thread has ended, all lines written.
    pub(super) fn stop_within(self, patience: Duration) -> bool {
        // Partner of the load in `Writer::run`: what was queued before this is written.
        self.stopping.store(true, Ordering::Release);
        self.waker.wake();
        self.waker.hurry();
        match self.ended.recv_timeout(patience) {
            Err(RecvTimeoutError::Timeout) => false,
            // A thread that panicked has said so; there is nothing to add.
            Err(RecvTimeoutError::Disconnected) => self.thread.join().is_ok(),
            Ok(never) => match never {},
        }
    }
}

/// Starts the log thread.
pub(super) fn spawn(
    sink: Sink,
    rings: Vec<Consumer>,
    events: Receiver<Event>,
    waker: Arc<Waker>,
    counters: Arc<Counters>,
) -> io::Result<Handle> {
    let stopping = Arc::new(AtomicBool::new(false));
    let (alive, ended) = channel::bounded::<Infallible>(0);
    let mut writer = Writer { sink, rings, events, waker: Arc::clone(&waker), stopping: Arc::clone(&stopping) };
    let thread = thread::Builder::new().name("log".to_owned()).spawn(move || {
        let _alive = alive;
        writer.run();
    })?;
    Ok(Handle { thread, ended, stopping, waker, counters })
}

struct Writer {
    sink: Sink,
    rings: Vec<Consumer>,
    events: Receiver<Event>,
    waker: Arc<Waker>,
    stopping: Arc<AtomicBool>,
}

impl Writer {
    fn run(&mut self) {
        self.waker.attach();
        loop {
            // Read before draining: what was queued before the stop is then seen. Partner of the store in
            // `Handle::stop_within`.
            let stopping = self.stopping.load(Ordering::Acquire);
            let wrote = self.drain();
            if stopping {
                return;
            }
            if wrote { Waker::nap() } else { self.waker.sleep_unless(|| self.has_work()) }
        }
    }

    /// Writes what waits now, not what comes meanwhile, so that no busy worker keeps the others' lines back. Whether there
    /// was any.
    fn drain(&mut self) -> bool {
        let mut wrote = false;
        for event in self.events.try_iter().take(self.events.len()) {
            event.write(&mut self.sink);
            wrote = true;
        }
        for ring in &mut self.rings {
            for _ in 0..ring.len() {
                let sink = &mut self.sink;
                ring.next(|decision, fields| {
                    let beyond_ascii = sink.beyond_ascii();
                    sink.line(Severity::Notice, |out| write_decision(out, decision, fields, beyond_ascii));
                });
                wrote = true;
            }
        }
        self.sink.flush();
        wrote
    }

    fn has_work(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || !self.events.is_empty() || self.rings.iter().any(|ring| ring.len() > 0)
    }
}
