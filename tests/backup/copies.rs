//! Ways to copy a directory in which somebody writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::Rng;

/// Copies a directory's content to another one, which exists. Files that are made or removed meanwhile may be missing.
pub(crate) type Copy = fn(&Path, &Path, &mut Rng);

pub(crate) fn cp(from: &Path, to: &Path, _: &mut Rng) {
    run(Command::new("cp").arg("-a").arg(from.join(".")).arg(to));
}

/// Leaves holes where zeros are.
pub(crate) fn cp_with_holes(from: &Path, to: &Path, _: &mut Rng) {
    run(Command::new("cp").args(["-a", "--sparse=always"]).arg(from.join(".")).arg(to));
}

pub(crate) fn tar(from: &Path, to: &Path, _: &mut Rng) {
    let archive = to.with_extension("tar");
    run(Command::new("tar").arg("-C").arg(from).arg("-cf").arg(&archive).arg("."));
    run(Command::new("tar").arg("-C").arg(to).arg("-xpf").arg(&archive));
    fs::remove_file(archive).unwrap();
}

/// Each file from its beginning to its end, but all at the same time, piece by piece in any order; one half after the daemon has
/// made a segment that the copy does not have.
pub(crate) fn slowly(from: &Path, to: &Path, rng: &mut Rng) {
    piecewise(from, to, rng, |pieces| {
        let mut next = BTreeMap::new();
        for (file, offset) in pieces {
            let next = next.entry(*file).or_insert(0);
            *offset = *next;
            *next += PIECE as u64;
        }
    });
}

/// The same with the pieces of each file in any order, as nothing usual does it.
pub(crate) fn in_any_order(from: &Path, to: &Path, rng: &mut Rng) {
    piecewise(from, to, rng, |_| ());
}

/// A file by its number, and where in it a piece begins.
type Piece = (usize, u64);

fn piecewise(from: &Path, to: &Path, rng: &mut Rng, order: fn(&mut [Piece])) {
    let before = files(from);
    let opened = before.iter().filter_map(|name| Some((to.join(name), File::open(from.join(name)).ok()?)));
    let opened: Vec<_> = opened.map(|(copy, source)| (File::create(copy).unwrap(), source)).collect();
    let mut pieces: Vec<Piece> = Vec::new();
    for (number, (copy, source)) in opened.iter().enumerate() {
        let about = source.metadata().unwrap();
        copy.set_len(about.size()).unwrap();
        copy.set_permissions(Permissions::from_mode(about.mode())).unwrap();
        pieces.extend((0..about.size()).step_by(PIECE).map(|offset| (number, offset)));
    }
    for at in (1..pieces.len()).rev() {
        pieces.swap(at, rng.index(at + 1));
    }
    order(&mut pieces);
    let (first, second) = pieces.split_at(pieces.len() / 2);
    copy_pieces(&opened, first);
    wait_for_a_new_file(from, &before);
    copy_pieces(&opened, second);
}

fn copy_pieces(opened: &[(File, File)], pieces: &[Piece]) {
    for &(number, offset) in pieces {
        let (copy, source) = &opened[number];
        let mut piece = [0; PIECE];
        let length = source.read_at(&mut piece, offset).unwrap();
        copy.write_all_at(&piece[..length], offset).unwrap();
    }
}

const PIECE: usize = 4096;

/// The names of the files of a directory.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|file| file.file_name().into())
        .collect()
}

fn wait_for_a_new_file(dir: &Path, before: &BTreeSet<PathBuf>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while files(dir).is_subset(before) {
        assert!(Instant::now() < deadline, "no new segment");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Nothing is complained of but files that came and went.
fn run(command: &mut Command) {
    let output = command.env("LC_ALL", "C").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let harmless = ["No such file or directory", "file changed as we read it", "socket ignored", "File removed before"];
    let mut complaints = said.lines().filter(|line| !harmless.iter().any(|text| line.contains(text)));
    let is_bad = |line: &str| !line.ends_with("due to previous errors");
    assert!(output.status.code().is_some_and(|code| code < 2) && !complaints.any(is_bad), "{command:?}: {said}");
}
