//! The shadow: a process of its own between Postfix and two policy servers, the one in use and the one to be used. Both get
//! each request; Postfix gets the answer of one; where the two differ it is counted and logged.
//!
//! ```text
//!                                +-- link --> the old one      a link for each client and server, so that what a server
//! Postfix --> client --question--+                             remembers by connection is the same as without the shadow
//!                |               +-- link --> the new one
//!                |
//!                +--> whose answer is chosen, or the other's, or DUNNO --> Postfix
//!                +--> both outcomes --> compare --> tally, log
//! ```
//!
//! | file | what |
//! |---|---|
//! | `run.rs` | the process: sockets, privileges, signals, summaries |
//! | `accept.rs`, `seats.rs` | accepting, and the limit on connections |
//! | `client.rs`, `input.rs` | one client: its requests in order, and where each ends |
//! | `question.rs` | one request at both servers: which answer goes out, and when |
//! | `link.rs`, `reply.rs` | a client's own connection to one server, and what an answer is |
//! | `server.rs` | what all links know of a server: that it is down, or hangs |
//! | `compare.rs`, `difference.rs` | what counts as the same, and the log line of what does not |
//! | `tally.rs` | counts and times |
//! | `stream.rs` | TCP and unix sockets |
//!
//! No request takes longer than the deadline. Nobody waits for the log, whose lines are dropped and counted when it cannot
//! keep up. A link that has missed a deadline is closed, so that no late answer is taken for the next request's.

mod accept;
mod client;
mod compare;
mod difference;
mod input;
mod link;
mod question;
mod reply;
mod run;
mod seats;
mod server;
mod stream;
mod tally;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub use run::{ShadowError, run};

use crate::config::Side;
use crate::worker::Warnings;
use server::Server;
use tally::Tally;

/// What all clients use.
#[derive(Debug)]
struct Shared {
    /// In the order of [`Side::BOTH`].
    servers: [Arc<Server>; 2],
    answer: Side,
    /// How long a request may take at most.
    deadline: Duration,
    tally: Tally,
    warnings: Warnings,
}

/// What a client holds as long as it, or a comparison of its answers, goes on.
#[derive(Clone, Debug)]
struct Alive {
    /// Changes when the shadow stops.
    stop: watch::Receiver<bool>,
    _alive: mpsc::Sender<Infallible>,
}
