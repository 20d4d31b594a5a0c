//! Hostile clients beside honest ones: who holds connections, dribbles, sends garbage or reads nothing, and who floods.

mod crowd;
mod flood;

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Client, Program, Request, Setup};
use crowd::Crowd;

/// What the slowest of a hundred honest requests may take.
const LIMIT: Duration = Duration::from_millis(5);
/// Memory of the daemon that is no page of a file, whatever its clients do.
const MEMORY: u64 = 64 << 20;

/// One honest client that asks every millisecond or so for a while: how long each answer took, in order of length.
fn honest(client: &mut Client, first: usize, for_: Duration) -> Vec<Duration> {
    let (began, mut taken) = (Instant::now(), Vec::new());
    for number in first.. {
        let request = Request::new("192.0.2.1", &format!("honest{number}x@sender.example"), "bob@customer.test");
        let start = Instant::now();
        let reply = client.ask(&request);
        taken.push(start.elapsed());
        assert!(reply.starts_with("action=DEFER_IF_PERMIT "), "{reply}");
        if began.elapsed() > for_ {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    taken.sort_unstable();
    taken
}

fn anonymous_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// `HOSTILE_SECONDS=300` makes it longer.
#[test]
fn an_honest_client_is_answered_in_time_beside_five_thousand_hostile_ones() {
    let seconds = std::env::var("HOSTILE_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    let dir = TempDir::new().unwrap();
    let daemon = Setup::new(Program::Serve, dir.path()).with(["--quiet", "--workers=2"]).start();
    let mut client = daemon.client();
    let crowd = Crowd::gather(daemon.address());
    let mut seen = Vec::new();
    // The machine has other work, whose slices of time last 3 ms: what counts is whether the daemon can, so the best of ten.
    for attempt in 0..10 {
        let taken = honest(&mut client, attempt * 1_000_000, Duration::from_secs(seconds));
        let p99 = taken[taken.len() * 99 / 100];
        let (memory, count) = (anonymous_memory(daemon.pid()), crowd.hostile_acts());
        println!(
            "{} honest requests beside {count} hostile acts: p50 {:?}, p99 {p99:?}, longest {:?}; {} KiB of memory",
            taken.len(),
            taken[taken.len() / 2],
            taken[taken.len() - 1],
            memory >> 10
        );
        assert!(memory < MEMORY, "{memory} bytes of memory");
        seen.push(p99);
        if p99 < LIMIT {
            break;
        }
    }
    assert!(seen.iter().any(|&p99| p99 < LIMIT), "p99 {seen:?}");
    let acts = crowd.disperse();
    assert!(acts.iter().all(|&(_, count)| count > 0), "{acts:?}");
    println!("{acts:?}");
    assert!(client.ask(&Request::new("192.0.2.1", "last@sender.example", "bob@customer.test")).contains("DEFER"));
}
