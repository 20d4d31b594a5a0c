//! Landlock: the files that a daemon at work may touch.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, RestrictSelfError, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use nix::libc;

use crate::config::Settings;
use crate::worker::Bound;

/// What is asked of the kernel; an older one gives what it has.
const KNOWN: ABI = ABI::V6;
/// Tells at start whether the machine was started anew since the last run.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The names in the backtrace of a panic come from it.
const PROGRAM: &str = "/proc/self/exe";
/// Where the local time of syslog's lines comes from. It may change while the daemon works.
const TIME_ZONE: [&str; 4] = ["/etc/localtime", "/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// From now on only what the settings name can be opened, made or removed. False if the kernel has no Landlock, or
/// no more of it, as whoever started the daemon has used it up.
pub(super) fn confine(settings: &Settings, listeners: &[Bound]) -> Result<bool, RulesetError> {
    let all = AccessFs::from_all(KNOWN);
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let remove = AccessFs::RemoveFile;
    let restricted = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules([&settings.state.dir], all & !AccessFs::Execute))?
        .add_rules(path_beneath_rules(read_directories(settings), read))?
        .add_rules(path_beneath_rules([BOOT_ID], AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(TIME_ZONE, read))?
        .add_rules(path_beneath_rules([PROGRAM], AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(removed_at_the_end(settings, listeners), remove))?
        .restrict_self();
    match restricted {
        Ok(status) => Ok(status.ruleset != RulesetStatus::NotEnforced),
        Err(RulesetError::RestrictSelf(RestrictSelfError::RestrictSelfCall { source, .. }))
            if source.raw_os_error() == Some(libc::E2BIG) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Where whitelists, configuration and files of rules are: a reload may find another file under the same name, or one that was
/// not there. If a file is a link, both its directories count.
fn read_directories(settings: &Settings) -> Vec<PathBuf> {
    let lists = &settings.lists;
    let named = [&lists.clients, &lists.clients_if_present, &lists.recipients, &lists.recipients_if_present];
    let paths = named
        .into_iter()
        .flatten()
        .chain(settings.own_files())
        .flat_map(|path| [Some(path.clone()), path.canonicalize().ok()]);
    paths.flatten().filter_map(|path| Some(path.parent()?.to_owned())).collect()
}

/// Where the process id and the daemon's own unix sockets are.
fn removed_at_the_end(settings: &Settings, listeners: &[Bound]) -> Vec<PathBuf> {
    let sockets = listeners.iter().filter_map(Bound::file);
    let others = settings.process.pidfile.as_deref().into_iter().chain([settings.control.path.as_path()]);
    sockets.chain(others).filter_map(Path::parent).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io;
    use std::path::Path;
    use std::thread;

    use nix::sys::prctl::set_no_new_privs;
    use tempfile::TempDir;

    use super::*;
    use crate::cli::{self, Command, Environment};
    use crate::config::Host;

    fn settings(state: &Path) -> Settings {
        let words = ["irongrey".into(), "serve".into(), "--state".into(), state.into()];
        match cli::parse(words.into(), &Environment::default()).unwrap() {
            Command::Serve(arguments) => arguments.settings(&Host::read()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// What `look` finds on a thread that is confined, and on one that is not; `None` where the kernel has no Landlock.
    fn both<T: Send + 'static>(look: fn() -> T) -> Option<[T; 2]> {
        let dir = TempDir::new().unwrap();
        let settings = settings(dir.path());
        let confined = thread::spawn(move || {
            set_no_new_privs().unwrap();
            confine(&settings, &[]).unwrap().then(look)
        });
        Some([confined.join().unwrap()?, look()])
    }

    fn can_open(path: impl AsRef<Path>) -> bool {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
            Ok(_) | Err(_) => true,
        }
    }

    #[test]
    fn other_files_are_out_of_reach() {
        let Some(found) = both(|| can_open("/etc/passwd")) else { return };
        assert_eq!(found, [false, true]);
    }

    #[test]
    fn the_program_itself_can_be_read() {
        let Some(found) = both(|| can_open(std::env::current_exe().unwrap())) else { return };
        assert_eq!(found, [true; 2]);
    }

    /// The kernel takes 16 layers.
    #[test]
    fn where_others_have_used_up_landlock_it_is_not_in_force() {
        let dir = TempDir::new().unwrap();
        let settings = settings(dir.path());
        let nested = thread::spawn(move || {
            for _ in 0..16 {
                let ruleset = Ruleset::default().handle_access(AccessFs::MakeSock).unwrap().create().unwrap();
                ruleset.restrict_self().unwrap();
            }
            confine(&settings, &[]).unwrap()
        });
        assert!(!nested.join().unwrap());
    }

    #[test]
    fn the_time_zone_stays_known() {
        let look = || ["/etc/localtime", "/usr/share/zoneinfo", "/usr/share/zoneinfo/Asia/Tokyo"].map(can_open);
        let Some(found) = both(look) else { return };
        assert_eq!(found, [[true; 3]; 2]);
    }
}
