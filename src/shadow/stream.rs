//! [`Stream`]: a connection, TCP or unix, to a client or to a server.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::config::Listen;
use crate::worker::{tune_tcp, write_tcp_peer, write_unix_peer};

/// Postfix's requests have some 600 bytes, answers some 100.
const READ: usize = 2 << 10;

/// A connection.
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

    /// Connects to the first of a server's addresses that takes a connection; the error is that of the last one.
    pub(super) async fn connect(addresses: &[Listen]) -> io::Result<Self> {
        let mut connected = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in addresses {
            connected = match address {
                Listen::Inet(address) => TcpStream::connect(address).await.map(Self::tcp),
                Listen::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            };
            if connected.is_ok() {
                break;
            }
        }
        connected
    }

    /// Reads what there is and fits the room, which is [`READ`] bytes at least, and appends it; 0 at the end.
    pub(super) async fn read(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        input.reserve(READ);
        match self {
            Self::Tcp(stream) => stream.read_buf(input).await,
            Self::Unix(stream) => stream.read_buf(input).await,
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Unix(stream) => stream.write_all(bytes).await,
        }
    }

    /// Tells the peer that nothing more will be written.
    pub(super) async fn shut_down_write(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown().await,
            Self::Unix(stream) => stream.shutdown().await,
        }
    }

    /// Whether the peer has neither closed the connection nor sent anything that was not read.
    pub(super) fn is_quiet(&self) -> bool {
        let descriptor = match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        };
        let peeked = recv(descriptor.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
        peeked == Err(Errno::EAGAIN)
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
