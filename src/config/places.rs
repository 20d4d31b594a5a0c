//! Where the state is, and where whitelists are looked for, when no option names a place: irongrey's own places, Debian's and
//! upstream postgrey's.
//!
//! A file that an option names must exist; the files here are read if they do. Naming a file of one kind replaces the
//! places of that kind, as in postgrey.

use std::path::{Path, PathBuf};

use super::check::ConfigError;
use super::{Builtin, Host, ListSettings};

const OWN_CLIENTS: [&str; 1] = ["/etc/irongrey/whitelist_clients"];
const OWN_RECIPIENTS: [&str; 1] = ["/etc/irongrey/whitelist_recipients"];
const POSTGREY_CLIENTS: [&str; 4] = [
    "/etc/postgrey/whitelist_clients",
    "/etc/postgrey/whitelist_clients.local",
    "/etc/postfix/postgrey_whitelist_clients",
    "/etc/postfix/postgrey_whitelist_clients.local",
];
const POSTGREY_RECIPIENTS: [&str; 4] = [
    "/etc/postgrey/whitelist_recipients",
    "/etc/postgrey/whitelist_recipients.local",
    "/etc/postfix/postgrey_whitelist_recipients",
    "/etc/postfix/postgrey_whitelist_recipients.local",
];

/// The state directory of all commands but `postgrey`.
pub(super) fn state(named: Option<&Path>, host: &Host) -> Result<PathBuf, ConfigError> {
    match (named, &host.state_home) {
        (Some(dir), _) => Ok(host.absolute(dir)),
        (None, _) if host.root => Ok(PathBuf::from("/var/lib/irongrey")),
        (None, Some(home)) => Ok(home.join("irongrey")),
        (None, None) => Err(ConfigError::NoStateDir),
    }
}

/// The lists of the command line `postgrey`.
pub(super) fn postgrey(clients: &[PathBuf], recipients: &[PathBuf], host: &Host) -> ListSettings {
    let (named_clients, local_clients) = without_local(named(clients, host));
    let (named_recipients, local_recipients) = without_local(named(recipients, host));
    ListSettings {
        builtin: Builtin::WithoutFiles,
        clients_if_present: [local_clients, unless_named(clients, &[&POSTGREY_CLIENTS])].concat(),
        recipients_if_present: [local_recipients, unless_named(recipients, &[&POSTGREY_RECIPIENTS])].concat(),
        clients: named_clients,
        recipients: named_recipients,
    }
}

/// postgrey does not miss a file whose name ends so.
fn without_local(files: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    files.into_iter().partition(|file| file.extension().is_none_or(|extension| extension != "local"))
}

/// The lists of the command line `serve`.
pub(super) fn serve(clients: &[PathBuf], recipients: &[PathBuf], host: &Host) -> ListSettings {
    ListSettings {
        builtin: Builtin::Always,
        clients_if_present: unless_named(clients, &[&OWN_CLIENTS, &POSTGREY_CLIENTS]),
        recipients_if_present: unless_named(recipients, &[&OWN_RECIPIENTS, &POSTGREY_RECIPIENTS]),
        clients: named(clients, host),
        recipients: named(recipients, host),
    }
}

fn unless_named(named: &[PathBuf], places: &[&[&str]]) -> Vec<PathBuf> {
    if named.is_empty() { places.concat().into_iter().map(PathBuf::from).collect() } else { Vec::new() }
}

/// Each file once, from the root of the file system.
fn named(files: &[PathBuf], host: &Host) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::with_capacity(files.len());
    for path in files.iter().map(|file| host.absolute(file)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}
