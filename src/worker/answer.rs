//! [`Turn`]: bytes from a peer to decisions and replies. No I/O: what is read and written is the connection's business.
//!
//! A turn is one round of the event loop. Clocks are read once, the state's session and what is live are taken once; the
//! session is dropped before the loop waits again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::Guard;

use super::warnings::{Warning, Warnings};
use super::{Live, Shared, WorkerParts};
use crate::clock::UnixSecs;
use crate::grey::rules::Rule;
use crate::grey::{Instances, Policy, Releases, decide};
use crate::logs::Producer;
use crate::metrics::{Counter, Counters};
use crate::policy::{Limit, Request, Resume, Status, Verdict, parse};
use crate::store::Session;

/// What a peer may ask for: Postfix's only policy request.
const SMTPD_ACCESS_POLICY: &[u8] = b"smtpd_access_policy";

/// Requests answered in one turn of a connection at most, so that one that sends many keeps no other waiting.
const REQUESTS: usize = 32;

/// How much of a peer's text a warning shows.
const SHOWN: usize = 64;

/// What one connection's requests share.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    resume: Resume,
    instances: Instances,
}

/// How far the input went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Bytes that were answered; the rest is the beginning of a request.
    pub(super) consumed: usize,
    /// The turn's share is used up: there may be whole requests in the rest.
    pub(super) more: bool,
    /// Where the replies begin that have to wait until what they rest on is durable.
    pub(super) unsettled_from: Option<usize>,
    /// Whether and why nothing more is to be read from this peer.
    pub(super) last: Option<Last>,
}

/// Why a reply is the connection's last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// One reply a connection was asked for.
    OneReply,
    /// The peer went over a limit.
    OverLimit(Limit),
}

/// What decisions are made with during one turn.
pub(super) struct Turn<'t> {
    pub(super) now: Instant,
    pub(super) counters: &'t Counters,
    pub(super) warnings: &'t Warnings,
    shared: &'t Shared,
    clock: UnixSecs,
    live: Guard<Arc<Live>>,
    releases: Guard<Arc<Releases>>,
    session: Session<'t>,
    log: &'t mut Producer,
    scratch: &'t mut Vec<u8>,
    has_decided: bool,
}

impl<'t> Turn<'t> {
    /// `scratch` is overwritten with each request's keys.
    pub(super) fn new(
        shared: &'t Shared,
        parts: &'t mut WorkerParts,
        scratch: &'t mut Vec<u8>,
        warnings: &'t Warnings,
        now: Instant,
    ) -> Self {
        Self {
            now,
            counters: &parts.counters,
            warnings,
            shared,
            clock: UnixSecs::now(),
            live: shared.live.load(),
            releases: shared.releases.load(),
            session: parts.writer.session(),
            log: &mut parts.log,
            scratch,
            has_decided: false,
        }
    }

    /// Answers every whole request in `input`, in order.
    pub(super) fn answer(&mut self, input: &[u8], dialogue: &mut Dialogue, replies: &mut Vec<u8>) -> Answered {
        let (mut consumed, mut requests, mut more, mut unsettled_from) = (0, 0, false, None);
        let last = loop {
            if consumed == input.len() {
                break None;
            }
            if requests == REQUESTS {
                more = true;
                break None;
            }
            requests += 1;
            match parse(&input[consumed..], &mut dialogue.resume) {
                Ok(Status::Complete { request, consumed: length, ignored_lines }) => {
                    consumed += length;
                    dialogue.resume = Resume::default();
                    self.note(&request, ignored_lines);
                    let start = replies.len();
                    self.decide(&request, &mut dialogue.instances, replies);
                    if self.session.take_unsettled() {
                        unsettled_from = unsettled_from.or(Some(start));
                    }
                }
                Ok(Status::Partial) => break None,
                Err(limit) => {
                    self.dunno(replies);
                    break Some(Last::OverLimit(limit));
                }
            }
            if self.shared.close_after_reply {
                break Some(Last::OneReply);
            }
        };
        Answered { consumed, more, unsettled_from, last }
    }

    /// Answers a request that cannot be decided on.
    pub(super) fn dunno(&self, replies: &mut Vec<u8>) {
        self.live.replies.write(Verdict::Dunno, &Request::default(), self.clock, replies);
    }

    /// Wakes the log if anything was logged, and counts how long the turn took if anything was answered.
    pub(super) fn finish(self) {
        self.log.wake();
        if self.has_decided {
            self.counters.turns.add(u64::try_from(self.now.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }

    fn decide(&mut self, request: &Request<'_>, instances: &mut Instances, replies: &mut Vec<u8>) {
        self.has_decided = true;
        let now = self.time_of(request);
        let live = &**self.live;
        let Live { terms, rules, lists, .. } = live;
        let policy = Policy { terms, rules, lists, releases: &self.releases, secret: &self.shared.secret };
        let decision = decide(request, policy, &mut self.session, instances, self.scratch, now);
        let rule = decision.rule.and_then(|number| rules.get(number));
        live.replies(rule).write(decision.verdict, request, now, replies);
        self.counters.add_decision(&decision);
        if !live.quiet {
            self.log.decision(request, &decision, rule.map(Rule::name));
        }
    }

    fn time_of(&self, request: &Request<'_>) -> UnixSecs {
        if !self.shared.test_clock {
            return self.clock;
        }
        let given = request.policy_test_time.and_then(|time| std::str::from_utf8(time).ok()?.parse::<u64>().ok());
        given.map_or(self.clock, |time| {
            // Pinned as the wall clock is.
            let time = u32::try_from(time).unwrap_or(u32::MAX);
            self.shared.latest_test_time.fetch_max(time, Ordering::Relaxed);
            UnixSecs(time)
        })
    }

    /// Counts what is odd about a request that is answered nevertheless.
    fn note(&self, request: &Request<'_>, ignored_lines: u16) {
        if ignored_lines > 0 {
            self.counters.add(Counter::IgnoredLines, u64::from(ignored_lines));
            let what = format_args!("ignored {ignored_lines} lines without '=' in a request");
            self.warnings.warn(Warning::IgnoredLines, self.now, what);
        }
        if request.request != Some(SMTPD_ACCESS_POLICY) {
            self.counters.add(Counter::UnknownRequests, 1);
            self.warn_of_type(request.request);
        }
    }

    #[cold]
    fn warn_of_type(&self, given: Option<&[u8]>) {
        let given = given.unwrap_or_default();
        let shown = given[..given.len().min(SHOWN)].escape_ascii();
        let what = format_args!("answered DUNNO to a request of type '{shown}': only smtpd_access_policy is known");
        self.warnings.warn(Warning::UnknownRequest, self.now, what);
    }
}
