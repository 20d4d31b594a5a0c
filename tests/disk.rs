//! Disks that are full, read-only, that fail or lose power: on small file systems of their own, which only root can mount.

mod check;
mod failing;
mod mounted;
mod power;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Client, Request};
use mounted::{Disk, Kind};

const NOW: u64 = 1_700_000_000;
const DUNNO: &str = "action=DUNNO";

fn mail(number: usize) -> Request {
    Request::new("192.0.2.1", &format!("s{number}x@sender.example"), "bob@customer.test").at(NOW)
}

fn is_deferred(reply: &str) -> bool {
    reply.starts_with("action=DEFER_IF_PERMIT ")
}

/// Asks about new triplets, many at once, until one is answered DUNNO; how many there were.
fn flood(client: &mut Client, mut number: usize) -> usize {
    const AT_ONCE: usize = 50;
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let requests: Vec<u8> = (number..number + AT_ONCE).flat_map(|number| mail(number).wire()).collect();
        client.send(&requests);
        number += AT_ONCE;
        let replies: Vec<String> = (0..AT_ONCE).map(|_| client.reply()).collect();
        assert!(replies.iter().all(|reply| is_deferred(reply) || reply == DUNNO), "{replies:?}");
        if replies.iter().any(|reply| reply == DUNNO) {
            return number;
        }
        assert!(Instant::now() < deadline, "{number} triplets, and the disk is not full");
    }
}

#[test]
fn full_at_start() {
    let Some(disk) = Disk::mount("disk::full_at_start", Kind::Memory, 1) else { return };
    disk.fill();
    assert_refused(&disk);
}

#[test]
fn too_small_at_start() {
    let Some(disk) = Disk::mount("disk::too_small_at_start", Kind::Memory, 2) else { return };
    assert_refused(&disk);
}

/// The start fails with a message that says where and why.
#[track_caller]
fn assert_refused(disk: &Disk) {
    let (code, error) = disk.setup().start_refused();
    assert!(matches!(code, Some(1 | 2)), "{code:?}: {error}");
    assert!(error.contains("space"), "the reason is missing: {error}");
    assert!(error.contains(&disk.state().display().to_string()), "the directory is missing: {error}");
}

#[test]
fn full_while_serving() {
    let Some(disk) = Disk::mount("disk::full_while_serving", Kind::Memory, 32) else { return };
    fills_up_and_recovers(&disk);
}

#[test]
fn full_while_serving_on_ext4() {
    let Some(disk) = Disk::mount("disk::full_while_serving_on_ext4", Kind::Ext4, 128) else { return };
    fills_up_and_recovers(&disk);
}

fn fills_up_and_recovers(disk: &Disk) {
    let daemon = disk.setup().start();
    let mut client = daemon.client();
    assert!(is_deferred(&client.ask(&mail(0))));
    assert!(!is_deferred(&client.ask(&mail(0).at(NOW + 300))));
    assert!(is_deferred(&client.ask(&mail(1))));

    let filler = disk.fill();
    let next = flood(&mut client, 10);
    assert_eq!(client.ask(&mail(0).at(NOW + 400)), DUNNO, "a sender that has passed");
    let retry = client.ask(&mail(1).at(NOW + 300));
    assert!(retry.starts_with("action=PREPEND ") || retry == DUNNO, "a sender that has waited: {retry}");
    assert_eq!(client.ask(&mail(next)), DUNNO, "an unknown sender");

    fs::remove_file(filler).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut number = next;
    loop {
        number += 1;
        if is_deferred(&client.ask(&mail(number))) {
            break;
        }
        assert!(Instant::now() < deadline, "there is space again, but nothing is recorded");
        std::thread::sleep(Duration::from_millis(100));
    }
    let retry = client.ask(&mail(number).at(NOW + 300));
    assert!(retry.starts_with("action=PREPEND "), "recorded again: {retry}");

    drop(client);
    let daemon = daemon.kill_and_restart();
    assert_eq!(daemon.client().ask(&mail(0).at(NOW + 400)), DUNNO, "known to the next daemon");
    assert!(usable(&disk.state()), "nothing was set aside");
}

/// Whoever was known is let through, though nothing at all can be written.
#[test]
fn full_at_restart() {
    let Some(disk) = Disk::mount("disk::full_at_restart", Kind::Memory, 32) else { return };
    let daemon = disk.setup().start();
    let mut client = daemon.client();
    client.ask(&mail(0));
    assert!(client.ask(&mail(0).at(NOW + 300)).starts_with("action=PREPEND "));
    drop(client);
    disk.fill();
    let daemon = daemon.kill_and_restart();
    assert_eq!(daemon.client().ask(&mail(0).at(NOW + 400)), DUNNO);
    let daemon = daemon.kill_and_restart();
    assert_eq!(daemon.client().ask(&mail(0).at(NOW + 400)), DUNNO, "and after a second one");
    assert!(usable(&disk.state()), "nothing was set aside");
}

/// No file of the state was found damaged.
fn usable(state: &Path) -> bool {
    fs::read_dir(state).unwrap().all(|file| file.unwrap().path().extension().is_none_or(|extension| extension != "bad"))
}
