//! One worker's ring of decisions: the raw fields go in, the log thread takes them out.
//!
//! Two rings of fixed size make one: headers, and the bytes of their fields. The bytes are published before their header,
//! so whoever sees a header finds its bytes. The writing side never blocks, never allocates and never formats; when
//! there is no room the line is dropped and counted.

use std::sync::Arc;

use super::line::Fields;
use super::waker::Waker;
use crate::grey::{Decision, Reason};
use crate::metrics::{Counter, Counters};
use crate::policy::Request;

/// Bytes of fields that wait at most, and how many lines.
const BYTES: usize = 1 << 20;
const LINES: usize = 1 << 14;
/// No line of a request is longer; what goes beyond it is not logged.
const MAX_FIELD: usize = 4096;
const FIELDS: usize = 6;

/// A decision that waits to be formatted; its fields' bytes are in the other ring.
#[derive(Clone, Copy, Debug)]
struct Header {
    decision: Decision,
    lengths: [u16; FIELDS],
}

impl Header {
    fn bytes(&self) -> usize {
        self.lengths.iter().map(|length| usize::from(*length)).sum()
    }
}

/// The writing end, owned by one worker.
#[derive(Debug)]
pub struct Producer {
    headers: rtrb::Producer<Header>,
    bytes: rtrb::Producer<u8>,
    waker: Arc<Waker>,
    counters: Arc<Counters>,
    /// Whether something was written since the last `wake`.
    written: bool,
}

impl Producer {
    /// The end of a ring that nobody reads.
    #[cfg(test)]
    pub(crate) fn unread() -> Self {
        ring_of(0, 0, &Arc::default(), &Arc::default()).0
    }

    /// Queues the log line of a decision; [`Reason::NotGreylisted`] has none. Without room the line is
    /// dropped and counted. `rule` is the name of the decision's rule, which may be gone when the line is written.
    pub fn decision(&mut self, request: &Request<'_>, decision: &Decision, rule: Option<&str>) {
        if decision.reason == Reason::NotGreylisted {
            return;
        }
        self.written = true;
        if !self.push(request, *decision, rule) {
            self.counters.add_shared(Counter::LogLinesDropped, 1);
        }
    }

    /// Makes sure that the queued lines will be written soon. To be called once at the end of a worker's turn.
    pub fn wake(&mut self) {
        if self.written {
            self.written = false;
            if half_full(&self.headers) || half_full(&self.bytes) {
                self.waker.hurry();
            }
            self.waker.wake();
        }
    }

    /// Whether there was room.
    fn push(&mut self, request: &Request<'_>, decision: Decision, rule: Option<&str>) -> bool {
        let Request { queue_id, client_name, client_address, sender, recipient, .. } = *request;
        let fields = [queue_id, client_name, client_address, sender, recipient, rule.map(str::as_bytes)]
            .map(|field| clip(field.unwrap_or_default()));
        #[expect(clippy::cast_possible_truncation, reason = "clip() keeps them below 64 Ki")]
        let header = Header { decision, lengths: fields.map(|field| field.len() as u16) };
        if !has_room(&self.headers, 1) || !has_room(&self.bytes, header.bytes()) {
            return false;
        }
        // Neither can fail: the room was seen, and only this thread takes any.
        fields.iter().all(|field| self.bytes.push_entire_slice(field).is_ok()) && self.headers.push(header).is_ok()
    }
}

fn clip(field: &[u8]) -> &[u8] {
    &field[..field.len().min(MAX_FIELD)]
}

// The cached view of a ring is a lower bound that costs no look at the other thread's cache line.

fn has_room<T>(ring: &rtrb::Producer<T>, wanted: usize) -> bool {
    ring.cached_slots() >= wanted || ring.slots() >= wanted
}

fn half_full<T>(ring: &rtrb::Producer<T>) -> bool {
    !has_room(ring, ring.buffer().capacity() / 2)
}

/// The reading end, owned by the log thread.
#[derive(Debug)]
pub(super) struct Consumer {
    headers: rtrb::Consumer<Header>,
    bytes: rtrb::Consumer<u8>,
    /// The fields of one line, contiguous.
    fields: Box<[u8]>,
}

impl Consumer {
    /// Hands the oldest line to `write`; `None` when there is none.
    pub(super) fn next<R>(&mut self, write: impl FnOnce(Decision, &Fields<'_>) -> R) -> Option<R> {
        let header = self.headers.pop().ok()?;
        let bytes = &mut self.fields[..header.bytes()];
        // A header is published after its bytes, so they are there.
        self.bytes.pop_entire_slice(bytes).ok()?;
        let mut rest = &*bytes;
        let [queue_id, client_name, client_address, sender, recipient, rule] = header.lengths.map(|length| {
            let (field, after) = rest.split_at(usize::from(length));
            rest = after;
            field
        });
        Some(write(header.decision, &Fields { queue_id, client_name, client_address, sender, recipient, rule }))
    }

    /// How many lines wait.
    pub(super) fn len(&self) -> usize {
        // `slots` looks at the producer's own position; a cached one could hide a line from a thread about to sleep.
        self.headers.slots()
    }
}

/// A ring for one worker.
pub(super) fn ring(waker: &Arc<Waker>, counters: &Arc<Counters>) -> (Producer, Consumer) {
    ring_of(BYTES, LINES, waker, counters)
}

/// A ring that holds so many bytes of fields and so many lines.
pub(super) fn ring_of(
    bytes: usize,
    lines: usize,
    waker: &Arc<Waker>,
    counters: &Arc<Counters>,
) -> (Producer, Consumer) {
    let (header_producer, header_consumer) = rtrb::RingBuffer::new(lines);
    let (byte_producer, byte_consumer) = rtrb::RingBuffer::new(bytes);
    let producer = Producer {
        headers: header_producer,
        bytes: byte_producer,
        waker: Arc::clone(waker),
        counters: Arc::clone(counters),
        written: false,
    };
    let fields = vec![0; FIELDS * MAX_FIELD].into_boxed_slice();
    (producer, Consumer { headers: header_consumer, bytes: byte_consumer, fields })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Verdict;

    const NEW: Decision = Decision::new(Verdict::Defer { seconds_left: 300 }, Reason::New);

    fn small(bytes: usize, lines: usize) -> (Producer, Consumer, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let (producer, consumer) = ring_of(bytes, lines, &Arc::default(), &counters);
        (producer, consumer, counters)
    }

    fn sender(text: &[u8]) -> Request<'_> {
        Request { sender: Some(text), recipient: Some(b"b@x"), ..Request::default() }
    }

    #[test]
    fn a_full_ring_drops_and_counts_and_goes_on_when_there_is_room() {
        // 13 bytes a line: in the first ring there is room for the sender of a fifth line but not for its recipient.
        for (bytes, lines) in [(63, 100), (1000, 4)] {
            let (mut producer, mut consumer, counters) = small(bytes, lines);
            (0..10).for_each(|_| producer.decision(&sender(b"0123456789"), &NEW, None));
            assert_eq!(counters.get(Counter::LogLinesDropped), 6);
            assert!(consumer.next(|_, fields| assert_eq!(fields.sender, b"0123456789")).is_some());
            producer.decision(&sender(b"abcdefghij"), &NEW, None);
            assert_eq!(counters.get(Counter::LogLinesDropped), 6);
            let mut last = Vec::new();
            let mut taken = 0;
            while consumer.next(|_, fields| last = fields.sender.to_vec()).is_some() {
                taken += 1;
            }
            assert_eq!((taken, &last[..]), (4, &b"abcdefghij"[..]));
            assert_eq!(consumer.len(), 0);
        }
    }

    #[test]
    fn fields_come_out_as_they_went_in_also_across_the_end_of_the_ring() {
        let (mut producer, mut consumer, _) = small(64, 8);
        let request = Request {
            queue_id: Some(b"Q1"),
            client_name: Some(b"mx.example"),
            client_address: Some(b"192.0.2.1"),
            sender: None,
            recipient: Some(b"b@x.test"),
            ..Request::default()
        };
        for _ in 0..50 {
            producer.decision(&request, &NEW, Some("customers"));
            let seen = consumer.next(|decision, fields| {
                assert_eq!(decision, NEW);
                assert_eq!((fields.queue_id, fields.client_name), (&b"Q1"[..], &b"mx.example"[..]));
                assert_eq!((fields.client_address, fields.sender), (&b"192.0.2.1"[..], &b""[..]));
                assert_eq!((fields.recipient, fields.rule), (&b"b@x.test"[..], &b"customers"[..]));
            });
            assert!(seen.is_some());
        }
    }

    #[test]
    fn longer_fields_than_a_request_may_have_are_clipped() {
        let (mut producer, mut consumer, _) = small(1 << 20, 8);
        let long = vec![b'x'; 100_000];
        let all = Some(&long[..]);
        let request = Request {
            queue_id: all,
            client_name: all,
            client_address: all,
            sender: all,
            recipient: all,
            ..Request::default()
        };
        producer.decision(&request, &NEW, None);
        assert_eq!(consumer.next(|_, fields| fields.recipient.len()), Some(MAX_FIELD));
    }

    #[test]
    fn what_is_not_greylisted_writes_no_line() {
        let (mut producer, consumer, counters) = small(100, 1);
        producer.decision(&sender(b"a"), &Decision::new(Verdict::Dunno, Reason::NotGreylisted), None);
        assert_eq!(consumer.len(), 0);
        assert_eq!(counters.get(Counter::LogLinesDropped), 0);
    }
}
