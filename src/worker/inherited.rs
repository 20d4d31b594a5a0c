//! [`Inherited`]: the sockets that a service manager made and hands over (`LISTEN_FDS`, as systemd does for a socket unit).
//!
//! They outlive the daemon: what waits in their queues when it ends is its successor's, and a unix socket's file is whoever
//! made it's to remove. Each is known by its address, as those that the daemon makes itself are.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use listenfd::ListenFd;
use socket2::SockRef;
use thiserror::Error;

use super::bind::{BindError, Bound, Keeper, Listening};
use crate::config::Listen;

/// The number of the first descriptor that is handed over.
const FIRST: usize = 3;

/// The sockets that were handed over.
#[derive(Debug)]
pub struct Inherited(Vec<(Listen, Listening)>);

/// Why what was handed over cannot be served on.
#[derive(Debug, Error)]
pub enum InheritError {
    /// A datagram, a pipe, a file, or a connection.
    #[error(
        "descriptor {0}, which was handed over (LISTEN_FDS), is no socket that accepts TCP or unix stream connections; \
         the socket unit needs ListenStream= and Accept=no"
    )]
    NotListening(usize),
    /// An abstract or unnamed unix socket.
    #[error(
        "descriptor {0}, which was handed over (LISTEN_FDS), is a unix socket without a path; \
         the socket unit needs ListenStream= with a path or a port"
    )]
    NoPath(usize),
    /// The system does not tell.
    #[error("descriptor {0}, which was handed over (LISTEN_FDS): {1}")]
    System(usize, #[source] io::Error),
}

impl Inherited {
    /// Takes over what the environment names, once: the variables are gone then. To be called before any thread exists.
    pub fn receive() -> Result<Self, InheritError> {
        let mut handed_over = ListenFd::from_env();
        (0..handed_over.len()).map(|index| receive(&mut handed_over, index)).collect::<Result<_, _>>().map(Self)
    }

    /// Where connections come in.
    pub fn addresses(&self) -> Vec<Listen> {
        self.0.iter().map(|(listen, _)| listen.clone()).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether connections to this address come in on one of them. One for every IPv6 address of the host takes IPv4 as well,
    /// unless it was made otherwise.
    pub fn serve(&self, listen: &Listen) -> bool {
        let any = |port| Listen::Inet((Ipv6Addr::UNSPECIFIED, port).into());
        self.0.iter().any(|(address, listening)| match (listen, listening) {
            _ if address == listen => true,
            (Listen::Inet(asked), Listening::Tcp(listener)) if asked.ip() == Ipv4Addr::UNSPECIFIED => {
                *address == any(asked.port()) && SockRef::from(listener).only_v6().is_ok_and(|only| !only)
            }
            _ => false,
        })
    }

    /// The sockets, with up to `backlog` connections that wait in each.
    pub fn bound(self, backlog: i32) -> Vec<Result<Bound, BindError>> {
        let bound = |(address, listening): (Listen, Listening)| {
            let queue = listening.socket().listen(backlog);
            queue.map_err(|error| BindError::Inherited(address, error))?;
            Ok(Bound { listening, keeper: Keeper::Manager })
        };
        self.0.into_iter().map(bound).collect()
    }
}

fn receive(handed_over: &mut ListenFd, index: usize) -> Result<(Listen, Listening), InheritError> {
    let number = FIRST + index;
    let listening = if let Ok(Some(listener)) = handed_over.take_tcp_listener(index) {
        Listening::Tcp(listener)
    } else if let Ok(Some(listener)) = handed_over.take_unix_listener(index) {
        Listening::Unix(listener)
    } else {
        return Err(InheritError::NotListening(number));
    };
    // A connection is a stream socket as well.
    let accepts = listening.socket().is_listener().map_err(|error| InheritError::System(number, error))?;
    if !accepts {
        return Err(InheritError::NotListening(number));
    }
    let address = listening.address().ok_or(InheritError::NoPath(number))?;
    Ok((address, listening))
}
