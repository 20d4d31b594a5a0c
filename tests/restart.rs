//! Ends and starts: what was acknowledged before a `kill -9` is known after it, and a stop answers what was received.

use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Daemon, Program, Request, Rng, Setup, Stream};

/// When the tests' requests are made, by their own clock.
const TIME: u64 = 1_790_000_000;
const DELAY: u64 = 300;

fn setup(dir: &TempDir) -> Setup {
    let options = ["--test-clock", "--delay=300", "--auto-whitelist-clients=0", "--max-state=256M", "--quiet"];
    Setup::new(Program::Serve, dir.path()).with(options)
}

fn triplet(number: u64) -> Request {
    let address = format!("10.{}.{}.1", number >> 8 & 255, number & 255);
    Request::new(&address, &format!("sender{}@sender.example", number >> 16), "bob@customer.test")
}

/// Asks about new triplets until the daemon is gone, and notes those that were answered.
fn load(daemon: &Daemon, numbers: std::ops::RangeFrom<u64>, ledger: &Mutex<Vec<u64>>) {
    let Ok(_) = Stream::connect(daemon.address()) else { return };
    let mut client = daemon.client();
    for number in numbers {
        match client.try_ask(&triplet(number).at(TIME)) {
            Ok(reply) => {
                assert!(reply.starts_with("action=DEFER_IF_PERMIT"), "{number}: {reply}");
                ledger.lock().unwrap().push(number);
            }
            Err(_) => return,
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_20_kills_under_load() {
    const KILLS: u64 = 20;
    const CLIENTS: u64 = 4;
    let dir = TempDir::new().unwrap();
    let seed = Rng::seed();
    println!("IRONGREY_SEED={seed}");
    let (mut rng, ledger) = (Rng::new(seed), Mutex::new(Vec::new()));
    for kill in 0..KILLS {
        let daemon = setup(&dir).start();
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let first = (kill * CLIENTS + client) << 20;
                let (daemon, ledger) = (&daemon, &ledger);
                scope.spawn(move || load(daemon, first.., ledger));
            }
            std::thread::sleep(Duration::from_millis(rng.below(200)));
            daemon.signal(Signal::SIGKILL);
        });
    }
    let ledger = ledger.into_inner().unwrap();
    assert!(ledger.len() > 1000, "only {} requests were answered in {KILLS} rounds", ledger.len());
    let mut client = setup(&dir).start();
    let lost: Vec<u64> = {
        let mut connection = client.client();
        let passes = |number: &u64| {
            let reply = connection.ask(&triplet(*number).at(TIME + DELAY));
            !reply.starts_with(&format!("action=PREPEND X-Greylist: delayed {DELAY} seconds"))
        };
        ledger.iter().copied().filter(passes).collect()
    };
    println!("{} acknowledged, {} lost", ledger.len(), lost.len());
    assert!(lost.is_empty(), "IRONGREY_SEED={seed}: {} of {} lost: {:?}", lost.len(), ledger.len(), &lost[..1]);
    client.signal(Signal::SIGTERM);
    assert!(client.wait().is_some_and(|status| status.success()));
}

#[test]
fn a_stop_answers_what_has_been_received_and_exits_0() {
    const REQUESTS: usize = 150;
    let dir = TempDir::new().unwrap();
    let mut daemon = setup(&dir).start();
    // Connections are taken before signals are: an answer shows that the daemon has started.
    daemon.client().ask(&triplet(u64::MAX >> 24).at(TIME));
    let mut clients: Vec<_> = (0..20).map(|_| daemon.client()).collect();
    for (index, client) in (0..).zip(&mut clients) {
        let stream: Vec<u8> = (0..REQUESTS as u64).flat_map(|n| triplet(index << 20 | n).at(TIME).wire()).collect();
        client.send(&stream);
    }
    daemon.signal(Signal::SIGTERM);
    for client in clients {
        assert_eq!(client.rest().matches("action=DEFER_IF_PERMIT").count(), REQUESTS);
    }
    assert!(daemon.wait().is_some_and(|status| status.success()));
    let again = setup(&dir).start();
    let mut connection = again.client();
    for number in 0..REQUESTS as u64 {
        assert!(connection.ask(&triplet(number).at(TIME + DELAY)).starts_with("action=PREPEND"), "{number}");
    }
}
