//! [`Connection`]: one peer. Reads once a turn, [`READ`] bytes at most, has its share answered, writes the replies at once.
//!
//! ```text
//! Serving --last reply--> Closing --written, nothing unread--> closed
//!    |                       |                                  ^
//!    |                       +--written--> Draining --EOF, enough bytes or time
//!    +--EOF, error or time----------------------------------------+
//! ```
//!
//! While replies wait for the socket, or for what they rest on to be durable, nothing is read. Nothing is kept between turns
//! except input that was not answered and replies that did not leave, both in buffers from the pool.

mod replies;

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};

use super::answer::{Dialogue, Last, Turn};
use super::pool::Pool;
use super::stream::Stream;
use super::warnings::Warning;
use crate::metrics::Counter;
use crate::policy::Limit;

/// Bytes read at most in one turn of a connection.
const READ: usize = 16 << 10;
/// The longest beginning of a request that can be left over.
const LONGEST_PARTIAL: usize = 16 << 10;
/// Bytes that are read and thrown away at most after the last reply, for fear that closing at once would take the reply back.
const DRAINED: usize = 256 << 10;

/// What a connection uses during its turn and leaves to the next.
pub(super) struct Desk<'d> {
    pub(super) registry: &'d Registry,
    pub(super) scratch: &'d mut Scratch,
    pub(super) patience: Duration,
}

/// The buffers of one worker.
pub(super) struct Scratch {
    /// What was left over, then what was read.
    input: Box<[u8]>,
    replies: Vec<u8>,
    pool: Pool,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { input: vec![0; LONGEST_PARTIAL + READ].into(), replies: Vec::new(), pool: Pool::default() }
    }
}

/// What to do with a connection after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for an event.
    Wait,
    /// Wait until what has been appended up to the end of this round is durable.
    Hold,
    /// There may be more to read: another turn, after the others had theirs.
    Again,
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nothing more is read; `drain` says that there may be unread input.
    Closing {
        drain: bool,
    },
    Draining {
        left: usize,
    },
}

/// One peer.
pub(super) struct Connection {
    stream: Stream,
    token: Token,
    phase: Phase,
    dialogue: Dialogue,
    /// Input that was not answered: the beginning of a request, or a backlog.
    rest: Vec<u8>,
    /// There may be whole requests in the rest. They come before anything is read.
    backlog: bool,
    /// Replies that did not fit the socket or are held, and how many of their bytes are written.
    unsent: Vec<u8>,
    sent: usize,
    /// What the unsent replies rest on may not be durable yet.
    held: bool,
    /// When the peer has to have completed its request or taken its replies.
    deadline: Option<Instant>,
    /// The peer has closed: reading goes on until it shows, as no other event will come.
    hung_up: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream, token: Token) -> Self {
        Self {
            stream,
            token,
            phase: Phase::Serving,
            dialogue: Dialogue::default(),
            rest: Vec::new(),
            backlog: false,
            unsent: Vec::new(),
            sent: 0,
            held: false,
            deadline: None,
            hung_up: false,
        }
    }

    /// Asks for events. Writable ones are asked for only while replies wait: they come with every reply that is read.
    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.stream, self.token, Interest::READABLE)
    }

    pub(super) fn hang_up(&mut self) {
        self.hung_up = true;
    }

    /// Whether closing the connection now takes nothing from a peer that keeps to the protocol: it has asked for nothing, or
    /// does not read what it has asked for.
    pub(super) fn is_idle(&self) -> bool {
        let reads_nothing = self.has_unsent() && !self.held;
        reads_nothing || !(self.backlog || self.held || self.stream.has_input())
    }

    /// What its replies rest on is durable.
    pub(super) fn release(&mut self) {
        self.held = false;
    }

    /// Whether replies wait.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Gives the buffers back.
    pub(super) fn close(mut self, scratch: &mut Scratch) {
        scratch.pool.release(&mut self.rest);
        scratch.pool.release(&mut self.unsent);
    }

    /// One turn: write what waits, or read once, answer and write. An error ends this connection only, and is its peer's.
    pub(super) fn turn(&mut self, turn: &mut Turn<'_>, desk: &mut Desk<'_>) -> Next {
        self.try_turn(turn, desk).unwrap_or_else(|error| match error.kind() {
            ErrorKind::Interrupted => Next::Again,
            ErrorKind::WouldBlock => Next::Wait,
            _ => Next::Close,
        })
    }

    /// The deadline is over: says so to whom it concerns. The connection is to be closed then.
    pub(super) fn time_out(&mut self, turn: &Turn<'_>, scratch: &mut Scratch) {
        if !self.unsent.is_empty() {
            turn.counters.add(Counter::SlowReaders, 1);
            let what = format_args!("closed the connection of {}, which did not read its replies", self.stream);
            turn.warnings.warn(Warning::SlowReader, turn.now, what);
        } else if self.phase == Phase::Serving {
            turn.counters.add(Counter::PartialTimeouts, 1);
            let what = format_args!("closed the connection of {}, which did not complete its request", self.stream);
            turn.warnings.warn(Warning::PartialTimeout, turn.now, what);
            scratch.replies.clear();
            turn.dunno(&mut scratch.replies);
            // The reply is a courtesy: whether it can be written makes no difference.
            let _ = self.stream.write(&scratch.replies);
        }
    }

    fn try_turn(&mut self, turn: &mut Turn<'_>, desk: &mut Desk<'_>) -> io::Result<Next> {
        if self.held {
            return Ok(Next::Wait);
        }
        if !self.unsent.is_empty() && !self.write_unsent(turn.now, desk)? {
            return Ok(Next::Wait);
        }
        match self.phase {
            Phase::Serving => self.serve(turn, desk),
            Phase::Closing { .. } => self.finish(turn.now, desk),
            Phase::Draining { left } => self.drain(left, desk),
        }
    }

    fn serve(&mut self, turn: &mut Turn<'_>, desk: &mut Desk<'_>) -> io::Result<Next> {
        let Scratch { input, replies, pool } = &mut *desk.scratch;
        let kept = self.rest.len();
        input[..kept].copy_from_slice(&self.rest);
        let backlog = std::mem::take(&mut self.backlog);
        let read = if backlog { 0 } else { self.stream.read(&mut input[kept..kept + READ])? };
        if read == 0 && !backlog {
            // What the peer has begun will not be completed, and what it has completed is answered.
            return Ok(Next::Close);
        }
        let input = &input[..kept + read];
        replies.clear();
        let answered = turn.answer(input, &mut self.dialogue, replies);
        let rest = &input[answered.consumed..];
        // A short read has emptied the socket. An event that came while a backlog was answered is gone.
        let drained = read < READ && !backlog;
        let last = answered.last.or_else(|| if answered.more { None } else { too_long(rest, turn, replies) });
        if let Some(last) = last {
            // Closing resets the connection if something was not read.
            self.phase = Phase::Closing { drain: !(drained && rest.is_empty()) };
            self.note_last(last, turn);
        } else if answered.consumed == 0 {
            pool.keep(&mut self.rest, &input[kept..]);
        } else {
            self.backlog = answered.more;
            pool.release(&mut self.rest);
            if !rest.is_empty() {
                pool.keep(&mut self.rest, rest);
            }
        }
        if answered.consumed > 0 || kept == 0 {
            self.deadline = (!self.rest.is_empty()).then(|| turn.now + desk.patience);
        }
        if let Some(settled) = answered.unsettled_from {
            return self.hold(settled, desk);
        }
        if !replies.is_empty() && !self.write_replies(turn.now, desk)? {
            return Ok(Next::Wait);
        }
        match self.phase {
            Phase::Serving if !drained || self.backlog || self.hung_up => Ok(Next::Again),
            Phase::Serving => Ok(Next::Wait),
            _ => self.finish(turn.now, desk),
        }
    }

    /// All replies are written.
    fn finish(&mut self, now: Instant, desk: &mut Desk<'_>) -> io::Result<Next> {
        if self.phase != (Phase::Closing { drain: true }) {
            return Ok(Next::Close);
        }
        self.stream.shut_down_write()?;
        desk.scratch.pool.release(&mut self.rest);
        self.phase = Phase::Draining { left: DRAINED };
        self.deadline = Some(now + desk.patience);
        Ok(Next::Again)
    }

    /// Throws away what the peer had sent before it could know that the connection ends.
    fn drain(&mut self, left: usize, desk: &mut Desk<'_>) -> io::Result<Next> {
        let read = self.stream.read(&mut desk.scratch.input[..READ])?;
        if read == 0 || read >= left {
            return Ok(Next::Close);
        }
        self.phase = Phase::Draining { left: left - read };
        Ok(if read == READ || self.hung_up { Next::Again } else { Next::Wait })
    }

    fn note_last(&self, last: Last, turn: &Turn<'_>) {
        let Last::OverLimit(limit) = last else { return };
        let counter = match limit {
            Limit::Request => Counter::LimitRequest,
            Limit::Line => Counter::LimitLine,
            Limit::Attributes => Counter::LimitAttributes,
        };
        turn.counters.add(counter, 1);
        let what = format_args!("answered DUNNO to {limit} and closed the connection of {}", self.stream);
        turn.warnings.warn(Warning::Limit, turn.now, what);
    }
}

/// The parser ends longer requests itself; this keeps the buffer's bound whatever it does.
fn too_long(rest: &[u8], turn: &Turn<'_>, replies: &mut Vec<u8>) -> Option<Last> {
    (rest.len() > LONGEST_PARTIAL).then(|| {
        turn.dunno(replies);
        Last::OverLimit(Limit::Request)
    })
}
