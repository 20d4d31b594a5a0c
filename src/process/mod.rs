//! The one place that wires the threads together: [`run`] is a daemon's life from settings to exit code.
//!
//! | file | what |
//! |---|---|
//! | `run.rs` | the order of start and stop |
//! | `daemonize.rs` | going to the background |
//! | `limits.rs` | the limit of open files |
//! | `privileges.rs` | whom to become, and what is handed over before |
//! | `confine` | what the process gives up before it serves |
//! | `state_dir.rs` | the state directory is made |
//! | `tools.rs` | the control socket is made |
//! | `panics.rs` | a panic ends the daemon |
//! | `owner.rs` | a tool becomes whom the state belongs to |
//! | `pidfile.rs` | the process id, for service scripts |

mod confine;
mod daemonize;
mod error;
pub(crate) mod limits;
mod owner;
mod panics;
mod pidfile;
pub(crate) mod privileges;
mod run;
mod state_dir;
mod tools;

pub use confine::ConfineError;
pub use daemonize::DaemonizeError;
pub use error::RunError;
pub use owner::Owner;
pub use pidfile::PidfileError;
pub use privileges::{PrivilegeError, check_names};
pub(crate) use run::addresses;
pub use run::run;
pub use state_dir::StateDirError;

/// What is to be logged once the log has started.
pub(crate) type Notices = Vec<(log::Level, String)>;
