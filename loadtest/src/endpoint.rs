//! Where a server listens, and non-blocking streams and listeners of both kinds behind one type.
//!
//! The two kinds are told apart by a branch a call, so that TCP and unix sockets run through the same loop.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::path::PathBuf;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockAddr, Socket, Type};

/// How long a server may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The address of a policy server.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    Inet(SocketAddr),
    Unix(PathBuf),
}

impl Endpoint {
    /// A TCP endpoint on loopback whose port was free a moment ago, for servers that cannot choose one themselves.
    pub(crate) fn free_port() -> io::Result<Self> {
        Ok(Self::Inet(StdTcpListener::bind(("127.0.0.1", 0))?.local_addr()?))
    }

    /// Connects, waiting, and returns a stream that does not wait any more.
    pub(crate) fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Inet(address) => {
                let stream = std::net::TcpStream::connect_timeout(address, CONNECT_LIMIT)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Inet(TcpStream::from_std(stream)))
            }
            Self::Unix(path) => {
                // A server that accepts nobody lets connecting wait for ever, unless there is a limit.
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.set_write_timeout(Some(CONNECT_LIMIT))?;
                socket.connect(&SockAddr::unix(path)?).map_err(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
                    _ => error,
                })?;
                socket.set_nonblocking(true)?;
                Ok(Stream::Unix(UnixStream::from_std(socket.into())))
            }
        }
    }

    /// Listens.
    pub(crate) fn listen(&self) -> io::Result<Listener> {
        match self {
            Self::Inet(address) => Ok(Listener::Inet(TcpListener::bind(*address)?)),
            Self::Unix(path) => Ok(Listener::Unix(UnixListener::bind(path)?)),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Inet(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Watches the stream.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        // Readable alone: a unix socket would report itself writable after every request that the peer takes in.
        registry.register(self.source(), token, Interest::READABLE)
    }

    /// Also watches for room to write, or no longer.
    pub(crate) fn watch_room(&mut self, registry: &Registry, token: Token, watch: bool) -> io::Result<()> {
        let interest = if watch { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        registry.reregister(self.source(), token, interest)
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Inet(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Inet(stream) => stream.read(buf),
            Self::Unix(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Inet(stream) => stream.write(buf),
            Self::Unix(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A listening socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Inet(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Watches the socket.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Inet(listener) => registry.register(listener, token, Interest::READABLE),
            Self::Unix(listener) => registry.register(listener, token, Interest::READABLE),
        }
    }

    /// The next connection, `WouldBlock` if there is none.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Inet(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Stream::Inet(stream))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}
