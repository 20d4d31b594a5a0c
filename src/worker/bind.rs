//! [`bind`]: makes the sockets that the listener accepts on, before the daemon gives up its privileges.
//!
//! An IPv6 socket takes IPv6 only, so that both families can be given the same port. The file that a killed daemon left
//! behind is replaced, but nothing else is, and no socket that somebody answers on.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use thiserror::Error;

use crate::config::Listen;

/// A socket that connections can be made to. They wait in its queue until [`start`](super::start).
#[derive(Debug)]
pub struct Bound {
    /// First, as the file of a unix socket goes before it: nobody finds one that nobody answers on.
    pub(crate) keeper: Keeper,
    pub(crate) listening: Listening,
}

/// The socket itself.
#[derive(Debug)]
pub(crate) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Who keeps a socket when the daemon ends.
#[derive(Debug)]
pub(crate) enum Keeper {
    /// Nobody. A unix socket has a file, which goes with it.
    Nobody(Option<SocketFile>),
    /// The service manager that has handed it over.
    Manager,
}

/// The file of a unix socket; removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: another daemon may have taken the path over.
    identity: Option<(u64, u64)>,
}

/// Why a socket cannot be had.
#[derive(Debug, Error)]
pub enum BindError {
    /// The address is taken.
    #[error("cannot listen on {0}: another program does (postgrey?); stop it or choose another port")]
    InetInUse(SocketAddr),
    /// The system refuses the queue of a socket that was handed over.
    #[error("cannot accept on {0}, which was handed over (LISTEN_FDS): {1}; choose another --listen-queue-size")]
    Inherited(Listen, #[source] io::Error),
    /// The address is not this host's.
    #[error("cannot listen on {0}: no interface of this host has this address; use one that `ip address` shows")]
    NotOurs(SocketAddr),
    /// The port is a privileged one.
    #[error("cannot listen on {0}: this port needs root or CAP_NET_BIND_SERVICE; choose one above 1023")]
    Privileged(SocketAddr),
    /// Something else about a TCP address.
    #[error("cannot listen on {0}: {1}; choose another --inet")]
    Inet(SocketAddr, #[source] io::Error),
    /// A live socket has this path.
    #[error("cannot listen on {0}: another program answers on this socket; stop it or choose another path")]
    UnixInUse(PathBuf),
    /// Something that is not a socket has this path.
    #[error("cannot listen on {0}: it exists and is not a socket; remove it or choose another path")]
    NotASocket(PathBuf),
    /// Something else about a path.
    #[error(
        "cannot listen on {path}: {source}; its directory has to exist and be writable, and the path below 108 bytes"
    )]
    Unix {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file cannot be given its mode or group.
    #[error(
        "cannot give the socket {path} the mode {mode:o} and its group: {source}; see --socketmode and --socket-group"
    )]
    Access {
        /// The path.
        path: PathBuf,
        /// The mode asked for.
        mode: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Listening {
    pub(super) fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(listener) => SockRef::from(listener),
            Self::Unix(listener) => SockRef::from(listener),
        }
    }

    /// `None` for a unix socket without a path, and if the system does not tell.
    pub(super) fn address(&self) -> Option<Listen> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(Listen::Inet),
            Self::Unix(listener) => Some(Listen::Unix(listener.local_addr().ok()?.as_pathname()?.into())),
        }
    }
}

impl Bound {
    /// Where connections are really taken: a port of 0 has become one by now. `None` if the system does not tell.
    pub fn address(&self) -> Option<Listen> {
        self.listening.address()
    }

    /// A unix socket of the daemon's own, and its file.
    pub fn into_unix(self) -> Option<(SocketFile, UnixListener)> {
        match (self.keeper, self.listening) {
            (Keeper::Nobody(Some(file)), Listening::Unix(socket)) => Some((file, socket)),
            _ => None,
        }
    }

    /// The file that is the daemon's own to give away and to remove at the end.
    pub fn file(&self) -> Option<&Path> {
        match &self.keeper {
            Keeper::Nobody(file) => file.as_ref().map(|file| file.path.as_path()),
            Keeper::Manager => None,
        }
    }
}

/// Binds one socket and lets up to `backlog` connections wait. `mode` and `group` (an id) are those of a unix socket's file.
pub fn bind(listen: &Listen, mode: u32, group: Option<u32>, backlog: i32) -> Result<Bound, BindError> {
    match listen {
        Listen::Inet(address) => inet(*address, backlog).map_err(|source| inet_error(*address, source)),
        Listen::Unix(path) => unix(path, mode, group, backlog),
    }
}

fn inet(address: SocketAddr, backlog: i32) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(Bound { listening: Listening::Tcp(socket.into()), keeper: Keeper::Nobody(None) })
}

fn inet_error(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        ErrorKind::AddrInUse => BindError::InetInUse(address),
        ErrorKind::AddrNotAvailable => BindError::NotOurs(address),
        ErrorKind::PermissionDenied => BindError::Privileged(address),
        _ => BindError::Inet(address, source),
    }
}

fn unix(path: &Path, mode: u32, group: Option<u32>, backlog: i32) -> Result<Bound, BindError> {
    let error = |source| BindError::Unix { path: path.into(), source };
    let access = |source| BindError::Access { path: path.into(), mode, source };
    let address = SockAddr::unix(path).map_err(error)?;
    remove_stale(path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(error)?;
    socket.bind(&address).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => BindError::UnixInUse(path.into()),
        _ => error(source),
    })?;
    let file = SocketFile { path: path.into(), identity: identity(path) };
    // Nobody can connect before listen(), so nobody finds the file with another mode.
    lchown(path, None, group).map_err(access)?;
    let bits = Mode::from_bits_truncate(mode);
    fchmodat(AT_FDCWD, path, bits, FchmodatFlags::NoFollowSymlink).map_err(|errno| access(errno.into()))?;
    socket.listen(backlog).map_err(error)?;
    Ok(Bound { listening: Listening::Unix(socket.into()), keeper: Keeper::Nobody(Some(file)) })
}

/// Removes what a killed daemon left at `path`.
fn remove_stale(path: &Path, address: &SockAddr) -> Result<(), BindError> {
    let error = |source| BindError::Unix { path: path.into(), source };
    match fs::symlink_metadata(path) {
        Err(gone) if gone.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(error(source)),
        Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(path.into())),
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(error)?;
    // A live daemon's full queue must not hold this one up.
    probe.set_nonblocking(true).map_err(error)?;
    match probe.connect(address) {
        Err(refused) if refused.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(error),
        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) if source.kind() == ErrorKind::PermissionDenied => Err(error(source)),
        Ok(()) | Err(_) => Err(BindError::UnixInUse(path.into())),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Drop for SocketFile {
    /// Removes the file if it is still this socket's. After a failure the next start does it.
    fn drop(&mut self) {
        if self.identity.is_some() && self.identity == identity(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
