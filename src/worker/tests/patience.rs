//! Peers that let the daemon wait.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::support::*;
use crate::metrics::Counter;

const SHORT: Duration = Duration::from_millis(200);

fn impatient(workers: usize) -> Server {
    Server::start(&Options { workers, patience: SHORT, ..Options::default() })
}

#[test]
fn half_a_request_and_silence_is_answered_dunno_and_closed() {
    for workers in [1, 4] {
        let server = impatient(workers);
        let mut clients = vec![server.tcp(), server.tcp()];
        let started = Instant::now();
        for client in &mut clients {
            client.send(&[request(1), b"request=smtpd".to_vec()].concat());
        }
        for client in &mut clients {
            client.expect(&reply(1));
            assert_eq!(client.rest().as_bytes(), DUNNO);
        }
        assert!(started.elapsed() >= SHORT);
        assert!(started.elapsed() < SHORT * 10, "{:?}", started.elapsed());
        server.await_count(Counter::PartialTimeouts, 2);
        server.await_count(Counter::Closed, 2);
        server.stop();
    }
}

#[test]
fn trickling_does_not_extend_the_time_of_a_request() {
    let server = impatient(1);
    let mut client = server.tcp();
    let started = Instant::now();
    while client.0.write_all(b"x").is_ok() {
        thread::sleep(SHORT / 20);
        assert!(started.elapsed() < SOON);
    }
    assert!(started.elapsed() >= SHORT);
    server.await_count(Counter::PartialTimeouts, 1);
    server.stop();
}

#[test]
fn each_request_has_its_own_time_and_an_idle_connection_has_for_ever() {
    let server = impatient(1);
    let mut idle = server.tcp();
    let mut client = server.tcp();
    for number in 0..10 {
        let request = request(number);
        let (first, second) = request.split_at(number + 20);
        client.send(first);
        thread::sleep(SHORT / 4);
        client.send(second);
        client.expect(&reply(number));
    }
    idle.ask(1);
    thread::sleep(SHORT * 2);
    idle.ask(2);
    client.ask(3);
    assert_eq!(server.count(Counter::PartialTimeouts), 0);
    server.stop();
}

fn never_read<S: Socket>(mut client: Client<S>) {
    let all = requests(0..1000);
    let error = loop {
        if let Err(error) = client.0.write_all(&all) {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn a_client_that_never_reads_is_closed_and_holds_nobody_up() {
    for workers in [1, 4] {
        let server = impatient(workers);
        thread::scope(|scope| {
            let never = [scope.spawn(|| never_read(server.tcp())), scope.spawn(|| never_read(server.unix()))];
            let mut honest = server.tcp();
            while never.iter().any(|thread| !thread.is_finished()) {
                let asked = Instant::now();
                honest.ask(1);
                assert!(asked.elapsed() < SHORT * 5, "{:?}", asked.elapsed());
            }
        });
        server.await_count(Counter::SlowReaders, 2);
        server.stop();
    }
}

#[test]
fn a_client_that_reads_slowly_is_not_closed() {
    const COUNT: usize = 100_000;
    let server = Server::start(&Options { patience: SHORT * 3, ..Options::default() });
    let mut client = server.unix();
    let mut writer = Client(client.0.try_clone().unwrap());
    let writing = thread::spawn(move || writer.send(&requests(0..COUNT)));
    let started = Instant::now();
    let expected = replies(0..COUNT);
    let mut got = vec![0; expected.len()];
    for part in got.chunks_mut(8 << 10) {
        client.0.read_exact(part).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    assert!(started.elapsed() > SHORT * 4, "{:?}", started.elapsed());
    assert!(got == expected);
    writing.join().unwrap();
    // From here on it is an idle connection like any other.
    thread::sleep(SHORT * 4);
    client.ask(1);
    server.stop();
}
