//! Exports that are whole, and exports that are not: each other byte is refused.

use super::*;

const KEY: Secret = Secret([9; 16]);

fn records() -> Vec<Record> {
    let record = |tag, kind, time, count| {
        let (tag, time) = (Tag::from_bits(tag).unwrap(), UnixSecs(time));
        Record { tag, kind, time, count, origin: 0 }
    };
    let bounds = record(u64::MAX, Kind::Client, u32::MAX, MAX_COUNT);
    vec![record(1, Kind::Pending, 7, 0), record(0xabc, Kind::Passed, 1_795_000_000, 0), bounds]
}

fn export() -> String {
    let mut text = Vec::new();
    let mut export = Export::begin(&mut text, &KEY).unwrap();
    for record in records() {
        export.record(&record).unwrap();
    }
    assert_eq!(export.end().unwrap(), 3);
    String::from_utf8(text).unwrap()
}

fn import(bytes: &[u8], key: &Secret) -> Result<Vec<Record>, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut records = Vec::new();
    let read = read(file.path(), key, |record| records.push(record));
    read.map(|()| records).map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        text.strip_prefix(&format!("{}: ", file.path().display())).unwrap().to_owned()
    })
}

#[test]
fn records_come_back_as_they_were() {
    assert_eq!(import(export().as_bytes(), &KEY), Ok(records()));
    let text = export();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["irongrey export 1", "key a17ead860a0fb8ea7cf2e6bfa898582b"]);
    assert_eq!(
        lines[2..5],
        ["pending 0000000000000001 7", "passed 0000000000000abc 1795000000", "client ffffffffffffffff 4294967295 4095"]
    );
}

#[test]
fn each_shorter_file_is_refused() {
    let text = export();
    for length in 0..text.len() {
        let error = import(&text.as_bytes()[..length], &KEY).unwrap_err();
        assert!(error.contains("cut off") || length < 18 && error.contains("no export"), "{length}: {error}");
    }
    assert!(import(format!("{text}passed 01 1\n").as_bytes(), &KEY).unwrap_err().contains("follows line 6"));
    assert!(import(format!("{text}x").as_bytes(), &KEY).unwrap_err().contains("follows line 6"));
}

#[test]
fn each_flipped_bit_is_refused() {
    let text = export().into_bytes();
    for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut flipped = text.clone();
        flipped[at] ^= 1 << bit;
        // The case of a hexadecimal digit: the last line, which is not in the checksum itself, may have either.
        let is_case = bit == 5 && text[at].is_ascii_lowercase();
        assert!(import(&flipped, &KEY).is_err() || is_case, "bit {bit} of byte {at}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let text = export();
    let refused = |from: &str, to: &str| import(text.replacen(from, to, 1).as_bytes(), &KEY).unwrap_err();
    assert!(refused("export 1", "export 2").starts_with("an export of version 2"));
    assert!(refused("irongrey export", "# irongrey").starts_with("this is no export"));
    assert!(refused("passed", "Passed").starts_with("line 4 is damaged: Passed 0000000000000abc 1795000000"));
    assert!(refused(" 7\n", " 8\n").starts_with("damaged: its checksum is "));
    assert!(refused("4095", "4096").starts_with("line 5 is damaged"));
    assert!(refused("end 3", "end 4").contains("counts 4 records, and there are 3"));
    assert!(import(&[b'x'; 5000], &KEY).unwrap_err().starts_with("this is no export"));
    let other = import(text.as_bytes(), &Secret([8; 16])).unwrap_err();
    assert!(other.starts_with("made with another key") && other.contains("copied first"), "{other}");
}
