//! [`Client`]: one connection to a policy server.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::Request;

/// How long a reply may take before the test fails. Longer than the daemon's own patience with half a request (10 s).
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a policy server listens.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A connected socket of either family.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) fn connect(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Self::Tcp(stream)
            }
            Address::Unix(path) => Self::Unix(UnixStream::connect(path)?),
        };
        stream.set_timeout(PATIENCE)?;
        Ok(stream)
    }

    /// Reads and writes that take longer than this fail.
    pub(crate) fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(limit)).and(stream.set_write_timeout(Some(limit))),
            Self::Unix(stream) => stream.set_read_timeout(Some(limit)).and(stream.set_write_timeout(Some(limit))),
        }
    }

    /// Reads and writes that would wait fail at once.
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Unix(stream) => stream.set_nonblocking(true),
        }
    }

    /// Another handle of the same connection.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
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

/// A connection and what has been read from it but not yet returned.
pub(crate) struct Client {
    stream: Stream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: &Address) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("cannot connect to {address:?}: {error}"))
    }

    pub(crate) fn try_connect(address: &Address) -> io::Result<Self> {
        Stream::connect(address).map(|stream| Self { stream, read: Vec::new() })
    }

    pub(crate) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next reply up to its blank line, without it; an error if the connection ends or nothing comes.
    pub(crate) fn try_reply(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let rest = self.read.split_off(end + 2);
                let reply = std::mem::replace(&mut self.read, rest);
                return Ok(String::from_utf8_lossy(&reply[..end]).into_owned());
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => self.read.extend_from_slice(&piece[..length]),
            }
        }
    }

    /// The next reply; it must come.
    pub(crate) fn reply(&mut self) -> String {
        self.try_reply().unwrap_or_else(|error| panic!("no reply: {error}; read so far: {:?}", self.read))
    }

    pub(crate) fn try_ask(&mut self, request: &Request) -> io::Result<String> {
        self.stream.write_all(&request.wire())?;
        self.try_reply()
    }

    /// Sends a request and returns the reply without its blank line: `action=...`.
    pub(crate) fn ask(&mut self, request: &Request) -> String {
        self.send(&request.wire());
        self.reply()
    }

    /// Says that nothing more will be sent, and returns everything that still comes until the other side closes.
    pub(crate) fn finish(self) -> String {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self.rest()
    }

    /// Everything that comes until the other side closes.
    pub(crate) fn rest(mut self) -> String {
        if let Err(error) = self.stream.read_to_end(&mut self.read) {
            assert!(error.kind() == io::ErrorKind::ConnectionReset, "not closed: {error}; read: {:?}", self.read);
        }
        String::from_utf8_lossy(&self.read).into_owned()
    }
}
