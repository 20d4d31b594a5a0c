//! Least privilege: what the process gives up for good, once it is the daemon's user and before its first thread starts.
//!
//! | what | how |
//! |---|---|
//! | more privileges by running another program | `no_new_privs` |
//! | being read by others of its user, and core files | not dumpable |
//! | capabilities, such as that to bind a low port | all sets cleared |
//! | files but the state, the whitelists' directories and what is removed at the end | Landlock, where the kernel has it: `files.rs` |
//! | TCP connections (from Linux 6.7 on), signals to other processes (from 6.12 on) | the same |
//! | system calls that a daemon at work does not make | seccomp, with `--seccomp`: `calls.rs` |

mod calls;
mod files;

use caps::CapSet;
use log::Level;
use thiserror::Error;

use super::Notices;
use crate::config::Settings;
use crate::worker::Bound;

/// The system does not let the process give something up.
#[derive(Debug, Error)]
#[error("cannot give up {what}: {reason}{remedy}")]
pub struct ConfineError {
    what: &'static str,
    reason: String,
    remedy: &'static str,
}

impl ConfineError {
    fn new<E: ToString>(what: &'static str, remedy: &'static str) -> impl Fn(E) -> Self {
        move |error| Self { what, reason: error.to_string(), remedy }
    }
}

/// Gives up what a daemon that serves on `listeners` does not need.
pub(super) fn confine(settings: &Settings, listeners: &[Bound], notices: &mut Notices) -> Result<(), ConfineError> {
    nix::sys::prctl::set_no_new_privs().map_err(ConfineError::new("new privileges", ""))?;
    // A core file would hold the key, and a process of the same user could read it in the memory.
    nix::sys::prctl::set_dumpable(false).map_err(ConfineError::new("being dumpable", ""))?;
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(ConfineError::new("capabilities", ""))?;
    }
    if !files::confine(settings, listeners).map_err(ConfineError::new("access to other files", ""))? {
        let text = "there is no Landlock here, or 16 layers of it already: the daemon may touch whatever its user may";
        notices.push((Level::Info, text.to_owned()));
    }
    if settings.process.seccomp {
        calls::confine().map_err(ConfineError::new("system calls", "; start without --seccomp"))?;
    }
    Ok(())
}
