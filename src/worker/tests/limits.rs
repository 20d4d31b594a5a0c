//! What is too much: of one request, of connections, of files.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::SockRef;

use super::support::*;
use crate::metrics::Counter;

#[test]
fn over_a_limit_is_answered_dunno_counted_and_closed() {
    let line = [b"sender=".to_vec(), vec![b'x'; 5_000]].concat();
    let attributes = b"a=b\n".repeat(129);
    let request = [b"name=".to_vec(), vec![b'y'; 2_000], b"\n".to_vec()].concat().repeat(9);
    let endless = vec![b'z'; 200_000];
    let cases = [
        (&line, Counter::LimitLine),
        (&attributes, Counter::LimitAttributes),
        (&request, Counter::LimitRequest),
        (&endless, Counter::LimitLine),
    ];
    for workers in [1, 4] {
        let server = Server::with_workers(workers);
        let mut honest = server.tcp();
        for (index, (bytes, counter)) in cases.iter().enumerate() {
            let before = server.count(*counter);
            let mut client = server.tcp();
            client.send(&[requests(0..3), (*bytes).clone()].concat());
            client.expect(&replies(0..3));
            assert_eq!(client.rest().as_bytes(), DUNNO, "case {index}");
            assert_eq!(server.count(*counter), before + 1, "case {index}");
            drop(client);
            server.await_count(Counter::Closed, index as u64 + 1);
            honest.ask(index);
        }
        server.stop();
    }
}

#[test]
fn what_a_peer_goes_on_sending_does_not_take_its_last_reply_back() {
    let server = Server::with_workers(1);
    let mut honest = server.tcp();
    let mut client = server.tcp();
    client.send(&[b'x'; 5_000]);
    server.await_count(Counter::LimitLine, 1);
    for number in 0..10 {
        client.send(&[b'x'; 8_000]);
        honest.ask(number);
    }
    assert_eq!(client.rest().as_bytes(), DUNNO);
    client.0.write_all(&vec![b'x'; 4 << 20]).unwrap_err();
    server.await_count(Counter::Closed, 1);
    server.stop();
}

#[test]
fn at_the_limit_the_longest_idle_connection_makes_room() {
    for workers in [1, 4] {
        let server = Server::start(&Options { workers, max_connections: 8, ..Options::default() });
        let mut clients: Vec<_> = (0..8).map(|_| server.tcp()).collect();
        ask_all(&mut clients);
        // Longer than activity is told apart by.
        thread::sleep(Duration::from_millis(150));
        for (number, client) in clients.iter_mut().enumerate().filter(|(number, _)| ![3, 5].contains(number)) {
            client.ask(number);
        }
        let mut newcomers = [server.tcp(), server.tcp()];
        ask_all(&mut newcomers);
        for idle in [3, 5] {
            assert_eq!(clients[idle].rest(), "");
        }
        for number in [0, 1, 2, 4, 6, 7] {
            clients[number].ask(number);
        }
        assert_eq!(server.count(Counter::Evicted), 2);
        server.stop();
    }
}

/// One request on a connection of its own; false if the connection was closed to make room for another.
fn ask_once(server: &Server) -> bool {
    let mut client = server.tcp();
    let mut answer = vec![0; reply(1).len()];
    client.0.write_all(&request(1)).and_then(|()| client.0.read_exact(&mut answer)).is_ok() && answer == reply(1)
}

#[test]
fn more_clients_than_the_limit_are_all_served_in_the_end() {
    for workers in [1, 4] {
        let server = Server::start(&Options { workers, max_connections: 4, ..Options::default() });
        let idle: Vec<_> = (0..4).map(|_| server.tcp()).collect();
        server.await_count(Counter::Accepted, 4);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let started = Instant::now();
                    for _ in 0..25 {
                        while !ask_once(&server) {
                            assert!(started.elapsed() < SOON);
                        }
                    }
                });
            }
        });
        // Clients that happen to come one after another need one seat only.
        assert!(server.count(Counter::Evicted) >= 1);
        drop(idle);
        server.await_count(Counter::Closed, server.count(Counter::Accepted));
        server.stop();
    }
}

#[test]
fn at_the_limit_no_newcomer_is_kept_waiting() {
    let server = Server::start(&Options { max_connections: 8, ..Options::default() });
    let mut held = VecDeque::new();
    let started = Instant::now();
    // The moments that matter are short and come every 64 ms.
    while started.elapsed() < Duration::from_secs(8) {
        let mut client = server.tcp();
        client.ask(1);
        held.push_back(client);
        if held.len() > 16 {
            held.pop_front();
        }
    }
    server.stop();
}

#[test]
fn a_read_that_stops_in_front_of_urgent_data_does_not_hold_a_seat() {
    let server = Server::start(&Options { max_connections: 4, ..Options::default() });
    let mut urgent: Vec<_> = (0..4).map(|_| server.tcp()).collect();
    for client in &mut urgent {
        client.0.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut answer = vec![0; reply(3).len()];
        // Until all of it had come before it was read, so that no event is left for what is behind the urgent byte.
        let is_held = (0..10_000).any(|_| {
            client.send(&request(2));
            SockRef::from(&client.0).send_out_of_band(b"!").unwrap();
            client.send(&request(3));
            client.expect(&reply(2));
            client.0.read_exact(&mut answer).is_err()
        });
        assert!(is_held);
    }
    let mut newcomers: Vec<_> = (0..4).map(|_| server.tcp()).collect();
    ask_all(&mut newcomers);
    server.stop();
}

#[test]
fn five_thousand_connections_at_once() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    // Both ends are this process's, beside other tests.
    let count = usize::try_from(hard).unwrap().saturating_sub(1_000) / 2;
    let count = count.min(5_000);
    for workers in [1, 4] {
        let server = Server::with_workers(workers);
        let mut clients: Vec<_> = (0..count).map(|_| server.tcp()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&request(number));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            client.expect(&reply(number));
        }
        assert_eq!(server.count(Counter::Accepted), count as u64);
        assert!(server.is_balanced(), "each worker has its share");
        drop(clients);
        server.await_count(Counter::Closed, count as u64);
        server.stop();
    }
}

/// Names the run of [`serve_with_few_files`] that [`without_files_accepting_pauses_and_goes_on`] asked for.
const FEW_FILES: &str = "IRONGREY_TEST_FEW_FILES";
const CLIENTS: usize = 40;

#[test]
fn without_files_accepting_pauses_and_goes_on() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker::tests::limits::serve_with_few_files", "--ignored", "--nocapture"])
        .env(FEW_FILES, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut number_after = |what: &str| -> u64 {
        lines.find_map(|line| Some(line.split_once(what)?.1.to_owned())).unwrap().parse().unwrap()
    };
    let port = u16::try_from(number_after("port ")).unwrap();
    let connect = |number| {
        let mut client = Client(TcpStream::connect(("127.0.0.1", port)).unwrap());
        client.0.set_read_timeout(Some(SOON)).unwrap();
        client.send(&request(number));
        client
    };
    let mut clients: Vec<_> = (0..CLIENTS).map(connect).collect();
    clients[0].expect(&reply(0));
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(500) {
        clients[0].ask(1);
        thread::sleep(Duration::from_millis(10));
    }
    // Each that leaves makes room for another.
    for (number, mut client) in clients.drain(..).enumerate().skip(1) {
        client.expect(&reply(number));
    }
    let paused_for = started.elapsed();
    drop(child.stdin.take());
    let pauses = number_after("pauses ");
    let most = u64::try_from(paused_for.as_millis()).unwrap() / 100 + 2;
    assert!((4..=most).contains(&pauses), "{pauses} pauses in {paused_for:?}");
    assert!(child.wait().unwrap().success());
}

#[test]
#[ignore = "the other half of without_files_accepting_pauses_and_goes_on, in a process of its own"]
fn serve_with_few_files() {
    if std::env::var_os(FEW_FILES).is_none() {
        return;
    }
    let server = Server::with_workers(1);
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, open + 10, hard).unwrap();
    println!("port {}", server.address.port());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("pauses {}", server.count(Counter::AcceptPauses));
    std::io::stdout().flush().unwrap();
    server.stop();
}

#[test]
fn a_peer_that_does_not_read_its_replies_makes_room() {
    let server = Server::start(&Options { max_connections: 4, ..Options::default() });
    let deaf: Vec<_> = (0..4)
        .map(|_| {
            let mut client = server.unix();
            client.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            // Until its replies fill the socket, and then its requests.
            while client.0.write(&[b'\n'; 4096]).is_ok() {}
            client
        })
        .collect();
    let mut newcomer = server.tcp();
    newcomer.0.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    newcomer.ask(1);
    drop(deaf);
    server.stop();
}
