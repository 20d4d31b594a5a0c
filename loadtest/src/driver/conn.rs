//! One connection of the driver: what it has not sent yet, what it has read of a reply, and since when its requests wait.
//!
//! A connection is given some requests in one write and is free again when all are answered (a single one is what smtpd
//! does). Buffers are those of the thread; a connection keeps only what a write or a read left over, which is rare, so
//! thousands of connections stay small.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use memchr::memchr;
use mio::{Registry, Token};

use super::clock::Clock;
use super::record::Record;
use crate::endpoint::Stream;
use crate::reply::excerpt;

/// A reply of Postfix's protocol is one line; nothing sensible is longer.
const LONGEST_REPLY: usize = 16 * 1024;
/// What is read at once; more than a partial reply and room for whole ones.
const READ_SIZE: usize = 64 * 1024;

/// What all connections of a thread read with.
#[derive(Debug)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    clock: Clock,
}

impl Reader {
    pub(super) fn new(clock: Clock) -> Self {
        Self { buffer: vec![0; READ_SIZE], clock }
    }
}

/// What a turn of a connection came to.
pub(super) enum Turn {
    Waiting,
    /// Everything asked has been answered, at this time.
    Free(u64),
    /// What was wrong.
    Failed(String),
}

#[derive(Debug)]
pub(super) struct Conn {
    stream: Stream,
    token: Token,
    /// Requests for which the socket had no room.
    unsent: Vec<u8>,
    /// The beginning of a reply.
    partial: Vec<u8>,
    /// From when the latency of each request counts, in the order of the requests.
    pub(super) since: Vec<u64>,
    answered: usize,
    /// When it was asked last.
    pub(super) asked: u64,
    /// Has been asked and has not been reported free since.
    is_busy: bool,
    /// The server has closed it after its last answer, which matters only if there is more to ask.
    is_ended: bool,
}

impl Conn {
    pub(super) fn new(mut stream: Stream, token: Token, registry: &Registry) -> io::Result<Self> {
        stream.register(registry, token)?;
        let (unsent, partial, since) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { stream, token, unsent, partial, since, answered: 0, asked: 0, is_busy: false, is_ended: false })
    }

    /// Requests without an answer.
    pub(super) fn outstanding(&self) -> usize {
        self.since.len() - self.answered
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Makes room in `since` for the next requests.
    pub(super) fn begin(&mut self) -> &mut Vec<u64> {
        self.since.clear();
        self.answered = 0;
        &mut self.since
    }

    /// Sends requests, one for each time in `since`.
    pub(super) fn send(&mut self, requests: &[u8], now: u64, registry: &Registry) -> Result<(), String> {
        (self.is_busy, self.asked) = (true, now);
        self.check_open()?;
        let written = self.write(requests).map_err(|why| format!("the server {why}"))?;
        if written < requests.len() {
            self.unsent.extend_from_slice(&requests[written..]);
            self.stream.watch_room(registry, self.token, true).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// An error if the server has closed the connection.
    pub(super) fn check_open(&self) -> Result<(), String> {
        if self.is_ended { Err("the server closed the connection".to_owned()) } else { Ok(()) }
    }

    /// Goes on after an event of the poll, which may have said that the server has closed its side.
    pub(super) fn turn(
        &mut self,
        is_closed: bool,
        reader: &mut Reader,
        record: &mut Record<'_>,
        registry: &Registry,
    ) -> Turn {
        match self.flush(registry).and_then(|()| self.read(is_closed, reader, record)) {
            Err(why) => Turn::Failed(format!("the server {why}")),
            Ok(Some(now)) if self.is_busy && self.outstanding() == 0 => {
                self.is_busy = false;
                Turn::Free(now)
            }
            Ok(_) => Turn::Waiting,
        }
    }

    /// Why a connection that has been waiting for an answer is given up, alone or with all.
    pub(super) fn silence(&self, patience: Duration, is_alone: bool) -> String {
        let others = if is_alone { " on one connection while it answered others" } else { "" };
        format!("the server gave no answer within {} s{others}{}", patience.as_secs_f64(), self.after_partial())
    }

    fn flush(&mut self, registry: &Registry) -> Result<(), String> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        let written = self.write(&unsent)?;
        self.unsent.extend_from_slice(&unsent[written..]);
        if self.unsent.is_empty() {
            self.stream.watch_room(registry, self.token, false).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, String> {
        match self.stream.write(bytes) {
            Ok(written) => Ok(written),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(error) => {
                // A server that closed may have said why.
                let mut words = [0; 256];
                let length = self.stream.read(&mut words).unwrap_or(0);
                self.partial.extend_from_slice(&words[..length]);
                Err(format!("failed: {error}{}", self.after_partial()))
            }
        }
    }

    /// Reads all that has come; the time of the last replies.
    fn read(&mut self, is_closed: bool, reader: &mut Reader, record: &mut Record<'_>) -> Result<Option<u64>, String> {
        let mut heard = None;
        loop {
            let held = self.partial.len();
            if held > 0 {
                reader.buffer[..held].copy_from_slice(&self.partial);
            }
            let filled = match self.stream.read(&mut reader.buffer[held..]) {
                Ok(0) if heard.is_some() && self.outstanding() == 0 => {
                    self.is_ended = true;
                    return Ok(heard);
                }
                Ok(0) => return Err(format!("closed the connection{}", self.after_partial())),
                Ok(length) => held + length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(heard),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("failed: {error}{}", self.after_partial())),
            };
            let now = reader.clock.now();
            heard = Some(now);
            let received = &reader.buffer[..filled];
            let taken = self.take_replies(received, record, now)?;
            if held > 0 || taken < filled {
                self.partial.clear();
                self.partial.extend_from_slice(&received[taken..]);
            }
            // A short read has emptied the socket, and what comes later is a new edge. The end comes with the last bytes.
            if filled < reader.buffer.len() && !is_closed {
                return Ok(heard);
            }
        }
    }

    /// Counts the replies in `received`; how many bytes they are.
    fn take_replies(&mut self, received: &[u8], record: &mut Record<'_>, now: u64) -> Result<usize, String> {
        let mut taken = 0;
        while let Some(length) = memchr(b'\n', &received[taken..])
            && let Some(&next) = received.get(taken + length + 1)
        {
            // The last request of a write has no answer before it is sent.
            let is_sent = self.unsent.is_empty() || self.outstanding() > 1;
            let expected = self.since.get(self.answered).filter(|_| is_sent);
            let is_reply =
                next == b'\n' && expected.is_some() && record.answers.count(&received[taken..taken + length]);
            let Some(since) = expected.filter(|_| is_reply) else {
                return Err(format!("answered {}", excerpt(&received[taken..])));
            };
            record.latency.saturating_record(now.saturating_sub(*since));
            self.answered += 1;
            taken += length + 2;
        }
        // A reply is asked for and begins as one, or is nonsense even before its end has come.
        let rest = &received[taken..];
        let start = rest.len().min(b"action=".len());
        let is_unasked = self.outstanding() == 0 && !rest.is_empty();
        if is_unasked || rest[..start] != b"action="[..start] || rest.len() > LONGEST_REPLY {
            return Err(format!("answered {}", excerpt(rest)));
        }
        Ok(taken)
    }

    fn after_partial(&self) -> String {
        if self.partial.is_empty() { String::new() } else { format!(" after {}", excerpt(&self.partial)) }
    }
}
