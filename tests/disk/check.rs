//! `irongrey state check` on disks that fail: it says what it has met, goes on, and ends in order.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::failing::last_on_disk;
use super::mail;
use super::mounted::{Disk, Kind, setup};
use crate::support::{Setup, call};

/// A state in which a first attempt has been recorded, closed cleanly.
fn close(setup: &Setup) {
    let mut daemon = setup.start();
    daemon.client().ask(&mail(0));
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
    assert!(report.contains("pending-00000009.seg     unused    16777216"), "{report}");
}
