//! [`Stream`]: an accepted connection, TCP or unix, that does not block.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{MsgFlags, getsockopt, recv, sockopt::PeerCredentials};
use socket2::SockRef;

/// One accepted connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream) -> Self {
        tune_tcp(&SockRef::from(&stream));
        Self::Tcp(stream)
    }

    /// Tells the peer that nothing more will be written.
    pub(super) fn shut_down_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Whether something waits to be read that is not the end.
    pub(super) fn has_input(&self) -> bool {
        recv(self.raw(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT).is_ok_and(|read| read > 0)
    }

    fn raw(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

/// The peer as a log line names it.
impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(stream) => write_tcp_peer(f, &stream.peer_addr()),
            Self::Unix(stream) => write_unix_peer(f, stream),
        }
    }
}

/// Has the bytes of a TCP connection leave at once, and its peer's silent death noticed although idle connections are never timed
/// out. Neither is needed to work, so a refusal of either is no error.
pub(crate) fn tune_tcp(socket: &SockRef<'_>) {
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_keepalive(true);
}

/// Writes who is at the other end of a TCP connection.
pub(crate) fn write_tcp_peer(f: &mut fmt::Formatter<'_>, address: &io::Result<SocketAddr>) -> fmt::Result {
    match address {
        Ok(address) => write!(f, "{address}"),
        Err(_) => f.write_str("a TCP client that is gone"),
    }
}

/// Writes who is at the other end of a unix connection.
pub(crate) fn write_unix_peer(f: &mut fmt::Formatter<'_>, socket: &impl AsFd) -> fmt::Result {
    match getsockopt(socket, PeerCredentials) {
        Ok(peer) => write!(f, "process {} of user {} on a unix socket", peer.pid(), peer.uid()),
        Err(_) => f.write_str("a unix socket's client"),
    }
}
