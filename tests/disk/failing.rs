//! Disks that fail: read-only, truncated, EIO on reading and on writing.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::mounted::{Disk, Kind, run, setup};
use super::{DUNNO, NOW, is_deferred, mail, usable};
use crate::support::{Daemon, skipped_anywhere};

#[test]
fn read_only_directory() {
    let Some(disk) = Disk::mount("disk::failing::read_only_directory", Kind::Memory, 32) else { return };
    drop(disk.setup().start());
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(disk.root())).unwrap();
    let (code, error) = disk.setup().start_refused();
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains(&disk.state().display().to_string()), "{error}");
    assert!(error.contains("ead-only") && error.contains("--state"), "{error}");
}

/// Makes number 0 known to a daemon, which has passed, and number 1, which waits.
fn know_two(daemon: &Daemon) {
    let mut client = daemon.client();
    client.ask(&mail(0));
    assert!(client.ask(&mail(0).at(NOW + 300)).starts_with("action=PREPEND "), "known from now on");
    assert!(is_deferred(&client.ask(&mail(1))));
}

/// All of a segment but its header is gone.
fn cut_off(segment: &Path) {
    File::options().write(true).open(segment).unwrap().set_len(4096).unwrap();
}

/// Does something to a file and asks until the daemon comes upon it, which ends it; the next one serves within a second.
fn ends_with_71(mut daemon: Daemon, deed: impl FnOnce()) -> Daemon {
    let mut client = daemon.client();
    deed();
    assert!((2..100_000).any(|number| client.try_ask(&mail(number)).is_err()), "it goes on without its file");
    let status = daemon.wait().expect("the daemon ends");
    assert_eq!(status.code(), Some(71), "{:?}", daemon.journal().lines());
    let line = daemon.journal().wait_for("the disk has failed, or the file was truncated");
    assert!(line.contains(".seg, set aside as "), "{line}");
    let start = Instant::now();
    let daemon = daemon.kill_and_restart();
    daemon.client().ask(&mail(0));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    daemon
}

#[test]
fn truncated_under_the_daemon() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(dir.path(), dir.path().join("state")).start();
    know_two(&daemon);
    let segment = dir.path().join("state/pending-00000001.seg");
    let daemon = ends_with_71(daemon, || cut_off(&segment));
    assert!(!usable(&dir.path().join("state")), "the file is set aside");
    assert_eq!(daemon.client().ask(&mail(0).at(NOW + 400)), DUNNO);
    assert!(is_deferred(&daemon.client().ask(&mail(1))), "and new ones are recorded");
}

/// Where nobody reads the log, no message keeps the end waiting.
#[test]
fn truncated_while_standard_error_is_stalled() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    let mut daemon = setup(dir.path(), state.clone()).start_unread();
    let mut client = daemon.client();
    client.ask(&mail(0));
    cut_off(&state.join("pending-00000001.seg"));
    assert!((1..100_000).any(|number| client.try_ask(&mail(number)).is_err()), "it goes on without its file");
    assert_eq!(daemon.wait().expect("the daemon ends").code(), Some(71));
    assert!(!usable(&state), "the file is set aside");
}

/// What somebody does to the files under the daemon.
type Deed = fn(&Path);

/// The daemon notices within seconds that its successor would not find what it writes, and ends.
#[test]
fn removed_or_replaced_under_the_daemon() {
    let deeds: [(&str, Deed); 6] = [
        ("segment removed", |state| fs::remove_file(state.join("pending-00000001.seg")).unwrap()),
        ("segment replaced", |state| {
            let segment = state.join("pending-00000001.seg");
            fs::copy(&segment, state.join("copy")).unwrap();
            fs::rename(state.join("copy"), segment).unwrap();
        }),
        ("segment cut off where nobody comes", |state| {
            let segment = File::options().write(true).open(state.join("pending-00000001.seg")).unwrap();
            segment.set_len(segment.metadata().unwrap().len() - 4096).unwrap();
        }),
        ("lock replaced", |state| {
            fs::write(state.join("copy"), "").unwrap();
            fs::rename(state.join("copy"), state.join("lock")).unwrap();
        }),
        ("lock removed", |state| fs::remove_file(state.join("lock")).unwrap()),
        ("directory replaced", |state| {
            fs::rename(state, state.with_extension("old")).unwrap();
            fs::create_dir(state).unwrap();
        }),
    ];
    for (name, deed) in deeds {
        let dir = TempDir::new().unwrap();
        let state = dir.path().join("state");
        let mut daemon = setup(dir.path(), state.clone()).start();
        know_two(&daemon);
        deed(&state);
        assert_eq!(daemon.wait().expect(name).code(), Some(71), "{name}: {:?}", daemon.journal().lines());
        daemon.journal().wait_for("removed, replaced or cut off under the daemon");
        if name != "directory replaced" {
            let daemon = daemon.kill_and_restart();
            assert_eq!(daemon.client().ask(&mail(0).at(NOW + 400)), DUNNO, "{name}");
        }
    }
}

/// Only the file that is broken is set aside: not one that has come to its name, and no earlier one is written over. The next
/// start names what is there, and keeps four.
#[test]
fn what_is_set_aside_is_the_broken_file_and_stays() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    let mut daemon = setup(dir.path(), state.clone()).start();
    let files = || fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
    let active = || {
        let is_pending =
            |path: &PathBuf| path.to_string_lossy().contains("/pending-") && path.extension().unwrap() == "seg";
        files().filter(is_pending).min().unwrap()
    };
    for round in 1..=6_usize {
        daemon.client().ask(&mail(0));
        let active = active();
        daemon = ends_with_71(daemon, || cut_off(&active));
        daemon.journal().wait_for(".bad: damaged, and was set aside");
        let aside = files().filter(|path| path.extension().is_some_and(|extension| extension == "bad"));
        assert_eq!(aside.count(), round.min(4), "round {round}");
    }
    let mut client = daemon.client();
    client.ask(&mail(0));
    let segment = active();
    let good = fs::read(&segment).unwrap();
    fs::write(state.join("restored"), &good).unwrap();
    cut_off(&segment);
    fs::rename(state.join("restored"), &segment).unwrap();
    assert!((2..100_000).any(|number| client.try_ask(&mail(number)).is_err()), "it goes on without its file");
    assert_eq!(daemon.wait().expect("it ends").code(), Some(71));
    let line = daemon.journal().wait_for("the disk has failed, or the file was truncated");
    assert!(!line.contains("set aside as"), "{line}");
    assert!(fs::read(&segment).unwrap() == good, "the file that was put there is left alone");
}

/// A page that the disk cannot give: on a full file system, where somebody has taken it out of the file.
#[test]
fn a_page_that_cannot_be_had_ends_the_daemon_and_its_file_is_set_aside() {
    let test = "disk::failing::a_page_that_cannot_be_had_ends_the_daemon";
    let Some(disk) = Disk::mount(test, Kind::Memory, 32) else { return };
    let daemon = disk.setup().start();
    know_two(&daemon);
    let segment = disk.state().join("pending-00000001.seg");
    let file = File::options().write(true).open(&segment).unwrap();
    let length = file.metadata().unwrap().len();
    // All but the header, the marks and the records that are there.
    let hole = i64::try_from(length - 12_288).unwrap();
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let daemon = ends_with_71(daemon, || {
        fallocate(&file, punch, 12_288, hole).unwrap();
        disk.fill();
    });
    assert!(!usable(&disk.state()), "the file is set aside");
    assert_eq!(daemon.client().ask(&mail(0).at(NOW + 400)), DUNNO);
}

#[test]
fn a_file_that_cannot_be_read_is_set_aside_at_start() {
    let test = "disk::failing::a_file_that_cannot_be_read_is_set_aside_at_start";
    let Some(disk) = Disk::mount(test, Kind::Ext4, 64) else { return };
    let mut daemon = disk.setup().start();
    know_two(&daemon);
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().unwrap().success());
    disk.mount_again();
    // What is behind the first byte of the segment on the disk cannot be read, as the loop device has nothing there.
    let (start, segment) = last_on_disk(&disk.state());
    File::options().write(true).open(disk.backing()).unwrap().set_len(start).unwrap();
    let error = File::open(&segment).and_then(|mut file| file.read(&mut [0])).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::libc::EIO));
    let daemon = disk.setup().start();
    daemon.journal().wait_for("the disk fails: ");
    assert!(segment.with_extension("bad").exists());
}

/// The segment file that lies behind all others, and where it begins on the disk.
pub(super) fn last_on_disk(state: &Path) -> (u64, PathBuf) {
    let segments = state.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let segments = segments.filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    segments.map(|path| (first_byte(&path), path)).max().unwrap()
}

fn first_byte(path: &Path) -> u64 {
    let output = Command::new("filefrag").args(["-b4096", "-e"]).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let first = text.lines().find(|line| line.trim_start().starts_with("0:")).unwrap_or_else(|| panic!("{text}"));
    let physical = first.split(':').nth(2).and_then(|field| field.split('.').next()).unwrap();
    physical.trim().parse::<u64>().unwrap() * 4096
}

/// Writing fails: decisions go on, the failure is counted and said, and the end is in order.
#[test]
fn nothing_can_be_written_any_more() {
    let test = "disk::failing::nothing_can_be_written_any_more";
    let Some(disk) = Disk::mount(test, Kind::Ext4, 128) else { return };
    let mut daemon = disk.setup().with(["--sync=always"]).start();
    know_two(&daemon);
    if let Err(reason) = disk.lose_power() {
        return skipped_anywhere(test, &reason);
    }
    let mut client = daemon.client();
    assert_eq!(client.ask(&mail(0).at(NOW + 400)), DUNNO, "who is known passes");
    assert!(client.ask(&mail(1).at(NOW + 300)).starts_with("action=PREPEND "), "who has waited passes");
    // A new sender is deferred while there is a segment that takes records, and then passes.
    for number in 2..50 {
        let reply = client.ask(&mail(number));
        assert!(is_deferred(&reply) || reply == DUNNO, "{reply}");
    }
    daemon.journal().wait_for("sync failed: Input/output error");
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().expect("the daemon ends").code(), Some(0), "{:?}", daemon.journal().lines());
    daemon.journal().wait_for("sync_failures=");
    disk.boot_again();
    let daemon = disk.setup().start();
    assert_eq!(daemon.client().ask(&mail(0).at(NOW + 400)), DUNNO, "what was durable is known");
    assert!(usable(&disk.state()));
}
