//! The daemon under a service manager: sockets that are handed over, what it tells about its life, and the units themselves.
//!
//! The tests are the service manager: they hold the listening sockets and the socket that notifications come in on.

mod activation;
mod notify;
mod restart;
mod units;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Client, Guarded, Journal, Request};

/// Passes on its standard input and output as the first descriptors that a service manager hands over. The daemon becomes the
/// process that the shell was, whose number it is told.
const HAND_OVER: &str = r#"export LISTEN_PID=$$ LISTEN_FDS="$0"; exec "$@" 3<&0 4<&1 </dev/null >/dev/null"#;

/// How `irongrey serve` is started, any number of times on one state.
struct Service {
    command: Vec<String>,
    environment: Vec<(&'static str, String)>,
    sockets: Vec<OwnedFd>,
}

impl Service {
    /// Without a socket: it would listen on its default port.
    fn new(dir: &Path) -> Self {
        let words = ["serve", "--seccomp", "--workers=2", "--max-state=64M", "--test-clock", "--quiet"];
        let mut command: Vec<String> = words.map(str::to_owned).into();
        command.insert(0, env!("CARGO_BIN_EXE_irongrey").to_owned());
        command.push(format!("--state={}", dir.join("state").display()));
        if crate::support::is_root() {
            command.push("--user=root".to_owned());
        }
        Self { command, environment: Vec::new(), sockets: Vec::new() }
    }

    /// More options.
    fn with<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.command.extend(words.into_iter().map(Into::into));
        self
    }

    fn environment(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Hands this socket over, two at most.
    fn hand_over(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.sockets.push(socket.into());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", HAND_OVER]).arg(self.sockets.len().to_string()).args(&self.command);
        let mut sockets = self.sockets.iter().map(|socket| Stdio::from(socket.try_clone().unwrap()));
        command.stdin(sockets.next().unwrap_or_else(Stdio::null)).stdout(sockets.next().unwrap_or_else(Stdio::null));
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDNAMES"] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it says that it serves.
    fn start(&self) -> Running {
        let mut process = Guarded::spawn(&mut self.command());
        let journal = Journal::default();
        journal.follow(process.child().stderr.take().unwrap());
        let line = journal.wait_for(" serves on ");
        let addresses = line.split(" serves on ").nth(1).and_then(|rest| rest.split(", state in ").next());
        Running { process, journal, addresses: addresses.unwrap().to_owned() }
    }

    /// Starts it, which must end by itself: the exit code and what it wrote.
    fn start_refused(&self) -> (Option<i32>, String) {
        let mut process = Guarded::spawn(&mut self.command());
        let journal = Journal::default();
        journal.follow(process.child().stderr.take().unwrap());
        let status = process.wait(Duration::from_secs(20)).expect("it ends");
        (status.code(), journal.wait_for("irongrey: "))
    }
}

/// A daemon that serves.
struct Running {
    process: Guarded,
    journal: Journal,
    /// As the log has them.
    addresses: String,
}

impl Running {
    fn stop(mut self) -> ExitStatus {
        self.process.signal(Signal::SIGTERM);
        let ended = self.process.wait(Duration::from_secs(20));
        ended.unwrap_or_else(|| panic!("it goes on:\n{}", self.journal.lines().join("\n")))
    }
}

/// A unix socket that listens, and its path.
fn unix_listener(dir: &Path) -> (UnixListener, PathBuf) {
    let path = dir.join("handed-over.sock");
    (UnixListener::bind(&path).unwrap(), path)
}

/// The triplet of this number.
fn mail(number: usize) -> Request {
    Request::new("192.0.2.1", &format!("s{number}x@sender.example"), "bob@customer.test")
}

fn is_answered(client: &mut Client) -> bool {
    client.ask(&mail(0)).starts_with("action=DEFER_IF_PERMIT ")
}
