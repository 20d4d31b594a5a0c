//! A copy of the directory of a daemon at work is a state: whatever copied it, a daemon starts on it and knows everything that
//! was acknowledged before the copy began.

mod copies;
mod load;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Client, Program, Rng, Setup, call, unix_now};
use copies::Copy;
use load::{DELAY, Entry, Load, ask_all, mail};

/// More than a quarter of the window that triplets have: in each round a segment of pending ones is followed by the next.
const ROUND: u64 = 1_000;

fn setup(dir: &Path, sync: &str) -> Setup {
    Setup::new(Program::Serve, dir).with([
        "--test-clock",
        "--quiet",
        "--auto-whitelist-clients=0",
        "--workers=2",
        "--retry-window=1h",
        &format!("--sync={sync}"),
    ])
}

#[test]
fn cp() {
    copies_are_states("cp", copies::cp, &[0]);
}

#[test]
fn cp_with_holes() {
    copies_are_states("cp_with_holes", copies::cp_with_holes, &[0]);
}

#[test]
fn tar() {
    copies_are_states("tar", copies::tar, &[0]);
}

#[test]
fn a_slow_reader() {
    copies_are_states("a_slow_reader", copies::slowly, &[0]);
}

/// A segment that was sealed meanwhile may lack records that were appended meanwhile: a check tells that, a start serves it.
#[test]
fn a_reader_in_any_order() {
    copies_are_states("a_reader_in_any_order", copies::in_any_order, &[0, 1]);
}

/// `COPIES=100` sets how many of each kind; 2 otherwise. `codes` are those with which a check of a copy may end.
fn copies_are_states(kind: &str, copy: Copy, codes: &[i32]) {
    let copies: u64 = std::env::var("COPIES").map_or(2, |copies| copies.parse().unwrap());
    let seed = Rng::seed();
    let mut rng = Rng::new(seed);
    let mut known = 0;
    for sync in ["1s", "always"] {
        let dir = TempDir::new().unwrap();
        let daemon = setup(dir.path(), sync).start();
        let base = unix_now();
        let load = Load::start(daemon.address(), base);
        for round in 0..copies {
            let now = base + round * ROUND;
            load.wait_for(2_000 + rng.index(3_000));
            let ledger = load.ledger(now);
            // What is asked from now on belongs to the next round, and makes the segments of this one ripe.
            load.set_time(now + ROUND);
            let to = TempDir::new().unwrap();
            let state = to.path().join("state");
            fs::create_dir(&state).unwrap();
            fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
            copy(&dir.path().join("serve-state"), &state, &mut rng);
            let place = format!("{kind}, --sync={sync}, round {round}, IRONGREY_SEED={seed}");
            let made = Copied { dir: to.path(), now, before: ledger, since: load.ledger(now), unused: load.unused() };
            known += made.before.len();
            made.check(sync, codes, &place);
        }
        drop(load);
        drop(daemon);
    }
    println!("{kind}: {} copies, 0 of {known} acknowledged triplets unknown, none passed early", copies * 2);
}

/// A copy, and what is known of what has to be in it.
struct Copied<'a> {
    /// Its `state` is the copy.
    dir: &'a Path,
    /// When the triplets were first tried.
    now: u64,
    /// What had been answered before the copy began.
    before: Vec<Entry>,
    /// What has been since, too.
    since: Vec<Entry>,
    /// A number that no triplet has.
    unused: usize,
}

impl Copied<'_> {
    fn check(&self, sync: &str, codes: &[i32], place: &str) {
        let state = self.dir.join("state");
        let output = call(&["state", "check", state.to_str().unwrap()]);
        let report = [output.stdout, output.stderr].concat();
        let is_expected = output.status.code().is_some_and(|code| codes.contains(&code));
        assert!(is_expected, "{place}: {}: {}", output.status, String::from_utf8_lossy(&report));

        let mut daemon = setup(self.dir, sync).state(state.clone()).start();
        self.ask(&mut daemon.client(), place);
        daemon.signal(Signal::SIGTERM);
        assert_eq!(daemon.wait().expect("the daemon ends").code(), Some(0), "{place}: {:?}", daemon.journal().lines());
        let lines = daemon.journal().lines().join("\n");
        assert!(!lines.contains("panic") && !lines.contains("set aside"), "{place}: {lines}");
        let mut names = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(!names.any(|name| name.contains(".bad")), "{place}");
        let key = fs::metadata(state.join("key")).unwrap().permissions().mode();
        assert_eq!(key & 0o777, 0o400, "{place}: the mode of the key");
    }

    fn ask(&self, client: &mut Client, place: &str) {
        let mut all = |numbers: &[usize], at: u64, what: &str, right: &dyn Fn(&str) -> bool| {
            let replies = ask_all(client, numbers.iter().map(|&number| mail(number).at(at)));
            let wrong: Vec<_> = numbers.iter().zip(replies).filter(|(_, reply)| !right(reply)).collect();
            assert!(wrong.is_empty(), "{place}: {} of {} {what}: {:?}", wrong.len(), numbers.len(), wrong[0]);
        };
        let deferred = |reply: &str| reply.starts_with("action=DEFER_IF_PERMIT ");
        let header = format!("action=PREPEND X-Greylist: delayed {DELAY} seconds");
        let [pending, passed] = [false, true].map(|has_passed| numbers(&self.before, has_passed));
        assert!(pending.len() > 500 && passed.len() > 250, "{place}: {} and {}", pending.len(), passed.len());

        all(&numbers(&self.since, false), self.now, "passed early", &deferred);
        all(&pending, self.now + DELAY - 1, "passed early", &deferred);
        let new: Vec<usize> = (self.unused..self.unused + 1_000).collect();
        all(&new, self.now + DELAY, "passed, of whom nobody has asked before", &deferred);
        all(&pending, self.now + DELAY, "pending ones are not known", &|reply| reply.starts_with(&header));
        all(&passed, self.now + DELAY, "passed ones are not known", &|reply| reply == "action=DUNNO");
    }
}

fn numbers(ledger: &[Entry], has_passed: bool) -> Vec<usize> {
    ledger.iter().filter(|entry| entry.has_passed == has_passed).map(|entry| entry.number).collect()
}
