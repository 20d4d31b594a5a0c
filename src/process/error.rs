//! [`RunError`]: why the daemon did not serve, with the code that the program exits with.

use std::io;

use thiserror::Error;

use super::{ConfineError, DaemonizeError, PidfileError, PrivilegeError, StateDirError};
use crate::config::ConfigError;
use crate::logs::LogError;
use crate::store::OpenError;
use crate::worker::{BindError, StartError};

/// Why the daemon did not serve. Each part says what, where, and what to do.
#[derive(Debug, Error)]
#[error(transparent)]
#[allow(missing_docs, reason = "each variant is named by the error that it holds")]
pub enum RunError {
    Config(#[from] ConfigError),
    Daemonize(#[from] DaemonizeError),
    Bind(#[from] BindError),
    Privileges(#[from] PrivilegeError),
    Confine(#[from] ConfineError),
    StateDir(#[from] StateDirError),
    Pidfile(#[from] PidfileError),
    Store(#[from] OpenError),
    Logs(#[from] LogError),
    Workers(#[from] StartError),
    /// The system has no thread or timer to give.
    #[error("cannot start a thread: {0}; raise the limit of threads (ulimit -u, TasksMax=)")]
    Threads(#[source] io::Error),
}

impl RunError {
    /// The exit code: 2 for what the administrator has to put right, 75 for a state in use, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Pidfile(_) | Self::Daemonize(DaemonizeError::HandedOver) => 2,
            Self::Privileges(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::Daemonize(_)
            | Self::Bind(_)
            | Self::Confine(_)
            | Self::StateDir(_)
            | Self::Logs(_)
            | Self::Workers(_)
            | Self::Threads(_) => 1,
        }
    }
}
