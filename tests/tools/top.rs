//! `irongrey top`: without a terminal, as lines, and on a terminal, which it leaves as it found it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{done, mail, setup, started};
use crate::support::{Guarded, Journal, irongrey, skipped, tool};

#[test]
fn without_a_terminal_the_figures_are_shown_once() {
    let dir = TempDir::new().unwrap();
    let _daemon = started(setup(&dir).start());
    let said = done(&dir, &["top"]);
    assert!(said.starts_with("irongrey        ") && said.contains("established     "), "{said}");
}

#[test]
fn lines_have_rates_and_go_on_when_the_daemon_was_away() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    let state = format!("--state={}", dir.path().join("serve-state").display());
    let mut command = irongrey(&["top", "--json", &state]);
    let mut top = Guarded::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let trouble = Journal::default();
    trouble.follow(top.child().stderr.take().unwrap());
    let mut lines = BufReader::new(top.child().stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
    next();
    let mut client = daemon.client();
    for number in 0..50 {
        client.ask(&mail(&format!("s{number}@sender.example"), "b@c.example"));
    }
    let busy = std::iter::repeat_with(&mut next).take(20).find(|line| line["rates"]["requests"] != 0.0).unwrap();
    assert!(busy["rates"]["greylisted"].as_f64().unwrap() > 1.0 && busy["turns"]["count"] != 0, "{busy}");
    let pid = busy["stats"]["pid"].clone();
    drop(daemon);
    trouble.wait_for("no daemon has its control socket there");
    let _daemon = started(setup(&dir).start());
    assert_ne!(next()["stats"]["pid"], pid);
}

/// A terminal of 80 columns and 24 lines with `irongrey top` in it, what it has written, and its process.
fn on_a_terminal(script: &std::path::Path, dir: &TempDir) -> (Child, Journal, Pid) {
    let top = format!("{} top --state={}", env!("CARGO_BIN_EXE_irongrey"), dir.path().join("serve-state").display());
    let inside = format!("stty rows 24 cols 80; echo pid $$ runs it; exec timeout --foreground -k1 60 {top}");
    let mut command = Command::new(script);
    command.args(["-qefc", &inside, "/dev/null"]).env("TERM", "xterm").env("SHELL", "/bin/sh");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (written, mut out) = (Journal::default(), child.stdout.take().unwrap());
    // A terminal's output has no lines to wait for: with each piece all of it so far is made one.
    let (reader, mut writer) = std::io::pipe().unwrap();
    written.follow(reader);
    thread::spawn(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 4_096]);
        while let Ok(length @ 1..) = out.read(&mut piece) {
            all.extend(piece[..length].iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
            writer.write_all(&all).and_then(|()| writer.write_all(b"\n")).unwrap();
        }
    });
    let line = written.wait_for(" runs it");
    let pid = line.split_once("pid ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    (child, written, Pid::from_raw(pid))
}

#[test]
fn on_a_terminal_a_key_or_a_signal_ends_it_and_the_terminal_is_as_it_was() {
    let Some(script) = tool("script") else {
        return skipped("on_a_terminal_a_key_or_a_signal_ends_it", "there is no `script`");
    };
    let dir = TempDir::new().unwrap();
    let _daemon = started(setup(&dir).start());
    for key in [Some(b"q"), Some(b"\x03"), None] {
        let (mut child, written, pid) = on_a_terminal(&script, &dir);
        written.wait_for("established");
        match key {
            Some(key) => child.stdin.as_mut().unwrap().write_all(key).unwrap(),
            None => kill(pid, Signal::SIGTERM).unwrap(),
        }
        let status = child.wait().unwrap();
        written.wait_for("\x1b[?1049l");
        assert!(status.success() || key.is_none(), "{status}");
    }
}
