//! The validated settings that the daemon runs on. No I/O; nothing here is optional unless absence means something.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::rule::RuleTable;
use super::{Facility, Host};
use crate::grey::Terms;
use crate::policy::Replies;

/// The most event loops; the store reckons with so many writers.
pub const MAX_WORKERS: usize = 256;

/// Everything the daemon needs to know to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name in logs: `irongrey`, or `postgrey` for that command.
    pub program: &'static str,
    /// The sockets to accept on, at least one.
    pub listen: Vec<Listen>,
    /// How long the kernel's queue of connections not yet accepted may grow.
    pub listen_queue_size: i32,
    /// Mode of the unix sockets.
    pub socket_mode: u32,
    /// Group of the unix sockets, if not the daemon's own.
    pub socket_group: Option<String>,
    /// Event loops, one thread each.
    pub workers: usize,
    /// Connections at one time, all workers together.
    pub max_connections: usize,
    /// Close each connection after one reply, as Exim's `readsocket` wants it.
    pub close_after_reply: bool,
    /// The terms of greylisting.
    pub terms: Terms,
    /// The texts of the replies.
    pub texts: Texts,
    /// The whitelists.
    pub lists: ListSettings,
    /// The state directory and its bounds.
    pub state: StateSettings,
    /// The socket that tools ask over.
    pub control: ControlSettings,
    /// Where logs go and what is logged.
    pub logs: LogSettings,
    /// User, group, daemonizing.
    pub process: ProcessSettings,
    /// Take the time from the request attribute `policy_test_time` where it is given.
    pub test_clock: bool,
    /// The configuration file that was read.
    pub config: Option<PathBuf>,
    /// The rules of that file, in their order.
    pub rules: Vec<RuleTable>,
    /// Words of the command line that were not read.
    pub unread: Vec<String>,
}

impl Settings {
    /// The configuration file, and those that it names.
    pub fn own_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.config.iter().chain(self.rules.iter().flat_map(|rule| rule.arguments.files()))
    }
}

/// One socket to accept on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP socket.
    Inet(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Listen {
    /// The address, if other hosts may reach it.
    pub fn open_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) if !address.ip().is_loopback() => Some(*address),
            Self::Inet(_) | Self::Unix(_) => None,
        }
    }
}

/// The texts of the replies, with postgrey's substitutions still in them.
#[derive(Clone, Debug)]
pub struct Texts {
    /// Action of a deferred request, `DEFER_IF_PERMIT` by default.
    pub action: String,
    /// Text of a deferred request: `%s` seconds left, `%r` the recipient's domain.
    pub text: String,
    /// Header of a message that was delayed: `%t` seconds, `%v` version, `%h` host, `%d` date.
    pub header: String,
    /// The host's name for `%h`.
    pub hostname: String,
}

impl Texts {
    /// The replies that they make.
    pub fn replies(&self) -> Replies {
        Replies::new(&self.action, &self.text, &self.header, &self.hostname, env!("CARGO_PKG_VERSION"))
    }
}

/// Which whitelists are read.
#[derive(Clone, Debug)]
pub struct ListSettings {
    /// Start from the lists that ship with irongrey.
    pub builtin: Builtin,
    /// Client lists that must exist.
    pub clients: Vec<PathBuf>,
    /// Recipient lists that must exist.
    pub recipients: Vec<PathBuf>,
    /// Client lists that are read if they exist.
    pub clients_if_present: Vec<PathBuf>,
    /// Recipient lists that are read if they exist.
    pub recipients_if_present: Vec<PathBuf>,
}

/// When the lists that ship with irongrey count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// Always, beside the files.
    Always,
    /// For clients, or for recipients, only when no file of that kind was named or found.
    WithoutFiles,
    /// Never.
    Never,
}

/// The state directory and its bounds.
#[derive(Clone, Debug)]
pub struct StateSettings {
    /// The directory; made if it does not exist.
    pub dir: PathBuf,
    /// Bytes of segment files at most, spares and damaged files included.
    pub max_size: u64,
    /// When appended records are made durable.
    pub sync: SyncMode,
}

/// The socket that tools ask over.
#[derive(Clone, Debug)]
pub struct ControlSettings {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was asked for there. Else the daemon does without if it cannot be had.
    pub is_named: bool,
    /// Its group, if not the daemon's own.
    pub group: Option<String>,
}

impl ControlSettings {
    pub(super) fn new(named: Option<&Path>, group: Option<&str>, state: &Path, host: &Host) -> Self {
        Self {
            path: named.map_or_else(|| state.join("control"), |path| host.absolute(path)),
            is_named: named.is_some(),
            group: group.map(str::to_owned),
        }
    }
}

/// When appended records are made durable. They survive the death of the process in any mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// After this long at most: what a power loss can take back.
    Every(Duration),
    /// When the kernel writes them, some 30 s later.
    Os,
    /// Before the reply that rests on them leaves.
    Always,
}

/// Where logs go and what is logged.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Where to.
    pub target: LogTarget,
    /// Log no decisions (`--quiet`).
    pub quiet: bool,
    /// Log more of what the daemon does (`--verbose`).
    pub verbose: bool,
}

impl LogSettings {
    /// The least severe messages that are logged.
    pub fn level(&self) -> log::LevelFilter {
        if self.verbose { log::LevelFilter::Debug } else { log::LevelFilter::Info }
    }
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// The local syslog daemon, with this facility.
    Syslog(Facility),
}

/// What the process becomes.
#[derive(Clone, Debug, Default)]
pub struct ProcessSettings {
    /// User to become, by name or number; `None`: as design says for root, otherwise stay.
    pub user: Option<String>,
    /// Group to become, by name or number; `None`: the user's.
    pub group: Option<String>,
    /// Go to the background (`-d`).
    pub daemonize: bool,
    /// File to write the process id to.
    pub pidfile: Option<PathBuf>,
    /// Refuse system calls that a daemon at work does not make.
    pub seccomp: bool,
}
