//! The limit of open files: the soft one is raised to the hard one.

use log::Level;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::Notices;

/// Files that the daemon opens beside its connections: segments, lists, logs, sockets to accept on.
const RESERVE: u64 = 64;
/// Files of each worker beside that.
const RESERVE_A_WORKER: u64 = 4;

/// Raises the limit as far as it goes and says how many connections it allows, at most those that are asked for. Too low a
/// limit is no error, but it is said.
pub(super) fn raise_open_files(max_connections: usize, workers: usize, notices: &mut Notices) -> usize {
    let Some(limit) = open_files() else { return max_connections };
    let reserve = RESERVE + RESERVE_A_WORKER * workers as u64;
    // Connections never take the descriptors that new segments and a reload need.
    let room = usize::try_from(limit.saturating_sub(reserve).max(limit / 4)).unwrap_or(usize::MAX);
    if room < max_connections {
        let text = format!(
            "only {limit} files may be open, so {room} connections instead of --max-connections={max_connections}; \
             raise the limit (ulimit -Hn, LimitNOFILE=)"
        );
        notices.push((Level::Warn, text));
    }
    room.min(max_connections)
}

/// Raises the limit as far as it goes and says where it is then, if the system tells.
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard).or(Ok(soft)))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_said() {
        let mut notices = Notices::new();
        assert_eq!(raise_open_files(1, 2, &mut notices), 1);
        assert!(notices.is_empty(), "{notices:?}");
        let most = raise_open_files(usize::MAX, 2, &mut notices) as u64;
        assert!(notices[0].1.contains("--max-connections"), "{notices:?}");
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
        assert!(most < hard && most >= hard / 4, "{most} of {hard}");
    }
}
