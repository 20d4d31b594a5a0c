//! [`Model`]: what is to be answered, after postgrey's documentation and the differences that irongrey documents, and without any
//! of irongrey's code.
//!
//! Times never go back. Triplets and clients are kept by a 64-bit hash: of ten million the chance that any two meet is one in
//! four hundred thousand.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};

use super::asked::Asked;

/// `--retry-window`'s default, in seconds.
const WINDOW: u32 = 2 * 86_400;
/// `--max-age`'s default.
const MAX_AGE: u32 = 35 * 86_400;
/// How long what has passed is known: that it was seen is noted anew once an eighth of max-age is over.
const KNOWN: u32 = MAX_AGE + MAX_AGE / 8;
/// `--auto-whitelist-clients`' default.
const CLIENT_COUNT: u16 = 5;
/// A client is counted once in so many seconds.
const COUNT_INTERVAL: u32 = 3600;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Not before so many seconds are over.
    Deferred(u32),
    /// Accepted for the first time, after so many seconds.
    Passes(u32),
    /// Accepted, and nothing to say about it.
    Known,
}

/// One triplet.
#[derive(Clone, Copy, Debug)]
struct Triplet {
    first: u32,
    /// When it was last noted as seen, once it has passed.
    passed: Option<u32>,
}

/// One client of the auto-whitelist.
#[derive(Clone, Copy, Debug)]
struct Client {
    count: u16,
    last: u32,
}

/// All that has been asked by some client networks.
#[derive(Debug, Default)]
pub(super) struct Model {
    delay: u32,
    triplets: HashMap<u64, Triplet>,
    clients: HashMap<u64, Client>,
}

impl Model {
    pub(super) fn new(delay: u32) -> Self {
        Self { delay, ..Self::default() }
    }

    /// The answer to a request, which is taken into account.
    pub(super) fn answer(&mut self, asked: &Asked) -> Answer {
        let (now, client) = (asked.time, hash(&asked.address));
        if self.is_whitelisted(client, now) {
            return Answer::Known;
        }
        let answer = match self.triplets.entry(hash(&(asked.network, &asked.sender, &asked.recipient))) {
            Entry::Vacant(entry) => {
                entry.insert(Triplet { first: now, passed: None });
                Answer::Deferred(self.delay)
            }
            Entry::Occupied(entry) => entry.into_mut().answer(self.delay, now),
        };
        if matches!(answer, Answer::Passes(_)) {
            self.count(client, now);
        }
        answer
    }

    fn is_whitelisted(&mut self, client: u64, now: u32) -> bool {
        match self.clients.get_mut(&client) {
            Some(client) if client.count >= CLIENT_COUNT && now - client.last <= KNOWN => {
                note_seen(&mut client.last, now);
                true
            }
            _ => false,
        }
    }

    fn count(&mut self, client: u64, now: u32) {
        let client = self.clients.entry(client).or_insert(Client { count: 0, last: 0 });
        if now - client.last > KNOWN {
            *client = Client { count: 1, last: now };
        } else if now - client.last >= COUNT_INTERVAL {
            *client = Client { count: client.count + 1, last: now };
        }
    }
}

impl Triplet {
    fn answer(&mut self, delay: u32, now: u32) -> Answer {
        if let Some(last) = self.passed.as_mut().filter(|last| now - **last <= KNOWN) {
            note_seen(last, now);
            return Answer::Known;
        }
        if now - self.first > WINDOW {
            *self = Self { first: now, passed: None };
        }
        let waited = now - self.first;
        if waited < delay {
            return Answer::Deferred(delay - waited);
        }
        self.passed = Some(now);
        Answer::Passes(waited)
    }
}

fn note_seen(last: &mut u32, now: u32) {
    if now - *last > MAX_AGE / 8 {
        *last = now;
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u32 = 86_400;

    fn ask(model: &mut Model, recipient: &str, time: u32) -> Answer {
        let request = format!(
            "request=smtpd_access_policy\nclient_address=10.1.2.3\nsender=a@b.example\nrecipient={recipient}\ninstance=1\n\
             policy_test_time={time}\n\n"
        );
        model.answer(&Asked::read(request.as_bytes()).unwrap())
    }

    #[test]
    fn a_triplet_waits_passes_and_is_known_until_it_is_forgotten() {
        let mut model = Model::new(300);
        assert_eq!(ask(&mut model, "x@y", DAY), Answer::Deferred(300));
        assert_eq!(ask(&mut model, "x@y", DAY + 299), Answer::Deferred(1));
        assert_eq!(ask(&mut model, "x@y", DAY + 300), Answer::Passes(300));
        assert_eq!(ask(&mut model, "X@Y", DAY + 301), Answer::Known, "the case does not count");
        assert_eq!(ask(&mut model, "x@y", DAY + 300 + KNOWN), Answer::Known);
        assert_eq!(ask(&mut model, "x@y", DAY + 301 + 2 * KNOWN), Answer::Deferred(300));
        assert_eq!(ask(&mut model, "late@y", DAY + 301 + 2 * KNOWN), Answer::Deferred(300));
        assert_eq!(ask(&mut model, "late@y", DAY + 302 + 2 * KNOWN + WINDOW), Answer::Deferred(300), "given up");
    }

    #[test]
    fn a_client_is_whitelisted_once_five_have_passed_an_hour_apart() {
        let mut model = Model::new(60);
        // The second one of an hour is not counted.
        for (hour, recipient) in [(0, "a@y"), (0, "b@y"), (1, "c@y"), (2, "d@y"), (3, "e@y"), (4, "f@y")] {
            for (waited, answer) in [(0, Answer::Deferred(60)), (60, Answer::Passes(60))] {
                assert_eq!(ask(&mut model, recipient, DAY + hour * 3600 + waited), answer, "{recipient}");
            }
        }
        let last = DAY + 4 * 3600 + 60;
        assert_eq!(ask(&mut model, "new@y", last), Answer::Known);
        assert_eq!(ask(&mut model, "new@y", last + KNOWN), Answer::Known);
        assert_eq!(ask(&mut model, "newer@y", last + 2 * KNOWN + 1), Answer::Deferred(60));
    }
}
