//! [`Honest`]: a few clients that ask one request after the other, at a steady pace, and measure how long the answers take.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::support::{Address, Client, Request};

/// Between two requests.
const PERIOD: Duration = Duration::from_millis(2);
/// Enough that each worker has some of them.
const CLIENTS: usize = 4;
/// Requests between two looks at something else.
const LOOK: usize = 50;

/// The clients, which take turns.
pub(super) struct Honest {
    clients: Vec<Client>,
    asked: usize,
}

impl Honest {
    pub(super) fn new(addresses: &[Address; 2]) -> Self {
        let clients = (0..CLIENTS).map(|index| Client::connect(&addresses[index % 2]));
        Self { clients: clients.collect(), asked: 0 }
    }

    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// Asks for so long, and calls `look` every now and then; each answer has to be right. What 99 of 100 took at most.
    ///
    /// A request that is late because the answer before it was counts from when it was due; one that is late because this
    /// thread was not woken in time counts from when it was sent.
    pub(super) fn round(&mut self, length: Duration, mut look: impl FnMut()) -> Duration {
        let mut latency = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).unwrap();
        let end = Instant::now() + length;
        let mut due = Instant::now();
        while due < end {
            let ahead = due.saturating_duration_since(Instant::now());
            if !ahead.is_zero() {
                std::thread::sleep(ahead);
                due = Instant::now();
            }
            let recipient = format!("r{}x@customer.test", self.asked);
            let request = Request::new("198.51.100.7", "alice@sender.example", &recipient);
            let reply = self.clients[self.asked % CLIENTS].ask(&request);
            latency.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap());
            assert!(reply.starts_with("action=DEFER_IF_PERMIT "), "{reply}");
            due += PERIOD;
            self.asked += 1;
            if self.asked.is_multiple_of(LOOK) {
                look();
            }
        }
        Duration::from_micros(latency.value_at_quantile(0.99))
    }
}
