//! [`Socket`]: one bound socket as the listener sees it, and whether it may have connections waiting.

use std::io::{self, ErrorKind};

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};

use super::bind::{Bound, Keeper, Listening};
use super::stream::Stream;

/// One socket to accept on.
pub(super) struct Socket {
    /// Before the acceptor, as the file of a unix socket goes before it.
    keeper: Keeper,
    acceptor: Acceptor,
    /// Events are edge-triggered: set by one, cleared when nobody waits any more.
    ready: bool,
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    pub(super) fn new(bound: Bound) -> io::Result<Self> {
        let Bound { listening, keeper } = bound;
        let acceptor = match listening {
            Listening::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Acceptor::Tcp(TcpListener::from_std(listener))
            }
            Listening::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Acceptor::Unix(UnixListener::from_std(listener))
            }
        };
        Ok(Self { keeper, acceptor, ready: true })
    }

    /// Whether nobody takes the connections in its queue when this daemon does not.
    pub(super) fn ends_here(&self) -> bool {
        matches!(self.keeper, Keeper::Nobody(_))
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.acceptor {
            Acceptor::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
            Acceptor::Unix(listener) => registry.register(listener, token, Interest::READABLE),
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
            Acceptor::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        if accepted.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            self.ready = false;
        }
        accepted
    }
}
