//! A flood of triplets that are never tried again, as many as the daemon answers, with a state that soon is full.
//!
//! The clock goes on with the flood. So it stands for an hour in which the oldest triplets make room for new ones, or for
//! some minutes that bring more than the state holds within twice the delay.

mod pour;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Client, Daemon, Program, Request, Setup, unix_now};
use pour::Flood;

/// When the senders that are known have come for the first time.
static NOW: LazyLock<u64> = LazyLock::new(unix_now);

const DELAY: u64 = 300;
const DUNNO: &str = "action=DUNNO";
/// `--max-state` in MiB: a quarter of it is for triplets that have not passed.
const MAX_STATE: u64 = 64;
/// Senders that have passed before.
const KNOWN: usize = 2_000;
/// Connections of the flood, enough that each worker has some.
const PEERS: usize = 4;
/// After so many seconds of the clock an honest sender tries again.
const RETRY: u64 = 360;
/// A flood that goes on for longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// An honest sender that is not known yet.
struct Newcomer {
    number: usize,
    first: u64,
}

/// What the flood meets: senders that are known, and honest ones that come while it lasts.
struct Others {
    client: Client,
    newcomers: Vec<Newcomer>,
    arrived: usize,
    /// What became of the newcomers: accepted at once as there was no room, and after a retry.
    at_once: usize,
    passed: usize,
}

impl Others {
    /// `KNOWN` senders pass.
    fn known_to(daemon: &Daemon) -> Self {
        let mut client = daemon.client();
        for (time, start) in [(*NOW, "action=DEFER_IF_PERMIT "), (*NOW + DELAY, "action=PREPEND ")] {
            for number in 0..KNOWN {
                let reply = client.ask(&known(number).at(time));
                assert!(reply.starts_with(start), "{reply}");
            }
        }
        Self { client, newcomers: Vec::new(), arrived: 0, at_once: 0, passed: 0 }
    }

    /// A new sender tries for the first time.
    fn arrive(&mut self, now: u64) {
        let newcomer = Newcomer { number: self.arrived, first: now };
        self.arrived += 1;
        let reply = self.client.ask(&new(newcomer.number).at(now));
        if reply == DUNNO {
            self.at_once += 1;
        } else {
            assert!(reply.starts_with("action=DEFER_IF_PERMIT "), "{reply}");
            self.newcomers.push(newcomer);
        }
    }

    /// Whoever has waited tries again, and passes.
    fn retry(&mut self, now: u64) {
        let (due, waiting) = std::mem::take(&mut self.newcomers).into_iter().partition(|one| now >= one.first + RETRY);
        self.newcomers = waiting;
        for Newcomer { number, first } in due {
            let reply = self.client.ask(&new(number).at(now));
            let delayed = format!("action=PREPEND X-Greylist: delayed {} seconds ", now - first);
            assert!(reply.starts_with(&delayed), "newcomer {number}, first at {first}, now at {now}: {reply}");
            self.passed += 1;
        }
    }

    fn assert_known(&mut self, number: usize, now: u64) {
        assert_eq!(self.client.ask(&known(number).at(now)), DUNNO, "known sender {number}");
    }
}

fn known(number: usize) -> Request {
    Request::new("192.0.2.1", &format!("k{number}x@sender.example"), "bob@customer.test")
}

fn new(number: usize) -> Request {
    Request::new("198.51.100.1", &format!("n{number}x@sender.example"), "carol@customer.test")
}

/// What a directory takes of the disk, in bytes. Files may go while it is read.
fn disk_space(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().filter_map(|file| file.ok()?.metadata().ok());
    files.map(|file| file.blocks() * 512).sum()
}

/// What has become of a flood.
struct Outcome {
    /// How many of it were accepted, as they could not be recorded.
    accepted: u64,
    /// Honest senders that were new: those accepted at once, and those accepted when they tried again.
    at_once: usize,
    passed: usize,
    /// Lines on segments that left for want of room.
    dropped: Vec<String>,
}

/// The flood passes by, and meanwhile a new honest sender comes every `every` seconds of the clock. Whatever the flood is,
/// who is known stays known, who tries again passes, and the state keeps within its bound.
fn withstand(flood: &Flood, every: u64) -> Outcome {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("serve-state");
    let max_state = format!("--max-state={MAX_STATE}M");
    let options = ["--test-clock", "--auto-whitelist-clients=0", "--workers=2", "--quiet", &max_state];
    let setup = Setup::new(Program::Serve, dir.path()).with(options);
    let daemon = setup.start();
    let mut others = Others::known_to(&daemon);
    let (mut most_space, mut next, mut now, start) = (0, 0, 0, Instant::now());
    thread::scope(|scope| {
        let watch = flood.watch();
        for _ in 0..PEERS {
            scope.spawn(|| flood.pour(daemon.address()));
        }
        for number in (0..KNOWN).cycle() {
            most_space = most_space.max(disk_space(&state));
            now = match watch.now() {
                Some(now) => now,
                None => break,
            };
            others.assert_known(number, now);
            others.retry(now);
            if now >= next {
                others.arrive(now);
                next = now + every;
            }
            assert!(start.elapsed() < PATIENCE, "the flood does not end");
            thread::sleep(Duration::from_millis(1));
        }
    });
    let (count, deferred) = flood.counts();
    let Others { arrived, at_once, passed, .. } = others;
    eprintln!(
        "{deferred} of {count} deferred in {:?}; at most {} KiB; {arrived} came: {at_once} accepted at once, {passed} later",
        start.elapsed(),
        most_space >> 10,
    );
    assert!(most_space <= MAX_STATE << 20, "{most_space} bytes");
    let mut dropped = daemon.journal().lines();
    dropped.retain(|line| line.contains("dropped before its time"));

    // The next one lets nobody through whom it cannot record: whoever is, is known.
    drop(daemon);
    let daemon = setup.with(["--on-full=defer"]).start();
    others.client = daemon.client();
    (0..KNOWN).for_each(|number| others.assert_known(number, now));
    Outcome { accepted: count - deferred, at_once, passed, dropped }
}

/// Segments of triplets that have not passed go before their time, those of the flood's beginning first, and no others.
#[test]
fn an_hour_of_unique_triplets() {
    let outcome = withstand(&Flood::new(*NOW + DELAY + 1, 3_600, 420), 180);
    assert!(!outcome.dropped.is_empty(), "the flood was no flood");
    assert!(outcome.dropped.iter().all(|line| line.contains("/pending-")), "{:?}", outcome.dropped);
    assert!(outcome.passed >= 3, "{} of those that came have passed", outcome.passed);
}

/// Nothing goes, as all of it is younger than twice the delay: the rest of the flood is let through.
#[test]
fn more_unique_triplets_than_the_state_holds() {
    let outcome = withstand(&Flood::new(*NOW + DELAY + 1, 2 * DELAY - 60, 5_000), 20);
    assert_eq!(outcome.dropped, Vec::<String>::new());
    assert!(outcome.accepted > 0, "the flood was no flood");
    assert!(outcome.passed >= 2, "{} of those that came have passed", outcome.passed);
    assert!(outcome.at_once >= 2, "{} of those that came were accepted at once", outcome.at_once);
}
