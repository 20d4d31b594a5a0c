//! [`Client`]: one connection of Postfix's. Its requests are answered in order, one at a time; comparisons go on behind it.
//!
//! Limits are the daemon's: a request of 16 KiB at most, complete within [`PATIENCE`] of its beginning, and answers read
//! within that time. Between two requests a client may be silent for as long as it likes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::compare::compare;
use super::difference::line;
use super::input::{Front, Input};
use super::question::{Links, Pending, Source};
use super::seats::Seat;
use super::stream::Stream;
use super::{Alive, Shared};
use crate::policy::{DUNNO, Limit};
use crate::worker::{PATIENCE, Warning};

/// Bytes that are read and thrown away at most after the last answer, for fear that closing at once would take it back.
const DRAINED: usize = 256 << 10;

/// One connection.
pub(super) struct Client {
    stream: Stream,
    seat: Seat,
    links: Links,
    input: Input,
    /// When the request that has begun has to be complete.
    complete_by: Option<Instant>,
    shared: Arc<Shared>,
    alive: Alive,
}

/// Why a connection ends.
enum End {
    /// The client has closed it, or has to make room, or the shadow stops.
    Quiet,
    Partial,
    OverLimit(Limit),
    SlowReader,
}

impl Client {
    pub(super) fn new(stream: Stream, seat: Seat, shared: Arc<Shared>, alive: Alive) -> Self {
        let links = Links::open(&shared.servers);
        Self { stream, seat, links, input: Input::default(), complete_by: None, shared, alive }
    }

    /// Serves the client until its connection ends.
    pub(super) async fn run(mut self) {
        let end = loop {
            let served = match self.input.take() {
                Front::Request(request) => self.answer(request).await,
                Front::Partial => self.read_on().await,
                Front::Nothing => self.read_first().await,
                Front::OverLimit(limit) => Err(End::OverLimit(limit)),
            };
            if let Err(end) = served {
                break end;
            }
        };
        self.close(end).await;
    }

    /// Waits for a request to begin.
    async fn read_first(&mut self) -> Result<(), End> {
        if *self.alive.stop.borrow() {
            return Err(End::Quiet);
        }
        let read = tokio::select! {
            biased;
            read = self.stream.read(self.input.end()) => read,
            () = self.seat.idle() => return Err(End::Quiet),
            _ = self.alive.stop.changed() => return Err(End::Quiet),
        };
        if matches!(read, Ok(1..)) { Ok(()) } else { Err(End::Quiet) }
    }

    /// Waits for more of a request.
    async fn read_on(&mut self) -> Result<(), End> {
        let complete_by = *self.complete_by.get_or_insert_with(|| Instant::now() + PATIENCE);
        let read = tokio::select! {
            biased;
            read = timeout_at(complete_by, self.stream.read(self.input.end())) => read,
            _ = self.alive.stop.changed() => return Err(End::Quiet),
        };
        match read {
            Ok(Ok(1..)) => Ok(()),
            Ok(_) => Err(End::Quiet),
            Err(_) => Err(End::Partial),
        }
    }

    async fn answer(&mut self, request: Arc<[u8]>) -> Result<(), End> {
        self.complete_by = None;
        let mut pending = self.links.ask(&request, Instant::now() + self.shared.deadline);
        let (reply, source) = pending.answer(self.shared.answer).await;
        let written = timeout(PATIENCE, self.stream.write(&reply)).await;
        tokio::spawn(settle(request, pending, source, Arc::clone(&self.shared), self.alive.clone()));
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Quiet),
            Err(_) => Err(End::SlowReader),
        }
    }

    async fn close(mut self, end: End) {
        self.warn(&end);
        if matches!(end, End::Partial | End::OverLimit(_)) {
            // The reply is a courtesy: whether it can be written makes no difference.
            let _ = timeout(PATIENCE, self.say_goodbye()).await;
        }
    }

    fn warn(&self, end: &End) {
        let (kind, what) = match end {
            End::Quiet => return,
            End::SlowReader => (Warning::SlowReader, "its answers were not read".to_owned()),
            End::Partial => (Warning::PartialTimeout, "answered DUNNO to a request that was not completed".to_owned()),
            End::OverLimit(limit) => (Warning::Limit, format!("answered DUNNO to {limit}")),
        };
        let what = format_args!("closed the connection of {}: {what}", self.stream);
        self.shared.warnings.warn(kind, std::time::Instant::now(), what);
    }

    async fn say_goodbye(&mut self) -> std::io::Result<()> {
        self.stream.write(DUNNO).await?;
        self.stream.shut_down_write().await?;
        let mut drained = 0;
        while drained < DRAINED {
            self.input.end().clear();
            match self.stream.read(self.input.end()).await? {
                0 => break,
                length => drained += length,
            }
        }
        Ok(())
    }
}

/// Waits for both outcomes, counts them and says how they differ.
async fn settle(request: Arc<[u8]>, pending: Pending, source: Source, shared: Arc<Shared>, alive: Alive) {
    let outcomes = pending.outcomes().await;
    let [old, new] = outcomes.each_ref().map(|outcome| outcome.as_ref().ok().map(|answer| &*answer.reply));
    let difference = compare(old, new);
    if let Some(difference) = difference {
        log::info!("{}", line(difference, &request, &outcomes));
    }
    shared.tally.count(difference, source, &outcomes);
    drop(alive);
}

/// How long what was begun may go on after the stop: an answer, then its comparison.
pub(super) fn longest_settlement(shared: &Shared) -> Duration {
    shared.deadline + Duration::from_secs(1)
}
