//! [`Owner`]: whom a tool becomes before it writes to a state directory, so that the daemon finds files of its own there.
//!
//! Chosen and checked before anything is read, assumed when all that needs root is done.

use std::path::Path;

use nix::sys::stat::{Mode, umask};

use super::privileges::{self, Identity};
use super::{PrivilegeError, RunError, state_dir};
use crate::config::ProcessSettings;

/// The user to whom a state directory belongs, or will.
#[derive(Debug)]
pub struct Owner(Option<Identity>);

impl Owner {
    /// The owner of the state in `directory`, or of one that is made there, if the process may become that one.
    pub fn of(directory: &Path, user: Option<&str>, group: Option<&str>) -> Result<Self, PrivilegeError> {
        let asked = ProcessSettings {
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
            ..ProcessSettings::default()
        };
        privileges::choose_for(directory, &asked).map(Self)
    }

    /// Makes the directory as a daemon would, and becomes its owner for good.
    pub fn assume(&self, directory: &Path) -> Result<(), RunError> {
        umask(Mode::from_bits_truncate(0o022));
        state_dir::prepare(directory, self.0.as_ref())?;
        self.0.as_ref().map_or(Ok(()), Identity::assume)?;
        Ok(())
    }
}
