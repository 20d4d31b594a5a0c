//! [`Floor`]: the connections of one worker by seat, which of them are ready, and which have a deadline.
//!
//! Events are edge-triggered: a connection that may have more to read stays in the ready list, behind all others. A short
//! read means that the socket is drained, so a request costs one read and one write and no more. Deadlines are looked at
//! in sweeps over the few connections that have one, so a request sets no timer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Registry, Token};

use super::answer::Turn;
use super::conn::{Connection, Desk, Next, Scratch};
use super::inbox::{Inbox, WAKER};
use super::seats::{Occupied, Seats, Tick};
use super::stream::Stream;
use crate::metrics::Counter;
use crate::store::Commits;

/// A deadline is noticed at most this part of the patience late.
const SWEEPS: u32 = 8;

/// What the floor needs of its worker for one round.
pub(super) struct House<'h> {
    pub(super) registry: &'h Registry,
    pub(super) inbox: &'h Inbox,
    pub(super) seats: &'h Seats,
    pub(super) worker: usize,
    pub(super) tick: Tick,
    pub(super) patience: Duration,
}

/// The connections of one worker.
pub(super) struct Floor {
    /// By seat.
    served: Vec<Option<Box<Served>>>,
    ready: VecDeque<u32>,
    /// Seat and serial of each connection whose replies wait for a round of syncing that is yet to be asked for.
    held: Vec<(u32, u64)>,
    /// The same that wait for the round with this number, in the order of the rounds.
    waiting: VecDeque<(u64, Vec<(u32, u64)>)>,
    /// Seat and serial of each connection that has a deadline, and of some that had one.
    timed: Vec<(u32, u64)>,
    last_sweep: Instant,
    serials: u64,
    scratch: Scratch,
}

/// A connection with what the floor knows of it.
struct Served {
    connection: Connection,
    /// Tells this connection from an earlier one on the same seat.
    serial: u64,
    last_active: Tick,
    in_ready: bool,
    in_timed: bool,
    /// Its deadline was over once although there was input: it got one more turn.
    spared: bool,
}

impl Floor {
    /// For as many seats as the process has.
    pub(super) fn new(seats: usize) -> Self {
        Self {
            served: (0..seats).map(|_| None).collect(),
            ready: VecDeque::new(),
            held: Vec::new(),
            waiting: VecDeque::new(),
            timed: Vec::new(),
            last_sweep: Instant::now(),
            serials: 0,
            scratch: Scratch::default(),
        }
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How long the worker may wait for events.
    pub(super) fn timeout(&self, patience: Duration) -> Option<Duration> {
        if self.has_ready() {
            return Some(Duration::ZERO);
        }
        (!self.timed.is_empty()).then(|| (patience / SWEEPS).max(Duration::from_millis(1)))
    }

    /// Takes a connection from the listener.
    pub(super) fn welcome(&mut self, stream: Stream, seat: u32, turn: &Turn<'_>, house: &House<'_>) {
        self.serials += 1;
        let mut connection = Connection::new(stream, Token(seat as usize));
        let registered = connection.register(house.registry);
        let served = Served {
            connection,
            serial: self.serials,
            last_active: house.tick,
            in_ready: false,
            in_timed: false,
            spared: false,
        };
        self.served[seat as usize] = Some(Box::new(served));
        if let Err(error) = registered {
            log::error!("a connection cannot be watched and is closed: {error}");
            self.close(seat, turn, house);
        }
    }

    /// Closes the connection that was idle for longest, unless a request has come since it was found.
    pub(super) fn evict(&mut self, victim: Occupied, turn: &Turn<'_>, house: &House<'_>) {
        let Some(served) = self.served[victim.seat as usize].as_mut() else { return };
        if served.last_active != victim.last_active {
            // What the listener wrote there when it took the seat is older: with the right word it looks further.
            house.seats.touch(victim.seat, house.worker, served.last_active);
            return;
        }
        if !served.connection.is_idle() {
            // The listener sees another word on the seat, and so that it may ask again. The turn is given here, as no event
            // will come for what a read has stopped in front of: urgent data, descriptors that were passed.
            served.last_active = house.tick.max(victim.last_active.next());
            house.seats.touch(victim.seat, house.worker, served.last_active);
            self.make_ready(victim.seat);
            return;
        }
        turn.counters.add(Counter::Evicted, 1);
        self.close(victim.seat, turn, house);
    }

    /// Notes what an event says.
    pub(super) fn note(&mut self, event: &Event) {
        let Token(seat) = event.token();
        if event.token() == WAKER {
            return;
        }
        let Some(served) = self.served[seat].as_mut() else { return };
        if event.is_read_closed() || event.is_error() {
            served.connection.hang_up();
        }
        if let Ok(seat) = u32::try_from(seat) {
            self.make_ready(seat);
        }
    }

    /// The connection on this seat, if there is one, gets a turn.
    fn make_ready(&mut self, seat: u32) {
        if let Some(served) = self.served[seat as usize].as_mut().filter(|served| !served.in_ready) {
            served.in_ready = true;
            self.ready.push_back(seat);
        }
    }

    pub(super) fn make_all_ready(&mut self) {
        (0u32..).zip(0..self.served.len()).for_each(|(seat, _)| self.make_ready(seat));
    }

    /// Whether replies wait for a socket.
    pub(super) fn has_unsent(&self) -> bool {
        self.served.iter().flatten().any(|served| served.connection.has_unsent())
    }

    /// Gives each connection that was ready at the beginning one turn.
    pub(super) fn serve_ready(&mut self, turn: &mut Turn<'_>, house: &House<'_>) {
        for _ in 0..self.ready.len() {
            let Some(seat) = self.ready.pop_front() else { return };
            self.serve(seat, turn, house);
        }
    }

    fn serve(&mut self, seat: u32, turn: &mut Turn<'_>, house: &House<'_>) {
        let Some(served) = self.served[seat as usize].as_mut() else { return };
        served.in_ready = false;
        // It may lie ahead, for the listener's sake: see `evict`.
        if served.last_active < house.tick {
            served.last_active = house.tick;
            house.seats.touch(seat, house.worker, house.tick);
        }
        let mut desk = Desk { registry: house.registry, scratch: &mut self.scratch, patience: house.patience };
        match served.connection.turn(turn, &mut desk) {
            Next::Wait => {}
            Next::Hold => self.held.push((seat, served.serial)),
            Next::Again => {
                served.in_ready = true;
                self.ready.push_back(seat);
            }
            Next::Close => return self.close(seat, turn, house),
        }
        if served.connection.deadline().is_some() && !served.in_timed {
            served.in_timed = true;
            self.timed.push((seat, served.serial));
        }
    }

    /// At the end of a round: asks for what its held replies wait for.
    pub(super) fn ask_for_commit(&mut self, commits: &Commits) {
        if !self.held.is_empty() {
            self.waiting.push_back((commits.request(), std::mem::take(&mut self.held)));
        }
    }

    /// Gives each connection a turn whose replies rest on what is durable by now.
    pub(super) fn release(&mut self, commits: &Commits) {
        let completed = commits.completed();
        while self.waiting.front().is_some_and(|(ticket, _)| *ticket <= completed)
            && let Some((_, connections)) = self.waiting.pop_front()
        {
            for (seat, serial) in connections {
                if let Some(served) = self.served[seat as usize].as_mut().filter(|served| served.serial == serial) {
                    served.connection.release();
                    self.make_ready(seat);
                }
            }
        }
    }

    /// Closes the connections whose deadline is over, if the last sweep was long enough ago.
    pub(super) fn sweep(&mut self, turn: &mut Turn<'_>, house: &House<'_>) {
        if self.timed.is_empty() || turn.now.duration_since(self.last_sweep) < house.patience / SWEEPS {
            return;
        }
        self.last_sweep = turn.now;
        let mut timed = std::mem::take(&mut self.timed);
        timed.retain(|&(seat, serial)| self.is_timed(seat, serial, turn, house));
        self.timed = timed;
    }

    /// Whether a connection has a deadline that is not over; closes it if it is.
    fn is_timed(&mut self, seat: u32, serial: u64, turn: &mut Turn<'_>, house: &House<'_>) -> bool {
        let Some(served) = self.served[seat as usize].as_mut().filter(|served| served.serial == serial) else {
            return false;
        };
        match served.connection.deadline() {
            None => {
                (served.in_timed, served.spared) = (false, false);
                false
            }
            Some(deadline) if deadline > turn.now => true,
            // The worker itself may have stood still.
            Some(_) if !served.spared && !served.connection.is_idle() => {
                served.spared = true;
                self.make_ready(seat);
                true
            }
            Some(_) => {
                served.connection.time_out(turn, &mut self.scratch);
                self.close(seat, turn, house);
                false
            }
        }
    }

    /// Closes all connections, whatever they still want.
    pub(super) fn close_all(&mut self, turn: &mut Turn<'_>, house: &House<'_>) {
        (0u32..).zip(0..self.served.len()).for_each(|(seat, _)| self.close(seat, turn, house));
    }

    /// Closes the connection on a seat, if there is one, and gives the seat back.
    fn close(&mut self, seat: u32, turn: &Turn<'_>, house: &House<'_>) {
        let Some(served) = self.served[seat as usize].take() else { return };
        served.connection.close(&mut self.scratch);
        turn.counters.add(Counter::Closed, 1);
        house.inbox.closed_one();
        house.seats.free(seat);
    }
}
