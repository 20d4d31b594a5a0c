//! Accepting: each socket has a task that hands its connections to a [`Client`] each.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;

use super::client::Client;
use super::seats::Seats;
use super::stream::Stream;
use super::{Alive, Shared};
use crate::worker::{Bound, Keeper, Listening, Warning};

/// How long accepting pauses when the system has no descriptor to give.
const PAUSE: Duration = Duration::from_millis(100);

/// One socket to accept on.
pub(super) enum Acceptor {
    Tcp(TcpListener),
    /// The file goes before the socket does, so that nobody finds one that nobody answers on.
    Unix(#[expect(dead_code, reason = "held for its end")] Keeper, UnixListener),
}

impl Acceptor {
    /// To be called inside a tokio runtime.
    pub(super) fn new(bound: Bound) -> io::Result<Self> {
        let Bound { listening, keeper } = bound;
        Ok(match listening {
            Listening::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(listener)?)
            }
            Listening::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Self::Unix(keeper, UnixListener::from_std(listener)?)
            }
        })
    }

    /// Accepts for as long as it is let.
    pub(super) async fn run(self, seats: Arc<Seats>, shared: Arc<Shared>, alive: Alive) {
        let warn = |kind, what: std::fmt::Arguments<'_>| shared.warnings.warn(kind, std::time::Instant::now(), what);
        loop {
            let stream = match self.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    warn(
                        Warning::Accept,
                        format_args!("cannot accept a connection: {error}; if it says too many files, raise ulimit -n"),
                    );
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let (seat, evicted) = seats.take().await;
            if evicted {
                let what = "closed the connection that was idle longest: there are --max-connections";
                warn(Warning::ConnectionLimit, format_args!("{what}"));
            }
            tokio::spawn(Client::new(stream, seat, Arc::clone(&shared), alive.clone()).run());
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::tcp(stream)),
            Self::Unix(_, listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}
