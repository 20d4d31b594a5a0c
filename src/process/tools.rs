//! The control socket is made here, while the process may still be root, and given to the daemon's user.

use log::Level;
use nix::unistd::Gid;

use super::privileges::{self, Identity};
use super::{Notices, RunError};
use crate::config::{Listen, Settings};
use crate::worker::{self, Bound};

/// Its group may use the tools, nobody else.
const MODE: u32 = 0o660;
/// Connections that may wait.
const BACKLOG: i32 = 16;

/// Makes the socket. Where nobody has named it the daemon does without if it cannot be made: mail does not wait for tools.
pub(super) fn bind(
    settings: &Settings,
    identity: Option<&Identity>,
    notices: &mut Notices,
) -> Result<Option<Bound>, RunError> {
    let control = &settings.control;
    let named = control.group.as_deref().map(|name| privileges::group(name, "--control-group")).transpose()?;
    let group = named.or(identity.map(|identity| identity.gid)).map(Gid::as_raw);
    match worker::bind(&Listen::Unix(control.path.clone()), MODE, group, BACKLOG) {
        Ok(socket) => {
            privileges::give_socket(&control.path, identity)?;
            Ok(Some(socket))
        }
        Err(error) if control.is_named => Err(error.into()),
        Err(error) => {
            notices
                .push((Level::Warn, format!("no control socket for the tools: {error}; name another with --control")));
            Ok(None)
        }
    }
}
