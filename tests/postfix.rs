//! A real Postfix asks the daemon: what a sending mail server and the owner of the mailbox get to see.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::support::{Address, Chroot, Daemon, Postfix, Program, Request, Setup, Smtp, is_root, skipped, tool};

/// Short, so that the tests need not wait long; long enough that an early retry is early on a busy machine.
const DELAY: Duration = Duration::from_secs(4);
const SENDER: &str = "alice@sender.example";
const BOB: &str = "bob@customer.test";
const CAROL: &str = "carol@customer.test";
const DAVE: &str = "dave@customer.test";

/// A directory with a Postfix in it, not yet started; `None` if this machine cannot have one.
pub(crate) fn prepared(test: &str) -> Option<TempDir> {
    if tool("postfix").is_none() {
        skipped(test, "Postfix is not installed");
        return None;
    }
    if !is_root() {
        skipped(test, "only root can start a Postfix");
        return None;
    }
    Some(Postfix::prepare())
}

/// One message: the replies to its recipients. It is sent if any of them is accepted.
pub(crate) fn deliver(
    postfix: &Postfix,
    client: &str,
    sender: &str,
    recipients: &[&str],
    subject: &str,
) -> Vec<String> {
    let mut session = Smtp::from_client(postfix.smtp(), client);
    let replies = session.envelope(sender, recipients);
    if replies.iter().any(|reply| reply.starts_with("250 ")) {
        session.message(subject);
    }
    replies
}

#[track_caller]
pub(crate) fn assert_deferred(reply: &str, recipient: &str) {
    let start = format!("450 4.2.0 <{recipient}>: Recipient address rejected: Greylisted for ");
    assert!(reply.starts_with(&start), "{reply}");
}

#[track_caller]
pub(crate) fn assert_accepted(reply: &str) {
    assert!(reply.starts_with("250 "), "{reply}");
}

/// The `X-Greylist` headers of a delivered message.
fn greylist_headers(message: &str) -> Vec<&str> {
    message.lines().take_while(|line| !line.is_empty()).filter(|line| line.starts_with("X-Greylist: ")).collect()
}

fn wait_until(time: Instant) {
    sleep(time.saturating_duration_since(Instant::now()));
}

/// The life of mail from a well-behaved sender and its retries, with a daemon killed and started again in the middle.
fn scenario(postfix: &Postfix, daemon: Daemon) {
    assert_deferred(&deliver(postfix, "192.0.2.10", SENDER, &[BOB], "first")[0], BOB);
    assert_deferred(&deliver(postfix, "192.0.2.10", SENDER, &[BOB], "early")[0], BOB);
    let everybody = [BOB, CAROL, DAVE];
    for (reply, recipient) in deliver(postfix, "198.51.100.7", SENDER, &everybody, "first").iter().zip(everybody) {
        assert_deferred(reply, recipient);
    }
    assert_deferred(&deliver(postfix, "IPV6:2001:db8:1:2::10", SENDER, &[BOB], "first")[0], BOB);
    assert_deferred(&deliver(postfix, "203.0.113.5", "", &[BOB], "first")[0], BOB);
    let ripe = Instant::now() + DELAY + Duration::from_secs(1);

    let _daemon = daemon.kill_and_restart();
    wait_until(ripe);

    let replies = deliver(postfix, "192.0.2.200", SENDER, &[BOB, CAROL], "other address of the network");
    assert_accepted(&replies[0]);
    assert_deferred(&replies[1], CAROL);
    let message = postfix.delivered("bob", 1).concat();
    assert_eq!(greylist_headers(&message).len(), 1, "{message}");
    assert!(greylist_headers(&message)[0].starts_with("X-Greylist: delayed "), "{message}");
    assert!(message.contains("Subject: other address of the network"), "{message}");

    let replies = deliver(postfix, "198.51.100.7", SENDER, &everybody, "to everybody");
    for reply in &replies {
        assert_accepted(reply);
    }
    for user in ["carol", "dave"] {
        let message = postfix.delivered(user, 1).concat();
        assert_eq!(greylist_headers(&message).len(), 1, "one header a message: {message}");
    }

    assert_accepted(&deliver(postfix, "IPV6:2001:db8:1:2:ffff::1", SENDER, &[BOB], "same /64")[0]);
    assert_deferred(&deliver(postfix, "IPV6:2001:db8:1:3::10", SENDER, &[BOB], "other /64")[0], BOB);
    assert_accepted(&deliver(postfix, "203.0.113.5", "", &[BOB], "a bounce")[0]);
    let again = deliver(postfix, "192.0.2.10", SENDER, &[BOB], "known by now");
    assert_accepted(&again[0]);
    let known = postfix.delivered("bob", 5).into_iter().find(|message| message.contains("Subject: known by now"));
    assert!(greylist_headers(&known.unwrap()).is_empty(), "a message that was not delayed has no header");

    let log = postfix.log();
    let line = "NOQUEUE: reject: RCPT from mail.sender.example[192.0.2.10]: 450 4.2.0 <bob@customer.test>: Recipient \
                address rejected: Greylisted for 4 seconds; from=<alice@sender.example> to=<bob@customer.test>";
    assert!(log.contains(line), "not in the log: {line}\n{log}");
    assert!(!log.contains("problem talking to server"), "{log}");
}

/// The greylisting text is named because that of the drop-in is a link.
fn options() -> [String; 3] {
    [format!("--delay={}", DELAY.as_secs()), "--max-age=10".into(), "--greylist-text=Greylisted for %s seconds".into()]
}

#[test]
fn over_tcp_with_the_tutorials_restrictions() {
    let Some(dir) = prepared("postfix::over_tcp_with_the_tutorials_restrictions") else { return };
    let setup = Setup::new(Program::Irongrey, dir.path()).tcp().own_user().with(options());
    let Address::Tcp(address) = setup.address().clone() else { unreachable!() };
    let daemon = setup.start();
    let restrictions =
        format!("permit_mynetworks, reject_unauth_destination, check_policy_service inet:127.0.0.1:{}", address.port());
    let postfix = Postfix::start(dir, &restrictions, Chroot::No);
    scenario(&postfix, daemon);
}

#[test]
fn over_a_unix_socket_from_debians_chroot() {
    let Some(dir) = prepared("postfix::over_a_unix_socket_from_debians_chroot") else { return };
    let socket = dir.path().join("queue/private/irongrey");
    let daemon = Setup::new(Program::Irongrey, dir.path()).unix(socket).own_user().with(options()).start();
    let restrictions = "permit_mynetworks, reject_unauth_destination, check_policy_service unix:private/irongrey";
    let postfix = Postfix::start(dir, restrictions, Chroot::Yes);
    scenario(&postfix, daemon);
}

/// What happened days ago is played to the daemon by its test clock; then Postfix asks, and the clock is the real one.
#[test]
fn with_max_age_10_a_sender_is_known_for_9_days_and_not_for_12() {
    let Some(dir) = prepared("postfix::with_max_age_10_a_sender_is_known_for_9_days_and_not_for_12") else { return };
    let setup = Setup::new(Program::Irongrey, dir.path()).tcp().own_user().with(options()).with(["--test-clock"]);
    let Address::Tcp(address) = setup.address().clone() else { unreachable!() };
    let daemon = setup.start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let senders = [("nine@sender.example", 9), ("twelve@sender.example", 12)];
    let mut client = daemon.client();
    for (sender, days) in senders {
        let request = Request::new("192.0.2.10", sender, BOB);
        let last_seen = now - days * 86_400;
        assert!(client.ask(&request.clone().at(last_seen - DELAY.as_secs())).starts_with("action=DEFER_IF_PERMIT "));
        assert!(client.ask(&request.at(last_seen)).starts_with("action=PREPEND X-Greylist: "));
    }
    let restrictions =
        format!("permit_mynetworks, reject_unauth_destination, check_policy_service inet:127.0.0.1:{}", address.port());
    let postfix = Postfix::start(dir, &restrictions, Chroot::No);
    let [nine, twelve] = senders.map(|(sender, _)| deliver(&postfix, "192.0.2.77", sender, &[BOB], sender).remove(0));
    assert_accepted(&nine);
    assert_deferred(&twelve, BOB);
}
