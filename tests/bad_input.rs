//! Peers that misbehave: what they get, and that an honest peer beside them does not notice.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Client, Daemon, Program, Request, Setup, Stream, skipped};

const DUNNO: &str = "action=DUNNO\n\n";
/// How long half a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn setup(dir: &TempDir) -> Setup {
    Setup::new(Program::Serve, dir.path()).with(["--workers=2"])
}

fn mail(name: &str) -> Request {
    Request::new("192.0.2.1", "alice@sender.example", &format!("{name}@customer.test"))
}

fn is_deferred(reply: &str) -> bool {
    reply.starts_with("action=DEFER_IF_PERMIT ")
}

/// An honest peer: the median time of 200 answers, each of them right.
fn honest_median(client: &mut Client) -> Duration {
    let mut times: Vec<Duration> = (0..200)
        .map(|number| {
            let start = Instant::now();
            let reply = client.ask(&mail(&format!("honest{number}")));
            assert!(is_deferred(&reply), "{reply}");
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// Generous, as other tests use the machine as well: a peer that has to wait for another one waits for seconds.
#[track_caller]
fn assert_undisturbed(client: &mut Client) {
    let median = honest_median(client);
    assert!(median < Duration::from_millis(20), "an honest peer waits {median:?}");
}

/// What a peer gets that has sent too much: one DUNNO, the end of its connection, and a line in the log.
#[track_caller]
fn assert_over_limit(daemon: &Daemon, bytes: &[u8], warning: &str) {
    let mut honest = daemon.client();
    let mut client = daemon.client();
    // The daemon may close before it has read everything.
    client.stream().write_all(bytes).ok();
    assert_eq!(client.rest(), DUNNO, "{warning}");
    daemon.journal().wait_for(warning);
    assert!(is_deferred(&honest.ask(&mail("honest"))));
}

#[test]
fn an_endless_line() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    assert_over_limit(&daemon, &b"x".repeat(5_000), "a line of more than 4 KiB");
    assert_over_limit(&daemon, &b"x".repeat(3_000_000), "a line of more than 4 KiB");
    let long_value = mail("long").with("helo_name", &"x".repeat(4_200));
    assert_over_limit(&daemon, &long_value.wire(), "a line of more than 4 KiB");
}

#[test]
fn an_over_long_request() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    let line = format!("x={}\n", "y".repeat(1_000));
    assert_over_limit(&daemon, line.repeat(17).as_bytes(), "a request of more than 16 KiB");
    assert_over_limit(&daemon, line.repeat(3_000).as_bytes(), "a request of more than 16 KiB");
}

#[test]
fn too_many_attributes() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    assert_over_limit(&daemon, "x=y\n".repeat(129).as_bytes(), "more than 128 attributes");
    assert_over_limit(&daemon, &[&b"x=y\n".repeat(129), &mail("many").wire()[..]].concat(), "more than 128 attributes");
}

/// What is just within the limits is answered like anything else.
#[test]
fn at_the_limits() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    let mut client = daemon.client();
    let long_line = mail("line").with("helo_name", &"x".repeat(4_000));
    assert!(is_deferred(&client.ask(&long_line)));
    let mut long_request = mail("request");
    for number in 0..15 {
        long_request = long_request.with(&format!("x{number}"), &"y".repeat(1_024));
    }
    assert!(is_deferred(&client.ask(&long_request)));
    let mut many = mail("attributes");
    for number in 0..118 {
        many = many.with(&format!("x{number}"), "");
    }
    assert!(is_deferred(&client.ask(&many)));
}

#[test]
fn half_a_request_and_silence() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    let mut idle = daemon.client();
    assert!(is_deferred(&idle.ask(&mail("idle"))));
    let start = Instant::now();
    let halves: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = daemon.client();
            client.send(b"request=smtpd_access_policy\nsender=");
            client
        })
        .collect();
    assert_undisturbed(&mut daemon.client());
    for client in halves {
        assert_eq!(client.rest(), DUNNO);
    }
    let taken = start.elapsed();
    assert!(taken + Duration::from_secs(1) > PATIENCE && taken < PATIENCE + Duration::from_secs(5), "{taken:?}");
    assert!(is_deferred(&idle.ask(&mail("idle"))), "a connection between two requests may be idle for long");
}

#[test]
fn a_peer_that_never_reads_its_replies() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    let requests = mail("deaf").wire().repeat(100);
    let deaf: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = daemon.client();
            client.stream().set_timeout(Duration::from_millis(300)).unwrap();
            // Until the daemon does not read any more, because its replies are not read.
            while client.stream().write_all(&requests).is_ok() {}
            client
        })
        .collect();
    for _ in 0..4 {
        assert_undisturbed(&mut daemon.client());
    }
    assert_rests(&daemon);
    drop(deaf);
}

/// Each byte is a request of its own, so that one read brings 16,384 of them.
#[test]
fn blank_lines_from_many_sides() {
    let dir = TempDir::new().unwrap();
    let daemon = Setup::new(Program::Serve, dir.path()).with(["--workers=1", "--quiet"]).start();
    let address = daemon.address().clone();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut stream = Stream::connect(&address).unwrap();
                stream.set_timeout(Duration::from_secs(5)).unwrap();
                let mut replies = vec![0; 16_384 * DUNNO.len()];
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(&[b'\n'; 16_384]).unwrap();
                    stream.read_exact(&mut replies).unwrap();
                }
            });
        }
        // Also when it panics: the scope waits for all.
        let _stop = Stop(&stop);
        assert_undisturbed(&mut daemon.client());
    });
}

/// Sets the flag when dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The daemon itself stands still, as on a machine that sleeps: what has come meanwhile is no half request.
#[test]
fn a_freeze_is_not_the_peers_fault() {
    let dir = TempDir::new().unwrap();
    // More connections than a worker takes events at once.
    let daemon = Setup::new(Program::Serve, dir.path()).with(["--workers=1", "--quiet"]).start();
    let mut clients: Vec<Client> = (0..400).map(|_| daemon.client()).collect();
    let wire = mail("frozen").wire();
    let (half, other) = wire.split_at(wire.len() / 2);
    for client in &mut clients {
        client.ask(&mail("frozen"));
    }
    for client in &mut clients {
        client.send(half);
    }
    // The last to be looked at: by then all halves have been read.
    daemon.client().ask(&mail("frozen"));
    daemon.signal(Signal::SIGSTOP);
    for client in &mut clients {
        client.send(other);
    }
    std::thread::sleep(PATIENCE + Duration::from_millis(500));
    daemon.signal(Signal::SIGCONT);
    for client in &mut clients {
        let reply = client.reply();
        assert!(is_deferred(&reply), "{reply}");
    }
}

#[test]
fn garbage_from_many_sides() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).start();
    let garbage: Vec<u8> = (0..100_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let address = daemon.address().clone();
    let shouting = std::thread::spawn(move || {
        for _ in 0..100 {
            let mut stream = Stream::connect(&address).unwrap();
            stream.set_timeout(Duration::from_secs(2)).unwrap();
            stream.write_all(&garbage).ok();
        }
    });
    assert_undisturbed(&mut daemon.client());
    shouting.join().unwrap();
    assert_undisturbed(&mut daemon.client());
}

#[test]
fn five_thousand_connections_at_once() {
    let (_, files) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if files < 5_200 {
        skipped("bad_input::five_thousand_connections_at_once", "no more than 5,200 open files are allowed here");
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, files, files).unwrap();
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).with(["--quiet"]).start();
    let mut clients: Vec<Client> = (0..5_000).map(|_| daemon.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&mail(&format!("c{number}")).wire());
    }
    for client in &mut clients {
        assert!(is_deferred(&client.reply()));
    }
    assert_undisturbed(&mut daemon.client());
    assert!(is_deferred(&clients[0].ask(&mail("c0"))), "the first one is still served");
}

#[test]
fn more_connections_than_files() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).with(["--quiet"]).file_limit(128).start();
    let mut honest = daemon.client();
    honest.ask(&mail("honest"));
    let crowd: Vec<Client> = (0..400).map(|_| daemon.client()).collect();
    assert_undisturbed(&mut honest);

    assert_rests(&daemon);
    // There are descriptors left for what the daemon itself opens.
    daemon.signal(Signal::SIGHUP);
    daemon.journal().wait_for("whitelists reloaded");

    drop(crowd);
    assert_undisturbed(&mut daemon.client());
}

#[test]
fn more_connections_than_allowed() {
    let dir = TempDir::new().unwrap();
    let daemon = setup(&dir).with(["--max-connections=20"]).start();
    let mut honest = daemon.client();
    let mut crowd: Vec<Client> = Vec::new();
    for _ in 0..30 {
        let mut client = daemon.client();
        assert!(is_deferred(&client.ask(&mail("crowd"))), "a new connection is served even when there are too many");
        crowd.push(client);
        // Ticks of the clock by which the longest idle connection is found are 64 ms long.
        std::thread::sleep(Duration::from_millis(70));
        assert!(is_deferred(&honest.ask(&mail("honest"))), "an active connection stays");
    }
    assert_eq!(crowd.remove(0).rest(), "", "the longest idle one is closed");
    assert!(is_deferred(&crowd.pop().unwrap().ask(&mail("last"))), "the newest one stays");
}

/// Whoever waits for its peers uses no processor.
#[track_caller]
fn assert_rests(daemon: &Daemon) {
    let before = daemon.processor_time();
    std::thread::sleep(Duration::from_secs(1));
    let used = daemon.processor_time().saturating_sub(before);
    assert!(used < Duration::from_millis(300), "the daemon spins: {used:?} of processor time in a second");
}
