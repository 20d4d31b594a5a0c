//! The floor that every other server is measured against: one thread, one epoll loop, one read and one write a request.
//!
//! It looks for nothing but the blank line that ends a request and answers DUNNO. It has no limits, no timeouts and no
//! state; a peer that does not read its replies is closed.

use std::io::{ErrorKind, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use memchr::memmem::Finder;
use mio::{Events, Poll, Token};
use slab::Slab;

use crate::endpoint::{Endpoint, Stream};

const LISTENER: Token = Token(usize::MAX);
const REPLY: &[u8] = b"action=DUNNO\n\n";
/// As much as irongrey reads in one turn.
const READ_SIZE: usize = 16 * 1024;

struct Conn {
    stream: Stream,
    /// The last read ended in a newline, so the blank line may be the first byte of the next one.
    after_newline: bool,
}

/// Serves until the process is killed.
pub(crate) fn serve(endpoint: &Endpoint) -> Result<ExitCode> {
    let mut listener = endpoint.listen().with_context(|| format!("cannot listen on {endpoint}"))?;
    let mut poll = Poll::new()?;
    listener.register(poll.registry(), LISTENER)?;
    let (mut events, mut conns) = (Events::with_capacity(1024), Slab::<Conn>::new());
    let (mut buffer, blank_line) = (vec![0; READ_SIZE], Finder::new(b"\n\n"));
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok(stream) = listener.accept() {
                    let entry = conns.vacant_entry();
                    let token = Token(entry.key());
                    let conn = entry.insert(Conn { stream, after_newline: false });
                    conn.stream.register(poll.registry(), token)?;
                }
            } else if !conns.get_mut(event.token().0).is_some_and(|conn| conn.turn(&mut buffer, &blank_line)) {
                conns.try_remove(event.token().0);
            }
        }
    }
}

impl Conn {
    /// Answers what has arrived; false when the connection is over.
    fn turn(&mut self, buffer: &mut [u8], blank_line: &Finder<'_>) -> bool {
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(length) => length,
                Err(error) => return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
            };
            for _ in 0..self.requests_ended(&buffer[..length], blank_line) {
                if !matches!(self.stream.write(REPLY), Ok(written) if written == REPLY.len()) {
                    return false;
                }
            }
            // A short read has emptied the socket: what comes later is a new edge.
            if length < buffer.len() {
                return true;
            }
        }
    }

    fn requests_ended(&mut self, bytes: &[u8], blank_line: &Finder<'_>) -> usize {
        let split = usize::from(self.after_newline && bytes.first() == Some(&b'\n'));
        let rest = &bytes[split..];
        let ended = split + blank_line.find_iter(rest).count();
        self.after_newline = rest.last() == Some(&b'\n') && !rest.ends_with(b"\n\n");
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::net::UnixStream;

    #[test]
    fn the_blank_line_is_found_wherever_the_bytes_are_split() {
        let bytes = b"a=b\n\nc=d\ne=f\n\n";
        let finder = Finder::new(b"\n\n");
        for split in 0..=bytes.len() {
            let stream = Stream::Unix(UnixStream::pair().unwrap().0);
            let mut conn = Conn { stream, after_newline: false };
            let mut pieces = [&bytes[..split], &bytes[split..]].into_iter().filter(|piece| !piece.is_empty());
            let ended: usize = pieces.by_ref().map(|piece| conn.requests_ended(piece, &finder)).sum();
            assert_eq!(ended, 2, "split at {split}");
        }
    }
}
