//! One thread of the driver: its connections, its share of the requests, and the loop that brings them together.
//!
//! A turn of the loop gives what is due to free connections, waits for replies, and lets each connection that has one go on.
//! It ends when no connection is left: they are dismissed once there is nothing more for them, and given up when the server
//! hangs. It hangs on all of them if it has answered nobody for longer than the load's patience, and on one if it has answered
//! what was asked on another so much later: a server that is slow, but fair, does not.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::Result;
use mio::event::Event;
use mio::{Events, Poll, Token};

use super::Load;
use super::clock::{Clock, nanoseconds, own_time};
use super::conn::{Conn, Reader, Turn};
use super::feed::Feed;
use super::progress::Progress;
use super::record::Record;
use super::stop::Stop;
use super::tally::Outcome;
use super::timer::{TIMER, Timer};
use crate::endpoint::Stream;

/// At least so often the loop looks at the time and at the wish to end.
const TICK: Duration = Duration::from_millis(100);
/// After Ctrl-C a server has this long for what it was asked.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// So often within its patience it looks over the connections.
const LOOKS: u64 = 4;
/// A request that is sent this long after it could have been is late by the generator's own fault.
const LATE: u64 = 1_000_000;
/// Asking for events without waiting takes less than this, unless another process had the core: that is not the generator's
/// time.
const LONGEST_LOOK: u64 = 10_000;

/// A thread that is ready to run.
pub(super) struct Generator<'p> {
    poll: Poll,
    conns: Vec<Option<Conn>>,
    feed: Feed,
    record: Record<'p>,
    timer: Option<Timer>,
    spin: bool,
    stop: Stop,
    /// In nanoseconds from the start.
    ends: u64,
    /// Connections that are left, and those of them that wait for an answer.
    left: usize,
    busy: usize,
    /// When a connection last had an answer, or nobody waited for one.
    heard: u64,
    /// Of the requests that have been answered, when the last was asked.
    answered: u64,
    /// When to look next for connections that have been overtaken.
    next_look: u64,
    patience: Duration,
    /// When the poll last returned.
    polled: u64,
    outcome: Outcome,
}

impl<'p> Generator<'p> {
    pub(super) fn new(load: &Load, thread: u32, feed: Feed, progress: &'p Progress) -> Result<Self> {
        let poll = Poll::new()?;
        let timer = if load.spin { None } else { Some(Timer::new(poll.registry())?) };
        Ok(Self {
            poll,
            conns: Vec::new(),
            feed,
            record: Record::new(progress, thread as usize)?,
            timer,
            spin: load.spin,
            stop: load.stop.clone(),
            ends: load.duration.map_or(u64::MAX, nanoseconds),
            left: 0,
            busy: 0,
            heard: 0,
            answered: 0,
            next_look: 0,
            patience: load.patience,
            polled: 0,
            outcome: Outcome::default(),
        })
    }

    /// Takes a connection over.
    pub(super) fn add(&mut self, stream: Stream) -> Result<()> {
        let index = self.conns.len();
        self.conns.push(Some(Conn::new(stream, Token(index), self.poll.registry())?));
        self.feed.park(index, 0);
        self.left += 1;
        Ok(())
    }

    /// Runs to the end.
    pub(super) fn run(mut self, clock: Clock) -> Result<Outcome> {
        let own_start = own_time()?;
        let mut events = Events::with_capacity(1024);
        let mut reader = Reader::new(clock);
        self.look_up(clock.now())?;
        while self.left > 0 {
            let mut now = clock.now();
            while let Some((index, free_since)) = self.feed.wake(now)? {
                self.ask(index, free_since, now)?;
                now = clock.now();
            }
            let wait = self.wait(now)?;
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                Err(_) => continue,
                Ok(()) => {}
            }
            self.polled = clock.now();
            if events.is_empty() && wait.is_zero() {
                self.outcome.spun += Duration::from_nanos((self.polled - now).min(LONGEST_LOOK));
            }
            self.look_up(self.polled)?;
            for event in &events {
                self.serve(event, &mut reader)?;
            }
        }
        self.outcome.lost += self.feed.rest();
        self.outcome.answers = self.record.finish()?;
        self.outcome.own_time = own_time()?.saturating_sub(own_start);
        Ok(self.outcome)
    }

    /// How long to wait for a reply, with the timer set if something is due before.
    fn wait(&mut self, now: u64) -> Result<Duration> {
        if self.spin {
            return Ok(Duration::ZERO);
        }
        // What is due already waits for a connection, which becomes free by an event.
        let idle = self.left > self.busy;
        match (self.feed.next_due().filter(|&due| idle && due > now), &mut self.timer) {
            (Some(due), Some(timer)) => timer.set(now, due, TICK),
            _ => Ok(TICK),
        }
    }

    /// Looks at what time it is: at the counts to be shown, the end of the run, and a server that says nothing.
    fn look_up(&mut self, now: u64) -> Result<()> {
        self.record.tick(now)?;
        if !self.outcome.interrupted && self.stop.is_asked() {
            self.outcome.interrupted = true;
            (self.patience, self.heard) = (self.patience.min(LAST_PATIENCE), now);
            self.close(now)?;
        }
        if now >= self.ends {
            self.ends = u64::MAX;
            self.close(now)?;
        }
        while let Some(index) = self.feed.dismiss() {
            self.conns[index] = None;
            self.left -= 1;
        }
        if self.busy == 0 {
            self.heard = now;
        } else if now.saturating_sub(self.heard) >= nanoseconds(self.patience) {
            self.give_up(now, now);
        } else if now >= self.next_look {
            let patience = nanoseconds(self.patience);
            self.give_up(now, self.answered.saturating_sub(patience));
            self.next_look = now.saturating_add(patience / LOOKS);
        }
        Ok(())
    }

    /// Sends nothing more.
    fn close(&mut self, now: u64) -> Result<()> {
        if let Some(due) = self.feed.next_due() {
            self.outcome.behind = self.outcome.behind.max(now.saturating_sub(due));
        }
        self.outcome.unsent += self.feed.close(now)?;
        Ok(())
    }

    /// Lets the connection of an event go on.
    fn serve(&mut self, event: &Event, reader: &mut Reader) -> Result<()> {
        if event.token() == TIMER {
            return Ok(());
        }
        self.heard = self.polled;
        let index = event.token().0;
        let Some(conn) = &mut self.conns[index] else { return Ok(()) };
        match conn.turn(event.is_read_closed(), reader, &mut self.record, self.poll.registry()) {
            Turn::Waiting => {}
            Turn::Free(now) => {
                self.busy -= 1;
                self.answered = self.answered.max(conn.asked);
                // Its answer was there when the poll returned.
                self.ask(index, self.polled, now)?;
            }
            Turn::Failed(why) => self.fail(index, self.polled, why),
        }
        Ok(())
    }

    /// Gives a free connection its next requests, or parks or dismisses it.
    fn ask(&mut self, index: usize, free_since: u64, now: u64) -> Result<()> {
        let Some(conn) = &mut self.conns[index] else { return Ok(()) };
        let requests = self.feed.portion(index, now, conn.begin())?;
        if requests.is_empty() {
            if self.feed.is_over(index) {
                self.conns[index] = None;
                self.left -= 1;
            } else if let Err(why) = conn.check_open() {
                self.fail(index, now, why);
            } else {
                self.feed.park(index, now);
            }
            return Ok(());
        }
        for &due in &conn.since {
            self.outcome.late += u64::from(now.saturating_sub(due.max(free_since)) > LATE);
            self.outcome.behind = now.saturating_sub(due);
        }
        self.busy += 1;
        if let Err(why) = conn.send(requests, now, self.poll.registry()) {
            self.fail(index, now, why);
        }
        Ok(())
    }

    /// Gives up every connection that waits for an answer to what was asked before `limit`.
    fn give_up(&mut self, now: u64, limit: u64) {
        for index in 0..self.conns.len() {
            if let Some(conn) = self.conns[index].as_ref().filter(|conn| conn.is_busy() && conn.asked < limit) {
                let why = conn.silence(self.patience, limit < now);
                self.fail(index, now, why);
            }
        }
    }

    /// Closes a connection and counts what it was asked.
    fn fail(&mut self, index: usize, now: u64, why: String) {
        let Some(conn) = self.conns[index].take() else { return };
        self.left -= 1;
        self.busy -= usize::from(conn.is_busy());
        self.feed.forget(index);
        let unanswered = conn.outstanding() as u64;
        self.outcome.lost += unanswered;
        self.record.failed(unanswered);
        self.outcome.first_failure.get_or_insert((now, why));
    }
}
