//! The drivers against small servers on loopback: what each server does stands in its constructor here.

mod closed;
mod failures;
mod open;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Load, Progress, Tally, run};
use crate::endpoint::Endpoint;
use crate::workload::Workload;

/// A server whose every connection is served by `serve` in a thread of its own.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let serve = Arc::new(serve);
        for stream in listener.incoming() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    Endpoint::Inet(address)
}

/// A server that answers each request DUNNO after `each` has been called with the request; calls are never concurrent.
fn answering(each: impl FnMut(&str) + Send + 'static) -> Endpoint {
    let each = Mutex::new(each);
    server(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        let (mut held, mut buffer) = (String::new(), [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            held.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            while let Some((request, rest)) = held.split_once("\n\n") {
                each.lock().unwrap()(request);
                if stream.write_all(b"action=DUNNO\n\n").is_err() {
                    return;
                }
                held = rest.to_owned();
            }
        }
    })
}

/// The baseline on a socket in `directory`.
fn baseline(directory: &tempfile::TempDir) -> Endpoint {
    let endpoint = Endpoint::Unix(directory.path().join("socket"));
    let served = endpoint.clone();
    std::thread::spawn(move || crate::baseline::serve(&served).unwrap());
    while endpoint.connect().is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    endpoint
}

fn closed(endpoint: &Endpoint, connections: u32, requests: u64) -> Load {
    Load::closed(endpoint, connections, Workload::flood(1), 0, requests)
}

fn drive(load: &Load) -> Tally {
    run(load, &Progress::new(load).unwrap()).unwrap()
}
