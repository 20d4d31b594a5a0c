//! `irongrey state check`: it sees what is there, names what is damaged, says what a start would do, and changes nothing.

use super::*;
use crate::atomics::Ordering;
use crate::grey::Client;
use crate::table::Memory;

/// A state that was closed cleanly: 10 pending triplets, 3 that have passed, and a client.
fn closed(dir: &Path) {
    let store = open(dir);
    keep(&store, NOW);
    fill(&store);
    store.close();
}

fn fill(store: &Arc<Store>) {
    pend(store, &mut store.writer(), 0..10, NOW).unwrap();
    pass(store, 0..3, NOW.plus(400)).unwrap();
    let client = Change::Client(Client { count: 1, last: NOW.plus(400) });
    store.writer().session().append(tag(store, 99), client, NOW).unwrap();
}

/// The exit code and the text; what is in the directory is the same before and after.
fn check(dir: &Path) -> (u8, String) {
    let contents = || {
        let mut names: Vec<_> = fs::read_dir(dir.join("state")).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.into_iter().map(|path| (fs::read(&path).unwrap_or_default(), path)).collect::<Vec<_>>()
    };
    let before = contents();
    let report = Report::read(&dir.join("state"), 2, NOW.plus(3 * DAY)).unwrap();
    assert!(before == contents(), "the check has changed something");
    (report.exit_code(), report.to_string())
}

#[track_caller]
fn expect(dir: &Path, code: u8, texts: &[&str]) {
    let (found, report) = check(dir);
    assert_eq!(found, code, "{report}");
    for text in texts {
        assert!(report.contains(text), "no {text:?} in\n{report}");
    }
}

fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join("state").join(name)
}

/// Changes these bytes of the oldest established segment, which is laid out as FORMAT.md says.
fn change(dir: &Path, at: usize, change: impl Fn(&mut [u8])) {
    let path = path(dir, "established-00000001.seg");
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes[at..]);
    fs::write(path, bytes).unwrap();
}

const RECORDS: usize = 8192;

#[test]
fn what_was_closed_is_in_order() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    expect(
        dir.path(),
        0,
        &["not in use", "closed cleanly", "records in all: 10 pending, 3 passed, 1 client", "3d00h", "2d23h"],
    );
    let (_, report) = check(dir.path());
    let count = |role| report.lines().filter(|line| line.split_whitespace().nth(1) == Some(role)).count();
    assert_eq!([count("active"), count("spare"), count("sealed")], [2, 2, 0], "{report}");
}

#[test]
fn beside_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    keep(&store, NOW);
    fill(&store);
    let pid = format!("in use by process {}", std::process::id());
    expect(dir.path(), 0, &[&pid, "a second daemon is refused", "10 pending", "3 passed, 1 client"]);
    // A record whose slot is on its way is no damage.
    let active = Arc::clone(store.pending.load().active().unwrap());
    active.memory().slots().iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
    expect(dir.path(), 0, &["records without a place in the index: 10; on their way"]);
    // The same after it was killed, until upkeep of the next one.
    drop((store, active));
    expect(dir.path(), 0, &["was killed", "records without a place in the index: 10; a start sees to them"]);
    pretend_other_boot(dir.path());
    expect(dir.path(), 0, &["makes the index of 14 records anew"]);
}

#[test]
fn damage_has_exit_code_1_and_a_name() {
    type Damage = fn(&Path);
    let cases: [(Damage, &str); 8] = [
        (|dir| change(dir, RECORDS, |bytes| bytes[9] ^= 1), "established-00000001.seg: damaged records: 1"),
        (|dir| change(dir, 4096, |bytes| bytes[0] = 2), "records above the fill marks: 1; damage"),
        (|dir| change(dir, 512, |bytes| bytes[3] = 1), "its seal is damaged"),
        (|dir| change(dir, 520, |bytes| bytes[0] = 1), "the disk has failed to take it"),
        (
            |dir| change(dir, RECORDS + 16 * 65_536, |bytes| bytes.fill(0)),
            "records without a place in the index: 4; damage",
        ),
        (|dir| change(dir, 0, |bytes| bytes[0] ^= 1), "established-00000001.seg: damaged: its header is damaged"),
        (|dir| fs::write(path(dir, "pending-00000002.seg"), "short").unwrap(), "a start sets it aside"),
        (
            |dir| fs::create_dir(path(dir, "pending-00000007.seg")).unwrap(),
            "pending-00000007.seg: damaged: it is no regular",
        ),
    ];
    for (damage, text) in cases {
        let dir = tempfile::tempdir().unwrap();
        closed(dir.path());
        damage(dir.path());
        pretend_clean_end(dir.path());
        expect(dir.path(), 1, &[text]);
    }
}

#[test]
fn zeros_where_files_were_closed_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    change(dir.path(), RECORDS, |bytes| bytes[..16 * 65_536].fill(0));
    pretend_clean_end(dir.path());
    expect(dir.path(), 1, &["places in the index without a record: 4; damage"]);
}

/// A probe has 128 slots: the record that finds none closes the segment, and is written anew in the next one.
#[test]
fn more_records_of_one_tag_than_slots_are_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    keep(&store, NOW);
    let mut writer = store.writer();
    for number in 0..200 {
        writer.session().append(tag(&store, 1), Change::Passed(NOW.plus(number)), NOW).unwrap();
    }
    store.close();
    drop((writer, store));
    expect(dir.path(), 0, &["established-00000002.seg active", "129 passed", "72 passed"]);
    // Those behind a slot that was lost are not found, however many there are.
    change(dir.path(), RECORDS + 16 * 65_536, |bytes| bytes.fill(0));
    pretend_clean_end(dir.path());
    expect(dir.path(), 1, &["established-00000001.seg: records without a place in the index: 129; damage"]);
}

#[test]
fn what_a_power_failure_leaves_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    pretend_other_boot(dir.path());
    change(dir.path(), RECORDS, |bytes| bytes[..16].fill(0));
    change(dir.path(), RECORDS + 16, |bytes| bytes[..8].fill(0));
    fs::write(path(dir.path(), "pending-00000009.new"), "half").unwrap();
    fs::write(path(dir.path(), "pending-00000008.bad"), "old").unwrap();
    let unfinished = "pending-00000009.new: not finished when the process died";
    let aside = "pending-00000008.bad: damaged and set aside by an earlier start, 3 bytes";
    expect(
        dir.path(),
        0,
        &["records lost to a power failure: 1", unfinished, aside, "makes the index of 12 records anew"],
    );
}

/// The marks are never synced by themselves: what has records is no spare for the lack of them.
#[test]
fn a_segment_whose_marks_a_power_failure_took_has_its_part() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    pretend_other_boot(dir.path());
    change(dir.path(), 4096, |bytes| bytes[..4096].fill(0));
    expect(dir.path(), 0, &["records above the fill marks: 4; a start sees to them"]);
    let (_, report) = check(dir.path());
    let role = |name: &str| report.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().nth(1);
    assert_eq!([role("established-00000001.seg"), role("established-00000002.seg")], [Some("active"), Some("spare")]);
}

#[test]
fn what_forbids_a_start_has_exit_code_2_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let key = path(dir.path(), "key");
    let text = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    expect(dir.path(), 2, &["is refused", "the key is missing", "put the key file back", "10 pending"]);
    fs::write(&key, "00112233445566778899aabbccddeeff\n").unwrap();
    expect(dir.path(), 2, &["made with another key", "move the *.seg files away"]);
    fs::write(&key, "no key\n").unwrap();
    expect(dir.path(), 2, &["this is no key", "10 pending"]);
    fs::write(&key, text).unwrap();
    expect(dir.path(), 0, &[]);
    assert!(Report::read(&dir.path().join("nowhere"), 2, NOW).is_err());
}

#[test]
fn what_does_not_print_is_escaped() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let named = |name: &[u8]| dir.path().join("state").join(std::ffi::OsStr::from_bytes(name));
    fs::write(named(b"a\x1b[2J\xff\nb.seg"), "").unwrap();
    fs::write(named("\u{9b}31m\u{202e}.new".as_bytes()), "").unwrap();
    fs::write(named("d\u{f6}fer\r.bad".as_bytes()), "").unwrap();
    let segment = fs::read(named(b"pending-00000002.seg")).unwrap();
    let header = [&segment[..8], &[9], &segment[9..508]].concat();
    let crc = crc32fast::hash(&header).to_le_bytes();
    fs::write(named(b"\x07.seg"), [&header[..], &crc].concat()).unwrap();
    let aside = r"a\u{1b}[2J\xff\nb.seg: damaged: its header is damaged";
    expect(dir.path(), 1, &[aside, r"\u{9b}31m\u{202e}.new: not", r"döfer\r.bad: damaged", r"/\u{7}.seg: its format"]);
    let (_, report) = check(dir.path());
    assert!(!report.replace('\n', "").contains(char::is_control), "{report:?}");
}

/// Directories in the places of files: the check says of each what a start comes to, and names it.
#[test]
fn a_directory_where_a_file_belongs_is_met_as_by_a_start() {
    let cases = [
        (true, "lock", 1, "lock: cannot open the lock: Is a directory"),
        (true, "key", 1, "key: cannot read the key: Is a directory"),
        (true, "run", 1, "run: cannot write down that the state is in use: Is a directory"),
        (true, "run.new", 0, "run.new: not finished when the process died; a start cannot remove it"),
        (true, "pending-00000009.new", 0, "a start cannot remove it"),
        (true, "pending-00000009.bad", 0, "set aside by an earlier start, a directory"),
        (false, "key.new", 1, "key.new: cannot write the key: Is a directory"),
        (false, "established-00000001.new", 1, "established-00000001.new: cannot make a segment file: Is a directory"),
    ];
    for (has_state, name, code, text) in cases {
        let dir = tempfile::tempdir().unwrap();
        if has_state {
            closed(dir.path());
        }
        let _ = fs::remove_file(path(dir.path(), name));
        fs::create_dir_all(path(dir.path(), name)).unwrap();
        expect(dir.path(), code, &[text]);
        let started = open_at(dir.path(), NOW).map_or_else(|error| error.exit_code(), |_| 0);
        assert_eq!(started, code, "{name}");
    }
}

#[test]
fn an_empty_directory_is_in_order() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    expect(dir.path(), 0, &["forbids one as", "with 2 workers", "a start makes a new key and serves an empty state"]);
}
