//! What a decision with its append costs on two cores at once, beside what it costs on one: processor time, not time.
//!
//! Two threads that share nothing slow one another down as well, by what the machine shares between its cores. So the same is
//! measured with a store for each thread, and what sharing one costs is the ratio of the two. Rounds of all three take turns,
//! and ratios are taken within a round, as the machine is not the same from one second to the next.
//!
//! `cargo bench --bench cores [-- DIRECTORY]`: states are made in the directory, by default `/var/tmp`, and removed.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use irongrey::clock::UnixSecs;
use irongrey::config::{StateSettings, SyncMode};
use irongrey::grey::rules::Rules;
use irongrey::grey::whitelist::Lists;
use irongrey::grey::{Instances, Policy, Reason, Releases, Terms, decide};
use irongrey::policy::Request;
use irongrey::store::{Store, Writer};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

const NOW: UnixSecs = UnixSecs(1_795_514_400);
const TERMS: Terms = Terms::DEFAULT;
/// Triplets in each store before anything is measured, so that it has grown past the sizes of a cache.
const LIVE: usize = 3_000_000;
/// Triplets of one thread in one round.
const TRIPLETS: usize = 100_000;
/// Triplets between two rounds of upkeep while a store grows.
const PORTION: usize = 10_000;
const ROUNDS: usize = 24;
/// Requests of a worker's turn.
const TURN: usize = 16;
/// Bytes of a sender.
const WIDTH: usize = 32;

/// How the threads of a round share a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One thread.
    One,
    /// Two threads on two stores.
    Apart,
    /// Two threads on one store.
    Together,
}

fn main() {
    // `cargo bench` gives options of its own, and `cargo test` runs this too.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().all(|argument| argument != "--bench") {
        return;
    }
    let scratch = arguments.iter().find(|argument| !argument.starts_with('-')).map_or("/var/tmp", String::as_str);
    let places = [(); 2].map(|()| tempfile::tempdir_in(scratch).expect("a directory for the state"));
    let stores = places.each_ref().map(|place| open(place.path()));
    let mut next = 0;
    for (core, store) in stores.iter().enumerate() {
        // The first segments are small, and each has one spare.
        for _ in 0..LIVE / PORTION {
            work(store.writer(), store, core, next..next + PORTION);
            next += PORTION;
            tend(store);
        }
    }
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut nanos = |shape| run(&stores, shape, round, &mut next);
        // The order turns, so that a drift of the machine falls on all alike.
        let mut measured = [Shape::One, Shape::Apart, Shape::Together];
        measured.rotate_left(round % 3);
        let mut taken = measured.map(|shape| (shape, nanos(shape)));
        taken.sort_by_key(|(shape, _)| *shape as usize);
        rounds.push(taken.map(|(_, nanos)| nanos));
    }
    println!("decide and append, {LIVE} live triplets, {ROUNDS} rounds: median (minimum to maximum)");
    show("one thread", "ns", rounds.iter().map(|[one, ..]| *one));
    show("two threads, a store each", "ns", rounds.iter().map(|[_, apart, _]| *apart));
    show("two threads, one store", "ns", rounds.iter().map(|[.., together]| *together));
    show("two threads, a store each, to one thread", "times", rounds.iter().map(|[one, apart, _]| apart / one));
    show("two threads, one store, to one thread", "times", rounds.iter().map(|[one, _, together]| together / one));
    show("one store to a store each", "times", rounds.iter().map(|[_, apart, together]| together / apart));
}

fn open(directory: &Path) -> Arc<Store> {
    let settings = StateSettings { dir: directory.join("state"), max_size: 4 << 30, sync: SyncMode::Os };
    let store = Store::open(&settings, &TERMS, 2, NOW).expect("a new state");
    tend(&store);
    store
}

/// Has a spare ready and what was appended written, so that neither happens while it is measured.
fn tend(store: &Store) {
    store.upkeep(NOW, false);
    store.sync();
}

/// Processor time a decision, in nanoseconds, the mean of all threads.
#[expect(clippy::cast_precision_loss, reason = "a round takes milliseconds")]
fn run(stores: &[Arc<Store>; 2], shape: Shape, round: usize, next: &mut usize) -> f64 {
    // Cores and stores take turns, so that both stores grow alike.
    let own = &stores[round % 2];
    let threads = match shape {
        Shape::One => vec![(round / 2 % 2, own)],
        Shape::Apart => vec![(0, &stores[0]), (1, &stores[1])],
        Shape::Together => vec![(0, own), (1, own)],
    };
    let barrier = Barrier::new(threads.len());
    let spent: Vec<Duration> = thread::scope(|scope| {
        let running: Vec<_> = threads
            .iter()
            .map(|&(core, store)| {
                let numbers = *next..*next + TRIPLETS;
                *next += TRIPLETS;
                let barrier = &barrier;
                scope.spawn(move || {
                    let writer = store.writer();
                    pin_to(core);
                    barrier.wait();
                    work(writer, store, core, numbers)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a thread that ends")).collect()
    });
    for store in stores {
        tend(store);
    }
    spent.iter().sum::<Duration>().as_nanos() as f64 / (spent.len() * TRIPLETS) as f64
}

/// Greylists so many new triplets, and returns the processor time that it took.
fn work(mut writer: Writer, store: &Store, core: usize, numbers: Range<usize>) -> Duration {
    let (rules, lists) = (Rules::default(), Lists::default());
    let releases = Releases::default();
    let policy = Policy { terms: &TERMS, rules: &rules, lists: &lists, releases: &releases, secret: store.secret() };
    // Made before the clock runs.
    let senders: Vec<[u8; WIDTH]> = numbers.clone().map(sender).collect();
    let mut count_new = |now: UnixSecs| -> usize {
        let (mut scratch, mut instances, mut new) = (Vec::new(), Instances::default(), 0);
        for turn in senders.chunks(TURN) {
            let mut session = writer.session();
            for sender in turn {
                let decision = decide(&request(sender), policy, &mut session, &mut instances, &mut scratch, now);
                new += usize::from(decision.reason == Reason::New);
            }
        }
        new
    };
    let begun = processor_time();
    let new = count_new(NOW);
    let spent = processor_time().saturating_sub(begun);
    assert_eq!(new, numbers.len(), "each triplet is new once, on core {core}");
    assert_eq!(count_new(NOW.plus(1)), 0, "and is in the state then, on core {core}");
    spent
}

fn request(sender: &[u8; WIDTH]) -> Request<'_> {
    Request {
        request: Some(b"smtpd_access_policy"),
        protocol_state: Some(b"RCPT"),
        client_address: Some(b"100.64.3.9"),
        client_name: Some(b"mx.sender.example"),
        sender: Some(sender),
        recipient: Some(b"bob@customer.test"),
        instance: Some(b"33b0.6b1a2b3c.a4522.0"),
        ..Request::default()
    }
}

/// A sender that no other number has, also when its digits count for nothing.
fn sender(number: usize) -> [u8; WIDTH] {
    let mut sender = *b"................@sender.example.";
    for (at, letter) in sender[..16].iter_mut().enumerate() {
        *letter = b'a' + u8::try_from(number >> (at * 4) & 15).unwrap_or_default();
    }
    sender
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock of this thread").into()
}

fn pin_to(core: usize) {
    let mut set = CpuSet::new();
    set.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).expect("two cores");
}

fn show(what: &str, unit: &str, values: impl Iterator<Item = f64>) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let [least, middle, most] = [0, values.len() / 2, values.len() - 1].map(|at| values[at]);
    println!("{what:<42}{middle:>8.2} {unit} ({least:.2} to {most:.2})");
}
