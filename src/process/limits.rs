//! The limit of open files: the soft one is raised to the hard one.

use log::Level;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::Notices;

/// Files that the daemon has open beside its connections: segments, sockets, lists, logs.
const RESERVE: u64 = 128;

/// Raises the limit as far as it goes. Too low a limit is no error, the workers pause at it; but it is said.
pub(super) fn raise_open_files(max_connections: usize, notices: &mut Notices) {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard).or(Ok(soft)));
    let Ok(limit) = raised else { return };
    let room = limit.saturating_sub(RESERVE);
    if room < max_connections as u64 {
        let text = format!(
            "only {limit} files may be open, so about {room} connections instead of --max-connections={max_connections}; \
             raise the limit (ulimit -Hn, LimitNOFILE=)"
        );
        notices.push((Level::Warn, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_said() {
        let mut notices = Notices::new();
        raise_open_files(1, &mut notices);
        assert!(notices.is_empty(), "{notices:?}");
        raise_open_files(usize::MAX, &mut notices);
        assert!(notices[0].1.contains("--max-connections"), "{notices:?}");
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }
}
