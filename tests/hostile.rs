//! Crowds that mean harm beside a few who do not: what the honest ones notice of connections that hold on, trickle, shout
//! or never read, and of a flood of triplets that are never tried again.

mod crowd;
mod flood;
mod honest;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::support::{Address, Program, Request, Setup, free_port, skipped};
use crowd::{CLIENTS, Crowd, Fate, Kind};
use honest::Honest;

/// What 99 of 100 honest requests take at most.
const P99: Duration = Duration::from_millis(5);
/// Memory of the daemon beside the mapped state, in KiB, at most: 16 MiB for itself and what it knows of each connection, and
/// the longest beginning of a request for each of those that trickle.
const MEMORY: u64 = (16 << 10) + 16 * 1_000;
/// The part of one processor that the daemon may use for all of them.
const PROCESSOR: f64 = 0.3;
/// Rounds of measuring. The best one counts, as the machine does other things as well, for whole seconds at times.
const ROUNDS: u32 = 9;

/// Honest clients beside the whole crowd, over both kinds of socket. It lasts longer than the 10 s that half a request, or a
/// reply that is not read, may take; `HOSTILE_SECONDS=300` makes it longer yet.
#[test]
fn honest_clients_beside_a_crowd() {
    let needed = CLIENTS as u64 + 1_000;
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if files < needed {
        skipped("hostile::honest_clients_beside_a_crowd", &format!("fewer than {needed} open files are allowed here"));
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, files, files).unwrap();
    let seconds = std::env::var("HOSTILE_SECONDS").map_or(15, |seconds| seconds.parse().unwrap());
    let round = Duration::from_secs(seconds) / ROUNDS;
    let (dir, tcp) = (TempDir::new().unwrap(), free_port());
    let options = ["--workers=2".to_owned(), "--quiet".to_owned(), format!("--inet={tcp}")];
    let daemon = Setup::new(Program::Serve, dir.path()).with(options).start();
    let addresses = [daemon.address().clone(), Address::Tcp(tcp)];
    // Once one socket answers it listens on both.
    daemon.client().ask(&Request::new("192.0.2.1", "alice@sender.example", "bob@customer.test"));
    let mut honest = Honest::new(&addresses);
    let mut crowd = Crowd::gather(&addresses);

    let (stop, start, used_before) = (AtomicBool::new(false), Instant::now(), daemon.processor_time());
    let mut memory = 0;
    let p99: Vec<Duration> = std::thread::scope(|scope| {
        // Also when something panics: the scope waits for the crowd.
        let _stop = Stop(&stop);
        scope.spawn(|| crowd.run(&stop));
        (0..ROUNDS).map(|_| honest.round(round, || memory = memory.max(daemon.anonymous_memory()))).collect()
    });
    let share = daemon.processor_time().saturating_sub(used_before).div_duration_f64(start.elapsed());
    let fates = Kind::ALL.map(|kind| (kind, crowd.fate(kind)));
    let requests = honest.asked();
    let figures = format!("{requests} requests, p99 {p99:?}; {memory} KiB; {share:.2} of a processor; {fates:?}");
    eprintln!("{figures}");
    assert!(p99.iter().min().unwrap() < &P99, "{figures}");
    assert!(memory < MEMORY, "more than {MEMORY} KiB: {figures}");
    assert!(share < PROCESSOR, "{figures}");
    for (kind, Fate { clients, heard, closed }) in fates {
        assert!(heard > clients, "{kind:?} has not done much: {figures}");
        assert!(closed >= clients / 4, "{kind:?} is left alone: {figures}");
    }
}

/// Sets the flag when dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
