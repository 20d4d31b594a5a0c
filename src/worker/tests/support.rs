//! [`Server`]: listener and workers in this process, on a free port and a unix socket, over a state of their own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tempfile::TempDir;

use crate::clock::UnixSecs;
use crate::config::{Listen, StateSettings, SyncMode};
use crate::grey::Terms;
use crate::grey::rules::Rules;
use crate::grey::whitelist::Lists;
use crate::logs::Producer;
use crate::metrics::{Counter, Counters};
use crate::policy::Replies;
use crate::store::Store;
use crate::worker::{Live, PATIENCE, Running, Shared, WorkerParts, bind, start};

/// No test waits longer for anything.
pub(super) const SOON: Duration = Duration::from_secs(20);
pub(super) const DUNNO: &[u8] = b"action=DUNNO\n\n";

const TERMS: Terms = Terms::DEFAULT;

pub(super) struct Options {
    pub(super) workers: usize,
    pub(super) max_connections: usize,
    pub(super) patience: Duration,
    pub(super) close_after_reply: bool,
    pub(super) test_clock: bool,
    pub(super) sync: SyncMode,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 1,
            max_connections: 16_384,
            patience: PATIENCE,
            close_after_reply: false,
            test_clock: false,
            sync: SyncMode::Os,
        }
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) path: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) store: Arc<Store>,
    counters: Vec<Arc<Counters>>,
    running: Running,
    _dir: TempDir,
}

impl Server {
    pub(super) fn start(options: &Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let tcp = bind(&Listen::Inet((Ipv4Addr::LOCALHOST, 0).into()), 0, None, 4096).unwrap();
        let unix = bind(&Listen::Unix(path.clone()), 0o600, None, 4096).unwrap();
        let Some(Listen::Inet(address)) = tcp.address() else { panic!("an inet socket is TCP") };

        let settings = StateSettings { dir: dir.path().join("state"), max_size: 256 << 20, sync: options.sync };
        let store = Store::open(&settings, &TERMS, options.workers, UnixSecs::now()).unwrap();
        // The spares, once: nothing here fills more than a segment and a spare.
        store.upkeep(UnixSecs::now(), false);
        let counters: Vec<Arc<Counters>> = (0..=options.workers).map(|_| Arc::default()).collect();
        let replies = Replies::new("DEFER_IF_PERMIT", "to %r", "X-Greylist: %t", "mx.test", "0");
        let shared = Arc::new(Shared {
            live: ArcSwap::from_pointee(Live {
                terms: TERMS,
                replies,
                rules: Rules::default(),
                lists: Lists::default(),
                quiet: true,
            }),
            releases: ArcSwap::default(),
            secret: *store.secret(),
            test_clock: options.test_clock,
            latest_test_time: AtomicU32::new(0),
            close_after_reply: options.close_after_reply,
            patience: options.patience,
            listener_counters: Arc::clone(&counters[0]),
        });
        let part = |counters: &Arc<Counters>| WorkerParts {
            writer: store.writer(),
            log: Producer::unread(),
            counters: Arc::clone(counters),
        };
        let parts = counters[1..].iter().map(part).collect();
        let running = start(vec![tcp, unix], &shared, parts, options.max_connections).unwrap();
        Self { address, path, shared, store, counters, running, _dir: dir }
    }

    pub(super) fn with_workers(workers: usize) -> Self {
        Self::start(&Options { workers, ..Options::default() })
    }

    pub(super) fn tcp(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Client(stream)
    }

    pub(super) fn unix(&self) -> Client<UnixStream> {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        Client(stream)
    }

    pub(super) fn count(&self, counter: Counter) -> u64 {
        self.counters.iter().map(|counters| counters.get(counter)).sum()
    }

    /// Whether no worker has answered more requests than another by more than one.
    pub(super) fn is_balanced(&self) -> bool {
        let answered = || self.counters[1..].iter().map(|counters| counters.get(Counter::Requests));
        answered().max().unwrap() - answered().min().unwrap() <= 1
    }

    /// Waits until a counter has reached a value, which it may not exceed then.
    pub(super) fn await_count(&self, counter: Counter, wanted: u64) {
        self.await_at_least(counter, wanted);
        assert_eq!(self.count(counter), wanted, "{}", counter.name());
    }

    /// Waits until a counter has reached a value.
    pub(super) fn await_at_least(&self, counter: Counter, wanted: u64) {
        let started = Instant::now();
        while self.count(counter) < wanted {
            assert!(started.elapsed() < SOON, "{} stays at {}", counter.name(), self.count(counter));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How long it took.
    pub(super) fn stop(self) -> Duration {
        let started = Instant::now();
        self.running.stop();
        assert!(!self.path.exists(), "the unix socket's file is removed");
        started.elapsed()
    }
}

/// What both kinds of stream can do.
pub(super) trait Socket: Read + Write {
    fn end_writing(&self);
}

impl Socket for TcpStream {
    fn end_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Socket for UnixStream {
    fn end_writing(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

pub(super) struct Client<S>(pub(super) S);

impl<S: Socket> Client<S> {
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Reads exactly what is expected.
    pub(super) fn expect(&mut self, expected: &[u8]) {
        let mut got = vec![0; expected.len()];
        let mut read = 0;
        while read < got.len() {
            match self.0.read(&mut got[read..]) {
                Ok(more @ 1..) => read += more,
                end => panic!("after {:?}: {end:?}", String::from_utf8_lossy(&got[..read])),
            }
        }
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(expected));
    }

    /// Reads until the other side closes, which has to be in good order.
    pub(super) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }

    /// One request and its reply.
    pub(super) fn ask(&mut self, number: usize) {
        self.send(&request(number));
        self.expect(&reply(number));
    }
}

/// A request and its reply on each of some connections.
pub(super) fn ask_all<S: Socket>(clients: &mut [Client<S>]) {
    for (number, client) in clients.iter_mut().enumerate() {
        client.ask(number);
    }
}

/// A request whose reply names its number.
pub(super) fn request(number: usize) -> Vec<u8> {
    format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.1\nclient_name=unknown\n\
         sender=a@sender.test\nrecipient=b@r{number}.test\n\n"
    )
    .into_bytes()
}

pub(super) fn reply(number: usize) -> Vec<u8> {
    format!("action=DEFER_IF_PERMIT to r{number}.test\n\n").into_bytes()
}

pub(super) fn requests(numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers.flat_map(request).collect()
}

pub(super) fn replies(numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers.flat_map(reply).collect()
}
