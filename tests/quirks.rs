//! Where postgrey does something by accident that irongrey does not: differences 13 and up of `docs/ARCHITECTURE.md`, each
//! with what the two of them do.

use tempfile::TempDir;

use crate::support::{Pair, Program, Request, Setup};

const NOW: u64 = 1_700_000_000;
const DELAY: u64 = 300;

fn mail(recipient: &str) -> Request {
    Request::new("192.0.2.1", "alice@sender.example", recipient)
}

/// The two are asked the same; whether each defers.
#[track_caller]
fn assert_deferred(pair: &Pair, request: &Request, postgrey: bool, irongrey: bool) {
    let replies = pair.ask(request);
    let deferred = replies.each_ref().map(|reply| reply.starts_with("action=DEFER_IF_PERMIT "));
    assert_eq!(deferred, [postgrey, irongrey], "{replies:?}\n{request:?}");
}

#[test]
fn d13_what_has_passed_stays_passed_when_the_clock_goes_back() {
    let test = "quirks::d13_what_has_passed_stays_passed_when_the_clock_goes_back";
    let Some(pair) = Pair::start(test, &["--auto-whitelist-clients=0"]) else { return };
    assert_deferred(&pair, &mail("bob@customer.test").at(NOW), true, true);
    assert_deferred(&pair, &mail("bob@customer.test").at(NOW + DELAY), false, false);
    assert_deferred(&pair, &mail("bob@customer.test").at(NOW - 10), true, false);
}

#[test]
fn d14_what_is_no_address_for_postfix_is_none() {
    let Some(pair) = Pair::start("quirks::d14_what_is_no_address_for_postfix_is_none", &[]) else { return };
    for address in ["010.2.3.4", "10.2.3"] {
        assert_deferred(
            &pair,
            &Request::new(address, "alice@sender.example", "bob@customer.test").at(NOW),
            true,
            false,
        );
    }
}

#[test]
fn d15_the_value_0_is_a_value() {
    let Some(pair) = Pair::start("quirks::d15_the_value_0_is_a_value", &["--auto-whitelist-clients=0"]) else { return };
    let request = mail("bob@customer.test").with("instance", "0").with("client_name", "0");
    assert_deferred(&pair, &request.clone().at(NOW), true, true);
    let [postgrey, irongrey] = pair.ask(&request.at(NOW + DELAY));
    assert_eq!(postgrey, "action=DUNNO");
    assert!(irongrey.starts_with("action=PREPEND X-Greylist: delayed 300 seconds "), "{irongrey}");
    let [postgrey, irongrey] = pair.decisions();
    let named = |lines: &[String]| lines.iter().filter(|line| line.contains("client_name=0")).count();
    assert_eq!((named(&postgrey), named(&irongrey)), (0, 2));
}

#[test]
fn d16_a_line_without_a_name_sets_nothing() {
    let Some(pair) = Pair::start("quirks::d16_a_line_without_a_name_sets_nothing", &[]) else { return };
    // postgrey takes the second sender, so that it sees two triplets.
    let with = |sender: &str| mail("bob@customer.test").with("=sender", sender);
    assert_deferred(&pair, &with("one@sender.example").at(NOW), true, true);
    assert_deferred(&pair, &with("two@sender.example").at(NOW + DELAY), true, false);
}

#[test]
fn d16_sender_and_recipient_do_not_run_together() {
    let Some(pair) = Pair::start("quirks::d16_sender_and_recipient_do_not_run_together", &[]) else { return };
    let split = |sender, recipient| Request::new("192.0.2.1", sender, recipient);
    assert_deferred(&pair, &split("a@b.test/c", "d").at(NOW), true, true);
    assert_deferred(&pair, &split("a@b.test", "c/d").at(NOW + DELAY), false, true);
}

#[test]
fn d16_a_recipient_puts_no_control_character_into_a_reply() {
    let options = ["--greylist-text=ask %r"];
    let Some(pair) = Pair::start("quirks::d16_a_recipient_puts_no_control_character_into_a_reply", &options) else {
        return;
    };
    let [postgrey, irongrey] = pair.ask(&mail("bob@customer\u{1}.test").at(NOW));
    assert_eq!(postgrey, "action=DEFER_IF_PERMIT 4.2.0 ask customer\u{1}.test");
    assert_eq!(irongrey, "action=DEFER_IF_PERMIT 4.2.0 ask customer?.test");
}

#[test]
fn d17_a_network_in_a_whitelist_is_of_one_family() {
    let dir = TempDir::new().unwrap();
    let list = dir.path().join("clients");
    std::fs::write(&list, "::/96\n").unwrap();
    let option = format!("--whitelist-clients={}", list.display());
    let test = "quirks::d17_a_network_in_a_whitelist_is_of_one_family";
    let Some(pair) = Pair::start_in(test, dir, &[&option], &["--test-clock"]) else { return };
    assert_deferred(&pair, &mail("bob@customer.test").at(NOW), false, true);
}

#[test]
fn d18_what_has_passed_stays_passed_when_the_delay_is_raised() {
    if crate::support::tool("postgrey").is_none() {
        crate::support::skipped("quirks::d18", "postgrey is not installed");
        return;
    }
    for (program, deferred) in [(Program::Postgrey, true), (Program::Irongrey, false)] {
        let dir = TempDir::new().unwrap();
        let setup = Setup::new(program, dir.path()).with(["--auto-whitelist-clients=0"]);
        let setup = if program == Program::Irongrey { setup.with(["--test-clock"]) } else { setup };
        let daemon = setup.clone().with(["--delay=60"]).start();
        let mut client = daemon.client();
        client.ask(&mail("bob@customer.test").at(NOW));
        assert!(client.ask(&mail("bob@customer.test").at(NOW + 60)).starts_with("action=PREPEND "));
        drop((client, daemon));
        let daemon = setup.with(["--delay=600"]).start();
        let reply = daemon.client().ask(&mail("bob@customer.test").at(NOW + 120));
        assert_eq!(reply.starts_with("action=DEFER"), deferred, "{program:?}: {reply}");
    }
}
