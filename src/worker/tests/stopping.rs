//! The end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::support::*;
use crate::metrics::Counter;
use crate::worker::bind::{Bound, Keeper, Listening};
use crate::worker::listener::Listener;
use crate::worker::seats::Seats;
use crate::worker::warnings::Warnings;

#[test]
fn what_has_been_received_is_answered_before_the_end() {
    for workers in [1, 4] {
        let server = Server::with_workers(workers);
        let mut clients: Vec<_> = (0..20).map(|_| server.tcp()).collect();
        ask_all(&mut clients);
        for client in &mut clients {
            client.send(&requests(0..1000));
        }
        let address = server.address;
        server.stop();
        for client in &mut clients {
            assert_eq!(client.rest(), String::from_utf8(replies(0..1000)).unwrap());
        }
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn stopping_takes_no_longer_for_what_peers_do() {
    for workers in [1, 4] {
        let server = Server::with_workers(workers);
        let mut half = server.unix();
        half.send(b"request=");
        let busy: Vec<_> = (0..6)
            .map(|_| {
                let mut client = server.tcp();
                let mut reader = Client(client.0.try_clone().unwrap());
                let all = requests(0..1000);
                let writing = thread::spawn(move || while client.0.write_all(&all).is_ok() {});
                (writing, thread::spawn(move || while matches!(reader.0.read(&mut [0; 8_192]), Ok(1..)) {}))
            })
            .collect();
        let mut never_reads = server.tcp();
        let writing = thread::spawn(move || while never_reads.0.write_all(&request(1)).is_ok() {});
        server.await_at_least(Counter::Requests, 10_000);
        let took = server.stop();
        assert!(took < Duration::from_millis(1_500), "{took:?}");
        assert_eq!(half.rest(), "");
        for (writing, reading) in busy {
            writing.join().unwrap();
            reading.join().unwrap();
        }
        writing.join().unwrap();
    }
}

#[test]
fn a_peer_that_reads_gets_all_its_replies_at_the_end() {
    let server = Server::with_workers(1);
    let mut client = server.unix();
    client.send(&b"\n".repeat(60_000));
    server.await_at_least(Counter::Requests, 64);
    let reading = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        client.rest()
    });
    server.stop();
    assert_eq!(reading.join().unwrap().len(), 60_000 * DUNNO.len());
}

/// Here nobody is there to serve what is accepted, so it is gone.
#[test]
fn what_waits_on_a_socket_that_lives_on_is_left_to_the_next_daemon() {
    for (keeper, is_left) in [(Keeper::Manager, true), (Keeper::Nobody(None), false)] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let _waits = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let bound = Bound { listening: Listening::Tcp(socket.try_clone().unwrap()), keeper };
        let seats = Arc::new(Seats::new(1));
        let listener = Listener::new(vec![bound], Vec::new(), seats, Arc::default(), Arc::new(Warnings::new()));
        let listener = listener.unwrap();
        listener.waker().wake().unwrap();
        listener.run();
        assert_eq!(socket.accept().is_ok(), is_left);
    }
}
