//! Disks that are full when the daemon starts.

use super::*;
use crate::store::recorder::Tape;

#[test]
fn a_full_disk_with_no_segment_left_to_append_to_serves_what_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::start(&dir.path().join("state"));
    let store = open(dir.path());
    pass(&store, 0..10, NOW).unwrap();
    let pending = store.pending.load().active().unwrap().memory().path().to_owned();
    drop(store);
    fs::write(&pending, "damaged").unwrap();
    tape.let_disk_be_full(true);
    let store = open(dir.path());
    let mut writer = store.writer();
    assert_eq!(writer.session().triplet(tag(&store, 3), NOW), Triplet::Passed { last: NOW });
    keep(&store, NOW);
    assert_eq!(pend(&store, &mut writer, 20..21, NOW), Err(Full));
    store.sync();
    store.close();
    drop((store, writer));
    let store = open(dir.path());
    let mut writer = store.writer();
    assert_eq!(pend(&store, &mut writer, 20..21, NOW), Err(Full), "the next start neither");
    tape.let_disk_be_full(false);
    store.upkeep(NOW, true);
    assert_eq!(pend(&store, &mut writer, 20..21, NOW), Ok(()), "there is room again");
    keep(&store, NOW);
    assert!(store.pending.load().spare.is_some());
}

/// Else each of them would have its index made anew.
#[test]
fn a_full_disk_does_not_make_a_start_after_a_kill_forget_which_boot_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::start(&dir.path().join("state"));
    drop(open(dir.path()));
    let said = || fs::read_to_string(dir.path().join("state/run")).unwrap_or_default();
    let first = said();
    assert!(first.starts_with("running "));
    tape.let_disk_be_full(true);
    drop(open(dir.path()));
    assert_eq!(said(), first);
    tape.let_disk_be_full(false);
    let store = open(dir.path());
    keep(&store, NOW);
    store.close();
    assert!(said().starts_with("clean "));
    drop(store);
    tape.let_disk_be_full(true);
    drop(open(dir.path()));
    assert_eq!(said(), "", "what was said of a clean end is taken back");
}

#[test]
fn a_full_disk_with_no_segment_at_all_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::start(&dir.path().join("state"));
    drop(open(dir.path()));
    let state = dir.path().join("state");
    for name in segment_files(dir.path()) {
        fs::remove_file(state.join(name)).unwrap();
    }
    tape.let_disk_be_full(true);
    assert_eq!(open_at(dir.path(), NOW).unwrap_err().exit_code(), 1);
    // As a first start leaves it that found room for one of the two.
    tape.let_disk_be_full(false);
    drop(open(dir.path()));
    fs::remove_file(state.join("established-00000001.seg")).unwrap();
    tape.let_disk_be_full(true);
    assert_eq!(open_at(dir.path(), NOW).unwrap_err().exit_code(), 1, "the next one is refused as well");
    fs::remove_file(state.join("pending-00000001.seg")).unwrap();
    // One that was in use lets mail flow, in the second start as in the one that set the last segment aside.
    fs::write(state.join("pending-00000001.bad"), "damaged").unwrap();
    let store = open(dir.path());
    assert_eq!(pend(&store, &mut store.writer(), 0..1, NOW), Err(Full));
}
