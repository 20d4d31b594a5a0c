//! One connection of the driver: its requests in place, its reply buffer, and when it last asked.
//!
//! A connection sends a batch of requests in one write and waits for all their replies before the next (a batch of one is
//! what smtpd does). Nothing is allocated after the connection has been made.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::time::Instant;

use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use mio::{Registry, Token};

use crate::endpoint::Stream;
use crate::reply::{Answers, excerpt};
use crate::workload::{Template, Workload};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) template: Template,
    pub(crate) workload: Workload,
    /// The numbers that have not been asked yet.
    pub(crate) numbers: Range<u64>,
    pub(crate) blank_line: Finder<'static>,
    pub(crate) answers: Answers,
    /// Nanoseconds from request to reply.
    pub(crate) latency: Histogram<u64>,
}

/// What a turn of a connection came to.
pub(crate) enum Turn {
    Waiting,
    /// Everything asked has been answered and there is nothing more to ask.
    Finished,
    /// Unanswered requests, and what was wrong.
    Failed(u64, String),
}

pub(crate) struct Conn {
    stream: Stream,
    token: Token,
    requests: Vec<u8>,
    /// Bytes of `requests` that are to be sent, and of these what is.
    length: usize,
    sent: usize,
    waits_for_room: bool,
    replies: Vec<u8>,
    filled: usize,
    outstanding: u64,
    asked: Instant,
}

impl Conn {
    pub(crate) fn new(mut stream: Stream, token: Token, batch: usize, registry: &Registry) -> io::Result<Self> {
        stream.register(registry, token)?;
        Ok(Self {
            stream,
            token,
            requests: Template::buffer(batch),
            length: 0,
            sent: 0,
            waits_for_room: false,
            replies: vec![0; 16 * 1024],
            filled: 0,
            outstanding: 0,
            asked: Instant::now(),
        })
    }

    /// Sends the next batch of the workload.
    pub(crate) fn ask(&mut self, shared: &mut Shared, now: Instant, registry: &Registry) -> Turn {
        self.asked = now;
        self.length = 0;
        for request in self.requests.chunks_exact_mut(Template::LENGTH) {
            let Some(number) = shared.numbers.next() else { break };
            shared.template.write(&shared.workload, number, request);
            self.length += Template::LENGTH;
            self.outstanding += 1;
        }
        self.sent = 0;
        if self.length == 0 { Turn::Finished } else { self.send(registry) }
    }

    /// Goes on after an event of the poll.
    pub(crate) fn turn(&mut self, shared: &mut Shared, registry: &Registry) -> Turn {
        if self.waits_for_room
            && let Turn::Failed(lost, why) = self.send(registry)
        {
            return Turn::Failed(lost, why);
        }
        match self.stream.read(&mut self.replies[self.filled..]) {
            Ok(0) => return self.failed("closed the connection"),
            Ok(length) => self.filled += length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Turn::Waiting;
            }
            Err(error) => return self.failed(&error.to_string()),
        }
        let now = Instant::now();
        if let Err(why) = self.take_replies(shared, now) {
            return self.failed(&why);
        }
        if self.outstanding == 0 { self.ask(shared, now, registry) } else { Turn::Waiting }
    }

    /// A connection that has been waiting at the end of the run.
    pub(crate) fn given_up(&self) -> Turn {
        self.failed("gave no answer in time")
    }

    fn send(&mut self, registry: &Registry) -> Turn {
        match self.stream.write(&self.requests[self.sent..self.length]) {
            Ok(written) => self.sent += written,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return self.failed(&error.to_string()),
        }
        let waits = self.sent < self.length;
        if waits != self.waits_for_room {
            self.waits_for_room = waits;
            if let Err(error) = self.stream.watch_room(registry, self.token, waits) {
                return self.failed(&error.to_string());
            }
        }
        Turn::Waiting
    }

    fn take_replies(&mut self, shared: &mut Shared, now: Instant) -> Result<(), String> {
        let received = &self.replies[..self.filled];
        let nanoseconds = u64::try_from(now.duration_since(self.asked).as_nanos()).unwrap_or(u64::MAX);
        let mut taken = 0;
        while let Some(length) = shared.blank_line.find(&received[taken..]) {
            if self.outstanding == 0 || !shared.answers.count(&received[taken..taken + length]) {
                return Err(format!("answered {}", excerpt(&received[taken..])));
            }
            shared.latency.saturating_record(nanoseconds);
            self.outstanding -= 1;
            taken += length + 2;
        }
        // A reply begins as one or is nonsense, even before its end has come.
        let rest = &received[taken..];
        let start = rest.len().min(b"action=".len());
        if rest[..start] != b"action="[..start] || rest.len() == self.replies.len() {
            return Err(format!("answered {}", excerpt(rest)));
        }
        self.replies.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(())
    }

    fn failed(&self, why: &str) -> Turn {
        Turn::Failed(self.outstanding, format!("the server {why}"))
    }
}
