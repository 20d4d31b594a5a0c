//! The program itself: thousands of connections to its own baseline, exit statuses, and Ctrl-C.
//!
//! Each server listens in a directory of its own and is killed with its value; every run has an end of its own.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::fs::{self, Permissions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tempfile::TempDir;

struct Baseline {
    child: Child,
    directory: TempDir,
}

impl Baseline {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let child = greyload(&["baseline", "--unix", socket.to_str().unwrap()]).spawn().unwrap();
        let (baseline, started) = (Self { child, directory }, Instant::now());
        while UnixStream::connect(&socket).is_err() {
            assert!(started.elapsed() < Duration::from_secs(30), "the baseline does not listen");
            std::thread::sleep(Duration::from_millis(1));
        }
        baseline
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn greyload(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_greyload"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Drives the server behind `socket`.
fn drive(socket: &str, more: &[&str]) -> Command {
    let mut command = greyload(&["drive", "--unix", socket]);
    command.args(more);
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The text with single spaces.
fn words(output: &Output) -> String {
    text(output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn interrupt(child: &Child) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
}

/// Waits until the child watches for signals.
fn await_watch(child: &Child) {
    let (path, started) = (format!("/proc/{}/status", child.id()), Instant::now());
    let watches = || {
        let status = fs::read_to_string(&path).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & (1 << (Signal::SIGINT as i32 - 1)) != 0
    };
    while !watches() {
        assert!(started.elapsed() < Duration::from_secs(30), "no signal is watched for");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn five_thousand_connections_are_driven_in_both_loops() {
    let baseline = Baseline::start();
    for more in [&["--threads", "2"][..], &["--rate", "20000..40000"]] {
        let options = [&["--connections", "5000", "--requests", "30000"], more].concat();
        let output = drive(baseline.socket().to_str().unwrap(), &options).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert!(words(&output).contains(" all 30,000 "), "{}", text(&output));
    }
}

#[test]
fn ctrl_c_ends_with_the_report() {
    let baseline = Baseline::start();
    let child = drive(baseline.socket().to_str().unwrap(), &["--duration", "60"]).spawn().unwrap();
    await_watch(&child);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(words(&output).contains(" interrupted yes") && words(&output).contains(" max "), "{}", text(&output));
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let priming = ["--connections", "1", "--workload", "known", "--prime-wait", "1"];
    let child = drive(socket.to_str().unwrap(), &priming).spawn().unwrap();
    // Asked and never answered, so the first signal alone waits for a second.
    let (mut stream, _) = listener.accept().unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    let started = Instant::now();
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(200));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(started.elapsed() < Duration::from_secs(30) && output.stdout.is_empty(), "{}", text(&output));
}

#[test]
fn a_server_that_is_not_there_is_status_1_and_a_wrong_option_2() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = greyload(&["drive", "--inet", &free]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(&format!("cannot connect to {free}")), "{}", text(&output));
    let output = greyload(&["drive", "--inet", &free, "--workload", "known", "--prime-wait", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        words(&output).contains("when the working set was sent before the run, cannot connect"),
        "{}",
        text(&output)
    );
    let output = greyload(&["drive", "--inet", &free, "--threads", "2", "--connections", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
}

#[test]
fn a_socket_that_is_not_there_is_status_1_and_a_path_too_long_2() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| drive(directory.path().join(name).to_str().unwrap(), &[]).output().unwrap();
    let output = at("none");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(words(&output).contains("none (connection 1): No such file or directory (os error 2); does it run"));
    let output = at(&"x".repeat(108));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("at most 107 bytes; give a shorter one"), "{}", text(&output));
}

#[test]
fn a_report_that_could_not_be_written_is_refused_before_the_load() {
    let directory = tempfile::tempdir().unwrap();
    let (report, program) = (directory.path().join("report"), directory.path().join("greyload"));
    fs::create_dir(&report).unwrap();
    fs::set_permissions(&report, Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_greyload"), &program).unwrap();
    let server = std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
    server.set_nonblocking(true).unwrap();
    let mut command = Command::new(program);
    command
        .current_dir("/")
        .arg("drive")
        .arg("--unix")
        .arg(directory.path().join("socket"))
        .arg("--report")
        .arg(&report);
    if Uid::effective().is_root() {
        // Who may write anywhere.
        command.uid(65534);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("report: cannot be written to; give --report a directory"), "{}", text(&output));
    assert!(server.accept().is_err(), "the server was asked");
}

#[test]
fn a_reader_that_has_seen_enough_costs_no_report() {
    let baseline = Baseline::start();
    let report = baseline.directory.path().join("report");
    let options = ["--requests", "10", "--report", report.to_str().unwrap()];
    let mut child = drive(baseline.socket().to_str().unwrap(), &options).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && report.join("report.html").exists(), "{}", text(&output));
}

#[test]
fn a_comparison_that_is_interrupted_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().unwrap();
    let options = ["--without-irongrey", "--postgrey", "/none", "--sqlgrey", "/none", "--requests", "1000000000"];
    let mut command = greyload(&["compare", "--scratch", scratch.path().to_str().unwrap()]);
    let mut child = command.args(options).spawn().unwrap();
    let (task, started) = (format!("/proc/{0}/task/{0}/children", child.id()), Instant::now());
    let server = loop {
        if let Ok(server) = fs::read_to_string(&task).unwrap().trim().parse::<i32>() {
            break server;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no server is started");
        std::thread::sleep(Duration::from_millis(1));
    };
    interrupt(&child);
    child.wait().unwrap();
    // A server that lives on would hold the output open.
    let is_left = kill(Pid::from_raw(server), Signal::SIGKILL).is_ok();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && text(&output).contains("interrupted: the figures"), "{}", text(&output));
    assert!(!is_left, "the server lives on");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}
