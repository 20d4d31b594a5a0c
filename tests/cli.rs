//! The program from outside: exit codes, messages, and a daemon's life in the foreground and in the background.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{call, irongrey};

fn outcome(words: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = call(words);
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// A directory that the user whom root becomes can enter.
fn open_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    dir
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

/// A daemon in the foreground that has said where it serves; killed if it is still there at the end.
struct Daemon {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    address: SocketAddr,
}

impl Daemon {
    fn start(words: &[&str]) -> Self {
        let mut child = irongrey(words).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let line = line_with(&mut log, " serves on ");
        let address = line.split(" serves on ").nth(1).and_then(|rest| rest.split([' ', ',']).next());
        Self { child, log, address: address.unwrap().parse().unwrap() }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line_with(log: &mut impl BufRead, wanted: &str) -> String {
    let mut before = String::new();
    loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "the log ended without {wanted:?}: {before}");
        if line.contains(wanted) {
            return line;
        }
        before.push_str(&line);
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "not within 10 s: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_wrong_on_the_command_line_exits_with_2_and_is_named() {
    for (words, named) in [
        (&["serve", "--delay=5x"][..], "--delay"),
        (&["serve", "--delay=3d"], "--retry-window"),
        (&["serve", "--auto-whitelist-clients=4096"], "0..=4095"),
        (&["serve", "--ipv4cidr=33"], "0..=32"),
        (&["serve", "--socketmode=9"], "0660"),
        (&["serve", "--bogus"], "--bogus"),
        (&["postgrey"], "--inet"),
        (&["postgrey", "--inet=0", "--bogus"], "--bogus"),
        (&["serve", "--test-clock", "--inet=0.0.0.0:0"], "--test-clock"),
        (&["serve", "--inet=0", "--user=no-such-user"], "--user=no-such-user: no such user"),
        (&["serve", "--inet=0", "--group=no-such-group"], "--group=no-such-group: no such group"),
        (&["frobnicate"], "frobnicate"),
        (&[], "Usage"),
    ] {
        let (code, stderr) = outcome(words);
        assert_eq!(code, Some(2), "{words:?}: {stderr}");
        assert!(stderr.contains(named), "{words:?}: {stderr}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for words in [&["--help"][..], &["serve", "--help"], &["postgrey", "-h"], &["postgrey", "--man"], &["--version"]] {
        let output = call(words);
        assert!(output.status.success() && output.stderr.is_empty(), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(if words == ["--version"] {
            "irongrey 0"
        } else {
            "Usage"
        }));
    }
    let output = call(&["postgrey", "--version"]);
    assert!(output.stdout.starts_with(b"irongrey 0"), "{output:?}");
}

#[test]
fn every_hidden_option_stays_hidden() {
    for command in ["serve", "postgrey"] {
        let help = String::from_utf8(call(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains("--whitelist-clients") && !help.contains("test-clock"), "{help}");
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let dir = open_dir();
    let missing = text(dir.path().join("missing"));
    let state = format!("--state={}", text(dir.path().join("state")));
    let (code, stderr) = outcome(&["serve", "--inet=0", &state, &format!("--whitelist-clients={missing}")]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(&missing), "{stderr}");
    let (code, stderr) = outcome(&["serve", "--inet=0", &state, &format!("--pidfile={missing}/pid")]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(&format!("--pidfile={missing}/pid")), "{stderr}");
    let (code, stderr) = outcome(&["serve", "--inet=0", &state, "--max-state=1M"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--max-state"), "{stderr}");
    let (code, stderr) = outcome(&["serve", "--inet=0", "--state=/proc/irongrey"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("/proc/irongrey"), "{stderr}");
}

#[test]
fn a_daemon_serves_until_it_is_told_to_stop() {
    let dir = open_dir();
    let (state, socket, pidfile) = (dir.path().join("state"), dir.path().join("socket"), dir.path().join("pid"));
    let state_option = format!("--state={}", text(state.clone()));
    let unix = format!("--unix={}", text(socket.clone()));
    let pid = format!("--pidfile={}", text(pidfile.clone()));
    let mut daemon = Daemon::start(&["serve", "--inet=0", &unix, &state_option, &pid]);
    TcpStream::connect(daemon.address).unwrap();
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!(fs::read_to_string(&pidfile).unwrap(), format!("{}\n", daemon.child.id()));

    let (code, stderr) = outcome(&["serve", "--inet=0", &state_option]);
    assert_eq!(code, Some(75), "{stderr}");
    assert!(stderr.contains(&daemon.child.id().to_string()), "{stderr}");

    daemon.signal(Signal::SIGHUP);
    line_with(&mut daemon.log, "whitelists reloaded");
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(!pidfile.exists());
}

/// Root's own files may be read at the start, root's umask is not the daemon's, and what was not read of the command line is
/// said.
#[test]
fn what_an_administrator_brings_along() {
    let dir = open_dir();
    let list = dir.path().join("clients");
    fs::write(&list, "example.org\n").unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).unwrap();
    let lists = format!("--whitelist-clients={}", text(list.clone()));
    let dbdir = format!("--dbdir={}", text(dir.path().join("a/b")));
    let program = env!("CARGO_BIN_EXE_irongrey");
    let words = ["postgrey", "--inet=127.0.0.1:0", &dbdir, &lists, "24", "--delay=9"];
    let mut careful = Command::new("/bin/sh");
    careful.args(["-c", r#"umask 077; exec "$0" "$@""#, program]).args(words).env_remove("POSTGREY_OPTS");
    let mut child = careful.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    line_with(&mut log, "not read, as it follows the word 24, which is no option: 24 --delay=9");
    line_with(&mut log, &format!("client whitelist {}: 1 entry", list.display()));
    line_with(&mut log, " serves on ");
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reload_that_fails_is_said_and_changes_nothing() {
    let dir = open_dir();
    let list = dir.path().join("clients");
    fs::write(&list, "example.org\n").unwrap();
    let state = format!("--state={}", text(dir.path().join("state")));
    let lists = format!("--whitelist-clients={}", text(list.clone()));
    let mut daemon = Daemon::start(&["serve", "--inet=0", &state, &lists]);
    fs::remove_file(&list).unwrap();
    daemon.signal(Signal::SIGHUP);
    let line = line_with(&mut daemon.log, "not reloaded");
    assert!(line.contains(list.to_str().unwrap()), "{line}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn in_the_background_the_parent_leaves_when_the_child_serves() {
    let dir = open_dir();
    let pidfile = dir.path().join("pid");
    let pid_option = format!("--pidfile={}", text(pidfile.clone()));
    let socket = dir.path().join("socket");
    let unix = format!("--unix={}", text(socket.clone()));
    let dbdir = format!("--dbdir={}", text(dir.path().join("db")));
    let (code, stderr) = outcome(&["postgrey", "-d", "--seccomp", &unix, &pid_option, &dbdir]);
    assert_eq!(code, Some(0), "{stderr}");
    let background = Background(fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap());
    std::os::unix::net::UnixStream::connect(&socket).unwrap();
    assert!(dir.path().join("db/irongrey").is_dir());
    match fs::read_link(format!("/proc/{}/cwd", background.0)) {
        // Only who may trace every process sees it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
        directory => assert_eq!(directory.unwrap(), Path::new("/")),
    }
    kill(Pid::from_raw(background.0), Signal::SIGTERM).unwrap();
    until("the pid file is gone", || fs::read_to_string(&pidfile).unwrap_or_default().is_empty());
}

/// A script that holds a lock while it starts the daemon gets rid of it when it ends.
#[test]
fn in_the_background_nothing_of_the_caller_stays_open() {
    let dir = open_dir();
    let (lock, pidfile) = (dir.path().join("lock"), dir.path().join("pid"));
    let options = [("--unix", "socket"), ("--pidfile", "pid"), ("--state", "state")];
    let options = options.map(|(option, name)| format!("{option}={}", text(dir.path().join(name))));
    let script = r#"exec 9>"$0" && flock -n 9 && timeout -k1 60 "$@" && ! flock -n "$0" true"#;
    let status = Command::new("sh")
        .args(["-c", script, &text(lock.clone()), env!("CARGO_BIN_EXE_irongrey"), "serve", "-d"])
        .args(options)
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let _background = Background(fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap());
    assert!(
        Flock::lock(fs::File::open(lock).unwrap(), FlockArg::LockExclusiveNonblock).is_ok(),
        "it is held by the daemon"
    );
}

#[test]
fn in_the_background_the_parent_passes_on_what_went_wrong() {
    let dir = open_dir();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let inet = format!("--inet={}", taken.local_addr().unwrap());
    let state = format!("--state={}", text(dir.path().join("state")));
    let (code, stderr) = outcome(&["serve", "-d", &inet, &state]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&taken.local_addr().unwrap().to_string()), "{stderr}");
}

/// A daemon in the background, killed if it is still there at the end.
struct Background(i32);

impl Drop for Background {
    fn drop(&mut self) {
        if fs::read_to_string(format!("/proc/{}/comm", self.0)).is_ok_and(|name| name.starts_with("irongrey")) {
            let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
        }
    }
}
