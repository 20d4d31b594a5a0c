//! Who the daemon is: chosen and checked at start, assumed once what needs root is done, and before any thread exists.
//!
//! Started as root the daemon serves as root only when root is named. Not started as root it cannot become anyone else.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use log::Level;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{self, Gid, Group, Uid, User};
use thiserror::Error;

use super::Notices;
use crate::config::{ProcessSettings, Settings};
use crate::worker::Bound;

/// Users that a daemon started as root becomes if none is named: the first that exists.
const DEFAULT_USERS: [&str; 3] = ["irongrey", "postgrey", "nobody"];

/// Why the daemon cannot become who it should be.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    /// There is no such user.
    #[error("--user={0}: no such user; name an existing one, or make it with: adduser --system --group {0}")]
    NoUser(String),
    /// There is no such group.
    #[error("{option}={name}: no such group; name an existing one, or make it with: addgroup --system {name}")]
    NoGroup {
        /// The option.
        option: &'static str,
        /// Its value.
        name: String,
    },
    /// A number that no user has, so nothing tells its group.
    #[error("--user={0}: no user has this number, so its group is not known; name one with --group")]
    NoPrimaryGroup(String),
    /// None of the default users exists.
    #[error("started as root, and none of the users irongrey, postgrey and nobody exists; name one with --user")]
    NoDefaultUser,
    /// Only root can become someone else.
    #[error("{option}={name}: only root can change user or group; start as root, or without {option}")]
    NotRoot {
        /// The option.
        option: &'static str,
        /// Its value.
        name: String,
    },
    /// The system refused.
    #[error("cannot {what} {name}: {errno}")]
    System {
        /// What was tried.
        what: &'static str,
        /// On whom, or for whom.
        name: String,
        /// Why not.
        errno: Errno,
    },
    /// The socket cannot be given to the daemon's user.
    #[error("{}: cannot give the socket to the daemon's user: {errno}; choose another place with --unix", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why not.
        errno: Errno,
    },
}

impl PrivilegeError {
    /// The exit code: 2 for what the administrator named, 1 for what the system refused.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::System { .. }) { 1 } else { 2 }
    }
}

/// The user and group that a daemon started as root becomes.
#[derive(Debug)]
pub(crate) struct Identity {
    name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// The user's supplementary groups come with the name; a bare number has none.
    login: Option<CString>,
}

/// Whom to become; `None` to stay. Says in `notices` what nobody asked for by name.
pub(crate) fn choose(asked: &ProcessSettings, notices: &mut Notices) -> Result<Option<Identity>, PrivilegeError> {
    if !unistd::geteuid().is_root() {
        return stays_as_asked(asked).map(|()| None);
    }
    let group = asked.group.as_deref().map(|name| group(name, "--group")).transpose()?;
    let identity = match asked.user.as_deref() {
        Some(name) => named_user(name, group)?,
        None => default_user(group, notices)?,
    };
    if identity.uid.is_root() {
        notices.push((Level::Warn, "running as root, as asked; a user of its own is safer".to_owned()));
    }
    Ok(Some(identity))
}

/// Whom a tool becomes that writes to the state in `directory`: the one who is asked for, else its owner, else, if that
/// is root or there is none yet, the user that a daemon would become.
pub(super) fn choose_for(directory: &Path, asked: &ProcessSettings) -> Result<Option<Identity>, PrivilegeError> {
    if unistd::geteuid().is_root()
        && asked.user.is_none()
        && let Ok(found) = std::fs::metadata(directory)
        && found.uid() != 0
    {
        let group = asked.group.as_deref().map(|name| group(name, "--group")).transpose()?;
        return named_user(&found.uid().to_string(), group.or(Some(Gid::from_raw(found.gid())))).map(Some);
    }
    choose(asked, &mut Notices::new())
}

fn default_user(group: Option<Gid>, notices: &mut Notices) -> Result<Identity, PrivilegeError> {
    let user = DEFAULT_USERS.iter().find_map(|name| User::from_name(name).ok().flatten());
    let identity = Identity::of(user.ok_or(PrivilegeError::NoDefaultUser)?, group);
    notices.push((Level::Info, format!("started as root without --user: running as {}", identity.name)));
    Ok(identity)
}

impl Identity {
    fn of(user: User, group: Option<Gid>) -> Self {
        let login = CString::new(user.name.as_str()).ok();
        Self { name: user.name, uid: user.uid, gid: group.unwrap_or(user.gid), login }
    }

    /// Becomes this user and group, for the whole process and for good.
    pub(crate) fn assume(&self) -> Result<(), PrivilegeError> {
        let failed = |what| move |errno| PrivilegeError::System { what, name: self.name.clone(), errno };
        match &self.login {
            Some(login) => unistd::initgroups(login, self.gid),
            None => unistd::setgroups(&[self.gid]),
        }
        .map_err(failed("take the groups of"))?;
        unistd::setgid(self.gid).map_err(failed("take the group of"))?;
        unistd::setuid(self.uid).map_err(failed("become"))
    }

    /// Gives this user a directory that root has made.
    pub(super) fn own(&self, directory: BorrowedFd<'_>) -> Result<(), Errno> {
        unistd::fchown(directory.as_fd(), Some(self.uid), Some(self.gid))
    }
}

/// The group of unix sockets: the one that `option` names, or the daemon's own if it becomes someone else.
pub(crate) fn socket_group(
    named: Option<&str>,
    option: &'static str,
    identity: Option<&Identity>,
) -> Result<Option<u32>, PrivilegeError> {
    let named = named.map(|name| group(name, option)).transpose()?;
    Ok(named.or(identity.map(|identity| identity.gid)).map(Gid::as_raw))
}

/// Gives the unix sockets that the daemon has made to the user that it becomes.
pub(crate) fn give_sockets(listeners: &[Bound], identity: Option<&Identity>) -> Result<(), PrivilegeError> {
    let Some(identity) = identity else { return Ok(()) };
    for path in listeners.iter().filter_map(Bound::file) {
        let given = change_owner(path, identity.uid);
        given.map_err(|errno| PrivilegeError::Socket { path: path.to_owned(), errno })?;
    }
    Ok(())
}

/// Whether the users and groups that are named exist.
pub fn check_names(settings: &Settings) -> Result<(), PrivilegeError> {
    let asked = &settings.process;
    let of_user = asked.group.as_deref().map(|name| group(name, "--group")).transpose()?;
    if let Some(name) = &asked.user {
        named_user(name, of_user)?;
    }
    for (name, option) in [(&settings.socket_group, "--socket-group"), (&settings.control.group, "--control-group")] {
        name.as_deref().map(|name| group(name, option)).transpose()?;
    }
    Ok(())
}

/// Follows no symbolic link: the directory may belong to someone who could put one there.
fn change_owner(path: &Path, owner: Uid) -> Result<(), Errno> {
    unistd::fchownat(AT_FDCWD, path, Some(owner), None, AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn stays_as_asked(asked: &ProcessSettings) -> Result<(), PrivilegeError> {
    if let Some(name) = asked.user.as_deref() {
        let group = asked.group.as_deref().map_or_else(|| Ok(unistd::getegid()), |name| group(name, "--group"))?;
        if named_user(name, Some(group))?.uid != unistd::geteuid() {
            return Err(PrivilegeError::NotRoot { option: "--user", name: name.to_owned() });
        }
    }
    if let Some(name) = asked.group.as_deref()
        && group(name, "--group")? != unistd::getegid()
    {
        return Err(PrivilegeError::NotRoot { option: "--group", name: name.to_owned() });
    }
    Ok(())
}

fn named_user(name: &str, group: Option<Gid>) -> Result<Identity, PrivilegeError> {
    if let Ok(Some(user)) = User::from_name(name) {
        return Ok(Identity::of(user, group));
    }
    let uid = Uid::from_raw(name.parse().map_err(|_| PrivilegeError::NoUser(name.to_owned()))?);
    if let Ok(Some(user)) = User::from_uid(uid) {
        return Ok(Identity::of(user, group));
    }
    let gid = group.ok_or_else(|| PrivilegeError::NoPrimaryGroup(name.to_owned()))?;
    Ok(Identity { name: name.to_owned(), uid, gid, login: None })
}

fn group(name: &str, option: &'static str) -> Result<Gid, PrivilegeError> {
    if let Ok(Some(group)) = Group::from_name(name) {
        return Ok(group.gid);
    }
    name.parse().map(Gid::from_raw).map_err(|_| PrivilegeError::NoGroup { option, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_go_by_name_or_number() {
        let by_name = named_user("nobody", None).unwrap();
        let by_number = named_user(&by_name.uid.to_string(), None).unwrap();
        assert_eq!((by_number.uid, by_number.gid, by_number.name), (by_name.uid, by_name.gid, by_name.name));
    }

    #[test]
    fn a_number_of_nobody_needs_a_group() {
        assert!(matches!(named_user("3999999", None), Err(PrivilegeError::NoPrimaryGroup(_))));
        let identity = named_user("3999999", Some(Gid::from_raw(7))).unwrap();
        assert_eq!((identity.uid.as_raw(), identity.gid.as_raw()), (3_999_999, 7));
        assert!(identity.login.is_none());
    }

    #[test]
    fn the_unknown_is_named_with_its_option() {
        let user = named_user("no-such-user", None).unwrap_err();
        assert!(user.to_string().starts_with("--user=no-such-user: "), "{user}");
        let group = group("no-such-group", "--socket-group").unwrap_err();
        assert!(group.to_string().starts_with("--socket-group=no-such-group: "), "{group}");
        assert_eq!((user.exit_code(), group.exit_code()), (2, 2));
    }
}
