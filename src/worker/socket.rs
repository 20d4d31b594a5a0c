//! [`Socket`]: one bound socket as the listener sees it, and whether it may have connections waiting.

use std::io::{self, ErrorKind};

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};

use super::bind::{Bound, SocketFile};
use super::stream::Stream;

/// One socket to accept on.
pub(super) struct Socket {
    acceptor: Acceptor,
    /// Events are edge-triggered: set by one, cleared when nobody waits any more.
    ready: bool,
}

enum Acceptor {
    Tcp(TcpListener),
    /// The file goes before the socket does, so that nobody finds one that nobody answers on.
    Unix(#[expect(dead_code, reason = "held for its end")] SocketFile, UnixListener),
}

impl Socket {
    pub(super) fn new(bound: Bound) -> io::Result<Self> {
        let acceptor = match bound {
            Bound::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Acceptor::Tcp(TcpListener::from_std(listener))
            }
            Bound::Unix(file, listener) => {
                listener.set_nonblocking(true)?;
                Acceptor::Unix(file, UnixListener::from_std(listener))
            }
        };
        Ok(Self { acceptor, ready: true })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.acceptor {
            Acceptor::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
            Acceptor::Unix(_, listener) => registry.register(listener, token, Interest::READABLE),
        }
    }

    pub(super) fn note_ready(&mut self) {
        self.ready = true;
    }

    /// The next waiting connection; `WouldBlock` when there is none.
    pub(super) fn accept(&mut self) -> io::Result<Stream> {
        if !self.ready {
            return Err(ErrorKind::WouldBlock.into());
        }
        let accepted = match &self.acceptor {
            Acceptor::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::tcp(stream)),
            Acceptor::Unix(_, listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        if accepted.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            self.ready = false;
        }
        accepted
    }
}
