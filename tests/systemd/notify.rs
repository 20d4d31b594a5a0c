//! What a service manager is told: that the daemon serves, reloads, lives, and ends.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Running, Service, is_answered, unix_listener};
use crate::support::{Address, Client, skipped_anywhere};

/// Longest wait for a notification.
const PATIENCE: Duration = Duration::from_secs(20);

/// The service manager's end.
struct Notifications(UnixDatagram);

impl Notifications {
    fn bind(name: &str) -> Self {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).unwrap(),
            None => SocketAddr::from_pathname(name).unwrap(),
        };
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next message's lines.
    fn next(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("a notification");
        String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
    }

    /// Reads on until a message has this line, and gives that message.
    fn wait_for(&self, line: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.next();
            if lines.iter().any(|found| found == line) {
                return lines;
            }
            assert!(Instant::now() < deadline, "no {line:?}; the last notification: {lines:?}");
        }
    }
}

/// A daemon on a unix socket, with the whitelist `clients` in `dir`.
fn start(dir: &TempDir, notify: &str, watchdog: Option<Duration>) -> (Running, Address) {
    let (unix, path) = unix_listener(dir.path());
    let list = dir.path().join("clients");
    std::fs::write(&list, "").unwrap();
    let service = Service::new(dir.path()).with([format!("--whitelist-clients={}", list.display())]);
    let mut service = service.hand_over(unix).environment("NOTIFY_SOCKET", notify);
    if let Some(limit) = watchdog {
        service = service.environment("WATCHDOG_USEC", limit.as_micros().to_string());
    }
    (service.start(), Address::Unix(path))
}

#[test]
fn a_life_is_told() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("notify").display().to_string();
    for name in [path.clone(), format!("@{path}")] {
        let dir = TempDir::new().unwrap();
        let manager = Notifications::bind(&name);
        let (daemon, address) = start(&dir, &name, None);
        let ready = manager.next();
        let pid = daemon.process.pid();
        assert_eq!(ready[..2], ["READY=1".to_owned(), format!("MAINPID={pid}")]);
        assert_eq!(ready[2], format!("STATUS=serves on {}; 0 requests, 0 of them greylisted", daemon.addresses));
        assert!(is_answered(&mut Client::connect(&address)));

        daemon.process.signal(Signal::SIGHUP);
        let reloading = manager.next();
        assert_eq!(reloading[0], "RELOADING=1");
        let since_boot: u64 = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(since_boot > 0);
        let ready = manager.next();
        assert_eq!(ready[0], "READY=1");
        assert!(ready[2].ends_with("; 1 requests, 1 of them greylisted"), "{ready:?}");

        std::fs::write(dir.path().join("clients"), "/(/\n").unwrap();
        daemon.process.signal(Signal::SIGHUP);
        assert_eq!(manager.next()[0], "RELOADING=1");
        let ready = manager.next();
        assert!(ready[0] == "READY=1" && ready[2].ends_with("; the last reload failed, the log says why"), "{ready:?}");

        assert_eq!(daemon.stop().code(), Some(0));
        assert_eq!(manager.next()[0], "STOPPING=1");
    }
}

#[test]
fn a_manager_that_cannot_be_reached_is_no_reason_not_to_serve() {
    for name in ["/no/such/socket", "relative", "@no such abstract socket"] {
        let dir = TempDir::new().unwrap();
        let (daemon, address) = start(&dir, name, Some(Duration::from_millis(50)));
        daemon.journal.wait_for(&format!("warning: NOTIFY_SOCKET={name}: "));
        assert!(is_answered(&mut Client::connect(&address)));
    }
}

#[test]
fn in_the_background_the_process_there_tells() {
    let dir = TempDir::new().unwrap();
    let name = dir.path().join("notify").display().to_string();
    let manager = Notifications::bind(&name);
    let pidfile = dir.path().join("pid");
    let options = [
        "--daemonize".to_owned(),
        format!("--unix={}", dir.path().join("sock").display()),
        format!("--pidfile={}", pidfile.display()),
    ];
    let service = Service::new(dir.path()).with(options).environment("NOTIFY_SOCKET", name);
    assert!(service.command().status().unwrap().success());
    let pid = std::fs::read_to_string(pidfile).unwrap().trim().to_owned();
    assert!(manager.wait_for("READY=1").contains(&format!("MAINPID={pid}")));
    nix::sys::signal::kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGTERM).unwrap();
    manager.wait_for("STOPPING=1");
}

/// The number of a thread of the daemon.
fn thread(daemon: &Running, name: &str) -> Pid {
    let tasks = format!("/proc/{}/task", daemon.process.pid());
    let number = std::fs::read_dir(tasks)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|found| found.trim() == name));
    Pid::from_raw(number.unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap())
}

/// One thread is held by a debugger; all others go on.
#[test]
fn there_is_no_sign_of_life_while_a_worker_hangs() {
    const WATCHDOG: Duration = Duration::from_secs(1);
    let dir = TempDir::new().unwrap();
    let name = dir.path().join("notify").display().to_string();
    let manager = Notifications::bind(&name);
    let (daemon, _) = start(&dir, &name, Some(WATCHDOG));
    assert_eq!(manager.next()[0], "READY=1");
    let start = Instant::now();
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    // Twice in the time that is given: the third comes after one and a half.
    assert!(start.elapsed() > WATCHDOG && start.elapsed() < WATCHDOG * 6, "{:?}", start.elapsed());

    let worker = thread(&daemon, "worker-1");
    match ptrace::seize(worker, ptrace::Options::empty()) {
        Err(Errno::EPERM) => return skipped_anywhere("systemd::no_sign_of_life", "this user may debug no process"),
        seized => seized.unwrap(),
    }
    ptrace::interrupt(worker).unwrap();
    manager.wait_for("STATUS=hangs: worker-1");
    daemon.journal.wait_for("error: hangs: worker-1; no sign of life");
    for _ in 0..3 {
        assert_eq!(manager.next(), ["STATUS=hangs: worker-1"]);
    }
    ptrace::detach(worker, None).unwrap();
    manager.wait_for("WATCHDOG=1");
    assert_eq!(daemon.stop().code(), Some(0));
}
