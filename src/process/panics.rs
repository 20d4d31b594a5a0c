//! A panic ends the daemon, and the log tells of it.
//!
//! The standard library's message would wait for a standard error that nobody reads, and the thread that has panicked would
//! neither serve nor end the process. Of a panic of the log thread itself only the signal tells, SIGABRT.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::process;
use std::thread;
use std::time::Duration;

/// How long the log thread has for the message.
const PATIENCE: Duration = Duration::from_millis(500);

/// From now on a panic of any thread is logged, and ends the process. To be called when the log has started.
pub(super) fn end_on_panic() {
    panic::set_hook(Box::new(end));
}

fn end(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let text = panic.to_string().replace('\n', " ");
    log::error!("thread {} {text}", thread.name().unwrap_or("without a name"));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        backtrace.to_string().lines().for_each(|line| log::error!("{line}"));
    }
    thread::sleep(PATIENCE);
    process::abort();
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::io::{Write, pipe};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus, Stdio};
    use std::time::Instant;

    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc::SIGABRT;

    use super::*;
    use crate::config::{LogSettings, LogTarget};
    use crate::logs;

    const CHILD: &str = "IRONGREY_TEST_PANIC";

    /// What the test program does when it is started by the tests below.
    #[test]
    #[ignore = "panics on purpose"]
    fn a_thread_that_panics() {
        assert!(env::var_os(CHILD).is_some(), "for the other tests only");
        let settings = LogSettings { target: LogTarget::Stderr, quiet: false, verbose: false };
        let _log = logs::start(&settings, "irongrey", 0).unwrap();
        end_on_panic();
        let thread = thread::Builder::new().name("worker".to_owned()).spawn(|| panic!("out of\norder"));
        thread.unwrap().join().unwrap_err();
    }

    fn ended(stderr: impl Into<Stdio>) -> ExitStatus {
        let program = env::current_exe().unwrap();
        let words = ["process::panics::tests::a_thread_that_panics", "--exact", "--ignored", "--nocapture"];
        let mut command = Command::new(program);
        command.args(words).env(CHILD, "1").env("RUST_BACKTRACE", "1").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(stderr).spawn().unwrap();
        let start = Instant::now();
        loop {
            match child.try_wait().unwrap() {
                Some(status) => return status,
                None if start.elapsed() > Duration::from_secs(20) => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    panic!("it goes on");
                }
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_place() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(ended(file.reopen().unwrap()).signal(), Some(SIGABRT));
        let text = fs::read_to_string(file.path()).unwrap();
        let expected = "error: thread worker panicked at src/process/panics.rs:";
        let line = text.lines().find(|line| line.contains(expected)).unwrap_or_else(|| panic!("{text}"));
        assert!(line.ends_with(": out of order"), "{line}");
        assert!(text.contains("a_thread_that_panics"), "a backtrace: {text}");
    }

    #[test]
    fn a_panic_ends_the_process_while_nobody_reads_standard_error() {
        let (_unread, mut stderr) = pipe().unwrap();
        let length = fcntl(&stderr, FcntlArg::F_GETPIPE_SZ).unwrap();
        stderr.write_all(&vec![b'\n'; usize::try_from(length).unwrap()]).unwrap();
        assert_eq!(ended(stderr).signal(), Some(SIGABRT));
    }
}
