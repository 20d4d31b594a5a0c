//! `irongrey state check` on disks that fail: it says what it has met, goes on, and ends in order.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::failing::last_on_disk;
use super::mounted::{Disk, Kind, run, setup};
use super::{NOW, mail};
use crate::support::{Setup, call};

/// A state in which a first attempt has been recorded, closed cleanly.
fn close(setup: &Setup) {
    let mut daemon = setup.start();
    let mut client = daemon.client();
    client.ask(&mail(0));
    client.ask(&mail(0).at(NOW + 300));
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().unwrap().success());
}

/// The exit code, and what was said.
fn check(state: &Path) -> (Option<i32>, String) {
    let output = call(&["state", "check", state.to_str().unwrap()]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_page_that_cannot_be_read_is_a_line_of_the_report() {
    // Nothing of the segment on the disk, or its header, its marks and some of its records.
    for (kept, found) in [(0, "damaged: the disk fails"), (262_144, "cannot be read to its end: the disk fails")] {
        let test = "disk::check::a_page_that_cannot_be_read_is_a_line_of_the_report";
        let Some(disk) = Disk::mount(test, Kind::Ext4, 64) else { return };
        close(&disk.setup());
        disk.mount_again();
        let (start, segment) = last_on_disk(&disk.state());
        File::options().write(true).open(disk.backing()).unwrap().set_len(start + kept).unwrap();
        let (code, report) = check(&disk.state());
        assert_eq!(code, Some(1), "{report}");
        let line = format!("{}: {found}: Input/output error", segment.file_name().unwrap().display());
        assert!(report.contains(&line), "no {line:?} in {report}");
        let others = ["pending-00000001.seg", "established-00000001.seg"].map(|name| report.contains(name));
        assert_eq!(others, [true; 2], "the others are gone over: {report}");
    }
}

/// 400 MB of segment in 160 MiB of memory, program and all.
#[test]
fn a_large_segment_is_read_in_pieces() {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    close(&setup(dir.path(), state.clone()));
    let mut header = fs::read(state.join("pending-00000001.seg")).unwrap();
    header.truncate(512);
    let capacity = 1_u32 << 24;
    header[16..24].copy_from_slice(&9_u64.to_le_bytes());
    header[32..36].copy_from_slice(&capacity.to_le_bytes());
    let crc = crc32fast::hash(&header[..508]).to_le_bytes();
    header[508..].copy_from_slice(&crc);
    let file = File::create(state.join("pending-00000009.seg")).unwrap();
    file.write_all_at(&header, 0).unwrap();
    file.set_len(4096 + u64::from(capacity / 4096 * 4) + u64::from(capacity) * 24).unwrap();
    let output = Command::new("timeout")
        .args(["-k1", "60", "bash", "-c", "ulimit -v 163840; exec \"$0\" state check \"$1\""])
        .args([Path::new(env!("CARGO_BIN_EXE_irongrey")), &state])
        .output()
        .unwrap();
    let report = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report.contains(" 16777216    0%        -        -  none"), "{report}");
}

/// What somebody does to a state that `nobody` owns, and what is said of what that forbids.
type Obstacle = (&'static str, fn(&Disk), [&'static str; 2]);

const OBSTACLES: [Obstacle; 8] = [
    ("a segment of root's", |disk| chown(disk.state().join(SEGMENT), Some(0), None).unwrap(), [SEGMENT, DENIED]),
    ("a segment to be read only", |disk| set_mode(&disk.state().join(SEGMENT), 0o400), [SEGMENT, DENIED]),
    ("the key is root's", |disk| chown(disk.state().join("key"), Some(0), None).unwrap(), ["key: cannot read", DENIED]),
    (
        "the lock is root's",
        |disk| chown(disk.state().join("lock"), Some(0), None).unwrap(),
        ["lock: cannot open", DENIED],
    ),
    ("the directory to be read only", |disk| set_mode(&disk.state(), 0o500), ["that the state is in use", DENIED]),
    (
        "a damaged file in a directory to be read only",
        |disk| {
            fs::write(disk.state().join(SEGMENT), "").unwrap();
            set_mode(&disk.state(), 0o500);
        },
        ["cannot set the damaged file aside", DENIED],
    ),
    (
        "the file system is read only",
        |disk| run(Command::new("mount").args(["-o", "remount,ro"]).arg(disk.root())).unwrap(),
        ["lock: cannot open", "Read-only file system"],
    ),
    (
        "no room for what a copy lacks",
        |disk| {
            let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            let file = File::options().write(true).open(disk.state().join(SEGMENT)).unwrap();
            fallocate(file, punch, 1 << 20, 1 << 16).unwrap();
            disk.fill();
        },
        ["cannot ", "space"],
    ),
];
const SEGMENT: &str = "pending-00000001.seg";
const DENIED: &str = "Permission denied";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The check says what a start meets, also when root asks for somebody else.
#[test]
fn what_forbids_a_start_is_seen_without_one() {
    let test = "disk::check::what_forbids_a_start_is_seen_without_one";
    for (name, deed, texts) in OBSTACLES {
        let Some(disk) = Disk::mount(test, Kind::Memory, 32) else { return };
        let setup = disk.setup().own_user().with(["--user=nobody", "--group=nogroup"]);
        close(&setup);
        let (code, report) = check(&disk.state());
        assert!(code == Some(0) && report.contains("forbids one as nobody"), "{name}: {code:?}: {report}");
        deed(&disk);
        let (checked, report) = check(&disk.state());
        let (started, error) = setup.start_refused();
        assert_eq!((checked, started), (Some(1), Some(1)), "{name}: {report}{error}");
        let refusals: Vec<_> =
            report.lines().filter(|line| line.starts_with("a start as nobody is refused: ")).collect();
        let has_both = |text: &str| texts.iter().all(|part| text.contains(part));
        assert!(refusals.iter().any(|line| has_both(line)), "{name}: {report}");
        assert!(error.lines().any(has_both), "{name}: {error}");
        assert!(!report.contains("forbids one as"), "{name}: {report}");
    }
}

#[test]
fn a_disk_without_room_forbids_only_a_state_that_is_new() {
    let test = "disk::check::a_disk_without_room_forbids_only_a_state_that_is_new";
    let Some(disk) = Disk::mount(test, Kind::Memory, 32) else { return };
    let setup = disk.setup();
    close(&setup);
    let segments = || {
        let files = fs::read_dir(disk.state()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
    };
    segments()
        .filter(|path| path.to_string_lossy().contains("/pending-"))
        .for_each(|path| fs::remove_file(path).unwrap());
    disk.fill();
    let (code, report) = check(&disk.state());
    assert!(code == Some(0) && report.contains("no space: "), "{report}");
    assert!(report.contains("known senders pass") && report.contains("forbids one as"), "{report}");
    let mut daemon = setup.start();
    daemon.signal(Signal::SIGKILL);
    daemon.wait();
    segments().for_each(|path| fs::remove_file(path).unwrap());
    fs::remove_file(disk.root().join("filler")).unwrap();
    disk.fill();
    let (code, report) = check(&disk.state());
    assert!(code == Some(1) && report.contains("is refused: "), "{report}");
    assert!(report.contains("no space: ") && !report.contains("forbids one as"), "{report}");
    assert_eq!(setup.start_refused().0, Some(1));
}
