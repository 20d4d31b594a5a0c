//! Files that cannot be used: what is refused, what is set aside, what is left alone.

use super::*;
use crate::atomics::Ordering;
use crate::store::recorder::Tape;
use crate::table::Memory;

#[test]
fn another_key_a_missing_key_and_another_version_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let state = dir.path().join("state");
    let bad = (0..6).map(|number| format!("pending-{number:08}.bad"));
    for name in bad.chain(["pending-00000070.new".to_owned(), "pending-00000071.seg".to_owned()]) {
        fs::write(state.join(name), "half").unwrap();
    }
    let before = segment_files(dir.path());
    let key = state.join("key");
    let text = fs::read(&key).unwrap();
    let refused = || {
        let error = open_at(dir.path(), NOW).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert_eq!(segment_files(dir.path()), before);
        error
    };
    fs::remove_file(&key).unwrap();
    assert!(matches!(refused(), OpenError::KeyMissing { .. }));
    assert!(!key.exists());
    fs::write(&key, "00112233445566778899aabbccddeeff\n").unwrap();
    assert!(matches!(refused(), OpenError::OtherKey { .. }));
    fs::write(&key, "no key\n").unwrap();
    assert!(matches!(refused(), OpenError::BadKey { .. }));
    fs::write(&key, text).unwrap();
    let segment = state.join(&before[0]);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..508]).to_le_bytes();
    bytes[508..512].copy_from_slice(&crc);
    fs::write(&segment, bytes).unwrap();
    assert!(matches!(refused(), OpenError::OtherVersion { version: 2, .. }));
}

#[test]
fn what_is_damaged_is_set_aside_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.writer().session().append(tag(&store, 1), Change::Passed(NOW), NOW).unwrap();
    store.close();
    drop(store);
    let state = dir.path().join("state");
    fs::write(state.join("pending-00000001.seg"), "short").unwrap();
    fs::create_dir(state.join("pending-00000077.seg")).unwrap();
    std::os::unix::fs::symlink("/bin/ls", state.join("pending-00000078.seg")).unwrap();
    fs::copy(state.join("established-00000001.seg"), state.join("established-00000099.seg")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.writer().session().triplet(tag(&store, 1), NOW), Triplet::Passed { last: NOW });
    let bad = segment_files(dir.path()).into_iter().filter(|name| name.contains(".bad")).count();
    assert_eq!(bad, 4, "{:?}", segment_files(dir.path()));
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
}

#[test]
fn damaged_files_give_way_to_the_least_room_that_a_ring_needs_the_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let state = dir.path().join("state");
    for (age, name) in (0..).zip(["pending-00000090.bad", "pending-00000091.bad", "established-00000092.bad"]) {
        let file = fs::File::create(state.join(name)).unwrap();
        file.set_len(5 << 20).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_hours(age)).unwrap();
    }
    drop(open(dir.path()));
    let names = segment_files(dir.path());
    let kept: Vec<_> = names.iter().filter(|name| name.contains(".bad")).collect();
    assert_eq!(kept, ["established-00000092.bad", "pending-00000090.bad"]);
}

#[test]
fn what_says_nothing_about_a_file_does_not_make_it_damaged() {
    use std::io::Error;

    use nix::libc;
    for errno in [libc::EACCES, libc::EPERM, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EROFS] {
        assert!(matches!(file::BadFile::from(Error::from_raw_os_error(errno)), file::BadFile::Io(_)), "{errno}");
    }
    assert!(matches!(file::BadFile::from(Error::from_raw_os_error(libc::EIO)), file::BadFile::Disk(_)));
}

#[test]
fn a_file_that_cannot_be_opened_ends_the_start_and_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    // A program that runs cannot be opened for writing, even by root.
    let path = dir.path().join("state/pending-00000077.seg");
    fs::copy("/bin/sleep", &path).unwrap();
    let mut running = std::process::Command::new(&path).arg("60").spawn().unwrap();
    let before = segment_files(dir.path());
    let error = open_at(dir.path(), NOW).unwrap_err();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(error.to_string().contains("pending-00000077.seg: cannot open the segment"), "{error}");
    assert_eq!(error.exit_code(), 1);
    assert_eq!(segment_files(dir.path()), before);
}

#[test]
fn a_copy_with_holes_is_given_its_room_before_it_is_served() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::start(&dir.path().join("state"));
    let store = open(dir.path());
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    store.close();
    drop(store);
    let path = dir.path().join("state/pending-00000001.seg");
    let bytes = fs::read(&path).unwrap();
    let sparse = fs::File::create(&path).unwrap();
    sparse.set_len(bytes.len() as u64).unwrap();
    for (number, page) in bytes.chunks(4096).enumerate().filter(|(_, page)| page.iter().any(|&byte| byte != 0)) {
        std::os::unix::fs::FileExt::write_all_at(&sparse, page, number as u64 * 4096).unwrap();
    }
    assert!(sparse.metadata().unwrap().blocks() * 512 < bytes.len() as u64);
    tape.let_disk_be_full(true);
    assert_eq!(open_at(dir.path(), NOW).unwrap_err().exit_code(), 1);
    tape.let_disk_be_full(false);
    let store = open(dir.path());
    assert!(sparse.metadata().unwrap().blocks() * 512 >= bytes.len() as u64);
    assert_eq!(store.writer().session().triplet(tag(&store, 3), NOW), Triplet::Pending { first: NOW });
}

#[test]
fn what_is_taken_for_unused_is_not_removed_with_records_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    keep(&store, NOW);
    pend(&store, &mut store.writer(), 0..10, NOW).unwrap();
    let first = Arc::clone(store.pending.load().active().unwrap());
    store.pending.roll_over(Some(first.sequence())).unwrap();
    pend(&store, &mut store.writer(), 10..20, NOW).unwrap();
    first.memory().fills()[0].store(0, Ordering::Relaxed);
    let path = first.memory().path().to_owned();
    drop((store, first));
    pretend_clean_end(dir.path());
    drop(open(dir.path()));
    assert!(!path.exists() && path.with_extension("bad").exists());
}
