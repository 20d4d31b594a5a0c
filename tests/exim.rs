//! A real Exim asks the daemon with the statements that docs/OPERATIONS.md gives.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Address, Daemon, Exim, Program, Setup, Smtp, blocks};

const BOB: &str = "bob@customer.test";
const CAROL: &str = "Carol@customer.test";

/// The statements, for a daemon that listens there.
fn statements(daemon: &Daemon) -> String {
    let Address::Tcp(address) = daemon.address() else { unreachable!() };
    let text = blocks("exim").concat();
    assert!(text.contains("inet:127.0.0.1:10023"), "{text}");
    text.replace("127.0.0.1:10023", &address.to_string())
}

/// The replies to the recipients of one message, which is sent if one of them is accepted.
fn deliver(exim: &Exim, sender: &str, recipients: &[&str]) -> Vec<String> {
    let mut session = Smtp::connect(exim.smtp());
    let replies = session.envelope(sender, recipients);
    if replies.iter().any(|reply| reply.starts_with("250 ")) {
        session.message("a message");
    }
    replies
}

fn start(dir: &TempDir, options: &[&str]) -> Daemon {
    Setup::new(Program::Serve, dir.path()).tcp().with(["--delay=2s"]).with(options.iter().copied()).start()
}

#[test]
fn greylists_and_mail_flows_without_an_answer() {
    let dir = TempDir::new().unwrap();
    let daemon = start(&dir, &[]);
    let test = "exim::greylists_and_mail_flows_without_an_answer";
    let Some(exim) = Exim::start(test, &statements(&daemon)) else { return };
    let first = Instant::now();
    for reply in deliver(&exim, "alice@sender.example", &[BOB, CAROL]) {
        assert_eq!(reply, "451 Greylisted for 2 seconds", "{}", exim.log());
    }
    assert!(exim.log().contains("temporarily rejected RCPT <bob@customer.test>: Greylisted for "), "{}", exim.log());

    let deadline = first + Duration::from_secs(20);
    while deliver(&exim, "alice@sender.example", &[BOB, CAROL]).iter().any(|reply| reply.starts_with("451 ")) {
        assert!(Instant::now() < deadline, "{}", exim.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(first.elapsed() >= Duration::from_secs(1), "a delay in whole seconds");
    let queue = exim.queue();
    let last =
        queue.iter().find(|message| message.contains(BOB) && message.contains(CAROL)).expect("a message to both");
    assert_eq!(last.matches("  X-Greylist: delayed ").count(), 1, "{last}");

    // Nobody has asked yet, and nobody answers: what listens is silent, then nothing does.
    daemon.signal(Signal::SIGSTOP);
    let silent = Instant::now();
    assert_eq!(deliver(&exim, "dave@sender.example", &[BOB]), ["250 Accepted"], "{}", exim.log());
    assert!((4..15).contains(&silent.elapsed().as_secs()), "{:?}", silent.elapsed());
    drop(daemon);
    assert_eq!(deliver(&exim, "erin@sender.example", &[BOB, CAROL]), ["250 Accepted"; 2], "{}", exim.log());
}

#[test]
fn that_keeps_its_half_open_is_answered_with_close_after_reply() {
    let dir = TempDir::new().unwrap();
    let daemon = start(&dir, &["--close-after-reply"]);
    let test = "exim::that_keeps_its_half_open_is_answered_with_close_after_reply";
    let statements = statements(&daemon).replace("{5s}", "{5s:shutdown=no}");
    let Some(exim) = Exim::start(test, &statements) else { return };
    assert_eq!(deliver(&exim, "alice@sender.example", &[BOB]), ["451 Greylisted for 2 seconds"], "{}", exim.log());
}
