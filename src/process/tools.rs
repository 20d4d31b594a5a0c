//! The control socket is made here, while the process may still be root, and given to the daemon's user.

use log::Level;

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
    let group = privileges::socket_group(control.group.as_deref(), "--control-group", identity)?;
    match worker::bind(&Listen::Unix(control.path.clone()), MODE, group, BACKLOG) {
        Ok(socket) => {
            privileges::give_sockets(std::slice::from_ref(&socket), identity)?;
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
