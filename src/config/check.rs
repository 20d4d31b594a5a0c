//! What no single option can know: whether the settings fit each other. Both command lines end here.

use std::path::PathBuf;

use thiserror::Error;

use super::lists::ListError;
use super::rules::RuleError;
use super::{FileError, Host, Inet, InetError, Listen, Settings};
use crate::grey::Terms;

/// Why options that are right by themselves cannot be served. Each says what would be right.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The configuration file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key of the configuration file that is right by itself does not fit the others.
    #[error("{}, line {line}: {error}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// The key's line, from 1.
        line: usize,
        /// What is wrong, with the key as an option.
        error: Box<Self>,
    },
    /// File and command line together; each of them is right by itself.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// A whitelist.
    #[error(transparent)]
    List(#[from] ListError),
    /// A rule.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// There is nothing to listen on.
    #[error("no socket to listen on: name one with --inet=[HOST:]PORT or --unix=PATH")]
    NoSocket,
    /// A socket's host has no address.
    #[error(transparent)]
    Inet(#[from] InetError),
    /// Nothing could ever pass.
    #[error(
        "--delay={delay}s is not shorter than --retry-window={retry_window}s: a retry would come too early or too late, \
         and nothing would ever pass; choose a shorter delay or a longer window"
    )]
    DelayFillsWindow {
        /// Seconds.
        delay: u32,
        /// Seconds.
        retry_window: u32,
    },
    /// The same.
    #[error(
        "--delay={delay}s is longer than --max-age={max_age}s: each first attempt would be forgotten before its time, and nothing \
         would ever pass; choose a shorter delay or a larger age"
    )]
    DelayOutlivesAge {
        /// Seconds.
        delay: u32,
        /// Seconds.
        max_age: u32,
    },
    /// Nothing would be remembered.
    #[error("--max-age=0 would forget each sender at once; choose at least 1 day")]
    NoAge,
    /// Anyone who reaches the socket could set the clock.
    #[error(
        "--test-clock lets each client set the time and is for tests only: not on {address}, only on loopback or unix"
    )]
    TestClock {
        /// The socket's address.
        address: std::net::SocketAddr,
    },
    /// An ordinary user without a home.
    #[error("no place for the state: neither XDG_STATE_HOME nor HOME is an absolute path; name one with --state=DIR")]
    NoStateDir,
}

/// Every socket, each once: an option that is both in `POSTGREY_OPTS` and on the command line means one socket, and one that
/// names a socket that was handed over means that one.
pub(super) fn sockets(
    inet: &[Inet],
    unix: impl Iterator<Item = Listen>,
    host: &Host,
) -> Result<Vec<Listen>, ConfigError> {
    if let Some(listening) = &host.listening {
        return Ok(listening.clone());
    }
    let mut all = Vec::new();
    for inet in inet {
        all.extend(inet.resolve()?.into_iter().map(Listen::Inet));
    }
    all.extend(unix);
    all.extend(host.handed_over.iter().cloned());
    let mut listen: Vec<Listen> = Vec::with_capacity(all.len());
    for socket in all {
        // Port 0 asks for a port of its own each time.
        if !listen.contains(&socket) || matches!(&socket, Listen::Inet(address) if address.port() == 0) {
            listen.push(socket);
        }
    }
    if listen.is_empty() { Err(ConfigError::NoSocket) } else { Ok(listen) }
}

/// The settings themselves, if they fit each other.
pub(super) fn checked(settings: Settings) -> Result<Settings, ConfigError> {
    terms(&settings.terms)?;
    match settings.listen.iter().find_map(Listen::open_address) {
        Some(address) if settings.test_clock => Err(ConfigError::TestClock { address }),
        _ => Ok(settings),
    }
}

/// Whether the terms fit each other.
pub(super) fn terms(terms: &Terms) -> Result<(), ConfigError> {
    if terms.delay >= terms.retry_window {
        return Err(ConfigError::DelayFillsWindow { delay: terms.delay, retry_window: terms.retry_window });
    }
    if terms.max_age == 0 {
        return Err(ConfigError::NoAge);
    }
    if terms.delay >= terms.established_life() {
        return Err(ConfigError::DelayOutlivesAge { delay: terms.delay, max_age: terms.max_age });
    }
    Ok(())
}

/// Default of `--max-state`, in bytes.
pub(super) const DEFAULT_MAX_SIZE: u64 = 4 << 30;
/// Default of `--max-connections`.
pub(super) const DEFAULT_MAX_CONNECTIONS: usize = 16_384;
/// Default of `--listen-queue-size`; the kernel cuts it to `net.core.somaxconn`.
pub(super) const DEFAULT_LISTEN_QUEUE: i32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terms_by_which_nothing_could_pass_are_taken() {
        let refused = |wrong| terms(&wrong).unwrap_err().to_string();
        let hours = |delay: u32, max_age: u32| Terms { delay: delay * 3600, max_age: max_age * 3600, ..Terms::DEFAULT };
        assert!(refused(hours(48, 840)).contains("--retry-window=172800s"));
        assert!(refused(hours(0, 0)).contains("--max-age=0"));
        assert!(refused(hours(9, 8)).contains("--delay=32400s is longer than --max-age=28800s"));
        assert!(terms(&hours(8, 8)).is_ok(), "within the eighth more");
    }
}
