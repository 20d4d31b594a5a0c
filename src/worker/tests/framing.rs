//! Requests in any pieces, replies in order.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::support::*;
use crate::metrics::Counter;

/// As many connections as workers, opened one after the other: each worker has one of them.
fn barrier(server: &Server, workers: usize) -> impl FnMut() + use<> {
    let mut clients: Vec<_> = (0..workers).map(|_| server.tcp()).collect();
    ask_all(&mut clients);
    // A worker that has answered has seen all that had arrived before.
    move || ask_all(&mut clients)
}

fn split_everywhere<S: Socket>(mut client: Client<S>, mut barrier: impl FnMut()) {
    let both = requests(1..3);
    for at in 1..both.len() {
        client.send(&both[..at]);
        barrier();
        client.send(&both[at..]);
        client.expect(&replies(1..3));
    }
}

#[test]
fn a_request_may_be_split_at_every_byte() {
    for workers in [1, 4] {
        let server = Server::with_workers(workers);
        split_everywhere(server.tcp(), barrier(&server, workers));
        split_everywhere(server.unix(), barrier(&server, workers));
        assert_eq!(server.count(Counter::IgnoredLines), 0);
        server.stop();
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Server::with_workers(1);
    let mut barrier = barrier(&server, 1);
    let mut client = server.tcp();
    for byte in requests(1..3) {
        client.send(&[byte]);
        barrier();
    }
    client.expect(&replies(1..3));
    server.stop();
}

#[test]
fn a_thousand_requests_in_one_write_are_answered_in_order() {
    for workers in [1, 4] {
        let server = Server::with_workers(workers);
        let (all, answers) = (requests(0..1000), replies(0..1000));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = server.unix();
                client.send(&all);
                client.expect(&answers);
            });
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut client = server.tcp();
                    client.send(&all);
                    client.expect(&answers);
                    client.ask(7);
                });
            }
        });
        assert_eq!(server.count(Counter::Requests), 4_003);
        server.stop();
    }
}

#[test]
fn a_slow_reader_gets_all_replies_in_order_and_holds_nobody_up() {
    const COUNT: usize = 100_000;
    let server = Server::with_workers(1);
    let slow = server.tcp();
    let mut writer = Client(slow.0.try_clone().unwrap());
    let writing = thread::spawn(move || writer.send(&requests(0..COUNT)));
    // The replies are more than the sockets' buffers hold: by then they have filled up once and wait.
    let mut other = server.tcp();
    let mut answered = u64::MAX;
    while server.count(Counter::Requests) != answered {
        answered = server.count(Counter::Requests);
        (0..20).for_each(|number| other.ask(number));
        answered += 20;
        thread::sleep(Duration::from_millis(20));
    }
    assert!(answered < COUNT as u64, "nothing is read while replies wait");
    let mut slow = slow;
    slow.expect(&replies(0..COUNT));
    writing.join().unwrap();
    server.stop();
}

fn half_close<S: Socket>(mut client: Client<S>) {
    client.send(&requests(0..300));
    client.0.end_writing();
    assert_eq!(client.rest(), String::from_utf8(replies(0..300)).unwrap());
}

#[test]
fn a_peer_that_half_closes_gets_all_replies_then_the_end() {
    for workers in [1, 4] {
        let server = Server::with_workers(workers);
        for _ in 0..50 {
            half_close(server.tcp());
            half_close(server.unix());
        }
        let mut client = server.tcp();
        client.send(&request(1));
        client.send(b"request=smtpd");
        client.0.end_writing();
        assert_eq!(client.rest().as_bytes(), reply(1), "an incomplete request has no reply");
        server.await_count(Counter::Closed, 101);
        server.stop();
    }
}

#[test]
fn with_close_after_reply_a_connection_has_one_reply() {
    let server = Server::start(&Options { close_after_reply: true, ..Options::default() });
    for _ in 0..50 {
        let mut one = server.tcp();
        one.send(&request(1));
        assert_eq!(one.rest().as_bytes(), reply(1));
        let mut two = server.unix();
        two.send(&requests(1..3));
        assert_eq!(two.rest().as_bytes(), reply(1));
    }
    // More than is read at once after the reply must not take the reply back.
    let mut many = server.tcp();
    many.send(&requests(1..1000));
    assert_eq!(many.rest().as_bytes(), reply(1));
    server.stop();
}

#[test]
fn what_is_odd_is_counted_and_answered() {
    let server = Server::with_workers(1);
    let mut client = server.tcp();
    client.send(b"no equals sign\nnor here\n");
    client.ask(1);
    client.send(b"request=other\n\nsender=\n\n");
    client.expect(&[DUNNO, DUNNO].concat());
    assert_eq!(server.count(Counter::IgnoredLines), 2);
    assert_eq!(server.count(Counter::UnknownRequests), 2);
    server.stop();
}

#[test]
fn the_time_of_a_request_counts_under_the_test_clock_only() {
    for (test_clock, seen) in [(false, 0), (true, 2_000_000_000)] {
        let server = Server::start(&Options { test_clock, ..Options::default() });
        let mut client = server.tcp();
        for time in ["2000000000", "1900000000", "soon"] {
            client.send(format!("policy_test_time={time}\n").as_bytes());
            client.ask(1);
        }
        assert_eq!(server.shared.latest_test_time.load(Ordering::Relaxed), seen);
        server.stop();
    }
}
