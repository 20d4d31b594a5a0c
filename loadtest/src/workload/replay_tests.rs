//! Replay gives back what was recorded, plain or gzip, and says what is wrong with a file.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::attributes::RECORDED;
use super::replay::Replay;
use super::{Origin, Part, Planned, Source};

/// A file of its own, removed with the directory.
pub(super) fn file(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// All requests of a source and what they were planned as.
pub(super) fn drain(source: &mut Source) -> anyhow::Result<(String, Vec<Planned>)> {
    let (mut out, mut planned) = (Vec::new(), Vec::new());
    while let Some(next) = source.next(&mut out)? {
        planned.push(next);
    }
    Ok((String::from_utf8(out)?, planned))
}

fn replay(content: &[u8], times: u32, part: Part, test_clock: Option<u32>) -> anyhow::Result<(String, Vec<Planned>)> {
    let (_directory, path) = file("recorded", content);
    drain(&mut Source::new(Origin::Replay(Box::new(Replay::open(&path, times, part)?)), test_clock))
}

#[test]
fn what_postfix_sent_comes_back_byte_for_byte() {
    for content in [RECORDED.as_bytes(), &gzip(RECORDED.as_bytes())] {
        let (text, planned) = replay(content, 1, Part::WHOLE, Some(1000)).unwrap();
        assert_eq!(text, RECORDED);
        assert_eq!(planned.len(), 22);
        assert!(planned.iter().all(|planned| planned.due.is_none() && planned.network != 0));
    }
    assert_eq!(replay(RECORDED.as_bytes(), 3, Part::WHOLE, None).unwrap().0, RECORDED.repeat(3));
}

#[test]
fn parts_of_a_file_are_disjoint_and_complete() {
    let parts = (0..2).map(|index| replay(RECORDED.as_bytes(), 1, Part::new(index, 2).unwrap(), None).unwrap());
    let parts: Vec<String> = parts.map(|(text, _)| text).collect();
    assert!(parts.iter().all(|part| !part.is_empty()));
    let mut requests: Vec<&str> = parts.iter().flat_map(|part| part.split_inclusive("\n\n")).collect();
    let mut wanted: Vec<&str> = RECORDED.split_inclusive("\n\n").collect();
    requests.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(requests, wanted);
}

#[test]
fn recorded_times_are_counted_from_the_first_and_rise() {
    let recorded: String = [500, 510, 505, 520]
        .map(|time| format!("policy_test_time={time}\nclient_address=192.0.2.1\nsender=\n\n"))
        .concat();
    let (text, planned) = replay(recorded.as_bytes(), 2, Part::WHOLE, None).unwrap();
    let due: Vec<u64> = planned.iter().map(|planned| planned.due.unwrap().as_secs()).collect();
    assert_eq!(due, [0, 10, 10, 20, 21, 31, 31, 41]);
    assert_eq!(text, "client_address=192.0.2.1\nsender=\n\n".repeat(8));
    let (text, _) = replay(recorded.as_bytes(), 1, Part::WHOLE, Some(9000)).unwrap();
    assert!(text.ends_with("sender=\npolicy_test_time=9020\n\n"), "{text}");
}

#[test]
fn a_bad_file_is_named_with_its_line_and_the_remedy() {
    let cut = gzip(RECORDED.as_bytes());
    for (content, wanted) in [
        (&b"sender=\nNov 23 10:00:01 mx postfix\n\n"[..], ["line 2: `Nov 23", "maillog reads logs"]),
        (b"sender=\n\n\nsender=\n", ["line 4: request 2", "blank line"]),
        (b"sender=\n\nrecip", ["line 3: request 2", "blank line"]),
        (b"sender=\npolicy_test_time=x\n\n", ["line 2: policy_test_time", "1764000000"]),
        (b"", ["holds no request", "greyload requests"]),
        (b"a".repeat(70_000).as_slice(), ["line 1: longer", "no file of text lines"]),
        (b"sender=a\n".repeat(8000).as_slice(), ["request 1 is longer", "blank line after each"]),
        (&cut[..cut.len() / 2], ["cannot be read after", "whole?"]),
    ] {
        let error = format!("{:#}", replay(content, 1, Part::WHOLE, None).unwrap_err());
        assert!(error.contains("recorded: ") && wanted.iter().all(|wanted| error.contains(wanted)), "{error}");
    }
    let error = format!("{:#}", Replay::open(std::path::Path::new("/nowhere"), 1, Part::WHOLE).unwrap_err());
    assert!(error.contains("/nowhere: cannot be read"), "{error}");
}
