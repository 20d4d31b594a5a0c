//! Each target on its seeds, its regression cases, and a bounded number of mutations of both, on stable Rust.
//!
//! The mutations follow from a seed, which is the same each time unless `IRONGREY_SEED` gives another one; `FUZZ_RUNS`
//! multiplies their number, and the time after which a busy machine does no more of them. What fails is shown as the bytes that a regression case is made of.

// A test that meets an unexpected error has nothing better to do than to stop with it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;

const SEED: u32 = 20_261_125;
/// How long the mutations of one target may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn parser() {
    bounded("parser", fuzz::parser, 20_000);
}

#[test]
fn segment() {
    bounded("segment", fuzz::segment, 1000);
}

#[test]
fn operations() {
    bounded("operations", fuzz::operations, 300);
}

/// Runs the cases that are kept, then `runs` mutations of them.
fn bounded(target: &str, run: fn(&[u8]), runs: u32) {
    let number = |name, default: u32| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (seed, times) = (number("IRONGREY_SEED", SEED), number("FUZZ_RUNS", 1));
    println!("IRONGREY_SEED={seed}");
    let kept: Vec<_> = ["seeds", "regressions"].iter().flat_map(|kind| cases(kind, target)).collect();
    assert!(!kept.is_empty(), "there are no seeds");
    for case in &kept {
        watched(run, case);
    }
    let (words, mut random) = (words(), Rng::with_seed(seed.into()));
    let (begun, mut done) = (Instant::now(), 0);
    while done < runs * times && begun.elapsed() < PATIENCE * times {
        watched(run, &mutated(&kept, &words, &mut random));
        done += 1;
    }
    println!("{target}: {} cases that are kept, {done} mutations", kept.len());
}

/// Runs one case and tells its bytes if it fails.
fn watched(run: fn(&[u8]), case: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(case))) {
        eprintln!("the case, as bash's printf writes it: printf '{}'", case.escape_ascii());
        resume_unwind(panic);
    }
}

/// The files of a target in `seeds` or `regressions`, in the order of their names.
fn cases(kind: &str, target: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The words of the dictionary.
fn words() -> Vec<Vec<u8>> {
    let text = include_str!("../protocol.dict");
    let quoted = text.lines().filter(|line| line.starts_with('"'));
    quoted.map(|line| line.trim_matches('"').replace("\\x0a", "\n").replace("\\x0d", "\r").into_bytes()).collect()
}

/// One of the kept cases after one to eight changes; now and then random bytes.
fn mutated(kept: &[Vec<u8>], words: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    if random.u8(..16) == 0 {
        return (0..random.usize(..600)).map(|_| random.u8(..)).collect();
    }
    let mut case = kept[random.usize(..kept.len())].clone();
    for _ in 0..random.usize(1..9) {
        change(&mut case, kept, words, random);
    }
    case
}

fn change(case: &mut Vec<u8>, kept: &[Vec<u8>], words: &[Vec<u8>], random: &mut Rng) {
    let at = random.usize(..=case.len());
    let end = random.usize(at..=case.len()).min(at + 5000);
    match random.u8(..8) {
        0 if at < case.len() => case[at] ^= 1 << random.u8(..8),
        1 if at < case.len() => case[at] = random.u8(..),
        2 => case.truncate(at),
        3 => drop(case.drain(at..end)),
        4 => drop(case.splice(at..at, words[random.usize(..words.len())].iter().copied())),
        5 => drop(case.splice(at..at, vec![random.u8(..); random.usize(..5000)])),
        6 => {
            let other = &kept[random.usize(..kept.len())];
            let from = random.usize(..=other.len());
            case.splice(at..end, other[from..].iter().copied());
        }
        _ => {
            let piece = case[at..end].to_vec();
            case.splice(at..at, piece);
        }
    }
}
