//! [`Mail`]: one triplet, and what is to be answered about it by any clock.

use crate::support::Request;

pub(super) const DELAY: u64 = 7_200;
/// `--retry-window`'s default.
const WINDOW: u64 = 2 * 86_400;
/// `--max-age`'s default.
const MAX_AGE: u64 = 35 * 86_400;
/// How long what has passed is known: it is noted anew once an eighth of max-age is over.
const KNOWN: u64 = MAX_AGE + MAX_AGE / 8;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not before so many seconds are over.
    Deferred(u64),
    /// Accepted for the first time, after so many seconds.
    Passes(u64),
    /// Accepted, and nothing to say about it.
    Known,
}

impl Answer {
    /// What a reply says.
    pub(super) fn of(reply: &str) -> Self {
        let seconds = |text: &str| text.split(' ').next().and_then(|number| number.parse().ok());
        let deferred = reply.strip_prefix("action=DEFER_IF_PERMIT 4.2.0 Wait ").and_then(seconds);
        let passes = reply.strip_prefix("action=PREPEND X-Greylist: delayed ").and_then(seconds);
        match (deferred, passes) {
            (Some(left), _) => Self::Deferred(left),
            (_, Some(delayed)) => Self::Passes(delayed),
            _ if reply == "action=DUNNO" => Self::Known,
            _ => panic!("a reply of another kind: {reply}"),
        }
    }
}

/// When something was last seen of what has been earned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earned(u64);

impl Earned {
    pub(super) fn at(now: u64) -> Self {
        Self(now)
    }

    /// Whether it counts at `now`; if so it was seen.
    pub(super) fn counts(&mut self, now: u64) -> bool {
        let age = now.saturating_sub(self.0);
        if (MAX_AGE / 8 + 1..=KNOWN).contains(&age) {
            self.0 = now;
        }
        age <= KNOWN
    }
}

/// A triplet from a client of its own.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    number: usize,
    first: Option<u64>,
    passed: Option<Earned>,
}

impl Mail {
    /// One that nothing is known of.
    pub(super) fn new(number: usize) -> Self {
        Self { number, first: None, passed: None }
    }

    pub(super) fn request(&self, now: u64) -> Request {
        let address = format!("10.0.{}.1", self.number);
        Request::new(&address, "alice@sender.example", &format!("r{}x@customer.test", self.number)).at(now)
    }

    pub(super) fn has_passed(&self) -> bool {
        self.passed.is_some()
    }

    /// The answer at `now`, which may lie anywhere before or after the time of the one before.
    pub(super) fn answer(&mut self, now: u64) -> Answer {
        if self.passed.as_mut().is_some_and(|passed| passed.counts(now)) {
            return Answer::Known;
        }
        // An attempt counts within the retry window, and not if it lies ahead: then this one is the first.
        let first = self.first.filter(|&first| first <= now && now - first <= WINDOW).unwrap_or(now);
        self.first = Some(first);
        if now - first < DELAY {
            return Answer::Deferred(DELAY - (now - first));
        }
        // What was earned later than now stays the latest.
        self.passed = Some(self.passed.filter(|passed| passed.0 > now).unwrap_or(Earned(now)));
        Answer::Passes(now - first)
    }
}
