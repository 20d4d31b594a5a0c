//! The signals that service managers send: SIGTERM and SIGINT stop the daemon, SIGHUP reloads the lists.

use std::io;

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// End, for the signal of this name.
    Stop(&'static str),
    /// Read the lists again.
    Reload,
}

/// The signals of this process. They are kept while nobody waits; several of one kind may become one.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Lets the signals wait until [`Control::new`](super::Control::new), for this thread and those that it starts: one that
/// comes while the daemon starts ends it in order, or has it reload, once it has started.
pub fn hold() -> io::Result<()> {
    ours().thread_block().map_err(io::Error::from)
}

fn ours() -> SigSet {
    [Number::SIGTERM, Number::SIGINT, Number::SIGHUP].into_iter().collect()
}

impl Signals {
    /// Replaces what the signals do by default. Must be called inside a tokio runtime.
    pub(super) fn take_over() -> io::Result<Self> {
        let signals = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        ours().thread_unblock()?;
        Ok(signals)
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Event::Stop("SIGINT"),
            _ = self.hangup.recv() => Event::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn signals_wait_until_they_are_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::take_over().unwrap();
            for (number, event) in [
                (Number::SIGHUP, Event::Reload),
                (Number::SIGTERM, Event::Stop("SIGTERM")),
                (Number::SIGINT, Event::Stop("SIGINT")),
            ] {
                raise(number).unwrap();
                assert_eq!(signals.next().await, event);
            }
        });
    }
}
