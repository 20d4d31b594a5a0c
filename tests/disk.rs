//! A disk that is full, when the daemon starts and while it serves: on a small file system in memory, which only root can
//! mount.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Client, Program, Request, Setup, is_root, skipped};

const NOW: u64 = 1_700_000_000;
const DUNNO: &str = "action=DUNNO";

/// A file system of its own, unmounted when dropped.
struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    fn mount(test: &str, mebibytes: u32) -> Option<Self> {
        if !is_root() {
            skipped(test, "only root can mount a small file system");
            return None;
        }
        let dir = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]).arg(dir.path().join("disk"));
        fs::create_dir(dir.path().join("disk")).unwrap();
        let output = mount.output().unwrap();
        if !output.status.success() {
            skipped(
                test,
                &format!("no file system can be mounted: {}", String::from_utf8_lossy(&output.stderr).trim()),
            );
            return None;
        }
        fs::set_permissions(dir.path().join("disk"), Permissions::from_mode(0o777)).unwrap();
        Some(Self { dir })
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("disk/state")
    }

    fn setup(&self) -> Setup {
        let options = ["--test-clock", "--auto-whitelist-clients=0", "--quiet"];
        Setup::new(Program::Serve, self.dir.path()).state(self.state()).with(options)
    }

    /// Fills what is left of the disk; returns what to remove to have it back.
    fn fill(&self) -> PathBuf {
        let path = self.dir.path().join("disk/filler");
        let mut file = File::create(&path).unwrap();
        let piece = vec![1; 1 << 16];
        while file.write_all(&piece).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, as a daemon that is not dropped yet still has files there.
        Command::new("umount").arg("-l").arg(self.dir.path().join("disk")).status().ok();
    }
}

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
    let Some(disk) = SmallDisk::mount("disk::full_at_start", 1) else { return };
    disk.fill();
    assert_refused(&disk);
}

#[test]
fn too_small_at_start() {
    let Some(disk) = SmallDisk::mount("disk::too_small_at_start", 2) else { return };
    assert_refused(&disk);
}

/// The start fails with a message that says where and why.
#[track_caller]
fn assert_refused(disk: &SmallDisk) {
    let (code, error) = disk.setup().start_refused();
    assert!(matches!(code, Some(1 | 2)), "{code:?}: {error}");
    assert!(error.contains("space"), "the reason is missing: {error}");
    assert!(error.contains(&disk.state().display().to_string()), "the directory is missing: {error}");
}

#[test]
fn full_while_serving() {
    let Some(disk) = SmallDisk::mount("disk::full_while_serving", 32) else { return };
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
    let Some(disk) = SmallDisk::mount("disk::full_at_restart", 32) else { return };
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

/// The daemon ends at once and says why; the next one sets the file aside and serves what is left.
#[test]
fn truncated_under_the_daemon() {
    let dir = TempDir::new().unwrap();
    let options = ["--test-clock", "--auto-whitelist-clients=0", "--quiet"];
    let setup = Setup::new(Program::Serve, dir.path()).state(dir.path().join("state")).with(options);
    let mut daemon = setup.start();
    let mut client = daemon.client();
    client.ask(&mail(0));
    assert!(client.ask(&mail(0).at(NOW + 300)).starts_with("action=PREPEND "), "known from now on");
    let segment = dir.path().join("state/pending-00000001.seg");
    File::options().write(true).open(&segment).unwrap().set_len(4096).unwrap();
    assert!((1..100_000).any(|number| client.try_ask(&mail(number)).is_err()), "it goes on without its file");
    let status = daemon.wait().expect("the daemon ends");
    assert_eq!(status.code(), Some(71), "{:?}", daemon.journal().lines());
    daemon.journal().wait_for("the disk has failed, or the file was truncated");

    let start = Instant::now();
    let daemon = daemon.kill_and_restart();
    assert_eq!(daemon.client().ask(&mail(0).at(NOW + 400)), DUNNO);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(!usable(&dir.path().join("state")), "the file is set aside");
    assert!(is_deferred(&daemon.client().ask(&mail(1))), "and new ones are recorded");
}

/// No file of the state was found damaged.
fn usable(state: &Path) -> bool {
    fs::read_dir(state).unwrap().all(|file| file.unwrap().path().extension().is_none_or(|extension| extension != "bad"))
}
