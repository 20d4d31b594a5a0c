//! Senders and recipients that are released for a time.

use std::fmt::Write;
use std::fs;

use tempfile::TempDir;

use super::{audits, done, is_deferred, mail, releases_file, run, setup, started};
use crate::support::unix_now;

const BOB: &str = "bob@customer.example";

#[test]
fn a_release_holds_until_its_time_is_over_or_it_is_ended() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    let (mut client, time) = (daemon.client(), unix_now());
    assert!(is_deferred(&client.ask(&mail("code@login.example", BOB).at(time))));
    let said = done(&dir, &["release", "--sender", "Login.Example", "--for", "60s"]);
    assert!(said.starts_with("released: sender login.example until "), "{said}");
    assert_eq!(client.ask(&mail("code@mail.login.example", BOB).at(time + 60)), "action=DUNNO");
    assert!(is_deferred(&client.ask(&mail("code@mail.login.example", BOB).at(time + 61))));
    assert_eq!(done(&dir, &["release", "--list"]), "nobody is released\n");

    done(&dir, &["release", "--recipient", BOB]);
    let list = done(&dir, &["release", "--list"]);
    assert!(list.starts_with("recipient  bob@customer.example  until ") && list.ends_with(" UTC, in 1 h\n"), "{list}");
    assert_eq!(client.ask(&mail("a@b.example", BOB).at(time + 62)), "action=DUNNO");
    done(&dir, &["release", "--end", "--recipient", BOB]);
    assert!(is_deferred(&client.ask(&mail("a@b.example", BOB).at(time + 62))));
    let again = run(&dir, &["release", "--end", "--recipient", BOB]);
    assert_eq!(again.code, Some(2));
    assert!(again.error.contains("recipient bob@customer.example is not released"), "{}", again.error);
    daemon.journal().wait_for("no longer released: recipient");
    assert_eq!(audits(&daemon).len(), 3);
}

#[test]
fn releases_are_kept_over_a_kill_and_a_damaged_file_is_set_aside() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    done(&dir, &["release", "--sender", "login.example", "--for", "2h"]);
    let daemon = started(daemon.kill_and_restart());
    assert_eq!(daemon.client().ask(&mail("code@login.example", BOB)), "action=DUNNO");
    drop(daemon);
    fs::write(releases_file(dir.path()), "[[release]]\nside = \"sender\"\n").unwrap();
    let daemon = started(setup(&dir).start());
    let line = daemon.journal().wait_for("it is set aside");
    assert!(line.contains("releases.toml") && line.contains("releases.bad"), "{line}");
    assert!(is_deferred(&daemon.client().ask(&mail("code@login.example", BOB))));
    done(&dir, &["release", "--sender", "login.example"]);
    assert_eq!(daemon.client().ask(&mail("code@login.example", BOB)), "action=DUNNO");
}

#[test]
fn a_release_that_cannot_be_kept_is_none() {
    let dir = TempDir::new().unwrap();
    let daemon = started(setup(&dir).start());
    done(&dir, &["release", "--sender", "kept.example"]);
    let kept = fs::read_to_string(releases_file(dir.path())).unwrap();
    // Where the daemon wants to write it.
    fs::create_dir(releases_file(dir.path()).with_extension("toml.new")).unwrap();
    for words in [&["release", "--sender", "login.example"][..], &["release", "--end", "--sender", "kept.example"]] {
        let outcome = run(&dir, words);
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.error.contains("releases.toml: cannot be written"), "{}", outcome.error);
    }
    assert_eq!(fs::read_to_string(releases_file(dir.path())).unwrap(), kept);
    assert!(is_deferred(&daemon.client().ask(&mail("code@login.example", BOB))));
    assert_eq!(daemon.client().ask(&mail("a@kept.example", BOB)), "action=DUNNO");
    daemon.journal().wait_for("audit: ");
    assert_eq!(audits(&daemon).len(), 1);
}

/// A file with as many releases as there may be.
pub(super) fn fill(dir: &TempDir) {
    let mut text = String::new();
    for number in 0..10_000 {
        write!(
            text,
            "[[release]]\nside = \"sender\"\nname = \"s{number}.example\"\nuntil = \"2100-01-01T00:00:00Z\"\n\n"
        )
        .unwrap();
    }
    setup(dir);
    fs::write(releases_file(dir.path()), text).unwrap();
}

#[test]
fn there_are_ten_thousand_at_most() {
    let dir = TempDir::new().unwrap();
    fill(&dir);
    let _daemon = started(setup(&dir).start());
    let one_more = run(&dir, &["release", "--sender", "one.more.example"]);
    assert_eq!(one_more.code, Some(2));
    assert!(one_more.error.contains("10000 are released already"), "{}", one_more.error);
    assert_eq!(done(&dir, &["release", "--list"]).lines().count(), 10_000);
    done(&dir, &["release", "--end", "--sender", "s77.example"]);
    done(&dir, &["release", "--sender", "one.more.example"]);
    let list = done(&dir, &["release", "--list"]);
    assert!(list.lines().count() == 10_000 && list.contains("one.more.example") && !list.contains(" s77.example"));
}
