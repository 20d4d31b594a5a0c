//! [`Inbox`]: how the listener and control reach a worker that waits in its poll.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam::queue::SegQueue;
use crossbeam::utils::CachePadded;
use mio::{Registry, Token, Waker};

use super::seats::Occupied;
use super::stream::Stream;

/// The token of the waker; connections have their seat's number.
pub(super) const WAKER: Token = Token(usize::MAX);

/// What the listener asks of a worker.
#[derive(Debug)]
pub(super) enum Message {
    /// Serve this connection; its seat is taken.
    Serve(Stream, u32),
    /// Close the connection on this seat unless it was active since.
    Evict(Occupied),
    /// Show that this is read.
    GiveSign,
}

/// The listener's end of one worker, and the worker's own.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: SegQueue<Message>,
    waker: Waker,
    stopping: AtomicBool,
    /// A sign of life was asked for and has not been given yet.
    owes_sign: AtomicBool,
    connections: CachePadded<AtomicUsize>,
}

impl Inbox {
    pub(super) fn new(registry: &Registry) -> io::Result<Self> {
        Ok(Self {
            queue: SegQueue::new(),
            waker: Waker::new(registry, WAKER)?,
            stopping: AtomicBool::new(false),
            owes_sign: AtomicBool::new(false),
            connections: CachePadded::default(),
        })
    }

    /// How many connections the worker has, those in its queue included.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn serve(&self, stream: Stream, seat: u32) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.queue.push(Message::Serve(stream, seat));
        self.wake();
    }

    pub(super) fn evict(&self, victim: Occupied) {
        self.queue.push(Message::Evict(victim));
        self.wake();
    }

    /// Whether the worker has given the sign of life that it was asked for the last time; asks for another one then.
    pub(super) fn ask_for_sign(&self) -> bool {
        if self.owes_sign.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.queue.push(Message::GiveSign);
        self.wake();
        true
    }

    pub(super) fn give_sign(&self) {
        self.owes_sign.store(false, Ordering::Relaxed);
    }

    /// Ends the worker after what it has received is answered. The listener has ended before.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// The Acquire load is the partner of the Release store in [`Inbox::stop`]: what was queued before it will be seen.
    pub(super) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(super) fn next(&self) -> Option<Message> {
        self.queue.pop()
    }

    pub(super) fn closed_one(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// A failed wake-up only delays: the worker looks into its inbox after every poll.
    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("a worker cannot be woken: {error}");
        }
    }
}
