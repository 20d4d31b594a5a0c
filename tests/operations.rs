//! What docs/OPERATIONS.md gives for Postfix and as configuration does what stands beside it there.

use std::fs;
use std::path::Path;
use std::time::Instant;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::postfix::{assert_accepted, assert_deferred, deliver, prepared};
use crate::support::{Address, Chroot, Postfix, Program, Request, Setup, alerts, blocks, call};

const BOB: &str = "bob@customer.test";
const DAVE: &str = "dave@customer.test";

/// Postfix takes each block; it greylists, and lets mail pass when the daemon is gone.
#[test]
fn postfix_greylists_and_mail_flows_without_the_daemon() {
    let test = "operations::postfix_greylists_and_mail_flows_without_the_daemon";
    let blocks = blocks("main.cf");
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let Some(dir) = prepared(test) else { return };
        let over_unix = block.contains("unix:private/irongrey");
        let setup = Setup::new(Program::Serve, dir.path()).own_user();
        let setup = if over_unix { setup.unix(dir.path().join("queue/private/irongrey")) } else { setup.tcp() };
        let lines = match setup.address() {
            Address::Tcp(address) => block.replace("127.0.0.1:10023", &address.to_string()),
            Address::Unix(_) => block.clone(),
        };
        let setup = if over_unix { setup.with(["--socket-group=postfix"]) } else { setup };
        let daemon = setup.start();
        let postfix = Postfix::start_with(dir, &lines, if over_unix { Chroot::Yes } else { Chroot::No });
        let to =
            |recipient| deliver(&postfix, "192.0.2.10", "alice@sender.example", &[recipient], "a message").remove(0);
        assert_deferred(&to(BOB), BOB);
        if block.contains("smtpd_restriction_classes") {
            assert_accepted(&to(DAVE));
        } else {
            assert_deferred(&to(DAVE), DAVE);
        }
        drop(daemon);
        assert_accepted(&to(BOB));
        assert!(!postfix.log().contains("fatal:"), "{}", postfix.log());
    }
}

/// What a recipient waits for a daemon that is silent, and for one that is not there.
#[test]
fn postfix_does_not_wait_for_long() {
    let Some(dir) = prepared("operations::postfix_does_not_wait_for_long") else { return };
    let setup = Setup::new(Program::Serve, dir.path()).own_user().tcp();
    let Address::Tcp(address) = setup.address().clone() else { unreachable!() };
    let daemon = setup.start();
    let lines = blocks("main.cf")[0].replace("127.0.0.1:10023", &address.to_string());
    let postfix = Postfix::start_with(dir, &lines, Chroot::No);
    let wait = || {
        let start = Instant::now();
        assert_accepted(&deliver(&postfix, "192.0.2.10", "alice@sender.example", &[BOB], "a message")[0]);
        start.elapsed()
    };
    daemon.signal(Signal::SIGSTOP);
    let silent = wait();
    drop(daemon);
    let gone = wait();
    println!("accepted after {silent:?} of silence, and after {gone:?} without a daemon");
    assert!((20..30).contains(&silent.as_secs()) && gone.as_secs() < 10, "{silent:?} and {gone:?}");
}

#[test]
fn each_configuration_is_in_order() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("irongrey.toml");
    for kind in ["toml", "toml opt-out", "toml opt-in", "toml observe"] {
        for block in blocks(kind) {
            fs::write(&file, &block).unwrap();
            let output = call(&["config", "check", "--config", file.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(0), "{block}{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn each_rule_does_what_it_is_said_to() {
    let deferred = "action=DEFER_IF_PERMIT 4.2.0 Greylisted for ";
    for (kind, recipient, expected, logged) in [
        ("toml opt-out", "info@customer.test", "action=DUNNO", "reason=rule, "),
        ("toml opt-out", "any@sub.urgent.test", "action=DUNNO", "rule=opted-out"),
        ("toml opt-out", "any@slow.test", &format!("{deferred}900 seconds"), "reason=new, "),
        ("toml opt-out", BOB, &format!("{deferred}300 seconds"), "reason=new, "),
        ("toml opt-in", BOB, &format!("{deferred}300 seconds"), "reason=new, "),
        ("toml opt-in", "any@wants.test", &format!("{deferred}300 seconds"), "reason=new, "),
        ("toml opt-in", DAVE, "action=DUNNO", "rule=others"),
        ("toml observe", BOB, "action=DUNNO", "reason=observed: new, "),
    ] {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("irongrey.toml");
        fs::write(&file, blocks(kind).concat()).unwrap();
        let daemon = Setup::new(Program::Serve, dir.path()).with([format!("--config={}", file.display())]).start();
        let request = Request::new("192.0.2.1", "alice@sender.example", recipient);
        assert_eq!(daemon.client().ask(&request), expected, "{kind}, {recipient}");
        let line = daemon.journal().wait_for(&format!("recipient={recipient}"));
        assert!(line.contains(logged), "{line}");
    }
}

/// What is to be alerted on is what irongrey counts and logs.
#[test]
fn each_alert_stands_in_the_sources() {
    let sources = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let alerts = alerts();
    assert!(alerts.len() > 40, "{alerts:?}");
    for alert in alerts {
        for part in alert.split(['*']).flat_map(|part| part.split(" ... ")) {
            assert!(sources.contains(part), "nothing in src says {part:?}");
        }
    }
}

/// Every Rust file below, as one text, each literal on one line.
fn sources(dir: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            text += &sources(&entry);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(entry).unwrap();
            text.extend(lines.split("\\\n").map(str::trim_start));
        }
    }
    text
}
