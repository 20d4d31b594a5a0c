//! [`Flood`]: unique triplets from a few connections, as many as the daemon answers, by a clock that goes on with them.

use std::io::{Read, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{Address, Request, Stream};

/// Requests of one write.
const BATCH: u64 = 200;
/// How many seconds the flood may be ahead of those who watch it.
const AHEAD: u64 = 60;

/// A flood in progress.
pub(super) struct Flood {
    start: u64,
    /// Triplets of it in all, and how many come in a second of the clock.
    count: u64,
    a_second: u64,
    next: AtomicU64,
    /// Up to when it was watched.
    watched: AtomicU64,
    deferred: AtomicU64,
}

/// When it is gone nobody watches a flood any more, and it goes on by itself.
pub(super) struct Watch<'a>(&'a Flood);

impl Flood {
    /// One of `seconds`, from `start` on.
    pub(super) fn new(start: u64, seconds: u64, a_second: u64) -> Self {
        let (next, watched, deferred) = (AtomicU64::new(0), AtomicU64::new(start), AtomicU64::new(0));
        Self { start, count: seconds * a_second, a_second, next, watched, deferred }
    }

    fn time_of(&self, number: u64) -> u64 {
        self.start + number.min(self.count) / self.a_second
    }

    /// Keeps the flood from going on for long while nobody looks.
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch(self)
    }

    /// How many of it there are, and how many of them were deferred so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.count, self.deferred.load(Ordering::Relaxed))
    }

    /// One peer of it: batch after batch, each of which is answered before the next.
    pub(super) fn pour(&self, address: &Address) {
        let mut stream = Stream::connect(address).unwrap();
        let template = Template::new(self.start);
        let mut replies = Replies::default();
        loop {
            let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= self.count {
                return;
            }
            while self.time_of(first) > self.watched.load(Ordering::Relaxed).saturating_add(AHEAD) {
                std::thread::sleep(Duration::from_micros(100));
            }
            let requests: Vec<u8> =
                (first..first + BATCH).flat_map(|number| template.request(number, self.time_of(number))).collect();
            stream.write_all(&requests).unwrap();
            self.deferred.fetch_add(replies.read(&mut stream, BATCH), Ordering::Relaxed);
        }
    }
}

impl Watch<'_> {
    /// The clock; `None` when the flood is over.
    pub(super) fn now(&self) -> Option<u64> {
        let Self(flood) = self;
        let number = flood.next.load(Ordering::Relaxed);
        let now = flood.time_of(number).min(flood.watched.load(Ordering::Relaxed) + AHEAD);
        flood.watched.store(now, Ordering::Relaxed);
        (number < flood.count).then_some(now)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.watched.store(u64::MAX, Ordering::Relaxed);
    }
}

/// A request in which number and time are replaced.
struct Template {
    wire: Vec<u8>,
    number: Range<usize>,
    time: Range<usize>,
}

impl Template {
    fn new(time: u64) -> Self {
        let wire = Request::new("203.0.113.7", "s0123456789x@flood.example", "bob@customer.test").at(time).wire();
        let find = |text: &str| {
            let at = wire.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
            at..at + text.len()
        };
        let (number, time) = (find("0123456789"), find(&time.to_string()));
        Self { wire, number, time }
    }

    fn request(&self, number: u64, time: u64) -> Vec<u8> {
        let mut wire = self.wire.clone();
        for (range, value) in [(&self.number, number), (&self.time, time)] {
            let mut value = value;
            for digit in wire[range.clone()].iter_mut().rev() {
                *digit = b"0123456789"[(value % 10) as usize];
                value /= 10;
            }
        }
        wire
    }
}

/// Replies as they come.
#[derive(Default)]
struct Replies(Vec<u8>);

impl Replies {
    /// Reads so many; how many of them defer. The others have to be DUNNO.
    fn read(&mut self, stream: &mut Stream, count: u64) -> u64 {
        let (mut answered, mut deferred) = (0, 0);
        let mut piece = vec![0; 64 << 10];
        while answered < count {
            let length = stream.read(&mut piece).unwrap();
            assert!(length > 0, "the daemon has closed");
            self.0.extend_from_slice(&piece[..length]);
            let mut taken = 0;
            while let Some(end) = self.0[taken..].windows(2).position(|pair| pair == b"\n\n") {
                let reply = &self.0[taken..taken + end];
                let is_deferred = reply.starts_with(b"action=DEFER_IF_PERMIT ");
                assert!(is_deferred || reply == b"action=DUNNO", "{}", reply.escape_ascii());
                deferred += u64::from(is_deferred);
                answered += 1;
                taken += end + 2;
            }
            self.0.drain(..taken);
        }
        deferred
    }
}
