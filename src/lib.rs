//! irongrey: a greylisting policy daemon for Postfix.
//!
//! Postfix asks whether a recipient may be accepted now; irongrey answers from a whitelist, from what it remembers of the
//! client, or from what it remembers of the triplet of network, sender and recipient.
//!
//! # Threads
//!
//! ```text
//!   Postfix smtpd          Postfix smtpd          Postfix smtpd
//!        |                      |                      |              TCP or unix sockets
//!        v                      v                      v
//!   +------------------------------------------------------+
//!   | listener: accepts, hands each connection to a worker |
//!   +------------------------------------------------------+
//!        |                      |                      |
//!        v                      v                      v
//!   +----------+           +----------+           +----------+        one a core: parse, decide,
//!   | worker 1 |           | worker 2 |           | worker n |        look up, append, reply
//!   +----------+           +----------+           +----------+
//!     |      |               |      |               |      |
//!     |      +---------------|------+---------------|------+------> rings of raw fields --> log thread
//!     v                      v                      v
//!   +------------------------------------------------------+
//!   | state: segment files in memory, written once         |
//!   +------------------------------------------------------+
//!        ^                      ^
//!        |                      |
//!   +--------+            +----------+            +-----------------------------------------+
//!   |  sync  |            |  upkeep  |            | control (main thread): signals, reload, |
//!   +--------+            +----------+            | counters, the control socket for tools  |
//!    msync each second     spares, seals, drops   +-----------------------------------------+
//! ```
//!
//! A worker waits for nobody: not for another worker, a disk, the log or control. New whitelists are swapped in whole, under
//! the workers' hands. The listener, sync, upkeep and control never touch a request.
//!
//! # Modules
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | words to arguments |
//! | [`config`] | arguments and whitelist files to validated values |
//! | [`process`] | the one place that wires the threads; privileges, background, exit codes |
//! | [`control`] | signals, reload, timers, upkeep, the control socket, what a service manager is told; in the daemon the only user of tokio |
//! | [`admin`] | the tools that ask over the control socket, and the messages that go over it |
//! | [`worker`] | the event loops and the listener |
//! | [`policy`] | the wire: bytes to request, verdict to bytes |
//! | [`grey`] | the decision; neither I/O nor a clock |
//! | [`table`] | records and the lock-free index over them |
//! | [`store`] | segment files: the only owner of files and of unsafe code |
//! | [`transfer`] | import from postgrey, export and import of the portable form |
//! | [`logs`] | decisions and events, written off the workers |
//! | [`metrics`] | counters a thread, summed on read |
//! | [`shadow`] | a process of its own, in a tokio runtime: asks two servers and compares |
//! | [`clock`] | the time that is stored |
//!
//! Dependencies point one way: process to control and worker, those to grey, store and logs, those to table and policy, which
//! import none of the others. The shadow uses of them what is not the daemon's alone: policy, logs, sockets and privileges.

pub mod admin;
mod atomics;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod grey;
pub mod logs;
pub mod metrics;
pub mod policy;
pub mod process;
pub mod shadow;
pub mod store;
pub mod table;
pub mod transfer;
pub mod worker;
