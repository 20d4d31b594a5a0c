//! Workloads: where requests come from, and when each is due.
//!
//! `template` writes requests of fixed width in place, for benchmarks. A [`Source`] yields the requests of any workload one
//! after another: `mix` (over `mail`, `host` and `schedule`), `flood` and `known` from the template, `replay` and `maillog`
//! from files. Times are virtual, counted from the first request; a source neither waits nor hears answers.

mod attributes;
mod draw;
mod host;
mod input;
mod logline;
mod logtime;
mod mail;
mod maillog;
#[cfg(test)]
mod maillog_tests;
mod mix;
#[cfg(test)]
mod mix_tests;
mod network;
mod options;
mod replay;
#[cfg(test)]
mod replay_tests;
mod schedule;
mod survey;
mod template;
mod text;

use std::time::Duration;

use anyhow::Result;

pub(crate) use network::Part;
pub(crate) use options::{Kind, WorkloadOptions};
pub(crate) use template::{Template, Workload};

use attributes::add_test_time;
use maillog::Maillog;
use mix::Mix;
use replay::Replay;
use template::Numbered;

/// One request of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// When it is due, counted from the first request; `None`: as soon as possible. Never less than that of the request before.
    pub(crate) due: Option<Duration>,
    /// Requests with the same value concern one client network (a /24 or a /64): they stay in order on one connection.
    pub(crate) network: u64,
}

/// Where requests come from.
pub(crate) struct Source {
    origin: Origin,
    /// Unix time of the start, if the server is to live in virtual time.
    test_clock: Option<u32>,
}

enum Origin {
    Mix(Box<Mix>),
    Numbered(Numbered),
    Replay(Box<Replay>),
    Maillog(Box<Maillog>),
    #[cfg(test)]
    Given(Box<dyn Iterator<Item = (Planned, Vec<u8>)> + Send>),
}

impl Source {
    fn new(origin: Origin, test_clock: Option<u32>) -> Self {
        Self { origin, test_clock }
    }

    /// Requests that a test has made itself.
    #[cfg(test)]
    pub(crate) fn given(requests: impl Iterator<Item = (Planned, Vec<u8>)> + Send + 'static) -> Self {
        Self::new(Origin::Given(Box::new(requests)), None)
    }

    /// Appends the next request's bytes to `out`; `None` at the end.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<Planned>> {
        let planned = match &mut self.origin {
            Origin::Mix(mix) => Some(mix.next(out)),
            Origin::Numbered(numbered) => numbered.next(out),
            Origin::Replay(replay) => replay.next(out)?,
            Origin::Maillog(log) => log.next(out)?,
            #[cfg(test)]
            Origin::Given(requests) => requests.next().map(|(planned, request)| {
                out.extend_from_slice(&request);
                planned
            }),
        };
        if let (Some(start), Some(Planned { due: Some(due), .. })) = (self.test_clock, planned) {
            add_test_time(out, u64::from(start) + due.as_secs());
        }
        Ok(planned)
    }

    /// Whether there is always one more.
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.origin, Origin::Mix(_) | Origin::Numbered(_))
    }

    /// What is to be said about the source once it has ended.
    pub(crate) fn summary(&self) -> Option<String> {
        if let Origin::Maillog(log) = &self.origin { Some(log.summary()) } else { None }
    }
}
