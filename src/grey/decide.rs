//! (request, state, now) -> [`Decision`].

use super::whitelist::Lists;
use super::{Instances, Rules, State};
use crate::clock::UnixSecs;
use crate::policy::{Request, Verdict};
use crate::table::Secret;

/// What to answer, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// Why, as postgrey's log line names it.
    pub reason: Reason,
}

/// Why a request was answered as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `client whitelist`.
    ClientWhitelist,
    /// `recipient whitelist`.
    RecipientWhitelist,
    /// `client AWL`.
    ClientAwl,
    /// `new`.
    New,
    /// `early-retry (Ns missing)`.
    EarlyRetry {
        /// Seconds until the triplet may pass.
        missing: u32,
    },
    /// `triplet found`.
    TripletFound,
    /// An attribute that greylisting needs is missing, or the request is not one for greylisting.
    NotGreylisted,
    /// The triplet is unknown and could not be recorded.
    StateFull,
}

/// Decides one request at `now`.
pub fn decide(
    _request: &Request<'_>,
    _rules: &Rules,
    _lists: &Lists,
    _secret: &Secret,
    _state: &mut impl State,
    _instances: &mut Instances,
    _now: UnixSecs,
) -> Decision {
    Decision { verdict: Verdict::Dunno, reason: Reason::NotGreylisted }
}
