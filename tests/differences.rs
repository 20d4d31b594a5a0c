//! Where irongrey differs from postgrey on purpose: each difference with what postgrey does and what irongrey does.

use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Client, Daemon, Pair, Program, Request, Setup};

const NOW: u64 = 1_700_000_000;
const DAY: u64 = 86_400;

fn mail(recipient: &str) -> Request {
    Request::new("192.0.2.1", "alice@sender.example", recipient)
}

fn pair(test: &str, options: &[&str]) -> Option<Pair> {
    Pair::start(&format!("differences::{test}"), options)
}

fn is_deferred(reply: &str) -> bool {
    reply.starts_with("action=DEFER_IF_PERMIT ")
}

fn is_first_pass(reply: &str) -> bool {
    reply.starts_with("action=PREPEND X-Greylist: ")
}

fn is_dunno(reply: &str) -> bool {
    reply == "action=DUNNO"
}

/// Asks one daemon and checks the reply.
#[track_caller]
fn check(daemon: &Daemon, request: &Request, expected: fn(&str) -> bool) {
    let reply = daemon.client().ask(request);
    assert!(expected(&reply), "{reply}\n{request:?}");
}

/// Asks both, checks both replies: postgrey's, irongrey's.
#[track_caller]
fn check_both(pair: &Pair, request: &Request, postgrey: fn(&str) -> bool, irongrey: fn(&str) -> bool) {
    check(&pair.postgrey, request, postgrey);
    check(&pair.irongrey, request, irongrey);
}

#[test]
fn d01_max_age_holds_at_look_up() {
    let options = ["--delay=60", "--max-age=10", "--auto-whitelist-clients=0"];
    let Some(pair) = pair("d01_max_age_holds_at_look_up", &options) else { return };
    let [nine, twelve] = ["nine@customer.test", "twelve@customer.test"];
    for recipient in [nine, twelve] {
        check_both(&pair, &mail(recipient).at(NOW), is_deferred, is_deferred);
        check_both(&pair, &mail(recipient).at(NOW + 60), is_first_pass, is_first_pass);
    }
    check_both(&pair, &mail(nine).at(NOW + 60 + 9 * DAY), is_dunno, is_dunno);
    check_both(&pair, &mail(twelve).at(NOW + 60 + 12 * DAY), is_dunno, is_deferred);
}

#[test]
fn d01_max_age_holds_for_whitelisted_clients() {
    let options = ["--delay=60", "--max-age=10", "--auto-whitelist-clients=1"];
    let Some(pair) = pair("d01_max_age_holds_for_whitelisted_clients", &options) else { return };
    check_both(&pair, &mail("bob@customer.test").at(NOW), is_deferred, is_deferred);
    check_both(&pair, &mail("bob@customer.test").at(NOW + 60), is_first_pass, is_first_pass);
    check_both(&pair, &mail("carol@customer.test").at(NOW + 60 + 9 * DAY), is_dunno, is_dunno);
    check_both(&pair, &mail("dave@customer.test").at(NOW + 60 + 21 * DAY), is_dunno, is_deferred);
}

#[test]
fn d02_an_unparsable_client_address_is_dunno() {
    let Some(mut pair) = pair("d02_an_unparsable_client_address_is_dunno", &[]) else { return };
    for address in ["nonsense", "", "300.1.1.1", "1.2.3.4.5", "fe80::1%eth0", "unknown"] {
        check(&pair.irongrey, &Request::new(address, "alice@sender.example", "bob@customer.test"), is_dunno);
    }
    let nonsense = Request::new("nonsense", "alice@sender.example", "bob@customer.test");
    assert!(pair.postgrey.client().try_ask(&nonsense).is_err());
    assert!(pair.postgrey.wait().is_some(), "postgrey has survived");
}

#[test]
fn d03_another_request_type_is_dunno() {
    let Some(pair) = pair("d03_another_request_type_is_dunno", &[]) else { return };
    for request in [mail("bob@customer.test").with("request", "other"), mail("bob@customer.test").without("request")] {
        check(&pair.irongrey, &request, is_dunno);
        assert_silent(&mut pair.postgrey.client(), &request.wire());
    }
}

#[test]
fn d03_a_bare_cr_is_an_ordinary_byte() {
    let Some(pair) = pair("d03_a_bare_cr_is_an_ordinary_byte", &[]) else { return };
    let request = mail("bob@customer.test").with("sender", "alice\r@sender.example").at(NOW);
    check(&pair.irongrey, &request, is_deferred);
    check(&pair.irongrey, &request.clone().at(NOW + 300), is_first_pass);
    assert_silent(&mut pair.postgrey.client(), &request.wire());
}

/// No reply within a time in which postgrey otherwise answers some thousand requests.
#[track_caller]
fn assert_silent(client: &mut Client, bytes: &[u8]) {
    client.stream().set_timeout(Duration::from_secs(1)).unwrap();
    client.send(bytes);
    let reply = client.try_reply();
    assert!(reply.is_err(), "postgrey has answered: {reply:?}");
}

#[test]
fn d04_short_addresses_in_a_whitelist_are_networks_of_their_length() {
    let dir = TempDir::new().unwrap();
    let list = dir.path().join("clients");
    std::fs::write(&list, "1.2\n10\n").unwrap();
    let option = format!("--whitelist-clients={}", list.display());
    let test = "differences::d04_short_addresses_in_a_whitelist_are_networks_of_their_length";
    let Some(pair) = Pair::start_in(test, dir, &[&option], &["--test-clock"]) else { return };
    let from = |address| Request::new(address, "alice@sender.example", "bob@customer.test").at(NOW);
    check_both(&pair, &from("1.2.3.4"), is_deferred, is_dunno);
    check_both(&pair, &from("10.2.3.4"), is_deferred, is_dunno);
    check_both(&pair, &from("1.3.0.1"), is_deferred, is_deferred);
    check_both(&pair, &from("11.0.0.1"), is_deferred, is_deferred);
}

#[test]
fn d05_a_mapped_ipv4_address_is_an_ipv4_client() {
    let Some(pair) = pair("d05_a_mapped_ipv4_address_is_an_ipv4_client", &[]) else { return };
    let from = |address| Request::new(address, "alice@sender.example", "bob@customer.test");
    check_both(&pair, &from("::ffff:192.0.2.1").at(NOW), is_deferred, is_deferred);
    check_both(&pair, &from("::ffff:198.51.100.1").at(NOW + 300), is_first_pass, is_deferred);
    check_both(&pair, &from("192.0.2.2").at(NOW + 300), is_deferred, is_first_pass);
}

#[test]
fn d06_the_clock_of_a_request_counts_only_with_a_test_clock() {
    let test = "differences::d06_the_clock_of_a_request_counts_only_with_a_test_clock";
    let Some(pair) = Pair::start_in(test, TempDir::new().unwrap(), &[], &[]) else { return };
    check_both(&pair, &mail("bob@customer.test").at(NOW), is_deferred, is_deferred);
    check_both(&pair, &mail("bob@customer.test").at(NOW + 300), is_first_pass, is_deferred);
}

#[test]
fn d07_long_values_are_not_cut() {
    let Some(pair) = pair("d07_long_values_are_not_cut", &[]) else { return };
    let long = "x".repeat(600);
    check_both(&pair, &mail(&format!("{long}1@customer.test")).at(NOW), is_deferred, is_deferred);
    check_both(&pair, &mail(&format!("{long}2@customer.test")).at(NOW + 300), is_first_pass, is_deferred);
    check(&pair.irongrey, &mail(&format!("{long}1@customer.test")).at(NOW + 300), is_first_pass);
}

#[test]
fn d08_no_recipient_after_rcpt_and_authenticated_clients_are_dunno() {
    let Some(pair) = pair("d08_no_recipient_after_rcpt_and_authenticated_clients_are_dunno", &[]) else { return };
    for state in ["DATA", "END-OF-MESSAGE"] {
        check_both(&pair, &mail("").with("protocol_state", state).at(NOW), is_deferred, is_dunno);
        let named = mail(&format!("{state}@customer.test")).with("protocol_state", state).at(NOW);
        check_both(&pair, &named, is_deferred, is_deferred);
    }
    check_both(&pair, &mail("rcpt@customer.test").with("sasl_username", "").at(NOW), is_deferred, is_deferred);
    check_both(&pair, &mail("auth@customer.test").with("sasl_username", "alice").at(NOW), is_deferred, is_dunno);
}

#[test]
fn d09_one_header_a_message_and_connection() {
    let Some(pair) = pair("d09_one_header_a_message_and_connection", &["--auto-whitelist-clients=0"]) else { return };
    let names = ["one", "two", "three"];
    let request = |name| mail(&format!("{name}@customer.test")).with("instance", "1f.2.0");
    for name in names {
        check_both(&pair, &request(name).at(NOW), is_deferred, is_deferred);
    }
    let mut other_connections = pair.clients();
    for (number, mut client) in pair.clients().into_iter().enumerate() {
        assert!(is_first_pass(&client.ask(&request("one").at(NOW + 300))));
        assert!(is_dunno(&client.ask(&request("two").at(NOW + 300))));
        let reply = other_connections[number].ask(&request("three").at(NOW + 300));
        assert!(if number == 0 { is_dunno(&reply) } else { is_first_pass(&reply) }, "{number}: {reply}");
    }
}

#[test]
fn d10_a_delay_of_nothing_is_honoured() {
    let Some(pair) = pair("d10_a_delay_of_nothing_is_honoured", &["--delay=0"]) else { return };
    check_both(&pair, &mail("bob@customer.test").at(NOW), is_deferred, |reply| !is_deferred(reply));
    check_both(&pair, &mail("bob@customer.test").at(NOW + 299), is_deferred, |reply| !is_deferred(reply));
}

#[test]
fn d10_a_prefix_of_nothing_is_honoured() {
    let Some(pair) = pair("d10_a_prefix_of_nothing_is_honoured", &["--ipv4cidr=0"]) else { return };
    let from = |address| Request::new(address, "alice@sender.example", "bob@customer.test");
    check_both(&pair, &from("192.0.2.1").at(NOW), is_deferred, is_deferred);
    check_both(&pair, &from("198.51.100.1").at(NOW + 300), is_deferred, is_first_pass);
}

#[test]
fn d10_a_bad_option_is_named() {
    let dir = TempDir::new().unwrap();
    for option in ["--delay=soon", "--ipv4cidr=33", "--retry-window=2x", "--dely=60", "--auto-whitelist-clients=5000"] {
        let (code, error) = Setup::new(Program::Irongrey, dir.path()).with([option]).start_refused();
        assert_eq!(code, Some(2), "{option}: {error}");
        let (name, value) = option.split_once('=').unwrap();
        assert!(error.contains(name), "{option} is not named: {error}");
        assert!(name == "--dely" || error.contains(value), "the value of {option} is not named: {error}");
    }
}

#[test]
fn d11_a_bad_list_at_reload_keeps_the_old_one() {
    let dir = TempDir::new().unwrap();
    let list = dir.path().join("clients");
    std::fs::write(&list, "good.example\n").unwrap();
    let option = format!("--whitelist-clients={}", list.display());
    let test = "differences::d11_a_bad_list_at_reload_keeps_the_old_one";
    let Some(mut pair) = Pair::start_in(test, dir, &[&option], &["--test-clock"]) else { return };
    let from = |name| mail("bob@customer.test").with("client_name", name).at(NOW);
    check_both(&pair, &from("good.example"), is_dunno, is_dunno);

    std::fs::write(&list, "better.example\n/[/\n").unwrap();
    pair.irongrey.signal(Signal::SIGHUP);
    pair.irongrey.journal().wait_for(&format!("{}, line 2", list.display()));
    check(&pair.irongrey, &from("good.example"), is_dunno);
    check(&pair.irongrey, &from("better.example"), is_deferred);
    pair.postgrey.signal(Signal::SIGHUP);
    assert!(pair.postgrey.wait().is_some(), "postgrey has survived");
}

#[test]
fn d11_an_unreadable_list_at_reload_keeps_the_old_one() {
    let dir = TempDir::new().unwrap();
    let list = dir.path().join("clients");
    std::fs::write(&list, "good.example\n").unwrap();
    let option = format!("--whitelist-clients={}", list.display());
    let test = "differences::d11_an_unreadable_list_at_reload_keeps_the_old_one";
    let Some(pair) = Pair::start_in(test, dir, &[&option], &["--test-clock"]) else { return };
    let good = mail("bob@customer.test").with("client_name", "good.example").at(NOW);
    check_both(&pair, &good, is_dunno, is_dunno);

    std::fs::remove_file(&list).unwrap();
    pair.irongrey.signal(Signal::SIGHUP);
    pair.irongrey.journal().wait_for(&list.display().to_string());
    check(&pair.irongrey, &good, is_dunno);
    pair.postgrey.signal(Signal::SIGHUP);
    pair.postgrey.journal().wait_for("HUP received");
    check(&pair.postgrey, &good, is_deferred);
}

#[test]
fn d11_privacy_is_accepted() {
    let Some(pair) = pair("d11_privacy_is_accepted", &["--privacy"]) else { return };
    check_both(&pair, &mail("bob@customer.test").at(NOW), is_deferred, is_deferred);
    check_both(&pair, &mail("bob@customer.test").at(NOW + 300), is_first_pass, is_first_pass);
}

#[test]
fn d12_the_header_names_its_program() {
    let Some(pair) = pair("d12_the_header_names_its_program", &[]) else { return };
    check_both(&pair, &mail("bob@customer.test").at(NOW), is_deferred, is_deferred);
    let [postgrey, irongrey] = pair.ask(&mail("bob@customer.test").at(NOW + 310));
    let start = "action=PREPEND X-Greylist: delayed 310 seconds by";
    assert!(postgrey.starts_with(&format!("{start} postgrey-1.37 at mx.test; ")), "{postgrey}");
    let ours = format!("{start} irongrey-{} at mx.test; Tue, 14 Nov 2023 22:18:30 UTC", env!("CARGO_PKG_VERSION"));
    assert_eq!(irongrey, ours);
}
