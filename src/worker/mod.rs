//! The workers: one event loop a thread, and one listener that feeds them.
//!
//! ```text
//!            sockets (any number, TCP and unix)
//!                |
//!            listener ---- seats: every connection of the process, by which the limit is kept
//!           /    |    \
//!      inbox  inbox  inbox     (queue + waker; to the worker with the fewest connections)
//!        |       |      |
//!     worker  worker  worker   (poll -> ready connections -> read, parse, decide, write)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `bind.rs`, `inherited.rs`, `socket.rs` | sockets to accept on: own ones, and those of a service manager |
//! | `listener.rs`, `seats.rs`, `inbox.rs` | accepting, the limit on connections, handing over |
//! | `event_loop.rs`, `floor.rs` | one worker: waiting, and its connections by readiness and deadline |
//! | `conn.rs`, `conn/replies.rs`, `stream.rs`, `pool.rs` | one connection, its replies, its socket and its buffers |
//! | `answer.rs` | bytes to decisions and replies |
//! | `warnings.rs` | what peers do wrong, at a bounded rate |
//!
//! Workers share nothing that they write but the state and their seats. An error of one connection closes that one only.

mod answer;
mod bind;
mod conn;
mod event_loop;
mod floor;
mod inbox;
mod inherited;
mod listener;
mod pool;
mod seats;
mod socket;
mod stream;
#[cfg(test)]
mod tests;
mod warnings;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use mio::Waker;
use thiserror::Error;

pub use bind::{BindError, Bound, SocketFile, bind};
pub(crate) use bind::{Keeper, Listening};
pub use inherited::{InheritError, Inherited};
pub(crate) use stream::{tune_tcp, write_tcp_peer, write_unix_peer};
pub(crate) use warnings::{Warning, Warnings};

use crate::clock::UnixSecs;
use crate::grey::rules::{Rule, Rules};
use crate::grey::whitelist::Lists;
use crate::grey::{Releases, Terms};
use crate::logs::Producer;
use crate::metrics::Counters;
use crate::policy::Replies;
use crate::store::Writer;
use crate::table::Secret;
use event_loop::EventLoop;
use inbox::Inbox;
use listener::Listener;
use seats::Seats;

/// How long a peer may take to complete a request, or to read its replies.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What decisions are made by and replies are made of, as the administrator wants it at the moment.
#[derive(Debug)]
pub struct Live {
    /// The terms of greylisting where no rule holds.
    pub terms: Terms,
    /// The texts of the replies where no rule has its own.
    pub replies: Replies,
    /// The rules.
    pub rules: Rules,
    /// The whitelists.
    pub lists: Lists,
    /// Log no decisions.
    pub quiet: bool,
}

impl Live {
    /// The texts of the replies to requests for which this rule holds, if one does.
    pub fn replies<'l>(&'l self, rule: Option<&'l Rule>) -> &'l Replies {
        rule.and_then(|rule| rule.replies.as_ref()).unwrap_or(&self.replies)
    }

    /// The terms of greylisting of the same requests.
    pub fn terms<'l>(&'l self, rule: Option<&'l Rule>) -> &'l Terms {
        rule.map_or(&self.terms, |rule| &rule.terms)
    }

    /// The terms by which the state keeps what it knows: the delay is the longest of any rule.
    pub fn terms_of_state(&self) -> Terms {
        Terms { delay: self.terms.delay.max(self.rules.longest_delay()), ..self.terms }
    }
}

/// What all workers use.
#[derive(Debug)]
pub struct Shared {
    /// What may change while the daemon works: swapped in whole, and taken once a turn.
    pub live: ArcSwap<Live>,
    /// Senders and recipients that an administrator lets pass for a time.
    pub releases: ArcSwap<Releases>,
    /// The key under which tags are made.
    pub secret: Secret,
    /// Take the time from `policy_test_time` where a request has it.
    pub test_clock: bool,
    /// The largest such time seen, in Unix seconds: upkeep's now under the test clock.
    pub latest_test_time: AtomicU32,
    /// Close each connection after one reply.
    pub close_after_reply: bool,
    /// [`PATIENCE`] except in tests.
    pub patience: Duration,
    /// What the listener counts.
    pub listener_counters: Arc<Counters>,
}

impl Shared {
    /// The time by which requests without one of their own are decided on.
    pub fn now(&self) -> UnixSecs {
        match self.latest_test_time.load(Ordering::Relaxed) {
            0 => UnixSecs::now(),
            latest => UnixSecs(latest),
        }
    }
}

/// What one worker owns.
#[derive(Debug)]
pub struct WorkerParts {
    /// Its way into the state.
    pub writer: Writer,
    /// Its way into the log of decisions.
    pub log: Producer,
    /// What it counts.
    pub counters: Arc<Counters>,
}

/// Why the workers cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The kernel's event queue, or a socket in it.
    #[error("cannot watch sockets: {0}; raise the limit of open files (ulimit -n, LimitNOFILE=)")]
    Watch(#[source] io::Error),
    /// A thread.
    #[error("cannot start a thread: {0}; raise the limit of threads (ulimit -u, TasksMax=) or use fewer --workers")]
    Thread(#[source] io::Error),
}

/// The running threads. Dropping it stops them as [`Running::stop`] does.
#[derive(Debug)]
pub struct Running {
    listener: Option<(Arc<Waker>, JoinHandle<()>)>,
    workers: Vec<(Arc<Inbox>, JoinHandle<()>)>,
}

/// Starts one thread for each of `workers` and the listener. At most `max_connections` are served at a time.
pub fn start(
    listeners: Vec<Bound>,
    shared: &Arc<Shared>,
    workers: Vec<WorkerParts>,
    max_connections: usize,
) -> Result<Running, StartError> {
    let seats = Arc::new(Seats::new(max_connections));
    let warnings = Arc::new(Warnings::new());
    let counters = Arc::clone(&shared.listener_counters);
    let event_loop =
        |(index, parts)| EventLoop::new(index, Arc::clone(shared), parts, Arc::clone(&seats), Arc::clone(&warnings));
    let loops = workers.into_iter().enumerate().map(event_loop).collect::<io::Result<Vec<_>>>();
    let loops = loops.map_err(StartError::Watch)?;
    let inboxes = loops.iter().map(EventLoop::inbox).collect();
    let listener = Listener::new(listeners, inboxes, Arc::clone(&seats), counters, Arc::clone(&warnings));
    let listener = listener.map_err(StartError::Watch)?;

    let mut running = Running { listener: None, workers: Vec::with_capacity(loops.len()) };
    for (index, event_loop) in loops.into_iter().enumerate() {
        let inbox = event_loop.inbox();
        let thread = spawn(format!("worker-{index}"), || event_loop.run())?;
        running.workers.push((inbox, thread));
    }
    let waker = listener.waker();
    running.listener = Some((waker, spawn("listener".into(), || listener.run())?));
    Ok(running)
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new().name(name).spawn(run).map_err(StartError::Thread)
}

impl Running {
    /// Asks every worker for a sign of life, and gives the numbers of those that still owe the one before it. A worker gives it
    /// between two turns, so one that hangs in a turn, or has ended, never does.
    pub fn silent_workers(&self) -> Vec<usize> {
        let workers = self.workers.iter().enumerate();
        workers.filter(|(_, (inbox, _))| !inbox.ask_for_sign()).map(|(index, _)| index).collect()
    }

    /// Stops accepting, answers what has been received and ends all threads: within about a second, whatever peers do.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((waker, listener)) = self.listener.take() {
            match waker.wake() {
                Ok(()) => join(listener),
                Err(error) => log::error!("the listener cannot be stopped: {error}"),
            }
        }
        self.workers.iter().for_each(|(inbox, _)| inbox.stop());
        self.workers.drain(..).for_each(|(_, worker)| join(worker));
    }
}

fn join(thread: JoinHandle<()>) {
    let name = thread.thread().name().unwrap_or_default().to_owned();
    if thread.join().is_err() {
        log::error!("the thread {name} ended by a panic");
    }
}
