//! What the machine contributes to the settings: read once at start, so that turning options into settings is pure.

use std::env;
use std::path::{Path, PathBuf};
use std::thread;

use super::Listen;

/// Event loops without `--workers`, on a machine with that many cores or more. The default state has room for them.
const MAX_DEFAULT_WORKERS: usize = 128;

/// Facts about the machine and the user that defaults depend on.
#[derive(Clone, Debug)]
pub struct Host {
    /// The host's name, for the header.
    pub name: String,
    /// Whether the process was started as root.
    pub root: bool,
    /// Processors this process may use.
    pub cores: usize,
    /// Where the user's programs keep state (`$XDG_STATE_HOME`, or `~/.local/state`), if the user has a home.
    pub state_home: Option<PathBuf>,
    /// The working directory, which relative paths start from.
    pub cwd: PathBuf,
    /// Sockets that are open already, as a service manager has handed them over; none unless the caller says so. All are served;
    /// without an option that names a socket no others are.
    pub handed_over: Vec<Listen>,
    /// The sockets of a daemon that listens already: names are looked up once, at start. At work it may not even be able to.
    pub listening: Option<Vec<Listen>>,
}

impl Host {
    /// Reads the facts. What cannot be found out gets a harmless value.
    pub fn read() -> Self {
        let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        Self {
            name: name.unwrap_or_else(|| "localhost".to_owned()),
            root: nix::unistd::geteuid().is_root(),
            cores: thread::available_parallelism().map_or(1, Into::into),
            state_home: state_home(env::var_os("XDG_STATE_HOME").map(Into::into), env::var_os("HOME").map(Into::into)),
            cwd: env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            handed_over: Vec::new(),
            listening: None,
        }
    }

    /// Event loops without `--workers`: one a core.
    pub fn default_workers(&self) -> usize {
        self.cores.min(MAX_DEFAULT_WORKERS)
    }

    /// `path`, from the root of the file system: the daemon does not stay in the directory it was started in.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.cwd.join(path)
    }
}

/// The XDG base directory rule: a relative `$XDG_STATE_HOME` is to be ignored.
fn state_home(xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let home_state = || home.filter(|home| home.is_absolute()).map(|home| home.join(".local/state"));
    xdg.filter(|dir| dir.is_absolute()).or_else(home_state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_home_follows_the_xdg_rule() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(state_home(path("/x"), path("/home/me")), path("/x"));
        assert_eq!(state_home(path("x"), path("/home/me")), path("/home/me/.local/state"));
        assert_eq!(state_home(None, path("/home/me")), path("/home/me/.local/state"));
        assert_eq!(state_home(path(""), path("")), None);
    }
}
