//! Landlock: the files that a daemon at work may touch.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, path_beneath_rules,
};

use crate::config::{Listen, Settings};

/// What is asked of the kernel; an older one gives what it has.
const KNOWN: ABI = ABI::V6;
/// Tells at start whether the machine was started anew since the last run.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// From now on only what the settings name can be opened, made or removed. False if the kernel has no Landlock.
pub(super) fn confine(settings: &Settings) -> Result<bool, RulesetError> {
    let all = AccessFs::from_all(KNOWN);
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let remove = AccessFs::RemoveFile;
    let status = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules([&settings.state.dir], all & !AccessFs::Execute))?
        .add_rules(path_beneath_rules(list_directories(settings), read))?
        .add_rules(path_beneath_rules([BOOT_ID], AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(removed_at_the_end(settings), remove))?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Where the whitelists are: a reload may find another file under the same name, or one that was not there. If a list is a
/// link, both its directories count.
fn list_directories(settings: &Settings) -> Vec<PathBuf> {
    let lists = &settings.lists;
    let named = [&lists.clients, &lists.clients_if_present, &lists.recipients, &lists.recipients_if_present];
    let paths = named.into_iter().flatten().flat_map(|path| [Some(path.clone()), path.canonicalize().ok()]);
    paths.flatten().filter_map(|path| Some(path.parent()?.to_owned())).collect()
}

/// Where the process id and the unix sockets are.
fn removed_at_the_end(settings: &Settings) -> Vec<PathBuf> {
    let sockets = settings.listen.iter().filter_map(|socket| match socket {
        Listen::Unix(path) => Some(path.as_path()),
        Listen::Inet(_) => None,
    });
    sockets.chain(settings.process.pidfile.as_deref()).filter_map(Path::parent).map(Path::to_owned).collect()
}
