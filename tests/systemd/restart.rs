//! Restarts under load: sockets that live on refuse nobody, and nobody waits for an answer in vain.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Service, is_answered, mail, unix_listener};
use crate::support::{Address, Client, Guarded, Journal, free_port, skipped, tool, unix_now};

const DELAY: u64 = 300;
const PEERS: usize = 4;
const RESTARTS: usize = 6;
/// Requests answered between two restarts, at least.
const BETWEEN: usize = 500;

/// What peers have seen. A peer does what Postfix does: when its connection ends before the answer it opens another one and asks
/// once more, and only once.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    asked_again: AtomicUsize,
    refused: AtomicUsize,
    lost: AtomicUsize,
    done: AtomicBool,
}

impl Seen {
    /// Asks about new triplets until told to end, and gives their numbers.
    fn ask(&self, address: &Address, next: &AtomicUsize, now: u64) -> Vec<usize> {
        let mut client = None;
        let mut numbers = Vec::new();
        while !self.done.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let kept = client.is_some();
            let answer = self.once(&mut client, address, number, now).or_else(|| {
                self.asked_again.fetch_add(1, Ordering::Relaxed);
                self.once(&mut client, address, number, now)
            });
            match answer {
                Some(reply) => {
                    assert!(reply.starts_with("action=DEFER_IF_PERMIT "), "triplet {number} is new: {reply}");
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    numbers.push(number);
                }
                None => drop(self.lost.fetch_add(1, Ordering::Relaxed)),
            }
            // Half of the peers keep their connection, as Postfix does; the others open one for each request.
            if kept && number.is_multiple_of(2) {
                client = None;
            }
        }
        numbers
    }

    fn once(&self, client: &mut Option<Client>, address: &Address, number: usize, now: u64) -> Option<String> {
        let connected = client.take().map_or_else(|| Client::try_connect(address), Ok);
        if connected.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        let mut connected = connected.ok()?;
        // Asked again, a triplet that was recorded already is still within its delay.
        let reply = connected.try_ask(&mail(number).at(now)).ok()?;
        *client = Some(connected);
        Some(reply)
    }

    /// Waits until so many more have been answered.
    fn wait_for(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.answered.load(Ordering::Relaxed) < wanted {
            assert!(Instant::now() < deadline, "peers are not answered");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_restart_refuses_no_connection_and_loses_no_answer() {
    let dir = TempDir::new().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (unix, path) = unix_listener(dir.path());
    let addresses = [Address::Tcp(tcp.local_addr().unwrap()), Address::Unix(path)];
    let service = Service::new(dir.path()).hand_over(tcp).hand_over(unix);
    let (seen, next, now) = (Seen::default(), AtomicUsize::new(0), unix_now());
    let numbers = thread::scope(|scope| {
        let peers: Vec<_> = addresses.iter().cycle().take(PEERS).collect();
        let peers: Vec<_> = peers.into_iter().map(|address| scope.spawn(|| seen.ask(address, &next, now))).collect();
        for _ in 0..RESTARTS {
            let daemon = service.start();
            seen.wait_for(BETWEEN);
            assert_eq!(daemon.stop().code(), Some(0));
        }
        let daemon = service.start();
        seen.wait_for(BETWEEN);
        seen.done.store(true, Ordering::Relaxed);
        let numbers: Vec<usize> = peers.into_iter().flat_map(|peer| peer.join().unwrap()).collect();
        // What was answered is remembered: all of it passes after the delay.
        let mut client = Client::connect(&addresses[0]);
        let forgotten = numbers.iter().filter(|&&number| client.ask(&mail(number).at(now + DELAY)).contains("DEFER"));
        assert_eq!(forgotten.count(), 0);
        drop(daemon);
        numbers
    });
    let [asked_again, refused, lost] =
        [&seen.asked_again, &seen.refused, &seen.lost].map(|count| count.load(Ordering::Relaxed));
    println!("{RESTARTS} restarts, {} answered, {asked_again} of them asked again, {refused} refused", numbers.len());
    assert_eq!((refused, lost), (0, 0), "{asked_again} asked again");
    assert!(numbers.len() > RESTARTS * BETWEEN);
    assert!(asked_again <= RESTARTS * PEERS, "{asked_again}: at most once a peer and restart");
}

/// systemd's own way of handing over: it starts the daemon when the first connection comes.
#[test]
fn systemd_starts_it_by_a_connection() {
    let Some(activate) = tool("systemd-socket-activate") else {
        return skipped("systemd::systemd_starts_it_by_a_connection", "systemd-socket-activate is not installed");
    };
    let dir = TempDir::new().unwrap();
    let (port, path) = (free_port(), dir.path().join("activated.sock"));
    let mut command = Command::new(activate);
    command.arg(format!("--listen={port}")).arg(format!("--listen={}", path.display()));
    command.args(Service::new(dir.path()).command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Guarded::spawn(&mut command);
    let journal = Journal::default();
    journal.follow(process.child().stderr.take().unwrap());
    journal.wait_for(&path.display().to_string());
    for address in [Address::Tcp(port), Address::Unix(path.clone())] {
        assert!(is_answered(&mut Client::connect(&address)));
    }
    journal.wait_for(&format!(" serves on {port} {}, ", path.display()));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(Duration::from_secs(20)).expect("it ends").code(), Some(0));
}
