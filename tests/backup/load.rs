//! [`Load`]: new triplets and passes over several connections, with a ledger of what has been answered.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::{Address, Client, Request};

/// Seconds that a triplet waits.
pub(crate) const DELAY: u64 = 300;
const PEERS: usize = 3;
/// Requests on the way at one time on a connection: few enough for the buffers of both ways.
const BATCH: usize = 50;
/// Between two batches: some 20,000 new triplets a second come, whatever the machine can do.
const PAUSE: Duration = Duration::from_millis(5);

/// The triplet of this number.
pub(crate) fn mail(number: usize) -> Request {
    Request::new("192.0.2.1", &format!("s{number}x@sender.example"), "bob@customer.test")
}

/// Asks all of them in order, a batch at a time.
pub(crate) fn ask_all(client: &mut Client, requests: impl Iterator<Item = Request>) -> Vec<String> {
    let mut requests = requests.peekable();
    let mut replies = Vec::new();
    while requests.peek().is_some() {
        let batch: Vec<Vec<u8>> = requests.by_ref().take(BATCH).map(|request| request.wire()).collect();
        client.send(&batch.concat());
        replies.extend(batch.iter().map(|_| client.reply()));
    }
    replies
}

/// A triplet whose answer has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) number: usize,
    /// When it was first tried.
    pub(crate) first: u64,
    /// Whether a retry has been accepted, too.
    pub(crate) has_passed: bool,
}

/// The peers and what they share; ended when dropped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    peers: Vec<JoinHandle<()>>,
}

struct Shared {
    now: AtomicU64,
    next: AtomicUsize,
    stop: AtomicBool,
    ledger: Mutex<Vec<Entry>>,
}

impl Load {
    pub(crate) fn start(address: &Address, now: u64) -> Self {
        let shared = Arc::new(Shared {
            now: AtomicU64::new(now),
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            ledger: Mutex::default(),
        });
        let peer = |_| {
            let (shared, mut client) = (Arc::clone(&shared), Client::connect(address));
            std::thread::spawn(move || shared.peer(&mut client))
        };
        Self { peers: (0..PEERS).map(peer).collect(), shared }
    }

    /// The second at which new triplets are asked from now on.
    pub(crate) fn set_time(&self, now: u64) {
        self.shared.now.store(now, Ordering::Relaxed);
    }

    /// Waits for so many more answered triplets.
    pub(crate) fn wait_for(&self, more: usize) {
        let enough = self.shared.ledger.lock().unwrap().len() + more;
        while self.shared.ledger.lock().unwrap().len() < enough {
            assert!(self.peers.iter().all(|peer| !peer.is_finished()), "a peer has given up");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What has been answered of the triplets that were first tried at `first` or after it.
    pub(crate) fn ledger(&self, first: u64) -> Vec<Entry> {
        self.shared.ledger.lock().unwrap().iter().filter(|entry| entry.first >= first).copied().collect()
    }

    /// A number that no triplet has had.
    pub(crate) fn unused(&self) -> usize {
        self.shared.next.load(Ordering::Relaxed) + 1_000_000
    }
}

impl Shared {
    fn peer(&self, client: &mut Client) {
        while !self.stop.load(Ordering::Relaxed) {
            let now = self.now.load(Ordering::Relaxed);
            let start = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let replies = ask_all(client, (start..start + BATCH).map(|number| mail(number).at(now)));
            let mut tried: Vec<usize> = (start..).zip(replies).filter_map(was_recorded).collect();
            // Every third one is tried again when its delay is over; the others never pass.
            let passing: Vec<usize> = tried.extract_if(.., |number| number.is_multiple_of(3)).collect();
            self.note(tried, now, false);
            for reply in ask_all(client, passing.iter().map(|&number| mail(number).at(now + DELAY))) {
                assert!(reply.starts_with("action=PREPEND "), "its delay is over: {reply}");
            }
            self.note(passing, now, true);
            std::thread::sleep(PAUSE);
        }
    }

    fn note(&self, numbers: Vec<usize>, first: u64, has_passed: bool) {
        self.ledger.lock().unwrap().extend(numbers.into_iter().map(|number| Entry { number, first, has_passed }));
    }
}

/// A machine that is busy with other things may not have a segment ready; then nothing is remembered, and nothing promised.
fn was_recorded((number, reply): (usize, String)) -> Option<usize> {
    let is_deferred = reply.starts_with("action=DEFER_IF_PERMIT ");
    assert!(is_deferred || reply == "action=DUNNO", "to new triplet {number}: {reply}");
    is_deferred.then_some(number)
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for peer in self.peers.drain(..) {
            let ended = peer.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a peer has met a wrong answer");
        }
    }
}
