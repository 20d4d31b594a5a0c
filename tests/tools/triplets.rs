//! One triplet or client: explained, released, forgotten.

use tempfile::TempDir;

use super::{audits, done, is_deferred, is_of_this_user, mail, setup, started};
use crate::support::unix_now;

const ALICE: &str = "alice@sender.example";
const BOB: &str = "bob@customer.example";
const CLIENT: &str = "mx.sender.example[192.0.2.7]";

#[test]
fn an_explanation_is_right_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    let (mut client, time) = (daemon.client(), unix_now());
    assert!(is_deferred(&client.ask(&mail(ALICE, BOB).at(time))));
    client.ask(&mail("other@sender.example", BOB).at(time + 28));
    let before = done(&dir, &["stats", "--json"]);
    let said = done(&dir, &["explain", CLIENT, ALICE, BOB]);
    for line in [
        "reply           action=DEFER_IF_PERMIT 4.2.0 Greylisted for 272 seconds\n",
        "because         early-retry (272s missing)\n",
        " UTC, in 4 min 32 s\n",
        "rule            none holds",
        "network         192.0.2.0/24",
        " UTC, 28 s ago\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let strange = done(&dir, &["explain", "2001:db8::1", "<>", BOB]);
    assert!(strange.contains("2001:db8::/64") && strange.contains("triplet         unknown"), "{strange}");
    assert_eq!(done(&dir, &["explain", "2001:db8::1", "", BOB]), strange);
    let json: serde_json::Value =
        serde_json::from_str(&done(&dir, &["explain", CLIENT, ALICE, BOB, "--json"])).unwrap();
    assert_eq!(json["state"]["pending"]["first"], time);
    assert_eq!(json["passes"], time + 300);
    let counters = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["counters"].clone();
    let records = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["pending"]["records"].clone();
    let after = done(&dir, &["stats", "--json"]);
    assert_eq!((counters(&after), records(&after)), (counters(&before), records(&before)));
    assert_eq!(audits(&daemon), [""; 0]);
    assert_eq!(client.ask(&mail(ALICE, BOB).at(time + 28)), "action=DEFER_IF_PERMIT 4.2.0 Greylisted for 272 seconds");
}

#[test]
fn a_released_triplet_passes_at_once_and_after_a_kill() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    let (mut client, time) = (daemon.client(), unix_now());
    assert!(is_deferred(&client.ask(&mail(ALICE, BOB).at(time))));
    let said = done(&dir, &["release", CLIENT, ALICE, BOB]);
    assert_eq!(said, format!("released: network 192.0.2.0/24, sender <{ALICE}>, recipient <{BOB}>\n"));
    daemon.journal().wait_for("audit: ");
    let audits = audits(&daemon);
    assert!(audits.len() == 1 && is_of_this_user(&audits[0]) && audits[0].ends_with(said.trim_end()), "{audits:?}");
    let daemon = started(daemon.kill_and_restart());
    assert!(!is_deferred(&daemon.client().ask(&mail(ALICE, BOB).at(time + 1))));
    assert!(is_deferred(&daemon.client().ask(&mail("eve@sender.example", BOB).at(time + 1))));
}

#[test]
fn what_is_forgotten_is_unknown_with_what_came_in_the_same_second() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    let (mut client, time) = (daemon.client(), unix_now());
    assert!(is_deferred(&client.ask(&mail(ALICE, BOB).at(time))));
    assert!(!is_deferred(&client.ask(&mail(ALICE, BOB).at(time + 301))));
    let said = done(&dir, &["forget", CLIENT, ALICE, BOB]);
    assert!(said.starts_with("forgotten: network 192.0.2.0/24, "), "{said}");
    // Of this attempt nothing is left a second later.
    assert!(is_deferred(&client.ask(&mail(ALICE, BOB).at(time + 301))));
    let at = |second| client.ask(&mail(ALICE, BOB).at(second));
    let replies: Vec<_> = [time + 303, time + 602, time + 603].map(at).into_iter().collect();
    assert!(replies[0].ends_with("for 300 seconds") && replies[1].ends_with("for 1 seconds"), "{replies:?}");
    assert!(!is_deferred(&replies[2]), "{replies:?}");
    let daemon = started(daemon.kill_and_restart());
    assert!(!is_deferred(&daemon.client().ask(&mail(ALICE, BOB).at(time + 604))), "only the old one was forgotten");
}

#[test]
fn a_clients_count_can_be_forgotten() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).with(["--auto-whitelist-clients=1"]).start());
    let (mut client, time) = (daemon.client(), unix_now());
    client.ask(&mail(ALICE, BOB).at(time));
    client.ask(&mail(ALICE, BOB).at(time + 301));
    assert!(!is_deferred(&client.ask(&mail("new@sender.example", BOB).at(time + 302))));
    let said = done(&dir, &["explain", CLIENT, "new@sender.example", BOB]);
    assert!(said.contains("1 of 1 triplets") && said.contains("because         client AWL"), "{said}");
    done(&dir, &["forget", "--client", CLIENT]);
    assert!(is_deferred(&client.ask(&mail("newer@sender.example", BOB).at(time + 304))));
    daemon.journal().wait_for("forgotten: what was counted of client 192.0.2.7");
}
