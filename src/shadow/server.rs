//! [`Server`]: what the links of all clients know of one server, so that only few requests wait for one that is in trouble.
//!
//! While a server refuses connections it is tried again after a pause that grows to [`LONGEST_PAUSE`], by one request each
//! time; the others do without it at once. One that has missed [`HANGS_AFTER`] deadlines in a row still gets every request,
//! but no answer waits for it while the other server has one. Its first answer in time ends either.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::link::{Outcome, Silence};
use super::stream::Stream;
use crate::config::{Side, Upstream};

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// More than one: there are requests that postgrey never answers, and it is well all the same.
const HANGS_AFTER: u32 = 3;

/// One of the two servers.
#[derive(Debug)]
pub(super) struct Server {
    side: Side,
    upstream: Upstream,
    trouble: Mutex<Trouble>,
}

/// Since its last answer.
#[derive(Debug, Default)]
struct Trouble {
    refused: u32,
    /// Not to be tried before.
    pause_until: Option<Instant>,
    late: u32,
}

impl Server {
    pub(super) fn new(side: Side, upstream: Upstream) -> Self {
        Self { side, upstream, trouble: Mutex::default() }
    }

    /// A new connection, unless it has just turned out that there is none to be had. The caller sets the limit of time.
    pub(super) async fn connect(&self) -> Result<Stream, Silence> {
        if !self.trouble().may_try(Instant::now()) {
            return Err(Silence::Down);
        }
        Stream::connect(&self.upstream.addresses).await.map_err(|error| {
            let refused = self.trouble().refuse(Instant::now());
            if refused == 1 {
                log::warn!(
                    "{self} cannot be reached: {error}; it is tried again, at least every {} s, when there are requests",
                    LONGEST_PAUSE.as_secs()
                );
            }
            Silence::Unreachable(error.to_string())
        })
    }

    /// Says at the start that a server cannot be reached, rather than with the first request.
    pub(super) async fn try_out(&self, limit: Duration) {
        if tokio::time::timeout(limit, self.connect()).await.is_err() {
            log::warn!("{self} has not taken a connection within {} s", limit.as_secs());
        }
    }

    /// To be told of each request's outcome.
    pub(super) fn note(&self, outcome: &Outcome) {
        match outcome {
            Ok(_) => {
                let before = std::mem::take(&mut *self.trouble());
                if before.refused > 0 || before.late >= HANGS_AFTER {
                    log::info!("{self} answers again");
                }
            }
            Err(Silence::Late) => {
                let mut trouble = self.trouble();
                trouble.late = trouble.late.saturating_add(1);
                if trouble.late == HANGS_AFTER {
                    log::warn!(
                        "{self} has missed {HANGS_AFTER} deadlines in a row: until it answers in time, it is not waited for \
                         when the other one has an answer"
                    );
                }
            }
            Err(_) => {}
        }
    }

    /// Whether an answer of the other server is not to wait for this one's.
    pub(super) fn hangs(&self) -> bool {
        self.trouble().late >= HANGS_AFTER
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    /// Whether it is time to try. Who tries holds the others back for the next pause.
    fn may_try(&mut self, now: Instant) -> bool {
        if self.pause_until.is_some_and(|until| now < until) {
            return false;
        }
        self.pause_until = (self.refused > 0).then(|| now + self.pause());
        true
    }

    /// Begins or prolongs the pause; how many times in a row it came to that.
    fn refuse(&mut self, now: Instant) -> u32 {
        self.refused = self.refused.saturating_add(1);
        self.pause_until = Some(now + self.pause());
        self.refused
    }

    fn pause(&self) -> Duration {
        let doublings = self.refused.saturating_sub(1).min(8);
        (SHORTEST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE)
    }
}

/// The server as a log line names it.
impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} server ({})", self.side.name(), self.upstream.name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Answer;
    use super::*;

    #[test]
    fn a_server_that_refuses_is_tried_by_one_request_a_pause() {
        let (mut trouble, start) = (Trouble::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(trouble.may_try(at(0)) && trouble.may_try(at(0)), "nothing is known");
        assert_eq!(trouble.refuse(at(0)), 1);
        assert!(!trouble.may_try(at(99)));
        assert!(trouble.may_try(at(100)));
        assert!(!trouble.may_try(at(101)), "another one tries");
        assert_eq!(trouble.refuse(at(101)), 2);
        assert!(!trouble.may_try(at(300)));
        assert!(trouble.may_try(at(301)));
        trouble.refused = u32::MAX;
        trouble.refuse(at(1_000));
        assert!(!trouble.may_try(at(2_999)));
        assert!(trouble.may_try(at(3_000)), "no pause is longer");
    }

    #[test]
    fn deadlines_missed_in_a_row_count_and_one_answer_ends_the_row() {
        let upstream = Upstream { name: "unix:/x".into(), addresses: Vec::new() };
        let server = Server::new(Side::Old, upstream);
        let answer = || Ok(Answer { reply: Vec::new(), took: Duration::ZERO });
        for late in [HANGS_AFTER - 1, HANGS_AFTER - 1, HANGS_AFTER] {
            (0..late).for_each(|_| server.note(&Err(Silence::Late)));
            assert_eq!(server.hangs(), late == HANGS_AFTER);
            server.note(&Err(Silence::Closed));
            assert_eq!(server.hangs(), late == HANGS_AFTER);
            server.note(&answer());
            assert!(!server.hangs());
        }
    }
}
