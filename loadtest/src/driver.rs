//! The closed loop: some connections, each with one batch of requests outstanding, all in one thread.
//!
//! It ends when every request has been answered, when no connection is left, or when the server has said nothing for ten
//! seconds; what was lost is counted and the first failure kept.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use mio::{Events, Poll, Token};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::conn::{Conn, Shared, Turn};
use crate::endpoint::Endpoint;
use crate::reply::Answers;
use crate::workload::{Template, Workload};

/// A server that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be sent, and how.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) endpoint: Endpoint,
    pub(crate) connections: u32,
    /// Requests of one write.
    pub(crate) batch: usize,
    /// Number of the first request in the workload.
    pub(crate) first: u64,
    pub(crate) requests: u64,
    pub(crate) workload: Workload,
    /// Never sleep, so that a server's reply wakes nobody. Takes a whole core.
    pub(crate) spin: bool,
}

impl Load {
    /// The load that fills a state fastest: few connections, many requests in each write.
    pub(crate) fn pipelined(endpoint: &Endpoint, workload: Workload, first: u64, requests: u64) -> Self {
        Self { endpoint: endpoint.clone(), connections: 32, batch: 16, first, requests, workload, spin: false }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) answers: Answers,
    pub(crate) elapsed: Duration,
    /// Nanoseconds from request to reply.
    pub(crate) latency: Histogram<u64>,
    /// Requests without an answer.
    pub(crate) lost: u64,
    pub(crate) first_failure: Option<String>,
    /// The generator's own processor time.
    pub(crate) own_time: Duration,
    /// What of that was spent in asking for events when there were none.
    pub(crate) spun: Duration,
}

impl Tally {
    /// Whether every request was answered.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0 && self.first_failure.is_none()
    }

    /// An error if anything was lost.
    pub(crate) fn check(self, what: &str) -> Result<Self> {
        if let Some(failure) = &self.first_failure {
            bail!("{what}: {} requests lost; first failure: {failure}", self.lost);
        }
        Ok(self)
    }

    /// Answers a second.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    pub(crate) fn rate(&self) -> f64 {
        self.answers.total() as f64 / self.elapsed.as_secs_f64()
    }

    /// Share of one core that the generator needed. Near 1 it may be what limits the rate.
    pub(crate) fn own_share(&self) -> f64 {
        self.own_time.saturating_sub(self.spun).as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

/// Runs the load to its end.
pub(crate) fn run(load: &Load) -> Result<Tally> {
    let mut poll = Poll::new()?;
    let mut shared = Shared {
        template: Template::new(),
        workload: load.workload.clone(),
        numbers: load.first..load.first + load.requests,
        blank_line: Finder::new(b"\n\n"),
        answers: Answers::default(),
        latency: Histogram::new_with_bounds(1, 60_000_000_000, 3)?,
    };
    let mut conns = connect(load, &poll)?;
    let (started, own_start) = (Instant::now(), own_time()?);
    let (mut lost, mut first_failure, mut open) = (0, None, conns.len());
    let mut settle = |slot: &mut Option<Conn>, turn: Turn| {
        if matches!(turn, Turn::Waiting) {
            return 0;
        }
        if let Turn::Failed(unanswered, why) = turn {
            lost += unanswered;
            first_failure.get_or_insert(why);
        }
        *slot = None;
        1
    };
    for slot in &mut conns {
        let turn = slot.as_mut().map_or(Turn::Waiting, |conn| conn.ask(&mut shared, Instant::now(), poll.registry()));
        open -= settle(slot, turn);
    }
    let mut events = Events::with_capacity(1024);
    let timeout = if load.spin { Duration::ZERO } else { PATIENCE };
    let (mut spun, mut heard) = (Duration::ZERO, started);
    while open > 0 {
        let asked = Instant::now();
        match poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            Err(_) => continue,
            Ok(()) => {}
        }
        if !events.is_empty() {
            heard = asked;
        } else if load.spin {
            spun += asked.elapsed();
        }
        if heard.elapsed() >= PATIENCE {
            for slot in &mut conns {
                let turn = slot.as_ref().map_or(Turn::Waiting, Conn::given_up);
                open -= settle(slot, turn);
            }
        }
        for event in &events {
            let slot = &mut conns[event.token().0];
            let turn = slot.as_mut().map_or(Turn::Waiting, |conn| conn.turn(&mut shared, poll.registry()));
            open -= settle(slot, turn);
        }
    }
    let elapsed = started.elapsed();
    lost += shared.numbers.end - shared.numbers.start;
    let own_time = own_time()?.saturating_sub(own_start);
    Ok(Tally { answers: shared.answers, elapsed, latency: shared.latency, lost, first_failure, own_time, spun })
}

fn connect(load: &Load, poll: &Poll) -> Result<Vec<Option<Conn>>> {
    let connect = |index| {
        let stream = load.endpoint.connect().with_context(|| format!("cannot connect to {}", load.endpoint))?;
        Ok(Some(Conn::new(stream, Token(index), load.batch, poll.registry())?))
    };
    (0..load.connections as usize).map(connect).collect()
}

/// Processor time of this process so far.
fn own_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let duration = |time: TimeVal| {
        let micros = time.tv_sec().saturating_mul(1_000_000).saturating_add(time.tv_usec());
        Duration::from_micros(micros.unsigned_abs())
    };
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that answers whatever it reads with `reply`, once a connection, and then closes it.
    fn one_reply(reply: &'static [u8]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let read = stream.read(&mut [0; 4096]).unwrap();
                assert!(read > 0);
                stream.write_all(reply).unwrap();
            }
        });
        Endpoint::Inet(address)
    }

    fn drive(reply: &'static [u8], requests: u64) -> Tally {
        let endpoint = one_reply(reply);
        run(&Load { endpoint, connections: 1, batch: 1, first: 0, requests, workload: Workload::flood(1), spin: false })
            .unwrap()
    }

    #[test]
    fn an_answered_request_is_counted() {
        let tally = drive(b"action=DUNNO\n\n", 1);
        assert_eq!((tally.answers.dunno, tally.lost, tally.first_failure), (1, 0, None));
    }

    #[test]
    fn nonsense_is_reported_with_its_bytes() {
        for reply in [&b"\x00what?\n"[..], b"500 what?\n\n"] {
            let tally = drive(reply, 1);
            assert_eq!((tally.answers.total(), tally.lost), (0, 1));
            let failure = tally.first_failure.unwrap();
            assert!(failure.contains("what?"), "{failure}");
        }
    }

    #[test]
    fn a_reply_that_nobody_asked_for_is_nonsense() {
        let tally = drive(b"action=DUNNO\n\naction=OK\n\n", 1);
        assert_eq!((tally.answers.total(), tally.lost), (1, 0));
        assert!(tally.first_failure.unwrap().contains("action=OK"));
    }

    #[test]
    fn a_closed_connection_loses_what_was_not_answered() {
        let tally = drive(b"action=DUNNO\n\n", 3);
        assert_eq!((tally.answers.total(), tally.lost), (1, 2));
        assert!(!tally.is_clean());
    }
}
