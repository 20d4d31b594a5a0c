//! [`Listener`]: one thread that accepts on all sockets and hands each connection to the worker with the fewest.
//!
//! It never spins: for want of file descriptors it pauses, and at the limit on connections it holds the one that it has
//! accepted, asks the owner of the longest idle one to close it, and waits for the seat.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use nix::errno::Errno;

use super::bind::Bound;
use super::inbox::{Inbox, WAKER};
use super::seats::{Occupied, Seats};
use super::socket::Socket;
use super::stream::Stream;
use super::warnings::{Warning, Warnings};
use crate::metrics::{Counter, Counters};

/// Connections accepted before the loop looks at anything else.
const BATCH: usize = 64;
/// How long accepting may go on at the end, so that new connections cannot keep a stop waiting.
const LAST_BATCHES: Duration = Duration::from_millis(100);
/// How long accepting rests after an error such as EMFILE.
const PAUSE: Duration = Duration::from_millis(100);
/// How long to wait for a seat before looking again.
const SEAT_RETRY: Duration = Duration::from_millis(1);

/// The listener thread.
pub(super) struct Listener {
    poll: Poll,
    waker: Arc<Waker>,
    sockets: Vec<Socket>,
    /// The socket to look at next, so that none starves another.
    turn: usize,
    inboxes: Vec<Arc<Inbox>>,
    seats: Arc<Seats>,
    free: Vec<u32>,
    /// A connection that waits for a seat.
    in_hand: Option<Stream>,
    /// The last connection that was asked to leave.
    evicted: Option<Occupied>,
    counters: Arc<Counters>,
    warnings: Arc<Warnings>,
}

/// What the loop has to do after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// Nobody waits any more.
    Wait,
    /// Perhaps there are more.
    GoOn,
    /// Accept nothing for so long.
    Pause(Duration),
}

impl Listener {
    /// A listener that does not accept yet.
    pub(super) fn new(
        bound: Vec<Bound>,
        inboxes: Vec<Arc<Inbox>>,
        seats: Arc<Seats>,
        counters: Arc<Counters>,
        warnings: Arc<Warnings>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut sockets = bound.into_iter().map(Socket::new).collect::<io::Result<Vec<_>>>()?;
        for (index, socket) in sockets.iter_mut().enumerate() {
            socket.register(poll.registry(), Token(index))?;
        }
        let (free, in_hand, evicted) = (Vec::new(), None, None);
        Ok(Self { poll, waker, sockets, turn: 0, inboxes, seats, free, in_hand, evicted, counters, warnings })
    }

    /// Waking it ends the thread.
    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Accepts until woken by its waker. The files of unix sockets that end with it are removed at the end.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(BATCH);
        let mut after = After::Wait;
        let mut resume = Instant::now();
        loop {
            let timeout = match after {
                After::Wait => None,
                After::GoOn => Some(Duration::ZERO),
                After::Pause(_) => Some(resume.saturating_duration_since(Instant::now())),
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => after = self.pause(&error),
                _ if events.iter().any(|event| event.token() == WAKER) => break,
                _ => {
                    events.iter().for_each(|event| self.sockets[event.token().0].note_ready());
                    if matches!(after, After::Pause(_)) && Instant::now() < resume {
                        continue;
                    }
                    after = self.accept_batch();
                }
            }
            if let After::Pause(pause) = after {
                resume = Instant::now() + pause;
            }
        }
        self.accept_last();
        let unserved = self.in_hand.iter().count();
        self.counters.add(Counter::Closed, unserved as u64);
    }

    /// Takes what the kernel has accepted already, with the requests that those peers may have sent. On a socket that lives on
    /// they wait for the next daemon.
    fn accept_last(&mut self) {
        let end = Instant::now() + LAST_BATCHES;
        self.sockets.retain(Socket::ends_here);
        self.sockets.iter_mut().for_each(Socket::note_ready);
        while Instant::now() < end {
            match self.accept_batch() {
                After::GoOn => {}
                // At the limit those that are idle make room as ever.
                After::Pause(SEAT_RETRY) => std::thread::sleep(SEAT_RETRY),
                After::Wait | After::Pause(_) => return,
            }
        }
    }

    fn accept_batch(&mut self) -> After {
        for _ in 0..BATCH {
            if self.in_hand.is_none() {
                match self.accept() {
                    Ok(stream) => self.in_hand = Some(stream),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return After::Wait,
                    Err(error) if is_the_peers(&error) => continue,
                    Err(error) => return self.pause(&error),
                }
                self.counters.add(Counter::Accepted, 1);
            }
            let Some(seat) = self.free_seat() else {
                self.evict();
                return After::Pause(SEAT_RETRY);
            };
            self.evicted = None;
            self.in_hand.take().into_iter().for_each(|stream| self.hand_over(stream, seat));
        }
        After::GoOn
    }

    /// The next connection of any socket; `WouldBlock` when none has one.
    fn accept(&mut self) -> io::Result<Stream> {
        for _ in 0..self.sockets.len() {
            self.turn = (self.turn + 1) % self.sockets.len();
            match self.sockets[self.turn].accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn free_seat(&mut self) -> Option<u32> {
        if self.free.is_empty() {
            self.seats.collect_free(&mut self.free);
        }
        self.free.pop()
    }

    /// Asks for the longest idle connection to be closed, once: its owner may be busy, or find that it is idle no more.
    fn evict(&mut self) {
        let Some(victim) = self.seats.longest_idle() else { return };
        if self.evicted != Some(victim) {
            self.evicted = Some(victim);
            self.inboxes[victim.worker].evict(victim);
            let seats = self.seats.len();
            let what = format_args!(
                "all {seats} connections are taken: the longest idle one has to leave for a new one; raise --max-connections"
            );
            self.warnings.warn(Warning::ConnectionLimit, Instant::now(), what);
        }
    }

    fn hand_over(&mut self, stream: Stream, seat: u32) {
        let workers = self.inboxes.iter().enumerate();
        let Some((index, inbox)) = workers.min_by_key(|(_, inbox)| inbox.connections()) else { return };
        self.seats.touch(seat, index, self.seats.tick(Instant::now()));
        inbox.serve(stream, seat);
    }

    fn pause(&self, error: &io::Error) -> After {
        self.counters.add(Counter::AcceptPauses, 1);
        let what = format_args!(
            "accepting pauses for {} ms: {error}; raise the limit of open files (ulimit -n, LimitNOFILE=)",
            PAUSE.as_millis()
        );
        self.warnings.warn(Warning::Accept, Instant::now(), what);
        After::Pause(PAUSE)
    }
}

/// Whether an error of accept(2) concerns that one connection, which was gone before it was accepted.
fn is_the_peers(error: &io::Error) -> bool {
    let peers = [
        Errno::ECONNABORTED,
        Errno::EINTR,
        Errno::EPERM,
        Errno::EPROTO,
        Errno::ENETDOWN,
        Errno::ENETUNREACH,
        Errno::EHOSTDOWN,
        Errno::EHOSTUNREACH,
        Errno::ENONET,
        Errno::ENOPROTOOPT,
    ];
    error.raw_os_error().is_some_and(|raw| peers.contains(&Errno::from_raw(raw)))
}
