//! A flood of unique triplets, none of which comes again: an hour of it by the clock.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{Client, Program, Request, Setup};

const NOW: u64 = 1_700_000_000;
const DELAY: u64 = 300;
const MAX_STATE: u64 = 64 << 20;
const KNOWN: usize = 2000;
/// Seconds of the flood, and new triplets in each.
const HOUR: u64 = 3600;
const A_SECOND: u64 = 400;

fn mail(sender: &str) -> Request {
    Request::new("192.0.2.1", &format!("{sender}@sender.example"), "bob@customer.test")
}

/// Asks about many triplets at once; how many were deferred.
fn ask_all(client: &mut Client, requests: impl Iterator<Item = Request>) -> usize {
    let (mut wire, mut count) = (Vec::new(), 0);
    for request in requests {
        wire.extend(request.wire());
        count += 1;
    }
    client.send(&wire);
    (0..count).filter(|_| client.reply().starts_with("action=DEFER_IF_PERMIT ")).count()
}

fn bytes_on_disk(state: &Path) -> u64 {
    let files = fs::read_dir(state).unwrap().filter_map(|entry| entry.unwrap().metadata().ok());
    files.map(|metadata| metadata.blocks() * 512).sum()
}

#[test]
fn an_hour_of_unique_triplets_costs_no_known_sender_anything_and_honest_new_ones_pass() {
    let dir = TempDir::new().unwrap();
    let options = ["--test-clock", "--quiet", "--auto-whitelist-clients=0", "--workers=2"];
    let options = options.map(str::to_owned).into_iter().chain([format!("--max-state={MAX_STATE}")]);
    let daemon = Setup::new(Program::Serve, dir.path()).with(options).start();
    let state = dir.path().join("serve-state");
    let mut client = daemon.client();
    let known = |time: u64| (0..KNOWN).map(move |number| mail(&format!("known{number}x")).at(time));
    assert_eq!(ask_all(&mut client, known(NOW - DELAY)), KNOWN);
    assert_eq!(ask_all(&mut client, known(NOW)), 0);

    let mut floods = [daemon.client(), daemon.client()];
    let (mut largest, mut deferred) = (0, 0);
    for second in 0..HOUR {
        let time = NOW + second;
        let of_second = second * A_SECOND..(second + 1) * A_SECOND;
        let requests = of_second.map(|number| mail(&format!("flood{number}x")).at(time));
        deferred += ask_all(&mut floods[usize::from(second % 2 == 1)], requests);
        // In the middle of it somebody honest comes for the first time, and again six minutes later, all the time.
        let honest = |second: u64| mail(&format!("honest{second}x")).at(time);
        if second % 60 == 0 {
            assert!(client.ask(&honest(second)).starts_with("action=DEFER_IF_PERMIT "), "second {second}");
            largest = bytes_on_disk(&state).max(largest);
            assert!(largest <= MAX_STATE, "second {second}: {largest} bytes");
        }
        if second % 60 == 0 && second >= 360 {
            let reply = client.ask(&honest(second - 360));
            assert!(reply.starts_with("action=PREPEND "), "second {second}: {reply}");
        }
    }
    assert_eq!(ask_all(&mut client, known(NOW + HOUR)), 0, "somebody who was known is not any more");
    let journal = daemon.journal().lines();
    let dropped = |ring: &str| {
        journal.iter().filter(|line| line.contains(ring) && line.contains("dropped before its time")).count()
    };
    let (pending, established) = (dropped("pending-"), dropped("established-"));
    println!(
        "{} unique triplets, {deferred} deferred, {pending} pending segments dropped early, {established} established; \
         {largest} of {MAX_STATE} bytes at most",
        HOUR * A_SECOND
    );
    assert!(pending > 0 && established == 0, "the flood must be larger than the room for it");
}
