//! `--sync always`: a reply leaves when what it rests on is durable, and not before. The test is the thread that syncs.

use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use super::support::*;
use crate::config::SyncMode;
use crate::metrics::Counter;

fn server(workers: usize) -> Server {
    Server::start(&Options { workers, sync: SyncMode::Always, test_clock: true, ..Options::default() })
}

/// Nothing comes for a while.
#[track_caller]
fn assert_silent<S: Socket>(client: &mut Client<S>) {
    let read = client.0.read(&mut [0]);
    assert!(read.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{read:?}");
}

/// Reads of this client give up soon.
fn impatient(server: &Server) -> Client<std::net::TcpStream> {
    let client = server.tcp();
    client.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    client
}

#[test]
fn a_reply_waits_for_its_record_and_for_those_of_others() {
    for workers in [1, 2] {
        let server = server(workers);
        let (mut first, mut second) = (impatient(&server), impatient(&server));
        first.send(&request(1));
        server.await_count(Counter::Requests, 1);
        assert_silent(&mut first);
        // An early retry appends nothing, but rests on a record that is not durable yet.
        second.send(&request(1));
        server.await_count(Counter::Requests, 2);
        assert_silent(&mut second);
        server.store.commit(Duration::ZERO);
        // The round may have begun before the second one asked for it.
        server.store.commit(Duration::ZERO);
        first.expect(&reply(1));
        second.expect(&reply(1));
        server.stop();
    }
}

#[test]
fn what_rests_on_durable_records_leaves_at_once() {
    let server = server(1);
    let mut client = impatient(&server);
    client.send(&request(1));
    server.await_count(Counter::Requests, 1);
    server.store.commit(Duration::ZERO);
    client.expect(&reply(1));
    client.ask(1);
    // Neither does one wait that rests on nothing.
    client.send(b"request=other\n\n");
    client.expect(DUNNO);
    // Of several in one read the first leave at once, the others in their order.
    client.send(&[request(1), request(2), request(1)].concat());
    client.expect(&reply(1));
    assert_silent(&mut client);
    server.store.commit(Duration::ZERO);
    client.expect(&[reply(2), reply(1)].concat());
    server.stop();
}

#[test]
fn many_replies_share_a_round() {
    let server = server(2);
    let mut clients: Vec<_> = (0..200).map(|_| server.tcp()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(&request(number));
    }
    server.await_count(Counter::Requests, 200);
    // The workers may be about to ask for it.
    for _ in 0..100 {
        server.store.commit(Duration::from_millis(1));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.expect(&reply(number));
    }
    let rounds = server.store.commits().unwrap().completed();
    assert!(rounds <= 4, "{rounds} rounds for 200 replies");
    server.stop();
}

#[test]
fn a_stop_waits_for_the_round() {
    let server = server(1);
    let mut client = server.unix();
    client.send(&[request(1), request(2)].concat());
    server.await_count(Counter::Requests, 2);
    let store = std::sync::Arc::clone(&server.store);
    let syncing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        store.commit(Duration::ZERO);
    });
    server.stop();
    syncing.join().unwrap();
    assert_eq!(client.rest().into_bytes(), replies(1..3));
}

#[test]
fn a_peer_that_is_held_is_not_evicted_and_one_that_goes_holds_nobody() {
    let server = Server::start(&Options { max_connections: 2, sync: SyncMode::Always, ..Options::default() });
    let (mut held, mut idle) = (server.tcp(), server.tcp());
    held.send(&request(1));
    server.await_count(Counter::Requests, 1);
    server.await_count(Counter::Accepted, 2);
    // Longer than activity is told apart by: the one that is held was active before the other.
    thread::sleep(Duration::from_millis(150));
    idle.send(b"request=other\n\n");
    idle.expect(DUNNO);
    let mut newcomer = server.tcp();
    newcomer.send(&request(2));
    server.await_count(Counter::Requests, 3);
    assert_eq!(idle.rest(), "", "it makes room");
    server.store.commit(Duration::ZERO);
    server.store.commit(Duration::ZERO);
    held.expect(&reply(1));
    newcomer.expect(&reply(2));
    let mut gone = newcomer;
    gone.send(&request(3));
    server.await_count(Counter::Requests, 4);
    drop(gone);
    server.store.commit(Duration::ZERO);
    server.await_count(Counter::Closed, 2);
    server.stop();
}

#[test]
fn held_replies_that_do_not_fit_the_socket_wait_for_it() {
    const COUNT: usize = 8_000;
    let server = server(1);
    let store = std::sync::Arc::clone(&server.store);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopping = std::sync::Arc::clone(&stop);
    let syncing = thread::spawn(move || {
        while !stopping.load(std::sync::atomic::Ordering::Relaxed) {
            store.commit(Duration::from_millis(1));
        }
    });
    let mut client = server.unix();
    let mut writer = Client(client.0.try_clone().unwrap());
    let writing = thread::spawn(move || writer.send(&requests(0..COUNT)));
    // Until its replies fill the socket.
    let mut answered = u64::MAX;
    while server.count(Counter::Requests) != answered {
        answered = server.count(Counter::Requests);
        thread::sleep(Duration::from_millis(100));
    }
    assert!(answered < COUNT as u64, "nothing is read while replies wait");
    client.expect(&replies(0..COUNT));
    writing.join().unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    syncing.join().unwrap();
    server.stop();
}
