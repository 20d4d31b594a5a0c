//! [`EventLoop`]: one worker. Waits for events, then gives each connection that is ready one turn.
//!
//! Clocks are read once a round, and the state's session is taken for one round and never held while waiting. Which
//! connections there are and which are ready is the [`Floor`]'s business, what they say the [`Turn`]'s.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::answer::Turn;
use super::floor::{Floor, House};
use super::inbox::{Inbox, Message};
use super::seats::Seats;
use super::warnings::{Warning, Warnings};
use super::{Shared, WorkerParts};
use crate::store::Store;

/// Events taken at once: bounds how long the state's session is held.
const EVENTS: usize = 256;
/// How long a worker goes on answering what had been received when it was told to stop.
const LAST_ROUNDS: Duration = Duration::from_millis(500);
/// After an error of the poll itself, so that it cannot spin.
const POLL_PAUSE: Duration = Duration::from_millis(100);

/// One worker.
pub(super) struct EventLoop {
    poll: Poll,
    index: usize,
    inbox: Arc<Inbox>,
    seats: Arc<Seats>,
    warnings: Arc<Warnings>,
    shared: Arc<Shared>,
    parts: WorkerParts,
    store: Arc<Store>,
    floor: Floor,
    scratch: Vec<u8>,
}

impl EventLoop {
    /// A worker that does not run yet.
    pub(super) fn new(
        index: usize,
        shared: Arc<Shared>,
        parts: WorkerParts,
        seats: Arc<Seats>,
        warnings: Arc<Warnings>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let inbox = Arc::new(Inbox::new(poll.registry())?);
        let store = Arc::clone(parts.writer.store());
        if let Some(commits) = store.commits() {
            let inbox = Arc::clone(&inbox);
            commits.on_completed(move || inbox.wake());
        }
        let floor = Floor::new(seats.len());
        Ok(Self { poll, index, inbox, seats, warnings, shared, parts, store, floor, scratch: Vec::new() })
    }

    pub(super) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Serves until told to stop, then answers what has been received and closes all connections.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.inbox.stopping() {
            let timeout = self.floor.timeout(self.shared.patience);
            if let Err(error) = self.poll.poll(&mut events, timeout) {
                self.poll_failed(&error);
                continue;
            }
            events.iter().for_each(|event| self.floor.note(event));
            self.round(Floor::serve_ready);
        }
        self.stop();
    }

    /// The listener has ended: all connections that it accepted are here or in the inbox.
    fn stop(&mut self) {
        let end = Instant::now() + LAST_ROUNDS;
        let mut events = Events::with_capacity(EVENTS);
        self.round(|floor, _, _| floor.make_all_ready());
        while self.floor.has_ready() || self.floor.has_unsent() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // A peer that is still taking its replies gets them all.
            let timeout = if self.floor.has_ready() { Duration::ZERO } else { left };
            if self.poll.poll(&mut events, Some(timeout)).is_ok() {
                events.iter().for_each(|event| self.floor.note(event));
            }
            self.round(Floor::serve_ready);
        }
        self.round(Floor::close_all);
    }

    fn round(&mut self, serve: impl FnOnce(&mut Floor, &mut Turn<'_>, &House<'_>)) {
        let Self { poll, index, inbox, seats, warnings, shared, parts, floor, scratch, store } = self;
        let mut turn = Turn::new(shared, parts, scratch, warnings, Instant::now());
        let house = House {
            registry: poll.registry(),
            inbox,
            seats,
            worker: *index,
            tick: seats.tick(turn.now),
            patience: shared.patience,
        };
        while let Some(message) = inbox.next() {
            match message {
                Message::Serve(stream, seat) => floor.welcome(stream, seat, &turn, &house),
                Message::Evict(victim) => floor.evict(victim, &turn, &house),
                Message::GiveSign => inbox.give_sign(),
            }
        }
        if let Some(commits) = store.commits() {
            floor.release(commits);
        }
        serve(floor, &mut turn, &house);
        floor.sweep(&mut turn, &house);
        turn.finish();
        if let Some(commits) = store.commits() {
            floor.ask_for_commit(commits);
        }
    }

    fn poll_failed(&self, error: &io::Error) {
        if error.kind() != ErrorKind::Interrupted {
            let what = format_args!("waiting for connections fails: {error}");
            self.warnings.warn(Warning::Poll, Instant::now(), what);
            thread::sleep(POLL_PAUSE);
        }
    }
}
