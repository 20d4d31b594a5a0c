//! The tools against a running daemon: what they say, what they change, and what survives.

mod errors;
mod limits;
mod parties;
mod top;
mod triplets;

use std::path::Path;

use nix::unistd::getuid;
use tempfile::TempDir;

use crate::support::{Daemon, Program, Request, Setup, call};

/// What a tool did.
struct Outcome {
    code: Option<i32>,
    out: String,
    error: String,
}

/// A daemon whose clock is that of its requests.
fn setup(dir: &TempDir) -> Setup {
    Setup::new(Program::Serve, dir.path()).with(["--test-clock", "--workers=2"])
}

/// Waits until the tools are served, too.
fn started(daemon: Daemon) -> Daemon {
    daemon.journal().wait_for(" serves on ");
    daemon
}

/// Runs a tool on the daemon of this directory.
fn run(dir: &TempDir, words: &[&str]) -> Outcome {
    let state = format!("--state={}", dir.path().join("serve-state").display());
    run_anywhere(&[words, &[&*state]].concat())
}

fn run_anywhere(words: &[&str]) -> Outcome {
    let output = call(words);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

/// The same; it must work, and say nothing on standard error.
fn done(dir: &TempDir, words: &[&str]) -> String {
    let Outcome { code, out, error } = run(dir, words);
    assert_eq!((code, &*error), (Some(0), ""), "{words:?}: {out}");
    out
}

fn mail(sender: &str, recipient: &str) -> Request {
    Request::new("192.0.2.7", sender, recipient).with("client_name", "mx.sender.example")
}

fn is_deferred(reply: &str) -> bool {
    reply.starts_with("action=DEFER_IF_PERMIT")
}

/// The lines that changes have left in the log.
fn audits(daemon: &Daemon) -> Vec<String> {
    let lines = daemon.journal().lines();
    lines.iter().filter_map(|line| Some(line.split_once("audit: ")?.1.to_owned())).collect()
}

/// Whether a line is of a tool that this user has run.
fn is_of_this_user(audit: &str) -> bool {
    audit.starts_with(&format!("uid={}, pid=", getuid()))
}

/// The file of released parties.
fn releases_file(dir: &Path) -> std::path::PathBuf {
    dir.join("serve-state/releases.toml")
}
