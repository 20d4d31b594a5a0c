//! [`Crowd`]: thousands of connections that mean no good.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::{Address, Request, Stream};

/// Connections that say nothing.
const IDLE: usize = 4096;
/// Connections that send one byte a second.
const TRICKLING: usize = 1000;
/// Connections of each other kind.
const OTHERS: usize = 20;

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// One byte a second, of a request that never ends.
    Trickle,
    /// Bytes without a meaning.
    Garbage,
    /// A line without an end.
    EndlessLine,
    /// Requests without an end, and no reply is read.
    Deaf,
}

const ACTS: [Act; 4] = [Act::Trickle, Act::Garbage, Act::EndlessLine, Act::Deaf];

/// The hostile connections, with a thread for each kind.
pub(crate) struct Crowd {
    _idle: Vec<Stream>,
    stop: Arc<AtomicBool>,
    done: Arc<[AtomicU64; 4]>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Connects them all.
    pub(crate) fn gather(address: &Address) -> Self {
        let idle = (0..IDLE).map(|_| Stream::connect(address).unwrap()).collect();
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new([const { AtomicU64::new(0) }; 4]));
        let perform_each = ACTS.into_iter().enumerate().map(|(index, act)| {
            let (address, stop, done) = (address.clone(), Arc::clone(&stop), Arc::clone(&done));
            thread::spawn(move || perform(act, &address, &stop, &done[index]))
        });
        let threads = perform_each.collect();
        Self { _idle: idle, stop, done, threads }
    }

    /// How much they have done so far.
    pub(crate) fn hostile_acts(&self) -> u64 {
        self.done.iter().map(|done| done.load(Ordering::Relaxed)).sum()
    }

    /// Ends them; how much each kind has done.
    pub(crate) fn disperse(self) -> Vec<(String, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        ACTS.iter().zip(&*self.done).map(|(act, done)| (format!("{act:?}"), done.load(Ordering::Relaxed))).collect()
    }
}

/// Does the same on all connections of a kind, again and again, and connects anew where the daemon has had enough.
fn perform(act: Act, address: &Address, stop: &AtomicBool, done: &AtomicU64) {
    let connections = if act == Act::Trickle { TRICKLING } else { OTHERS };
    let connect = || {
        let stream = Stream::connect(address).unwrap();
        stream.set_timeout(Duration::from_millis(1)).unwrap();
        stream
    };
    let piece = piece(act);
    let mut streams: Vec<(Stream, usize)> = (0..connections).map(|index| (connect(), index)).collect();
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        // Each of those that trickle has its turn once a second; a hundred of them every tenth of it.
        let now = if act == Act::Trickle { (turn % 10 * 100)..(turn % 10 + 1) * 100 } else { 0..connections };
        for (stream, at) in &mut streams[now] {
            let bytes = if act == Act::Trickle { &piece[*at % piece.len()..][..1] } else { &piece[..] };
            *at += 1;
            let is_blocked = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
            let sent = stream.write(bytes);
            let is_over = sent.as_ref().is_err_and(|error| !is_blocked(error))
                || act != Act::Deaf && stream.read(&mut [0; 4096]).is_ok();
            if is_over {
                let _ = stream.shutdown(Shutdown::Both);
                *stream = connect();
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        turn += 1;
        thread::sleep(Duration::from_millis(if act == Act::Trickle { 100 } else { 20 }));
    }
}

fn piece(act: Act) -> Vec<u8> {
    let request = Request::new("198.51.100.7", "deaf@sender.example", "bob@customer.test").wire();
    match act {
        Act::Trickle => request,
        Act::Garbage => {
            (0..4096_u32).map(|index| u8::try_from(index * 7_919 % 251).unwrap() | u8::from(index % 60 == 0)).collect()
        }
        Act::EndlessLine => vec![b'x'; 16 << 10],
        Act::Deaf => request.repeat(100),
    }
}
