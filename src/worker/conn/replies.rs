//! What becomes of a turn's replies: written at once, kept until the socket takes them, or held until what they rest on is
//! durable.

use std::io::{self, ErrorKind, Write};
use std::time::Instant;

use mio::Interest;

use super::{Connection, Desk, Next, Scratch};
use crate::worker::stream::Stream;

impl Connection {
    /// Writes the replies of this turn that are settled and keeps the others.
    pub(super) fn hold(&mut self, settled: usize, desk: &mut Desk<'_>) -> io::Result<Next> {
        let Scratch { replies, pool, .. } = &mut *desk.scratch;
        let written = if settled == 0 { 0 } else { write_some(&mut self.stream, &replies[..settled])? };
        pool.keep(&mut self.unsent, &replies[written..]);
        (self.sent, self.held) = (0, true);
        // The disk has no deadline.
        self.deadline = None;
        Ok(Next::Hold)
    }

    /// Writes the replies of this turn; false if some have to wait.
    pub(super) fn write_replies(&mut self, now: Instant, desk: &mut Desk<'_>) -> io::Result<bool> {
        let Scratch { replies, pool, .. } = &mut *desk.scratch;
        let written = write_some(&mut self.stream, replies)?;
        if written == replies.len() {
            return Ok(true);
        }
        pool.keep(&mut self.unsent, &replies[written..]);
        self.sent = 0;
        self.deadline = Some(now + desk.patience);
        self.watch_socket(desk)?;
        Ok(false)
    }

    /// Writes what waits; false if some of it still has to.
    pub(super) fn write_unsent(&mut self, now: Instant, desk: &mut Desk<'_>) -> io::Result<bool> {
        while self.sent < self.unsent.len() {
            let written = write_some(&mut self.stream, &self.unsent[self.sent..])?;
            if written == 0 {
                // Those that were held are not waited for yet.
                self.deadline.get_or_insert(now + desk.patience);
                self.watch_socket(desk)?;
                return Ok(false);
            }
            self.sent += written;
            self.deadline = Some(now + desk.patience);
        }
        desk.scratch.pool.release(&mut self.unsent);
        // A request that was begun before its time counts from now on: nothing was read meanwhile.
        self.deadline = (!self.rest.is_empty()).then(|| now + desk.patience);
        desk.registry.reregister(&mut self.stream, self.token, Interest::READABLE)?;
        Ok(true)
    }

    /// Asks for an event when the socket takes more. Registering anew reports one that became writable meanwhile.
    ///
    /// Not for what there is to read: it would be reported each time at once, and is not read before the replies have left.
    fn watch_socket(&mut self, desk: &mut Desk<'_>) -> io::Result<()> {
        desk.registry.reregister(&mut self.stream, self.token, Interest::WRITABLE)
    }
}

/// Writes what the socket takes now.
fn write_some(stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        written => written,
    }
}
