//! Going to the background (`-d`) without a fork: the program starts itself again and waits until that child serves.
//!
//! ```text
//! parent   spawn child ------------------> read the pipe until its end --> exit 0, or with the child's code
//! child           close, setsid, bind, open, ... --"ready"--> /dev/null on all three standard streams, serve
//! ```
//!
//! The pipe is the child's standard output. Errors before it serves go to the standard error that both share.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::RawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt, parent_id};
use std::process::{Command, ExitCode, Stdio};

use nix::unistd;
use thiserror::Error;

/// Holds the process id of the parent, so that a daemon started with a leftover of it is not mistaken for a child.
const MARK: &str = "IRONGREY_DAEMON_OF";
const READY: &[u8] = b"ready\n";

/// Why the process could not go to the background.
#[derive(Debug, Error)]
pub enum DaemonizeError {
    /// The program could not be started again.
    #[error("cannot start the background process: {0}")]
    Spawn(#[source] io::Error),
    /// The background process was killed before it served.
    #[error("the background process was ended by signal {0} before it served")]
    Killed(i32),
    /// The background process cannot be given them.
    #[error("sockets are handed over (LISTEN_FDS) to a foreground process only; start without --daemonize")]
    HandedOver,
    /// The child could not detach itself.
    #[error("cannot detach from the terminal: {0}")]
    Detach(#[source] io::Error),
}

/// Whether this process is the one in the background.
pub(super) fn is_child() -> bool {
    env::var(MARK).is_ok_and(|parent| parent == parent_id().to_string())
}

/// Starts the background process and waits until it serves or has failed. The code is the one to exit with.
pub(super) fn start_child() -> Result<ExitCode, DaemonizeError> {
    let mut words = env::args_os();
    // The link itself would name the process `exe`.
    let program = env::current_exe().map_err(DaemonizeError::Spawn)?;
    let mut command = Command::new(&program);
    command.arg0(words.next().unwrap_or_else(|| program.into())).args(words);
    command.env(MARK, std::process::id().to_string());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(DaemonizeError::Spawn)?;
    let mut said = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut said).map_err(DaemonizeError::Spawn)?;
    }
    if said == READY {
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait().map_err(DaemonizeError::Spawn)?;
    match status.signal() {
        Some(signal) => Err(DaemonizeError::Killed(signal)),
        None => Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))),
    }
}

/// The child's first step: a session of its own, without a terminal and what else the caller had open.
pub(super) fn detach() -> Result<(), DaemonizeError> {
    close_inherited().map_err(DaemonizeError::Detach)?;
    unistd::setsid().map(drop).map_err(|errno| DaemonizeError::Detach(errno.into()))
}

/// Such as the lock of a script, which would be held as long as the daemon runs. Nothing is open yet that is its own.
fn close_inherited() -> io::Result<()> {
    let numbers =
        fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok())));
    let numbers: Vec<Option<RawFd>> = numbers.collect::<io::Result<_>>()?;
    for number in numbers.into_iter().flatten().filter(|&number| number > 2) {
        // The one by which they were read is closed already.
        let _ = unistd::close(number);
    }
    Ok(())
}

/// The child's last step: tells the parent that it serves, and lets go of the directory and the streams it came with.
pub(super) fn report_ready() -> Result<(), DaemonizeError> {
    let_go().map_err(DaemonizeError::Detach)
}

fn let_go() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    env::set_current_dir("/")?;
    unistd::dup2_stderr(&null)?;
    let mut stdout = io::stdout();
    // A parent that was killed meanwhile is no reason not to serve.
    let _ = stdout.write_all(READY).and_then(|()| stdout.flush());
    unistd::dup2_stdout(&null)?;
    Ok(())
}
