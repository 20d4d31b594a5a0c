//! The command line of `irongrey shadow`, to [`ShadowSettings`].
//!
//! What would compare a server with itself, or ask the shadow itself, is refused here, before anything is opened.

use std::time::Duration;

use clap::builder::{RangedI64ValueParser, RangedU64ValueParser};
use clap::{Args, ValueEnum};
use thiserror::Error;

use super::check::DEFAULT_LISTEN_QUEUE;
use super::{
    Endpoint, EndpointError, Facility, Host, Listen, LogSettings, LogTarget, ProcessSettings, Upstream, units,
};

/// One of the two servers that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// The one in use.
    Old,
    /// The one to be used.
    New,
}

impl Side {
    /// Both, in the order of everything that there is for each of them.
    pub const BOTH: [Self; 2] = [Self::Old, Self::New];

    /// The name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

/// What may be written on the command line of `irongrey shadow`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct ShadowArgs {
    /// The server in use
    #[arg(long, value_name = "SERVER")]
    pub old: Endpoint,
    /// The server to be used
    #[arg(long, value_name = "SERVER")]
    pub new: Endpoint,
    /// Where Postfix asks the shadow; repeatable
    #[arg(long, value_name = "SOCKET", default_value = "inet:127.0.0.1:10123")]
    pub listen: Vec<Endpoint>,
    /// Whose answer Postfix gets
    #[arg(long, value_name = "SIDE", value_enum, default_value_t = Side::Old)]
    pub answer: Side,
    /// How long a request may take at most, from 1s to 90s
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = deadline)]
    pub deadline: Duration,
    /// Mode of the unix sockets
    #[arg(long, value_name = "MODE", default_value = "0660", value_parser = units::mode)]
    pub socketmode: u32,
    /// Group of the unix sockets [default: the shadow's]
    #[arg(long, value_name = "GROUP")]
    pub socket_group: Option<String>,
    /// Connections at one time; each has one to either server
    #[arg(long, value_name = "N", default_value_t = 1_000,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub max_connections: usize,
    /// Connections that may wait to be accepted
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LISTEN_QUEUE,
          value_parser = RangedI64ValueParser::<i32>::new().range(1..=65_535))]
    pub listen_queue_size: i32,
    /// User to become, by name or number [default as root: irongrey, postgrey or nobody]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Group to become, by name or number [default: the user's]
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Log to syslog with this facility instead of standard error
    #[arg(long, value_name = "F")]
    pub syslog_facility: Option<Facility>,
}

/// Everything that the shadow needs to know to run.
#[derive(Clone, Debug)]
pub struct ShadowSettings {
    /// The sockets to accept on, at least one.
    pub listen: Vec<Listen>,
    /// How long the kernel's queue of connections not yet accepted may grow.
    pub listen_queue_size: i32,
    /// Mode of the unix sockets.
    pub socket_mode: u32,
    /// Group of the unix sockets, if not the shadow's own.
    pub socket_group: Option<String>,
    /// Connections at one time.
    pub max_connections: usize,
    /// The two servers, in the order of [`Side::BOTH`].
    pub servers: [Upstream; 2],
    /// Whose answer goes out.
    pub answer: Side,
    /// How long a request may take at most.
    pub deadline: Duration,
    /// Where the log goes.
    pub logs: LogSettings,
    /// User and group.
    pub process: ProcessSettings,
}

/// Why the options cannot be served. Each says what would be right.
#[derive(Debug, Error)]
pub enum ShadowConfigError {
    /// An option's socket.
    #[error("{option}={endpoint}: {source}")]
    Endpoint {
        /// The option.
        option: &'static str,
        /// Its value.
        endpoint: Endpoint,
        /// What is wrong, and what would be right.
        source: EndpointError,
    },
    /// One server twice.
    #[error("--old={0} and --new={1} are one server: there is nothing to compare; name the other one")]
    OneServer(String, String),
    /// The shadow would ask itself.
    #[error(
        "--listen is the address of --{0}={1}: the shadow would ask itself; let it listen elsewhere, and have Postfix's \
         check_policy_service name that"
    )]
    AsksItself(&'static str, String),
}

impl ShadowArgs {
    /// The settings that these options ask for on `host`.
    pub fn settings(&self, host: &Host) -> Result<ShadowSettings, ShadowConfigError> {
        let wrong = |option, endpoint: &Endpoint| {
            let endpoint = endpoint.clone();
            move |source| ShadowConfigError::Endpoint { option, endpoint, source }
        };
        let old = self.old.upstream(host).map_err(wrong("--old", &self.old))?;
        let new = self.new.upstream(host).map_err(wrong("--new", &self.new))?;
        if old.addresses.iter().any(|address| new.is_reached_at(address)) {
            return Err(ShadowConfigError::OneServer(old.name, new.name));
        }
        let servers = [old, new];
        let mut listen = Vec::new();
        for endpoint in &self.listen {
            for socket in endpoint.listen(host).map_err(wrong("--listen", endpoint))? {
                if !listen.contains(&socket) {
                    listen.push(socket);
                }
            }
        }
        for (side, server) in Side::BOTH.iter().zip(&servers) {
            if listen.iter().any(|socket| server.is_reached_at(socket)) {
                return Err(ShadowConfigError::AsksItself(side.name(), server.name.clone()));
            }
        }
        Ok(ShadowSettings {
            listen,
            listen_queue_size: self.listen_queue_size,
            socket_mode: self.socketmode,
            socket_group: self.socket_group.clone(),
            max_connections: self.max_connections,
            servers,
            answer: self.answer,
            deadline: self.deadline,
            logs: LogSettings {
                target: self.syslog_facility.map_or(LogTarget::Stderr, LogTarget::Syslog),
                quiet: false,
                verbose: false,
            },
            process: ProcessSettings {
                user: self.user.clone(),
                group: self.group.clone(),
                ..ProcessSettings::default()
            },
        })
    }
}

#[derive(Debug, Error)]
#[error("expected a time from 1s to 90s, such as 2s: Postfix waits 100 s for an answer")]
struct DeadlineError;

fn deadline(text: &str) -> Result<Duration, DeadlineError> {
    match units::seconds(text) {
        Ok(seconds @ 1..=90) => Ok(Duration::from_secs(seconds.into())),
        _ => Err(DeadlineError),
    }
}
